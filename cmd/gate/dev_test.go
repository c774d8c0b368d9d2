//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFindDevProgram looks beside gate first, then on the PATH.
func TestFindDevProgram(t *testing.T) {
	beside, onPath := t.TempDir(), t.TempDir()
	t.Setenv("PATH", onPath)
	_, err := findDevProgram(beside)
	require.ErrorContains(t, err,
		"gate-dev is neither in "+beside+" nor on the PATH; build it with 'make build'")

	for _, folder := range []string{onPath, beside} {
		program := filepath.Join(folder, "gate-dev")
		require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700)) //nolint:gosec // a program
		found, err := findDevProgram(beside)
		require.NoError(t, err)
		assert.Equal(t, program, found)
	}
}

// TestDevCommandsBecomeTheProgram runs 'gate dev' and 'gate fake-inflow' in processes of their own,
// with a script as gate-dev.
func TestDevCommandsBecomeTheProgram(t *testing.T) {
	if os.Getenv("BECOME") != "" {
		os.Exit(run(t.Context(), strings.Fields(os.Getenv("BECOME"))))
	}
	t.Parallel()
	folder := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" in \"$SETTING\"\nexit 7\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "gate-dev"), []byte(script), 0o700)) //nolint:gosec // a program
	for command, want := range map[string]string{
		"dev --help":                "--help in ours\n",
		"fake-inflow --listen :0 x": "fake-inflow --listen :0 x in ours\n",
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestDevCommandsBecomeTheProgram$") //nolint:gosec // this test
		cmd.Env = append(os.Environ(), "BECOME="+command, "SETTING=ours", "PATH="+folder)
		output, err := cmd.Output()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, command)
		assert.Equal(t, 7, exit.ExitCode(), command)
		assert.Equal(t, want, string(output), command)
	}
}
