package rulesinforce_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/rulesinforce"
	"error-check-gate/workflows/workflowtest"
)

func set(digest string) ordercheck.RuleSet {
	return ordercheck.RuleSet{Name: "default", Digest: "sha256:" + digest}
}

// record runs the workflow and records what it does.
type record struct {
	*testsuite.TestWorkflowEnvironment
	t         *testing.T
	rechecked []string // digest of the set of each recheck
	recheck   func(ctx context.Context, digest string) error
	accepted  []string // digest of the set in force after each accepted update
	refused   []string // error type of each rejected update
}

func newRecord(t *testing.T) *record {
	t.Helper()
	r := &record{TestWorkflowEnvironment: workflowtest.NewEnvironment(), t: t}
	r.RegisterWorkflowWithOptions(rulesinforce.Keep,
		workflow.RegisterOptions{Name: ordercheck.RulesWorkflowType})
	r.RegisterActivityWithOptions(
		func(ctx context.Context, in ordercheck.RecheckOrders) (ordercheck.RecheckedOrders, error) {
			r.rechecked = append(r.rechecked, in.RuleSet.Digest)
			if r.recheck != nil {
				return ordercheck.RecheckedOrders{}, r.recheck(ctx, in.RuleSet.Digest)
			}
			return ordercheck.RecheckedOrders{}, nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivityRecheckOrders},
	)
	r.SetStartWorkflowOptions(
		client.StartWorkflowOptions{ID: ordercheck.RulesWorkflowID, TaskQueue: ordercheck.TaskQueue},
	)
	return r
}

// update sends an update at a time after the start.
func (r *record) update(at time.Duration, name string, arg any) {
	r.RegisterDelayedCallback(func() {
		r.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
			OnReject: func(err error) {
				var refused *temporal.ApplicationError
				if assert.ErrorAs(r.t, err, &refused) {
					r.refused = append(r.refused, refused.Type())
				}
			},
			OnAccept: func() {},
			OnComplete: func(result any, err error) {
				assert.NoError(r.t, err)
				r.accepted = append(r.accepted, result.(ordercheck.InForce).Digest)
			},
		}, arg)
	}, at)
}

// state queries the record at a time after the start.
func (r *record) state(at time.Duration, into *ordercheck.InForce) {
	r.RegisterDelayedCallback(func() {
		answer, err := r.QueryWorkflow(ordercheck.QueryInForce)
		if assert.NoError(r.t, err) {
			assert.NoError(r.t, answer.Get(into))
		}
	}, at)
}

// execute runs the workflow, and cancels it after a day.
func (r *record) execute(start ordercheck.InForce) {
	r.RegisterDelayedCallback(r.CancelWorkflow, 24*time.Hour)
	r.ExecuteWorkflow(ordercheck.RulesWorkflowType, start)
	require.True(r.t, r.IsWorkflowCompleted())
}

func TestNewRulesTakeOverAndOldOnesNeedAPerson(t *testing.T) {
	r := newRecord(t)
	var first, last ordercheck.InForce
	r.state(time.Minute, &first)
	r.update(time.Hour, ordercheck.UpdateProposeRules, set("02"))
	r.update(2*time.Hour, ordercheck.UpdateProposeRules, set("01"))
	r.update(2*time.Hour, ordercheck.UpdateProposeRules, set("02"))
	r.update(2*time.Hour, ordercheck.UpdateProposeRules, ordercheck.RuleSet{Name: "none"})
	r.update(3*time.Hour, ordercheck.UpdateUseRules, ordercheck.UseRules{Digest: "sha256:01"})
	r.update(3*time.Hour, ordercheck.UpdateUseRules,
		ordercheck.UseRules{Digest: "sha256:77", By: "Anna"})
	r.update(4*time.Hour, ordercheck.UpdateUseRules,
		ordercheck.UseRules{Digest: "sha256:01", By: "Anna"})
	r.update(5*time.Hour, ordercheck.UpdateProposeRules, set("02"))
	r.state(6*time.Hour, &last)
	r.execute(ordercheck.InForce{RuleSet: set("01")})
	assert.Equal(t, []string{"sha256:02", "sha256:02", "sha256:01"}, r.accepted)
	assert.Equal(
		t,
		[]string{ordercheck.ErrorRulesOlder, ordercheck.ErrorRulesUnknown, ordercheck.ErrorRulesUnknown,
			ordercheck.ErrorRulesUnknown, ordercheck.ErrorRulesOlder},
		r.refused,
	)
	assert.Equal(t, []string{"sha256:01", "sha256:02", "sha256:01"}, r.rechecked,
		"once for each set that takes over, also for the first")
	assert.False(t, first.Since.IsZero())
	assert.Equal(t, "Anna", last.By)
	require.Len(t, last.Before, 1, "a set is in the list of earlier sets at most once")
	assert.Equal(t, "sha256:02", last.Before[0].Digest)
	assert.True(t, last.Since.After(first.Since))
}

