package e2e_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// recipes returns the commands of a page by the name in the comment before them.
func recipes(t *testing.T, page string) map[string][]string {
	t.Helper()
	file, err := os.Open(page)
	require.NoError(t, err)
	defer file.Close()
	marker := regexp.MustCompile(`^<!-- recipe: (\S+) -->$`)
	found := map[string][]string{}
	name := ""
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		line := scanner.Text()
		switch match := marker.FindStringSubmatch(line); {
		case match != nil:
			name = match[1]
		case strings.HasPrefix(line, "    ") && name != "":
			found[name] = append(found[name], strings.TrimSpace(line))
		case line != "":
			name = ""
		}
	}
	require.NoError(t, scanner.Err())
	return found
}

// shell runs a command of a page unchanged, with the real temporal and gate commands.
func (s *stack) shell(command, id string) (output string, err error) {
	s.t.Helper()
	return s.shellIn("", strings.ReplaceAll(command, "SALES_ORDER_ID", id))
}

// shellIn runs a script in a folder. Empty means the current one.
func (s *stack) shellIn(folder, script string) (output string, err error) {
	s.t.Helper()
	cli, err := temporalserver.FindCLI()
	require.NoError(s.t, err)
	gate, err := buildGate()
	require.NoError(s.t, err)
	//nolint:gosec // a command from the docs
	shell := exec.CommandContext(s.t.Context(), "sh", "-c",
		`temporal() { "$TEMPORAL" "$@"; }; gate() { "$GATE" "$@"; }; `+script)
	shell.Env = append(os.Environ(), "TEMPORAL="+cli, "GATE="+gate, "TEMPORAL_ADDRESS="+server.Addr,
		"TEMPORAL_NAMESPACE="+s.namespace)
	shell.Dir = folder
	data, err := shell.CombinedOutput()
	return string(data), err
}

