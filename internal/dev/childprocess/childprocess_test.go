package childprocess_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/childprocess"
)

func start(t *testing.T, script string) *childprocess.Child {
	t.Helper()
	child, err := childprocess.Start("the sleeper",
		exec.CommandContext(t.Context(), "/bin/sh", "-c", script))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, child.Kill()) })
	return child
}

const sleep = "exec sleep 1000"

func TestStopEndsTheChildWithoutAnError(t *testing.T) {
	child := start(t, sleep)
	require.NoError(t, child.Stop())
	<-child.Done()
	require.NoError(t, child.Err())
	require.ErrorIs(t, syscall.Kill(child.PID(), 0), syscall.ESRCH)
	require.NoError(t, child.Stop(), "stopping twice is fine")
}

func TestKillEndsTheChildWithoutAnError(t *testing.T) {
	child := start(t, sleep)
	require.NoError(t, child.Kill())
	<-child.Done()
	require.NoError(t, child.Err())
}

func TestErrSaysHowTheChildEnded(t *testing.T) {
	for script, want := range map[string]string{
		"exit 3": "the sleeper ended by itself (exit status 3)",
		"exit 0": "the sleeper ended by itself (exit status 0)",
	} {
		child := start(t, script)
		<-child.Done()
		require.EqualError(t, child.Err(), want)
		require.NoError(t, child.Stop())
	}
	child := start(t, sleep)
	require.NoError(t, child.Err(), "it runs")
	require.NoError(t, syscall.Kill(child.PID(), syscall.SIGKILL))
	<-child.Done()
	require.EqualError(t, child.Err(), "the sleeper ended by itself (signal: killed)")
}

func TestMissingProgramIsAnError(t *testing.T) {
	_, err := childprocess.Start("the sleeper",
		exec.CommandContext(t.Context(), filepath.Join(t.TempDir(), "none")))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "start the sleeper")
}

func TestFindCommandLooksAtTheVariableThenThePathThenBin(t *testing.T) {
	const name, variable = "gate-test-command", "GATE_TEST_COMMAND"
	folder := t.TempDir()
	command := func(path ...string) string {
		file := filepath.Join(append([]string{folder}, path...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o700))
		return file
	}
	t.Setenv(variable, "")
	t.Setenv("PATH", filepath.Join(folder, "path"))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "deep", "down"), 0o700))
	t.Chdir(filepath.Join(folder, "deep", "down"))

	_, err := childprocess.FindCommand(name, variable)
	require.ErrorContains(t, err, "run 'make gate-test-command'")

	inBin := command("bin", name)
	found, err := childprocess.FindCommand(name, variable)
	require.NoError(t, err)
	assert.Equal(t, inBin, found)

	onPath := command("path", name)
	found, err = childprocess.FindCommand(name, variable)
	require.NoError(t, err)
	assert.Equal(t, onPath, found)

	named := command("elsewhere")
	t.Setenv(variable, named)
	found, err = childprocess.FindCommand(name, variable)
	require.NoError(t, err)
	assert.Equal(t, named, found)

	t.Setenv(variable, filepath.Join(folder, "none"))
	_, err = childprocess.FindCommand(name, variable)
	require.ErrorContains(t, err, "GATE_TEST_COMMAND names no command")
}
