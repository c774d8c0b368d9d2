package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/activities"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/workflows"
)

// asInProduction returns production settings, except for the settle time.
var asInProduction = orderlife.Settings{
	SettleQuiet: settleQuiet, SettleMax: 5 * time.Second, GracePeriod: 30 * time.Minute,
	HoldMax: 720 * time.Hour,
}

// TestIncompleteOrdersNeverPass makes InFlow respond with 200 but leave out a part that the gate
// requested, for a while or forever.
func TestIncompleteOrdersNeverPass(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{settings: asInProduction})
	leftOut := map[string][]string{}
	begin := func(sample string, times int, left ...string) string {
		order := s.sample(sample)
		id, _ := order["salesOrderId"].(string)
		require.NoError(t, s.fake.SetFault(fakeinflow.Fault{SalesOrderID: id, LeftOut: left,
			Times: times}))
		_, err := s.fake.AddOrder(order)
		require.NoError(t, err)
		leftOut[id] = left
		return id
	}
	late := begin("plain", 2, "lines")
	broken := begin("balance-wrong", 0, "lines")
	never := []string{
		begin("plain", 0, "lines"), begin("plain", 0, "customer"),
		begin("plain", 0, "lines.product"), begin("plain", 0, "taxingScheme"),
		begin("fully-paid", 0, "lines", "customer"),
	}
	report := s.mustResult(late)
	assert.Contains(t, []ordercheck.Status{ordercheck.StatusPassed, ordercheck.StatusWarning},
		report.Status, "InFlow sent the missing part in the end")
	assert.Empty(t, report.Missing)
	assert.Len(t, s.fetches(late), 3)
	for _, id := range never {
		report := s.mustResult(id)
		assert.Equal(t, ordercheck.StatusIncomplete, report.Status)
		assert.ElementsMatch(t, leftOut[id], intersection(report.Missing, leftOut[id]), "%v",
			report.Missing)
		assert.NotEmpty(t, report.Note)
		assert.Len(t, s.fetches(id), 5)
		assert.Equal(t, ordercheck.StatusIncomplete, s.gateStatus(id))
	}
	s.waitForStatus(broken, ordercheck.StatusPending)
	assert.Contains(t, brokenRules(s.report(broken)), "balance",
		"errors in the visible part are found")
}

func intersection(a, b []string) []string {
	var both []string
	for _, x := range a {
		for _, y := range b {
			if x == y {
				both = append(both, x)
			}
		}
	}
	return both
}

// TestFetchAndCheckWithDifferentRuleSets changes a rule file. Meanwhile, one worker fetches for the
// old set, and another worker checks with the new one.
func TestFetchAndCheckWithDifferentRuleSets(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{settings: asInProduction, noWorker: true})
	before := loadRules(t, "before", `- {id: quote, scope: order, severity: error,`+
		` when: "order.isQuote && order.total < dec(0)", message: "'a quote'"}`)
	after := loadRules(t, "after", `
- {id: has-lines, scope: order, severity: warning, when: "order.lines.exists(l, l.product.name != '')", message: "'it has lines'"}
- {id: other, builtin: near-duplicate, severity: warning, params: {days: 3000, overlap: 10}}
- {id: billed, builtin: changed-after-invoice, severity: warning}`)
	assert.Empty(t, before.Needs(nil))

	start := func(queue string, w sdkworker.Worker) {
		t.Helper()
		require.NoError(t, w.Start(), queue)
		t.Cleanup(w.Stop)
	}
	fetches := sdkworker.New(s.temporal, ordercheck.InflowTaskQueue,
		sdkworker.Options{DisableWorkflowWorker: true})
	(&activities.Activities{Orders: s.inflow, Rules: func() *rules.Set {
		return before
	}, PastRuns: s.temporal}).RegisterInflow(fetches)
	start(ordercheck.InflowTaskQueue, fetches)
	checks := sdkworker.New(s.temporal, ordercheck.TaskQueue, sdkworker.Options{})
	lives := workflows.SalesOrderChecks{Settings: s.settings}
	checks.RegisterWorkflowWithOptions(lives.SalesOrderCheck,
		workflow.RegisterOptions{Name: ordercheck.WorkflowType})
	checks.RegisterWorkflowWithOptions(workflows.HandOverDeliveries,
		workflow.RegisterOptions{Name: ordercheck.HandOverWorkflowType})
	(&activities.Activities{Orders: s.inflow, Rules: func() *rules.Set {
		return after
	}, PastRuns: s.temporal}).RegisterLocal(checks)
	start(ordercheck.TaskQueue, checks)

	ids := make([]string, 4)
	for i := range ids {
		order := s.sample("plain")
		order["orderNumber"] = fmt.Sprintf("SO-TWIN-%d", i)
		order["salesOrderId"] = uuid.NewString()
		id, err := s.fake.AddOrder(order)
		require.NoError(t, err)
		ids[i] = id
	}
	for _, id := range ids {
		report := s.mustResult(id)
		assert.Equal(t, after.Digest(), report.RuleSet.Digest)
		assert.Contains(t, brokenRules(report), "has-lines",
			"the rules that need the digest were evaluated")
		assert.Contains(t, brokenRules(report), "other", "and the rules that need look-ups")
		assert.Empty(t, report.Missing)
		assert.Len(t, s.fetches(id), 2)
	}
}

// loadRules compiles a rule file.
func loadRules(t *testing.T, name, list string) *rules.Set {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".yaml")
	require.NoError(t, os.WriteFile(path, []byte("version: 1\nname: "+name+"\nrules:\n"+list+"\n"),
		0o600))
	set, err := rulefile.Load(t.Context(), path)
	require.NoError(t, err)
	return set
}
