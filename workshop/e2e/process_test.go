package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

type devPorts struct{ ingress, desk, admin, inflow, temporal, ui, smtp, mail, codec int }

func devEnvironment(t *testing.T, dir string) (env []string, ports devPorts) {
	t.Helper()
	cli, err := temporalserver.FindCLI()
	require.NoError(t, err)
	mailpit, err := mailcatcher.FindCLI()
	require.NoError(t, err)
	ports = devPorts{freePort(t), freePort(t), freePort(t), freePort(t), freePort(t), freePort(t),
		freePort(t), freePort(t), freePort(t)}
	return []string{
		"TEMPORAL_CLI=" + cli, "MAILPIT_CLI=" + mailpit, "DEV_DIR=" + dir, "SETTLE_QUIET=100ms",
		"GRACE_PERIOD=1s",
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", ports.ingress),
		fmt.Sprintf("DESK_ADDR=127.0.0.1:%d", ports.desk),
		fmt.Sprintf("ADMIN_ADDR=127.0.0.1:%d", ports.admin),
		fmt.Sprintf("DEV_INFLOW_ADDR=127.0.0.1:%d", ports.inflow),
		fmt.Sprintf("DEV_TEMPORAL_PORT=%d", ports.temporal),
		fmt.Sprintf("DEV_TEMPORAL_UI_PORT=%d", ports.ui),
		fmt.Sprintf("DEV_SMTP_PORT=%d", ports.smtp),
		fmt.Sprintf("DEV_MAIL_ADDR=127.0.0.1:%d", ports.mail),
		// With keys, there is a codec server too.
		"PAYLOAD_KEYS=" + newPayloadKey("dev"),
		fmt.Sprintf("CODEC_LISTEN_ADDR=127.0.0.1:%d", ports.codec),
	}, ports
}

// childrenOf returns the processes whose command line contains dir.
func childrenOf(t *testing.T, dir string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(data, []byte(dir)) {
			continue // it has ended, or belongs to somebody else
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

func TestDevShowsSampleOrdersAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	env, ports := devEnvironment(t, dir)

	first := startGate(t, env, "dev")
	first.waitForLine(func(line string) bool { return strings.HasPrefix(line, "ORDER") })
	seen := map[string]bool{}
	first.waitForLine(func(line string) bool {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "SO-") {
			return false
		}
		seen[fields[1]] = true
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80,
			"a row fits a terminal: %s", line)
		// after the edit that adds an error
		return strings.HasPrefix(line, "SO-001041") && fields[1] == "failed"
	})
	assert.True(t, seen["passed"])
	assert.True(t, seen["failed"])
	require.NotEmpty(t, childrenOf(t, dir))
	require.NoError(t, first.Process.Signal(syscall.SIGINT))
	assert.Equal(t, 0, first.exit(), first.stderr.String())
	assert.Empty(t, childrenOf(t, dir), "no child process is left")
	for _, port := range []int{ports.ingress, ports.desk, ports.admin, ports.inflow, ports.temporal,
		ports.ui, ports.smtp, ports.mail, ports.codec} {
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}

	restarted := time.Now().UTC().Format(time.RFC3339)
	second := startGate(t, env, "dev")
	second.waitForLine(func(line string) bool { return strings.HasPrefix(line, "SO-") })
	cli, err := temporalserver.FindCLI()
	require.NoError(t, err)
	//nolint:gosec // the temporal command
	output, err := exec.CommandContext(t.Context(), cli, "workflow", "count",
		"--address", fmt.Sprintf("127.0.0.1:%d", ports.temporal), "--query",
		"StartTime < '"+restarted+"'", "-o", "json").Output()
	require.NoError(t, err)
	var counted struct {
		Count string `json:"count"`
	}
	require.NoError(t, json.Unmarshal(output, &counted))
	count, err := strconv.Atoi(counted.Count)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, count, 17, "the history of the first start is still there")

	// If a child process dies, gate prints one line and exits with status 1.
	for _, pid := range childrenOf(t, filepath.Join(dir, "temporal.db")) {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	assert.Equal(t, 1, second.exit())
	assert.Equal(t, "gate-dev: the Temporal development server ended by itself (signal: killed)\n",
		second.stderr.String())
	assert.Empty(t, childrenOf(t, dir))
}

