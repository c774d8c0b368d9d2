// Package livetest_test runs the deployments of docs/operations.md and docs/desk.md for real: the
// systemd unit ('make test-systemd') and the compose files ('make test-compose'). Both need root.
//
// Each test runs in new namespaces, on a Debian system that debootstrap makes once per user. make
// installs debootstrap and, for the first test, systemd-container on this machine. Docker and its
// Compose plugin are only on the Debian system. No image is pulled: images/ has Dockerfiles of
// stand-ins for the images that the compose files name, and the gate's image is built with its own
// Dockerfile.
package livetest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	operationsPage = "../../docs/operations.md"
	deskPage       = "../../docs/desk.md"
)

// block returns the commands of the operations page after the comment "<!-- kind: name -->".
func block(t *testing.T, kind, name string) string {
	t.Helper()
	return blockOf(t, operationsPage, kind, name)
}

func blockOf(t *testing.T, file, kind, name string) string {
	t.Helper()
	page, err := os.ReadFile(file) //nolint:gosec // a page in the repository
	require.NoError(t, err)
	pattern := regexp.MustCompile(`(?m)^<!-- ` + kind + `: ` + name + ` -->\n\n((?:    .*\n)+)`)
	found := pattern.FindSubmatch(page)
	require.NotNil(t, found, "%s has no block %s: %s", file, kind, name)
	return regexp.MustCompile(`(?m)^    `).ReplaceAllString(string(found[1]), "")
}

// requireNamespaces skips or fails a test that 'go test -exec unshare' did not start, because it
// would change this machine.
func requireNamespaces(t *testing.T, variable string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		target := strings.ToLower(strings.ReplaceAll(variable, "_", "-"))
		t.Skip("needs root and minutes: 'make " + target + "' runs it")
	}
	require.Equal(t, 1, os.Getpid(),
		"this test needs namespaces of its own: the Makefile has the command")
	run(t, "", nil, "ip link set lo up && mount -t tmpfs tmpfs /run")
}

// checkout copies the work tree without ignored files.
func checkout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "error-check-gate")
	require.NoError(t, os.Mkdir(dir, 0o755)) //nolint:gosec // containers' users go through it
	run(t, "../..", []string{"CHECKOUT=" + dir},
		`git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$CHECKOUT"`)
	return dir
}

// run runs a script, and ends the test if a command fails.
func run(t *testing.T, dir string, env []string, script string) string {
	t.Helper()
	output, err := try(t, dir, env, script)
	require.NoError(t, err, "%s\n%s", script, output)
	return output
}

// try runs a script until a command fails.
func try(t *testing.T, dir string, env []string, script string) (output string, err error) {
	t.Helper()
	return tryCommand(t, dir, env, "bash", "-o", "errexit", "-o", "pipefail", "-c", script)
}

// tryCommand runs a command, with a time limit for a slow machine.
func tryCommand(t *testing.T, dir string, env []string, line ...string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, line[0], line[1:]...) //nolint:gosec // the test's and the page's own
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	var written bytes.Buffer
	command.Stdout, command.Stderr = &written, &written
	err = command.Run()
	return written.String(), errors.Join(err, ctx.Err())
}

// eventually calls ask until it returns true. If that takes too long, the test fails with the last
// answer.
func eventually(
	t *testing.T, patience time.Duration, what string, ask func() (yes bool, answer string),
) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		yes, answer := ask()
		if yes {
			return
		}
		if time.Now().After(deadline) {
			require.Fail(t, what, answer)
		}
		time.Sleep(500 * time.Millisecond)
	}
}
