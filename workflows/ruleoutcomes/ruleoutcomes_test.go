package ruleoutcomes_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/ruleoutcomes"
	"error-check-gate/workflows/workflowtest"
)

const day = 24 * time.Hour

// begin is the start time of the first run.
var begin = time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC)

func newEnvironment(start time.Time) *testsuite.TestWorkflowEnvironment {
	env := workflowtest.NewEnvironment()
	env.SetStartTime(start)
	env.RegisterWorkflowWithOptions(ruleoutcomes.Keep,
		workflow.RegisterOptions{Name: ordercheck.OutcomesWorkflowType})
	return env
}

// signal sends a batch with one outcome for each key.
func signal(env *testsuite.TestWorkflowEnvironment, keys ...string) {
	var batch []ordercheck.OrderOutcomes
	for _, key := range keys {
		batch = append(batch, ordercheck.OrderOutcomes{
			Key: key, At: env.Now(), Outcomes: []ordercheck.RuleOutcome{
				{RuleID: "price", Outcome: ordercheck.OutcomeOverridden, Count: 1},
			},
		})
	}
	env.SignalWorkflow(ordercheck.SignalOutcomes, batch)
}

// overridden queries how many errors were overridden since a time.
func overridden(t *testing.T, env *testsuite.TestWorkflowEnvironment, from time.Time) int {
	t.Helper()
	answer, err := env.QueryWorkflow(ordercheck.QueryOutcomes, from)
	require.NoError(t, err)
	var outcomes ordercheck.RuleOutcomes
	require.NoError(t, answer.Get(&outcomes))
	if len(outcomes.Rules) == 0 {
		return 0
	}
	return outcomes.Rules[0].Overridden
}

// nextStart requires that the run continued as new, and returns the argument of the next run.
func nextStart(t *testing.T, env *testsuite.TestWorkflowEnvironment) ruleoutcomes.Start {
	t.Helper()
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	var start ruleoutcomes.Start
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &start))
	return start
}

// A run counts for a day, and passes its counts to the next run. Each key counts once, and an
// unreadable signal and a cancellation change nothing.
func TestOutcomesAreCounted(t *testing.T) {
	t.Parallel()
	env := newEnvironment(begin)
	env.RegisterDelayedCallback(func() {
		signal(env, "a", "b")
		signal(env, "b", "c")
		env.SignalWorkflow(ordercheck.SignalOutcomes, "no list")
	}, time.Hour)
	env.RegisterDelayedCallback(env.CancelWorkflow, 2*time.Hour)
	env.RegisterDelayedCallback(func() {
		signal(env, "a", "d")
	}, 3*time.Hour)
	env.RegisterDelayedCallback(func() {
		assert.Equal(t, 4, overridden(t, env, begin))
		assert.Zero(t, overridden(t, env, begin.Add(2*day)))
	}, 4*time.Hour)
	env.ExecuteWorkflow(ordercheck.OutcomesWorkflowType, struct{}{})
	start := nextStart(t, env)

	env = newEnvironment(begin.Add(day))
	env.RegisterDelayedCallback(func() { signal(env, "d", "e") }, time.Hour)
	env.RegisterDelayedCallback(func() {
		assert.Equal(t, 5, overridden(t, env, begin))
	}, 2*time.Hour)
	env.ExecuteWorkflow(ordercheck.OutcomesWorkflowType, start)
	nextStart(t, env)
}

// A run continues as new after 1,000 signals, maybe a few more in its last task.
func TestOutcomesContinueAsNew(t *testing.T) {
	t.Parallel()
	env := newEnvironment(begin)
	env.RegisterDelayedCallback(func() {
		for i := range 1000 {
			signal(env, fmt.Sprint(i))
		}
	}, time.Hour)
	env.ExecuteWorkflow(ordercheck.OutcomesWorkflowType, struct{}{})
	assert.Less(t, env.Now().Sub(begin), day)
	start := nextStart(t, env)
	assert.Equal(t, 1000, start.Tally.From(begin).Rules[0].Overridden)
}

// The last run ends, so a company that has removed its rules doesn't keep a run forever.
func TestOutcomesEndWhenThereAreNone(t *testing.T) {
	t.Parallel()
	env := newEnvironment(begin)
	env.RegisterDelayedCallback(func() { signal(env, "a") }, time.Hour)
	env.ExecuteWorkflow(ordercheck.OutcomesWorkflowType, struct{}{})
	start := nextStart(t, env)
	now := env.Now()
	for runs := 1; ; runs++ {
		require.Less(t, runs, 40)
		env = newEnvironment(now)
		env.ExecuteWorkflow(ordercheck.OutcomesWorkflowType, start)
		now = env.Now()
		var next *workflow.ContinueAsNewError
		if !errors.As(env.GetWorkflowError(), &next) {
			require.NoError(t, env.GetWorkflowError())
			assert.Equal(t, ordercheck.MaxOutcomeDays, runs+1)
			return
		}
		start = nextStart(t, env)
	}
}
