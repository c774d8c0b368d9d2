package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/ordercheck"
)

// sendsNothing lists the commands that never write to Temporal.
var sendsNothing = []string{
	"codec", "config", "desk", "fake-inflow", "health", "help", "version", "completion",
	"orders", "rules", "webhooks",
	"dev", // has its own Temporal
}

// gateCommands returns the names of all gate commands, from the help text.
func gateCommands(t *testing.T) (names []string) {
	t.Helper()
	help := startGate(t, nil, "--help")
	listed := false
	for line := range help.lines {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "Available Commands:"):
			listed = true
		case listed && len(fields) == 0:
			listed = false
		case listed:
			names = append(names, fields[0])
		}
	}
	require.Zero(t, help.exit())
	return names
}

// writtenTo returns the length of each history in a namespace, by run.
func (s *stack) writtenTo(c client.Client) map[string]int64 {
	s.t.Helper()
	lengths := map[string]int64{}
	for _, query := range []string{"", "TemporalNamespaceDivision IS NOT NULL"} {
		runs, err := c.ListWorkflow(s.t.Context(),
			&workflowservice.ListWorkflowExecutionsRequest{Query: query})
		require.NoError(s.t, err)
		for _, run := range runs.GetExecutions() {
			described, err := c.DescribeWorkflowExecution(s.t.Context(),
				run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId())
			require.NoError(s.t, err)
			lengths[run.GetExecution().String()] = described.GetWorkflowExecutionInfo().GetHistoryLength()
		}
	}
	return lengths
}

// TestNothingIsSentWithoutTheKeys runs every command and process that writes to Temporal with other
// payload keys than the worker's.
func TestNothingIsSentWithoutTheKeys(t *testing.T) {
	t.Parallel()
	k1, k2 := newPayloadKey("k1"), newPayloadKey("k2")
	for name, tc := range map[string]struct{ worker, command, says string }{
		"keys at the worker only": {k1, "",
			`there is no key "k1": add it to PAYLOAD_KEYS or PAYLOAD_KEYS_FILE`},
		"other keys at the worker": {k1, k2,
			`there is no key "k1": add it to PAYLOAD_KEYS or PAYLOAD_KEYS_FILE`},
		"keys at the command only": {"", k2,
			`its workers have no key "k2": add it to their PAYLOAD_KEYS or PAYLOAD_KEYS_FILE`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testNothingIsSent(t, tc.worker, tc.command, tc.says)
		})
	}
}

func testNothingIsSent(t *testing.T, workerKeys, commandKeys, says string) {
	t.Helper()
	keys := &codec.Keys{}
	if workerKeys != "" {
		keys = payloadKeys(t, workerKeys)
	}
	s := newStack(t, options{noWorker: true, payloadKeys: keys})
	temporal := []string{"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"ADMIN_ADDR=127.0.0.1:0"}
	account := []string{"INFLOW_API_URL=" + s.inflowURL, "INFLOW_COMPANY_ID=" + s.fake.CompanyID(),
		"INFLOW_API_KEY=" + s.fake.APIKey()}
	working := slices.Concat(temporal, account, []string{
		"INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=50ms", "GRACE_PERIOD=0", "SWEEP_EVERY=0",
	})
	startGate(t, append(working, "PAYLOAD_KEYS="+workerKeys), "worker")
	held := s.create("balance-wrong")
	s.waitForStatus(held, ordercheck.StatusFailed)
	missing := uuid.NewString()
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	s.postAccepted(missing)
	require.Eventually(t, func() bool {
		return s.runStatus(missing) == enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	}, waitFor, tick)
	c, err := client.NewLazyClient(client.Options{HostPort: server.Addr, Namespace: s.namespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	s.waitForRecheck() // it writes to the open order
	before := s.writtenTo(c)
	require.GreaterOrEqual(t, len(before), 4, "two orders, the schedule and the record of keys")

	with := func(keys string) []string {
		return slices.Concat(temporal, account, []string{"PAYLOAD_KEYS=" + keys})
	}
	override := []string{"override", held, "--by", "Anna", "--reason", "agreed", "--until", "24h"}
	writing := map[string]func(){}
	for name, args := range map[string][]string{
		"check": {"check", held}, "override": override, "rerun": {"rerun"}, "sweep": {"sweep"},
		"marks": {"marks", "resume"},
	} {
		writing[name] = func() {
			command := startGate(t, with(commandKeys), args...)
			want := 1
			if name == "check" {
				want = 2 // not checked
			}
			assert.Equal(t, want, command.exit(), name)
			assert.Contains(t, command.stderr.String(), says, name)
			assert.Contains(t, command.stderr.String(),
				"nothing was sent to namespace "+s.namespace, name)
		}
	}
	writing["worker"] = func() {
		if workerKeys == "" {
			return // a worker may have new keys: encryption starts there
		}
		work := startGate(t, append(working, "PAYLOAD_KEYS="+commandKeys), "worker")
		assert.Equal(t, 1, work.exit())
		assert.Contains(t, work.stderr.String(), says)
	}
	writing["ingress"] = func() { testIngressSendsNothing(t, held, with(commandKeys), says) }
	for _, name := range gateCommands(t) {
		run, ok := writing[name]
		if !ok {
			assert.Contains(t, sendsNothing, name, "add the command here, or to sendsNothing if "+
				"it never writes to Temporal")
			continue
		}
		run()
		delete(writing, name)
	}
	assert.Empty(t, writing, "commands that do not exist")
	assert.Equal(t, before, s.writtenTo(c))
	assert.Equal(t, ordercheck.StatusFailed, s.report(held).Status)

	// With the worker's keys, the same commands do write.
	rerun := startGate(t, with(workerKeys), "rerun")
	assert.Zero(t, rerun.exit(), rerun.stderr.String())
	command := startGate(t, with(workerKeys), override...)
	assert.Zero(t, command.exit(), command.stderr.String())
	sweep := startGate(t, with(workerKeys), "sweep")
	assert.Zero(t, sweep.exit(), sweep.stderr.String())
	check := startGate(t, with(workerKeys), "check", held)
	assert.Zero(t, check.exit(), check.stderr.String())
	require.Eventually(t, func() bool { return len(s.writtenTo(c)) > len(before) }, waitFor, tick)
}

// testIngressSendsNothing runs an ingress with wrong keys. It refuses deliveries and is not ready.
func testIngressSendsNothing(t *testing.T, order string, env []string, says string) {
	t.Helper()
	const secret = "a-secret-of-the-test-that-is-long"
	port := freePort(t)
	edge := startGate(t, append(env,
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", port), "WEBHOOK_SECRET="+secret), "ingress")
	require.Eventually(t, func() bool { return listensOn(port) }, waitFor, tick)
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	send := startGate(t, []string{"WEBHOOK_SECRET=" + secret}, "webhooks", "send", order,
		"--url", url+"/webhook/inflow")
	assert.Equal(t, 1, send.exit())
	assert.Contains(t, <-send.lines, "503")
	require.EventuallyWithT(t, func(c *assert.CollectT) { // until Temporal has responded
		response, err := http.Get(url + "/readyz") //nolint:noctx // a test of readiness
		require.NoError(c, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(c, err)
		assert.Equal(c, http.StatusServiceUnavailable, response.StatusCode)
		assert.JSONEq(c, `{"error":"nothing may be sent to Temporal; the log says why"}`,
			string(body))
	}, waitFor, tick)
	require.NoError(t, edge.Process.Signal(syscall.SIGTERM))
	assert.Zero(t, edge.exit())
	assert.Contains(t, strings.ReplaceAll(edge.stderr.String(), `\"`, `"`), says)
}
