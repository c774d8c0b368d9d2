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
	p := &operationsPage{t: t, recipes: recipes(t, "../../docs/operations.md"),
		tried: map[string]bool{}}
	p.s = newStack(t, options{settings: orderlife.Settings{
		SettleQuiet: time.Millisecond, SettleMax: time.Second, HoldMax: time.Hour,
	}, sweep: byHand, digest: rarely})
	p.lookAtTheCluster()
	p.useAHeldOrder()
	p.rerunFailedOrders()
	p.overrideAndComment()
	p.endHoldsAndSweep()
	for name := range p.recipes {
		assert.True(t, p.tried[name], "recipe %q of the page is not tested", name)
	}
}

// operationsPage runs the recipes of docs/operations.md with a stack.
type operationsPage struct {
	t       *testing.T
	s       *stack
	recipes map[string][]string
	tried   map[string]bool
	held    string // id of a held order
}

// run runs a recipe for an order and returns its output.
func (p *operationsPage) run(recipe, id string) string {
	p.t.Helper()
	p.tried[recipe] = true
	require.NotEmpty(p.t, p.recipes[recipe], "the page has no recipe %q", recipe)
	var all strings.Builder
	for _, command := range p.recipes[recipe] {
		output, err := p.s.shell(command, id)
		require.NoError(p.t, err, "%s\n%s", command, output)
		all.WriteString(output)
	}
	return all.String()
}

func (p *operationsPage) hold(sample string) (id string) {
	p.t.Helper()
	id = p.s.create(sample)
	p.s.waitForReport(id, ordercheck.StatusFailed)
	return id
}

func (p *operationsPage) ended(id string, want enumspb.WorkflowExecutionStatus) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		answer, err := p.s.temporal.DescribeWorkflowExecution(p.t.Context(),
			ordercheck.WorkflowID(id), "")
		return err == nil && answer.GetWorkflowExecutionInfo().GetStatus() == want
	}, waitFor, tick)
}

// lookAtTheCluster runs the recipes about Temporal, health and settings.
func (p *operationsPage) lookAtTheCluster() {
	p.t.Helper()
	p.run("cluster-health", "")
	p.run("backlog", "")
	p.run("retention", "")
	namespace, err := p.s.temporal.WorkflowService().DescribeNamespace(p.t.Context(),
		&workflowservice.DescribeNamespaceRequest{Namespace: p.s.namespace})
	require.NoError(p.t, err)
	assert.Equal(p.t, 360*time.Hour,
		namespace.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(p.t))
	startGate(p.t, []string{"TEMPORAL_ADDRESS=" + server.Addr,
		"TEMPORAL_NAMESPACE=" + p.s.namespace,
		"ADMIN_ADDR=" + admin,
		"LISTEN_ADDR=127.0.0.1:0", "WEBHOOK_SECRET=whsec-0123456789abcdef"}, "ingress")
	require.Eventually(p.t, func() bool {
		return answers(p.t.Context(), "http://"+admin+"/readyz")
	}, waitFor, tick)
	for recipe, environment := range map[string]string{
		"health": "ADMIN_ADDR=" + admin,
		"config": "WEBHOOK_SECRET=whsec-0123456789abcdef INFLOW_COMPANY_ID=6f1c " +
			"INFLOW_API_KEY=an-api-key",
	} {
		p.tried[recipe] = true
		require.Len(p.t, p.recipes[recipe], 1)
		output, err := p.s.shell("export "+environment+"; "+p.recipes[recipe][0], "")
		require.NoError(p.t, err, output)
	}
}

// useAHeldOrder finds a held order, looks at it and checks it again.
func (p *operationsPage) useAHeldOrder() {
	p.t.Helper()
	p.held = p.hold("balance-wrong")
	require.Eventually(p.t, func() bool {
		return strings.Contains(p.run("count", ""), "Running")
	}, waitFor, tick)
	require.Eventually(p.t, func() bool {
		return strings.Contains(p.run("list-held", p.held), ordercheck.WorkflowID(p.held))
	}, waitFor, tick)
	p.run("list-handing-over", "")
	p.s.digestNow() // waits until the schedule exists
	p.run("digest-now", "")
	p.run("list-warnings", "")
	assert.Contains(p.t, p.run("report", p.held), "balance")
	for _, recipe := range []string{"check-open", "check-any"} {
		before := len(p.s.fetches(p.held))
		p.run(recipe, p.held)
		require.Eventually(p.t, func() bool {
			return len(p.s.fetches(p.held)) > before
		}, waitFor, tick)
	}
	p.run("allowance-backlog", p.held)
	p.run("allowance-lower", p.held)
	queue, err := p.s.temporal.WorkflowService().DescribeTaskQueue(p.t.Context(),
		&workflowservice.DescribeTaskQueueRequest{
			Namespace:     p.s.namespace,
			TaskQueue:     &taskqueuepb.TaskQueue{Name: ordercheck.InflowTaskQueue},
			TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, ReportConfig: true,
		})
	require.NoError(p.t, err)
	assert.Equal(p.t, "import done",
		queue.GetConfig().GetQueueRateLimit().GetMetadata().GetReason())
	p.tried["check"] = true
	output, err := p.s.shell(p.recipes["check"][0], p.held)
	require.Error(p.t, err, "the order has errors")
	assert.Contains(p.t, output, "balance")
	assert.Len(p.t, p.s.runs(p.held), 1, "the hold was not disturbed")
}

