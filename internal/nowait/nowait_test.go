package nowait_test

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/nowait"
)

func TestPipeWithoutAWriter(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	file, err := nowait.Open(pipe) // os.Open would hang
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	assert.Empty(t, content)
	require.NoError(t, file.Close())

	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("text"), 0o600))
	file, err = nowait.Open(plain)
	require.NoError(t, err)
	content, err = io.ReadAll(file)
	require.NoError(t, err)
	assert.Equal(t, "text", string(content))
	require.NoError(t, file.Close())
}

// TestSlowWriter checks a pipe whose writer is slow to write, such as the shell's <(command).
func TestSlowWriter(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	both, err := os.OpenFile(pipe, os.O_RDWR, 0)
	require.NoError(t, err)
	file, err := nowait.Open(pipe)
	require.NoError(t, err)
	defer file.Close() //nolint:errcheck // only read
	go func() {
		_, err := both.WriteString("secret")
		assert.NoError(t, err)
		assert.NoError(t, both.Close())
	}()
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	assert.Equal(t, "secret", string(content))
}
