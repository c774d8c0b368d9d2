package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInterruptEndsACommandThatWaitsForInput checks that Ctrl-C at a terminal ends a command that
// waits for somebody to type its standard input.
func TestInterruptEndsACommandThatWaitsForInput(t *testing.T) {
	t.Setenv("WEBHOOK_SECRET", "whsec-of-the-test-0123456789")
	for name, args := range map[string][]string{
		"orders":           {"rules", "eval", "--order", "-"},
		"a body to sign":   {"webhooks", "sign"},
		"a body to verify": {"webhooks", "verify", "--signature", "x", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			interrupted := errors.New("interrupt signal received")
			ctx, interrupt := context.WithCancelCause(t.Context())
			typed, keyboard := io.Pipe()
			defer keyboard.Close() //nolint:errcheck // a pipe in memory
			root := newRootCommand()
			root.SetArgs(args)
			root.SetIn(reading{typed, func() { interrupt(interrupted) }})
			root.SetOut(io.Discard)
			root.SetErr(io.Discard)
			err := root.ExecuteContext(ctx)
			require.ErrorIs(t, err, interrupted)
			assert.NotContains(t, err.Error(), "JSON", "the error must not be about the input")
		})
	}
}

// reading is a reader that calls begins before each read.
type reading struct {
	io.Reader
	begins func()
}

func (r reading) Read(into []byte) (int, error) {
	r.begins()
	return r.Reader.Read(into)
}

// TestNamedPipeWithoutAWriterIsEmpty checks that such a pipe is empty and does not make a command
// hang.
func TestNamedPipeWithoutAWriterIsEmpty(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, _, status, err := runGate(t, "", "rules", "eval", "--order", pipe)
	assert.Equal(t, exitNotChecked, status)
	require.ErrorContains(t, err, "has no order")
	for _, variable := range []string{
		"RULES_FILE", "PAYLOAD_KEYS_FILE", "INFLOW_API_KEY_FILE", "SMTP_PASSWORD_FILE",
		"WEBHOOK_SECRET_FILE",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, pipe)
			_, faults, status, _ := runGate(t, "", "config")
			assert.Equal(t, exitUsage, status)
			assert.Contains(t, faults, variable+": ")
		})
	}
}