// rerunFailedOrders reruns orders whose check failed. It skips held orders and orders that passed.
func (p *operationsPage) rerunFailedOrders() {
	p.t.Helper()
	passed := p.s.create("plain")
	p.s.mustResult(passed)
	key := p.s.fake.APIKey()
	p.s.fake.SetAPIKey("another-key-at-inflow")
	var failed [2]string
	for i := range failed {
		failed[i] = p.s.create([]string{"percent-discount", "fully-paid"}[i])
		_, err := p.s.result(failed[i])
		require.Error(p.t, err)
	}
	require.Eventually(p.t, func() bool {
		list := p.run("list-failed", "")
		return strings.Contains(list, failed[0]) && strings.Contains(list, failed[1])
	}, waitFor, tick)
	p.s.fake.SetAPIKey(key)
	p.run("rerun-one", failed[0])
	assert.Equal(p.t, ordercheck.StatusPassed, p.s.mustResult(failed[0]).Status)
	p.run("rerun-one", passed)
	p.run("rerun-one", p.held)
	output := p.run("rerun-all", "")
	assert.Contains(p.t, output, failed[1]+" would be checked again")
	assert.Contains(p.t, output, failed[1]+" is checked again")
	assert.NotContains(p.t, output, passed)
	assert.NotContains(p.t, output, p.held)
	assert.Equal(p.t, ordercheck.StatusPassed, p.s.mustResult(failed[1]).Status)
	assert.Len(p.t, p.s.runs(p.held), 1)
	assert.Len(p.t, p.s.runs(passed), 1, "a passed order is not rerun")
}

// overrideAndComment takes responsibility for the held order and comments on it.
func (p *operationsPage) overrideAndComment() {
	p.t.Helper()
	p.run("override", p.held)
	report := p.s.waitForReport(p.held, ordercheck.StatusOverridden)
	assert.Equal(p.t, "Anna Meier", report.Findings[0].Override.By)
	// After another delivery, the override is still in force.
	fetches := len(p.s.fetches(p.held))
	p.s.postAccepted(p.held)
	require.Eventually(p.t, func() bool {
		return len(p.s.fetches(p.held)) > fetches
	}, waitFor, tick)
	assert.Equal(p.t, ordercheck.StatusOverridden, p.s.checkNow(p.held).Status)
	assert.Len(p.t, p.s.runs(p.held), 1)

	p.run("comment", p.held)
	timeline := p.s.report(p.held).Timeline
	assert.Equal(p.t, "The customer was asked", timeline[len(timeline)-1].Text)
}

// endHoldsAndSweep ends holds by hand, and finds an order whose webhook was lost.
func (p *operationsPage) endHoldsAndSweep() {
	p.t.Helper()
	another := p.hold("total-wrong")
	p.run("override-update", another)
	p.s.waitForReport(another, ordercheck.StatusOverridden)
	third := p.hold("no-lines")
	p.run("end", third)
	p.ended(third, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	p.run("forget-outcomes", "")

	require.NoError(p.t, p.s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true, Times: 1}))
	unannounced := p.s.createRecent("plain")
	assert.Regexp(p.t, regexp.MustCompile(`(?m)`+unannounced+` +missed, is checked now$`),
		p.run("sweep", ""))
	assert.Equal(p.t, ordercheck.StatusPassed, p.s.mustResult(unannounced).Status)
	assert.Contains(p.t, p.run("sweep-schedule", ""), ordercheck.SweepWorkflowType)
	require.Eventually(p.t, func() bool {
		return strings.Contains(p.run("sweep-list", ""), ordercheck.SweepScheduleID)
	}, waitFor, tick)
	p.run("sweep-pause", "")
	described, err := p.s.schedule().Describe(p.t.Context())
	require.NoError(p.t, err)
	assert.False(p.t, described.Schedule.State.Paused)
}
