package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// TestCheckThatFailsHalfWayChangesNothing: whichever step of a check fails, the next check of
// that version evaluates it, and does not take the findings of the version before for its own.
func TestCheckThatFailsHalfWayChangesNothing(t *testing.T) {
	for _, step := range []string{"evaluation", "look at the run before"} {
		t.Run(step, func(t *testing.T) {
			l := newLife(t, settings) // right at first
			failed := 0
			// Fails once, for the version that is broken, while another delivery comes.
			failOnce := func(here string) error {
				if here != step || l.saved == 0 || failed > 0 {
					return nil
				}
				failed++
				l.deliver(1)
				return temporal.NewNonRetryableApplicationError("no", "Broken", nil)
			}
			check := l.check
			l.check = func(n int) (ordercheck.CheckedOrder, error) {
				if n == 1 { // the order is broken, and delivered again, while it is checked
					defer func() { l.saved, l.broken = 1, []string{"total"} }()
					l.deliver(1)
				}
				if err := failOnce("evaluation"); err != nil {
					return ordercheck.CheckedOrder{}, err
				}
				return check(n)
			}
			l.recall = func() error { return failOnce("look at the run before") }
			l.save(time.Hour, func() { l.broken = nil })
			report := l.mustRun(t)
			assert.Equal(t, 1, failed)
			assert.Equal(t, []string{"30m4s failed", "1h0m2s resolved"}, l.told(), "the broken order was held")
			assert.Equal(t, ordercheck.StatusPassed, report.Status)
		})
	}
}

// TestExpiryInTheTaskThatContinuesAsNew: the next run sends the notice, and ends.
func TestExpiryInTheTaskThatContinuesAsNew(t *testing.T) {
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
	assert.Equal(t, []string{"0s ended"}, m.told())
	assert.Empty(t, m.fetchedAt)
}

// TestOverrideWhileInflowRefusesTheKey: the run stays open, and the override is in force once
// the order can be checked again.
func TestOverrideWhileInflowRefusesTheKey(t *testing.T) {
	l := newLife(t, settings, "total")
	l.save(time.Hour, func() { l.down = true })
	l.override(2*time.Hour, byAnna, nil)
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		assert.Equal(t, ordercheck.StatusUnchecked, report.Status)
		assert.NotNil(t, report.Findings[0].Override)
		l.down = false
	}, 5*time.Hour)
	l.requireOverridden(6 * time.Hour)
	l.save(day, func() { l.broken = nil })
	l.mustRun(t)
}

// TestOverrideDuringACheckThatCannotBeDone is as good as one before it.
func TestOverrideDuringACheckThatCannotBeDone(t *testing.T) {
	l := newLife(t, settings, "total")
	fetch := l.fetch
	l.fetch = func(n int) (ordercheck.FetchedOrder, error) {
		if n == 3 {
			request := byAnna
			request.Until = l.Now().Add(day)
			l.UpdateWorkflow(ordercheck.UpdateOverride, "", &testsuite.TestUpdateCallback{
				OnReject: func(err error) { t.Errorf("refused: %v", err) }, OnAccept: func() {}, OnComplete: func(any, error) {},
			}, request)
			l.down = true
		}
		return fetch(n)
	}
	l.save(time.Hour, func() {})
	l.RegisterDelayedCallback(func() { l.down = false }, 2*time.Hour)
	l.requireOverridden(3 * time.Hour)
	l.save(20*time.Hour, func() { l.broken = nil })
	l.mustRun(t)
}

// TestOverrideThatEndsWhileInflowRefusesTheKey: nobody answers for the error any more.
func TestOverrideThatEndsWhileInflowRefusesTheKey(t *testing.T) {
	l := newLife(t, settings, "total")
	l.save(time.Hour, func() { l.down = true })
	l.override(2*time.Hour, byAnna, nil) // a week
	l.RegisterDelayedCallback(func() { l.down = false }, 10*day)
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		assert.Equal(t, ordercheck.StatusFailed, report.Status)
		assert.Nil(t, report.Findings[0].Override)
	}, 10*day+time.Hour)
	l.save(11*day, func() { l.broken = nil })
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
	assert.Equal(t, []string{"30m0s failed", "264h0m2s resolved"}, l.told(), "nobody was told that it was overridden")
}

// TestOverrideIsRecalledByAnIncompleteCheck: what a rule found before stands while it cannot
// be evaluated, in a new run too.
func TestOverrideIsRecalledByAnIncompleteCheck(t *testing.T) {
	overridden := finding("total", ordercheck.SeverityError)
	overridden.Actual, overridden.State = "5.00", ordercheck.FindingOverridden
	overridden.Override = &ordercheck.Override{By: "Anna", Reason: "agreed", Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	l := newLife(t, settings)
	l.recalled = []ordercheck.Finding{overridden}
	l.rules = []ordercheck.RuleError{{RuleID: "total", Error: "overflow"}}
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		assert.Equal(t, ordercheck.StatusIncomplete, report.Status)
		require.Len(t, report.Findings, 1)
		assert.Equal(t, "Anna", report.Findings[0].Override.By)
	}, time.Hour)
	l.mustRun(t)
}