// TestOperationsPage runs every recipe of docs/operations.md.
func TestOperationsPage(t *testing.T) {
	t.Parallel()
	page := recipes(t, "../../docs/operations.md")
	tried := map[string]bool{}
	s := newStack(t, options{settings: orderlife.Settings{
		SettleQuiet: time.Millisecond, SettleMax: time.Second, HoldMax: time.Hour,
	}, sweep: byHand, digest: rarely})
	run := func(recipe, id string) string {
		t.Helper()
		tried[recipe] = true
		require.NotEmpty(t, page[recipe], "the page has no recipe %q", recipe)
		var all strings.Builder
		for _, command := range page[recipe] {
			output, err := s.shell(command, id)
			require.NoError(t, err, "%s\n%s", command, output)
			all.WriteString(output)
		}
		return all.String()
	}
	hold := func(sample string) string {
		t.Helper()
		id := s.create(sample)
		s.waitForRun(id)
		require.Eventually(t, func() bool {
			return s.report(id).Status == ordercheck.StatusFailed
		}, waitFor, tick)
		return id
	}
	ended := func(id string, want enumspb.WorkflowExecutionStatus) {
		t.Helper()
		require.Eventually(t, func() bool {
			answer, err := s.temporal.DescribeWorkflowExecution(t.Context(),
				ordercheck.WorkflowID(id), "")
			return err == nil && answer.GetWorkflowExecutionInfo().GetStatus() == want
		}, waitFor, tick)
	}

	run("cluster-health", "")
	run("backlog", "")
	run("retention", "")
	namespace, err := s.temporal.WorkflowService().DescribeNamespace(t.Context(),
		&workflowservice.DescribeNamespaceRequest{Namespace: s.namespace})
	require.NoError(t, err)
	assert.Equal(t, 360*time.Hour,
		namespace.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	startGate(t, []string{"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"ADMIN_ADDR=" + admin,
		"LISTEN_ADDR=127.0.0.1:0", "WEBHOOK_SECRET=whsec-0123456789abcdef"}, "ingress")
	require.Eventually(t, func() bool {
		return answers(t.Context(), "http://"+admin+"/readyz")
	}, waitFor, tick)
	for recipe, environment := range map[string]string{
		"health": "ADMIN_ADDR=" + admin,
		"config": "WEBHOOK_SECRET=whsec-0123456789abcdef INFLOW_COMPANY_ID=6f1c " +
			"INFLOW_API_KEY=an-api-key",
	} {
		tried[recipe] = true
		require.Len(t, page[recipe], 1)
		output, err := s.shell("export "+environment+"; "+page[recipe][0], "")
		require.NoError(t, err, output)
	}

	held := hold("balance-wrong")
	require.Eventually(t, func() bool {
		return strings.Contains(run("count", ""), "Running")
	}, waitFor, tick)
	require.Eventually(t, func() bool {
		return strings.Contains(run("list-held", held), ordercheck.WorkflowID(held))
	}, waitFor, tick)
	run("list-handing-over", "")
	s.digestNow() // waits until the schedule exists
	run("digest-now", "")
	run("list-warnings", "")
	assert.Contains(t, run("report", held), "balance")
	for _, recipe := range []string{"check-open", "check-any"} {
		before := len(s.fetches(held))
		run(recipe, held)
		require.Eventually(t, func() bool { return len(s.fetches(held)) > before }, waitFor, tick)
	}
	run("allowance-backlog", held)
	run("allowance-lower", held)
	queue, err := s.temporal.WorkflowService().DescribeTaskQueue(t.Context(),
		&workflowservice.DescribeTaskQueueRequest{
			Namespace: s.namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: ordercheck.InflowTaskQueue},
			TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, ReportConfig: true,
		})
	require.NoError(t, err)
	assert.Equal(t, "import done", queue.GetConfig().GetQueueRateLimit().GetMetadata().GetReason())
	tried["check"] = true
	output, err := s.shell(page["check"][0], held)
	require.Error(t, err, "the order has errors")
	assert.Contains(t, output, "balance")
	assert.Len(t, s.runs(held), 1, "the hold was not disturbed")

	// A rerun skips held orders and orders that passed.
	passed := s.create("plain")
	s.mustResult(passed)
	key := s.fake.APIKey()
	s.fake.SetAPIKey("another-key-at-inflow")
	var failed [2]string
	for i := range failed {
		failed[i] = s.create([]string{"percent-discount", "fully-paid"}[i])
		_, err := s.result(failed[i])
		require.Error(t, err)
	}
	require.Eventually(t, func() bool {
		list := run("list-failed", "")
		return strings.Contains(list, failed[0]) && strings.Contains(list, failed[1])
	}, waitFor, tick)
	s.fake.SetAPIKey(key)
	run("rerun-one", failed[0])
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(failed[0]).Status)
	run("rerun-one", passed)
	run("rerun-one", held)
	output = run("rerun-all", "")
	assert.Contains(t, output, failed[1]+" would be checked again")
	assert.Contains(t, output, failed[1]+" is checked again")
	assert.NotContains(t, output, passed)
	assert.NotContains(t, output, held)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(failed[1]).Status)
	assert.Len(t, s.runs(held), 1)
	assert.Len(t, s.runs(passed), 1, "a passed order is not rerun")

	run("override", held)
	report := s.waitForReport(held, ordercheck.StatusOverridden)
	assert.Equal(t, "Anna Meier", report.Findings[0].Override.By)
	// After another delivery, the override is still in force.
	fetches := len(s.fetches(held))
	s.postAccepted(held)
	require.Eventually(t, func() bool { return len(s.fetches(held)) > fetches }, waitFor, tick)
	assert.Equal(t, ordercheck.StatusOverridden, s.checkNow(held).Status)
	assert.Len(t, s.runs(held), 1)

	run("comment", held)
	timeline := s.report(held).Timeline
	assert.Equal(t, "The customer was asked", timeline[len(timeline)-1].Text)

	another := hold("total-wrong")
	run("override-update", another)
	s.waitForReport(another, ordercheck.StatusOverridden)
	third := hold("no-lines")
	run("end", third)
	ended(third, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)

	require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true, Times: 1}))
	unannounced := s.createRecent("plain")
	assert.Regexp(t, regexp.MustCompile(`(?m)`+unannounced+` +missed, is checked now$`),
		run("sweep", ""))
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(unannounced).Status)
	assert.Contains(t, run("sweep-schedule", ""), ordercheck.SweepWorkflowType)
	require.Eventually(t, func() bool {
		return strings.Contains(run("sweep-list", ""), ordercheck.SweepScheduleID)
	}, waitFor, tick)
	run("sweep-pause", "")
	described, err := s.schedule().Describe(t.Context())
	require.NoError(t, err)
	assert.False(t, described.Schedule.State.Paused)

	for name := range page {
		assert.True(t, tried[name], fmt.Sprintf("recipe %q of the page is not tested", name))
	}
}
