package livetest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/childprocess"
	"error-check-gate/internal/dev/temporalserver"
)

const (
	serviceReady = 2 * time.Minute
	stopTime     = 40 * time.Second // the unit's TimeoutStopSec
)

// host is a Debian system with systemd, in this test's network.
type host struct {
	leader string // the process id of the host's systemd, as the test sees it
}

// run runs a script as root of the host, in the checkout.
func (h *host) run(t *testing.T, script string) string {
	t.Helper()
	output, err := h.try(t, script)
	require.NoError(t, err, "%s\n%s", script, output)
	return output
}

func (h *host) try(t *testing.T, script string) (output string, err error) {
	t.Helper()
	return try(t, "", []string{"SCRIPT=cd /root/error-check-gate\n" + script, "LEADER=" + h.leader},
		`nsenter --target "$LEADER" --mount --uts --ipc --pid --cgroup --root -- `+
			`bash -o errexit -c "$SCRIPT"`)
}

func bootHost(t *testing.T) *host {
	t.Helper()
	root := filepath.Join(t.TempDir(), "machine")
	inside := filepath.Join(root, "root", "error-check-gate")
	run(t, "../..", []string{"ROOT=" + root, "INSIDE=" + inside, "CHECKOUT=" + checkout(t)}, `
		mkdir "$ROOT"
		tar -C "$ROOT" -xf "$DEBIAN_ROOT"
		systemd-machine-id-setup --root="$ROOT"
		rm -f "$ROOT"/etc/systemd/system/multi-user.target.wants/*
		cp -r "$CHECKOUT" "$INSIDE"
		install -D bin/gate "$INSIDE/bin/gate"`)
	var console bytes.Buffer
	nspawn := exec.Command( //nolint:gosec,noctx // Kill ends it
		"systemd-nspawn", "--boot", "--directory", root, "--register=no", "--keep-unit",
		"--console=pipe", "--quiet")
	nspawn.Stdout, nspawn.Stderr = &console, &console
	child, err := childprocess.Start("systemd-nspawn", nspawn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, child.Kill()) })
	h := &host{}
	eventually(t, serviceReady, "the machine does not boot", func() (bool, string) {
		select {
		case <-child.Done():
			require.Fail(t, "systemd-nspawn ended", "%v\n%s", child.Err(), console.String())
		default:
		}
		pid, err := try(t, "", nil, fmt.Sprintf("pgrep --parent %d --full systemd", child.PID()))
		if err != nil {
			return false, pid
		}
		h.leader = strings.TrimSpace(pid)
		state, _ := h.try(t, "systemctl is-system-running --wait || true")
		return strings.Contains(state, "running") || strings.Contains(state, "degraded"), state
	})
	return h
}

// TestSystemd follows "As services of a machine" of the operations page.
func TestSystemd(t *testing.T) {
	requireNamespaces(t, "TEST_SYSTEMD")
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	h := bootHost(t)
	show := func(unit, property string) string {
		return strings.TrimSpace(h.run(t, "systemctl show --value --property "+property+" gate@"+unit))
	}
	journal := func() string { return h.run(t, "journalctl --no-pager --lines 40 --unit 'gate@*'") }
	ready := func(unit string) {
		t.Helper()
		address := map[string]string{
			"ingress": "127.0.0.1:9464", "worker": "127.0.0.1:9465", "desk": "127.0.0.1:9466",
		}[unit]
		eventually(t, serviceReady, unit+" does not become ready", func() (bool, string) {
			response, err := http.Get("http://" + address + "/readyz") //nolint:noctx // loopback
			if err != nil {
				return false, journal()
			}
			defer response.Body.Close()
			return response.StatusCode == http.StatusOK, journal()
		})
	}

	// Install, with secrets in files.
	h.run(t, `cat > .env <<'END'
TEMPORAL_ADDRESS=`+server.Addr+`
INFLOW_COMPANY_ID=c0ffee00-0000-4000-8000-000000000001
INFLOW_API_KEY_FILE=/etc/gate/inflow_api_key
INFLOW_API_URL=http://127.0.0.1:1
WEBHOOK_SECRET_FILE=/etc/gate/webhook_secret
AUDIT_LOG=/var/log/gate/audit.log
END`)
	install, start, ok := strings.Cut(block(t, "systemd", "install"), "systemctl daemon-reload")
	require.True(t, ok)
	h.run(t, install)
	h.run(t, "for name in inflow_api_key webhook_secret; do "+
		"install -m 640 -g gate deploy/demo/secrets/$name /etc/gate/$name; done")
	h.run(t, "systemctl daemon-reload"+start)
	for _, unit := range []string{"ingress", "worker"} {
		ready(unit)
		assert.Equal(t, "0", show(unit, "NRestarts"), "%s: %s", unit, journal())
		assert.Equal(t, "gate",
			strings.TrimSpace(h.run(t, "stat --format %U /proc/"+show(unit, "MainPID"))))
	}

	// Add the desk, as its page says.
	h.run(t, "printf '%s\\n' DESK_URL=https://orders.example.com DESK_PEOPLE=@example.com "+
		"DESK_SECRET_FILE=/etc/gate/desk_secret >> /etc/gate/gate.env")
	h.run(t, blockOf(t, deskPage, "desk", "systemd"))
	for _, unit := range []string{"desk", "worker"} {
		ready(unit)
		assert.Equal(t, "0", show(unit, "NRestarts"), "%s: %s", unit, journal())
	}

	// The audit log is in the folder that the page names.
	response, err := http.Post( //nolint:noctx // loopback
		"http://127.0.0.1:5000/webhook/inflow", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
	eventually(t, time.Minute, "the audit log has no line", func() (bool, string) {
		log, _ := h.try(t, "cat /var/log/gate/audit.log")
		return strings.Contains(log, `"status":401`), log
	})

	// systemd restarts a crashed service.
	for _, unit := range []string{"ingress", "worker"} {
		h.run(t, "systemctl kill --signal KILL gate@"+unit)
		eventually(t, serviceReady, unit+" is not started again", func() (bool, string) {
			return show(unit, "NRestarts") == "1", journal()
		})
		ready(unit)
	}

	// A stop succeeds.
	for _, unit := range []string{"ingress", "worker"} {
		started := time.Now()
		h.run(t, "systemctl stop gate@"+unit)
		assert.Less(t, time.Since(started), stopTime, unit)
		state := show(unit, "ActiveState") + " " + show(unit, "Result") + " " +
			show(unit, "ExecMainStatus")
		assert.Equal(t, "inactive success 0", state, journal())
	}

	// systemd does not retry after a wrong setting. If it did, the state would be "activating".
	h.run(t, "echo SWEEP_EVERY=tomorrow >> /etc/gate/worker.env; systemctl start gate@worker || true")
	eventually(t, serviceReady, "the worker keeps running", func() (bool, string) {
		return show("worker", "ActiveState") == "failed", journal()
	})
	assert.Equal(t, "2 0", show("worker", "ExecMainStatus")+" "+show("worker", "NRestarts"))
	status, _ := h.try(t, "systemctl status --no-pager --full gate@worker")
	assert.Contains(t, status, "SWEEP_EVERY")
	h.run(t, "sed -i /SWEEP_EVERY/d /etc/gate/worker.env; systemctl start gate@worker")
	ready("worker")

	// The services start at boot.
	assert.Equal(t, "enabled\nenabled\n", h.run(t, "systemctl is-enabled gate@ingress gate@worker"))
	h.run(t, "systemctl stop gate@worker")
}
