package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// recordsOutcomes registers the activity that records outcomes, and returns the batches that the
// activity gets. The activity fails while fails returns true.
func (l *life) recordsOutcomes(fails func() bool) *[]ordercheck.OrderOutcomes {
	recorded := &[]ordercheck.OrderOutcomes{}
	l.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.OrderOutcomes) error {
			*recorded = append(*recorded, in)
			if fails() {
				return errors.New("Temporal is busy")
			}
			return nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivityRecordOutcomes},
	)
	return recorded
}

// The run stays open until Temporal has the outcomes. Each attempt has the same key, and metrics
// count each outcome once.
func TestOutcomesAreRecorded(t *testing.T) {
	settings := settings
	settings.RecordOutcomes = true
	l := newLife(t, settings, "total")
	attempts := 0
	recorded := l.recordsOutcomes(func() bool { attempts++; return attempts <= 3 })
	l.override(time.Hour, byAnna, nil) // ends after a week
	l.save(8*day, func() { l.broken = nil })
	l.mustRun(t)
	var keys []string
	for _, o := range *recorded {
		keys = append(keys, o.Key)
	}
	if assert.Len(t, keys, 5) {
		assert.Equal(t, []string{keys[0], keys[0], keys[0], keys[0], keys[4]}, keys)
		assert.NotEqual(t, keys[0], keys[4])
	}
	after := []time.Duration{time.Hour, 8*day + 2*time.Second}
	outcomes := []ordercheck.Outcome{
		ordercheck.OutcomeOverridden, ordercheck.OutcomeFixedAfterNotice,
	}
	if assert.Len(t, l.observer.ended, len(outcomes)) {
		for i, ended := range l.observer.ended {
			assert.Equal(t, "total", ended.RuleID)
			assert.Equal(t, outcomes[i], ended.Outcome)
			assert.Equal(t, 1, ended.Count)
			assert.InDelta(t, after[i].Seconds(), ended.Seconds, 60)
		}
	}
}

// If a run continues as new before its outcomes are recorded, the next run records them. It uses
// the same key, because the last attempt may have succeeded, and metrics don't count the outcomes
// again.
func TestOutcomesAreRecordedByTheNextRun(t *testing.T) {
	settings := settings
	settings.RecordOutcomes = true
	l := newLife(t, settings, "total")
	before := l.recordsOutcomes(func() bool { return true })
	l.override(time.Hour, byAnna, nil)
	// The test environment gives up on an activity after 10 attempts.
	l.save(time.Hour+5*time.Second, func() { l.SetContinueAsNewSuggested(true) })
	_, err := l.run(t)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, err, &again)
	require.NotEmpty(t, *before)
	assert.Len(t, l.observer.ended, 1)

	next := newLife(t, settings)
	next.saved = l.saved + 1
	after := next.recordsOutcomes(func() bool { return false })
	next.ExecuteWorkflow(ordercheck.WorkflowType, startOf(t, again))
	require.NoError(t, next.GetWorkflowError())
	assert.Equal(t, (*before)[:1], *after)
	assert.Empty(t, next.observer.ended)
}