func TestOpenOrdersAreCheckedWithTheLatestOfTwoRuleSets(t *testing.T) {
	r := newRecord(t)
	r.update(time.Hour, ordercheck.UpdateProposeRules, set("02"))
	r.update(time.Hour, ordercheck.UpdateProposeRules, set("03"))
	r.update(time.Hour+time.Second, ordercheck.UpdateProposeRules, set("02"))
	r.execute(ordercheck.InForce{RuleSet: set("01")})
	assert.Equal(t, []string{"sha256:01", "sha256:03"}, r.rechecked)
	assert.Equal(t, []string{ordercheck.ErrorRulesOlder}, r.refused)
}

func TestFailedRecheckIsRepeated(t *testing.T) {
	r := newRecord(t)
	r.recheck = func(context.Context, string) error {
		if len(r.rechecked) == 1 {
			return temporal.NewNonRetryableApplicationError("no", "No", errors.New("no"))
		}
		return nil
	}
	r.execute(ordercheck.InForce{RuleSet: set("01")})
	assert.Equal(t, []string{"sha256:01", "sha256:01"}, r.rechecked)
}

// The next run knows everything that the previous run knew, whether that was terminated or full.
func TestRecordGoesOnInItsNextRun(t *testing.T) {
	before := ordercheck.InForce{RuleSet: set("01"), Since: time.Unix(100, 0).UTC()}
	before.TakeOver(ordercheck.ProposedRules{RuleSet: set("02")}, time.Unix(50, 0).UTC(), "")
	assert.True(t, before.Since.After(time.Unix(100, 0)), "even if the clock goes back")
	before.Unsent = false
	r := newRecord(t)
	var now ordercheck.InForce
	r.state(time.Minute, &now)
	r.RegisterDelayedCallback(func() { r.SetContinueAsNewSuggested(true) }, time.Hour+time.Second)
	r.update(time.Hour, ordercheck.UpdateProposeRules, set("03"))
	r.execute(before)
	assert.Equal(t, before, now)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, r.GetWorkflowError(), &again)
	assert.Equal(t, []string{"sha256:03"}, r.rechecked)
}

// A worker with another payload key asks for a new run, maybe before the open orders were asked
// to check themselves.
func TestRenewContinuesTheRecordInANewRun(t *testing.T) {
	for name, at := range map[string]time.Duration{
		"at rest": time.Hour, "before the recheck": time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecord(t)
			for range 2 {
				r.RegisterDelayedCallback(func() { r.SignalWorkflow(ordercheck.SignalRenew, nil) }, at)
			}
			r.execute(ordercheck.InForce{RuleSet: set("01")})
			var again *workflow.ContinueAsNewError
			require.ErrorAs(t, r.GetWorkflowError(), &again)
			var next ordercheck.InForce
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
			assert.Equal(t, "sha256:01", next.Digest)
			assert.False(t, next.Since.IsZero())
			assert.False(t, next.Unsent)
			assert.Equal(t, []string{"sha256:01"}, r.rechecked)
		})
	}
}

func TestRecordRemembersALimitedNumberOfSets(t *testing.T) {
	f := ordercheck.InForce{RuleSet: set("00"), Since: time.Unix(1, 0)}
	for i := range 2 * ordercheck.MaxRulesBefore {
		f.TakeOver(ordercheck.ProposedRules{RuleSet: set(time.Unix(int64(i), 0).UTC().Format("150405"))},
			time.Unix(int64(i)+2, 0), "")
	}
	assert.Len(t, f.Before, ordercheck.MaxRulesBefore)
	assert.False(t, f.WasInForce("sha256:00"))
	_, err := f.Find("sha256:00")
	require.ErrorContains(t, err, "give more of it")
	found, err := f.Find(" " + f.Before[3].Digest[len("sha256:"):])
	require.NoError(t, err)
	assert.Equal(t, f.Before[3].RuleSet, found.RuleSet)
	_, err = f.Find("")
	require.ErrorContains(t, err, "gate rules in-force")
}