func TestDevReportsAPortInUse(t *testing.T) {
	t.Parallel()
	for i, variable := range []string{"LISTEN_ADDR", "DESK_ADDR", "ADMIN_ADDR", "DEV_INFLOW_ADDR",
		"DEV_TEMPORAL_PORT", "DEV_TEMPORAL_UI_PORT", "DEV_SMTP_PORT", "DEV_MAIL_ADDR",
		"CODEC_LISTEN_ADDR"} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "state")
			env, ports := devEnvironment(t, dir)
			port := []int{ports.ingress, ports.desk, ports.admin, ports.inflow, ports.temporal,
				ports.ui, ports.smtp, ports.mail, ports.codec}[i]
			var lc net.ListenConfig
			taken, err := lc.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			require.NoError(t, err)
			defer taken.Close()

			c := startGate(t, env, "dev")
			assert.Equal(t, 1, c.exit())
			message := c.stderr.String()
			assert.Equal(t, 1, strings.Count(message, "\n"), message)
			assert.Contains(t, message, variable)
			assert.Contains(t, message, strconv.Itoa(port))
			assert.Contains(t, message, "address already in use")
			assert.Empty(t, childrenOf(t, dir))
		})
	}
}

func TestDevWithoutTheTemporalCommand(t *testing.T) {
	t.Parallel()
	env, _ := devEnvironment(t, filepath.Join(t.TempDir(), "state"))
	c := startGate(t, append(env, "TEMPORAL_CLI=", "PATH=/nowhere"), "dev")
	assert.Equal(t, 1, c.exit())
	assert.Contains(t, c.stderr.String(), "make temporal")
	assert.Equal(t, 1, strings.Count(c.stderr.String(), "\n"))
}

// TestProductionProcesses runs 'gate ingress' and 'gate worker' as an operator does, sends
// deliveries and stops both.
func TestProductionProcesses(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})
	temporal := []string{"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"ADMIN_ADDR=127.0.0.1:0"}

	const secret = "a-secret-of-the-test-that-is-long"
	port := freePort(t)
	edge := startGate(t, append(temporal, fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", port),
		"WEBHOOK_SECRET="+secret), "ingress")
	work := startGate(t, append(temporal, "INFLOW_API_URL="+s.inflowURL,
		"INFLOW_COMPANY_ID="+s.fake.CompanyID(),
		"INFLOW_API_KEY="+s.fake.APIKey(), "INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=50ms"),
		"worker")

	var err error
	s.keys, err = inflow.ParseSecrets(secret)
	require.NoError(t, err)
	s.url = fmt.Sprintf("http://127.0.0.1:%d/webhook/inflow", port)
	require.Eventually(t, func() bool {
		var dialer net.Dialer
		connection, err := dialer.DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		return err == nil && connection.Close() == nil
	}, waitFor, tick)

	right, wrong := s.sample("plain"), s.sample("balance-wrong")
	for _, order := range []map[string]any{right, wrong} {
		_, err := s.fake.AddOrder(order)
		require.NoError(t, err)
	}
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	id := right["salesOrderId"].(string)
	status, _ := s.post(id)
	require.Equal(t, 200, status)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)

	for _, tc := range []struct {
		id     string
		status int
		says   string
	}{
		{id, 0, `"status":"passed"`},
		{wrong["salesOrderId"].(string), 1, `"ruleId":"balance"`},
		{"no-such-order", 2, ""},
	} {
		check := startGate(t, temporal, "check", tc.id, "--json")
		assert.Equal(t, tc.status, check.exit(), check.stderr.String())
		if tc.says != "" {
			assert.Contains(t, <-check.lines, tc.says)
		} else {
			assert.Contains(t, check.stderr.String(), ordercheck.ErrorOrderNotFound)
		}
	}

	for _, c := range []*command{edge, work} {
		require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		assert.Equal(t, 0, c.exit(), c.stderr.String())
		assert.NotContains(t, c.stderr.String(), secret)
		assert.NotContains(t, c.stderr.String(), s.fake.APIKey())
	}
}

func TestProcessesReportAllFaultsOfTheirSettings(t *testing.T) {
	t.Parallel()
	c := startGate(t, []string{"SETTLE_QUIET=soon", "INFLOW_REQUESTS_PER_MINUTE=0"}, "worker")
	assert.Equal(t, 2, c.exit())
	for _, variable := range []string{"INFLOW_COMPANY_ID", "INFLOW_API_KEY", "SETTLE_QUIET",
		"INFLOW_REQUESTS_PER_MINUTE"} {
		assert.Contains(t, c.stderr.String(), variable)
	}
	c = startGate(t, []string{"WEBHOOK_SECRET=short"}, "ingress")
	assert.Equal(t, 2, c.exit())
	assert.Contains(t, c.stderr.String(), "WEBHOOK_SECRET")
	assert.Contains(t, c.stderr.String(), "16")
	assert.NotContains(t, c.stderr.String(), "short\n")
}
