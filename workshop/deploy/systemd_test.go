package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSystemdAcceptsTheUnit verifies the unit with systemd, if it is installed.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	const unit = "../../deploy/systemd/gate@.service"
	text, err := os.ReadFile(unit)
	require.NoError(t, err)
	assert.Contains(t, string(text), "\nUser=gate\n")
	assert.Contains(t, string(text), "\nRestartPreventExitStatus=2\n",
		"systemd would restart a process with a wrong setting forever")
	timeout := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindSubmatch(text)
	require.NotNil(t, timeout)
	seconds, err := strconv.Atoi(string(timeout[1]))
	require.NoError(t, err)
	assert.Greater(t, seconds, 30, "an ingress has no time to drain")
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	copied := filepath.Join(t.TempDir(), "gate@.service")
	require.NoError(t, os.WriteFile(copied,
		bytes.ReplaceAll(text, []byte("ExecStart=/usr/local/bin/gate"), []byte("ExecStart=/bin/true")),
		0o600))
	output, err := exec.CommandContext(t.Context(), analyze, "verify", copied).CombinedOutput()
	require.NoError(t, err, "%s", output)
	for line := range strings.Lines(string(output)) {
		assert.NotContains(t, line, "gate@", "systemd does not understand a line")
	}
}
