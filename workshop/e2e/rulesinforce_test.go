package e2e_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

const tooLarge = `- {id: too-large, scope: order, severity: error, when: "order.total > dec(1)",` +
	` message: "'The order is too large'"}`

// waitForRules waits until a rule set is in force.
func (s *stack) waitForRules(set *rules.Set) ordercheck.InForce {
	s.t.Helper()
	var inForce ordercheck.InForce
	require.Eventually(s.t, func() bool {
		var err error
		inForce, _, err = operations.RulesInForce(s.t.Context(), s.temporal)
		return err == nil && inForce.Digest == set.Digest()
	}, waitFor, tick, "rule set %s is not in force", set.Name())
	return inForce
}

// waitForRecheck waits until every worker knows the set in force and every open order was asked to
// check itself again.
func (s *stack) waitForRecheck() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		inForce, open, err := operations.RulesInForce(s.t.Context(), s.temporal)
		return err == nil && open && !inForce.Unsent
	}, waitFor, tick, "the open orders were not asked to check themselves")
}

// TestOrdersAreCheckedAgainWhenTheRulesChange changes the rules. Held orders are checked again,
// without a delivery and without a request to InFlow.
func TestOrdersAreCheckedAgainWhenTheRulesChange(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]string{
		"switched off": `- {id: another, scope: order, severity: error,` +
			` when: "order.total < dec(0)", message: "'no'"}`,
		"on trial": `- {id: too-large, scope: order, severity: error, shadow: true,` +
			` when: "order.total > dec(1)", message: "'The order is too large'"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			var live atomic.Pointer[rules.Set]
			live.Store(loadRules(t, "before", tooLarge))
			s := newStack(t, options{settings: holding(0), rules: live.Load,
				notifier: r.notifier(t)})
			var ids []string
			for range 3 {
				id := s.create("plain")
				s.waitForStatus(id, ordercheck.StatusFailed)
				ids = append(ids, id)
			}
			first := s.waitForRules(live.Load())

			live.Store(loadRules(t, "after", after))
			second := s.waitForRules(live.Load())
			assert.True(t, second.Since.After(first.Since))
			require.Len(t, second.Before, 1)
			assert.Equal(t, first.Digest, second.Before[0].Digest)
			for _, id := range ids {
				report := s.mustResult(id)
				assert.Equal(t, ordercheck.StatusPassed, report.Status)
				assert.Equal(t, live.Load().Digest(), report.RuleSet.Digest)
				assert.Equal(t, "failed endedrules-changed", r.kinds(id))
				assert.Len(t, s.fetches(id), 1, "the stored order is checked")
				assert.Len(t, s.runs(id), 1)
			}
		})
	}
}

// TestWorkersWithTwoRuleSets runs two workers with different sets. An unchanged order does not
// switch between failed and resolved. A worker that starts with the older set changes nothing.
func TestWorkersWithTwoRuleSets(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	older := loadRules(t, "older", `- {id: another, scope: order, severity: error,`+
		` when: "order.total < dec(0)", message: "'no'"}`)
	newer := loadRules(t, "newer", tooLarge)
	s := newStack(t, options{settings: holding(0), noWorker: true, notifier: r.notifier(t)})
	startWorker := func(set *rules.Set) (stop func()) {
		s.rules = func() *rules.Set { return set }
		return s.startWorker()
	}
	stopOlder := startWorker(older)
	s.waitForRules(older)
	stopNewer := startWorker(newer)
	s.waitForRules(newer)
	s.waitForRecheck() // for 5 s, a worker may still use the previous set
	inForce := s.waitForRules(newer)

	id := s.create("plain")
	s.waitForStatus(id, ordercheck.StatusFailed)
	for range 12 {
		assert.Equal(t, newer.Digest(), s.checkNow(id).RuleSet.Digest)
	}
	stopOlder()
	startWorker(older)
	for range 12 {
		assert.Equal(t, newer.Digest(), s.checkNow(id).RuleSet.Digest)
	}
	assert.Equal(t, "failed", r.kinds(id))
	assert.Equal(t, inForce, s.waitForRules(newer), "a worker that restarts with an older set "+
		"changes nothing")

	// No worker has the set in force. A person switches back to the older one.
	stopNewer()
	_, err := operations.UseRules(t.Context(), s.temporal, "sha256:00", "Anna")
	require.ErrorContains(t, err, "no rule set with the digest")
	back, err := operations.UseRules(t.Context(), s.temporal, older.Digest()[:20], "Anna")
	require.NoError(t, err)
	assert.Equal(t, "Anna", back.By)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	assert.Equal(t, "failed endedrules-changed", r.kinds(id))

	startWorker(newer)
	assert.Equal(t, ordercheck.StatusPassed, s.checkNow(s.create("plain")).Status)
	assert.Equal(t, older.Digest(), s.waitForRules(older).Digest, "the older set stays in force")
}

// TestRevertedRuleFile reverts the rule file of the only worker. The worker keeps the set in force
// until a person switches.
func TestRevertedRuleFile(t *testing.T) {
	t.Parallel()
	var live atomic.Pointer[rules.Set]
	before, after := loadRules(t, "before", `- {id: another, scope: order, severity: error,`+
		` when: "order.total < dec(0)", message: "'no'"}`), loadRules(t, "after", tooLarge)
	live.Store(before)
	s := newStack(t, options{settings: holding(0), rules: live.Load})
	s.waitForRules(before)
	live.Store(after)
	s.waitForRules(after)
	id := s.create("plain")
	s.waitForStatus(id, ordercheck.StatusFailed)
	live.Store(before)
	assert.Equal(t, ordercheck.StatusFailed, s.checkNow(id).Status)
	_, err := operations.UseRules(t.Context(), s.temporal, before.Digest(), "Anna")
	require.NoError(t, err)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
}

// TestTerminatedRulesRecord terminates the record of the set in force. Its next run continues with
// the same set.
func TestTerminatedRulesRecord(t *testing.T) {
	t.Parallel()
	older, newer := loadRules(t, "older", tooLarge),
		loadRules(t, "newer", `- {id: another, scope: order, severity: error,`+
			` when: "order.total < dec(0)", message: "'no'"}`)
	var live atomic.Pointer[rules.Set]
	live.Store(older)
	s := newStack(t, options{settings: holding(0), rules: live.Load})
	s.waitForRules(older)
	live.Store(newer)
	before := s.waitForRules(newer)
	live.Store(older)
	require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), ordercheck.RulesWorkflowID, "",
		"a test"))
	require.Eventually(t, func() bool {
		_, open, err := operations.RulesInForce(t.Context(), s.temporal)
		return err == nil && open
	}, waitFor, tick)
	now := s.waitForRules(newer)
	assert.Equal(t, before.Since, now.Since)
	assert.Equal(t, before.Before, now.Before)

	_, err := operations.UseRules(t.Context(), s.temporal, older.Digest(), " ")
	var refused *temporal.ApplicationError
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Message(), "say who")
}
