package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// The look at the last run fails. The next check evaluates the same version again.
func TestCheckThatFailsAtItsLastStepChangesNothing(t *testing.T) {
	l := newLife(t, settings) // right at first
	check := l.check
	l.check = func(n int) (ordercheck.CheckedOrder, error) {
		if n == 1 { // the order is broken, and delivered again, while it is checked
			defer func() { l.saved, l.broken = 1, []string{"total"} }()
			l.deliver(1)
		}
		return check(n)
	}
	failed := 0
	l.recall = func() error {
		if failed++; failed > 1 {
			return nil
		}
		l.deliver(1)
		return temporal.NewNonRetryableApplicationError("no", "Broken", nil)
	}
	l.save(time.Hour, func() { l.broken = nil })
	report := l.mustRun(t)
	assert.Equal(t, 2, failed)
	assert.Equal(t, []string{"30m4s failed", "1h0m2s resolved"}, l.notices(),
		"the broken order was held")
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
}

func TestNextRunSendsTheNoticeOfAnExpiryAtContinueAsNew(t *testing.T) {
	l := newLife(t, settings, "total")
	fetch := l.fetch
	l.fetch = func(n int) (ordercheck.FetchedOrder, error) {
		l.SetContinueAsNewSuggested(l.Now().Sub(l.start) > 30*day)
		return fetch(n)
	}
	l.execute()
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, l.GetWorkflowError(), &again)
	next := startOf(t, again)
	require.True(t, next.State.Abandoned)

	m := newLife(t, settings, "total")
	m.ExecuteWorkflow(ordercheck.WorkflowType, next)
	require.NoError(t, m.GetWorkflowError())
	var report ordercheck.Report
	require.NoError(t, m.GetWorkflowResult(&report))
	assert.Equal(t, ordercheck.StatusFailed, report.Status)
	assert.Equal(t, []string{"0s ended"}, m.notices())
	assert.Empty(t, m.fetchedAt)
}
