package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// runGate runs a command as main does, and returns its output, its exit status and its error.
func runGate(
	t *testing.T, stdin string, args ...string,
) (stdout, stderr string, status int, err error) {
	t.Helper()
	root := newRootCommand()
	var out, errOut bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errOut)
	err = root.ExecuteContext(t.Context())
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		status = exit.code
	case err != nil:
		status = exitFault
	}
	return out.String(), errOut.String(), status, err
}
