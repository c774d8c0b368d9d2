package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// outcomesOf returns the outcomes of a rule's errors since yesterday.
func (s *stack) outcomesOf(ruleID string) (counts ordercheck.OutcomeCounts) {
	s.t.Helper()
	answer, err := s.temporal.QueryWorkflow(s.t.Context(), ordercheck.OutcomesWorkflowID, "",
		ordercheck.QueryOutcomes, time.Now().AddDate(0, 0, -1))
	if err != nil {
		return counts // nothing was counted, or the worker has just started
	}
	var outcomes ordercheck.RuleOutcomes
	require.NoError(s.t, answer.Get(&outcomes))
	for _, rule := range outcomes.Rules {
		if rule.RuleID == ruleID {
			counts = rule.OutcomeCounts
		}
	}
	counts.FixSeconds = 0 // depends on the machine
	return counts
}

// TestRulesPageSaysWhatBecameOfErrors fixes one order and overrides two. The desk counts them, also
// after a restart of the worker, and marks the rule.
func TestRulesPageSaysWhatBecameOfErrors(t *testing.T) {
	t.Parallel()
	d := newDeskStack(t, options{noWorker: true, settings: orderlife.Settings{
		SettleQuiet: settleQuiet, HoldMax: time.Hour}})
	stop := d.startWorker()
	boss := d.browser()
	boss.signIn(manager, "/rules")
	var page string
	require.Eventually(t, func() bool { // the worker may have just started
		_, page = boss.get("/rules")
		return strings.Contains(page, "Nothing has been counted yet")
	}, waitFor, tick)

	var ids []string
	for range 3 {
		ids = append(ids, d.create("balance-wrong"))
	}
	for _, id := range ids {
		d.waitForStatus(id, ordercheck.StatusFailed)
	}
	rule := d.report(ids[0]).Findings[0].RuleID
	d.fix(ids[0])
	// The run ends when its outcomes are recorded.
	d.mustResult(ids[0])
	assert.Equal(t, ordercheck.OutcomeCounts{FixedAfterNotice: 1}, d.outcomesOf(rule))

	stop()
	d.startWorker()
	for _, id := range ids[1:] {
		boss.override(id, "agreed with the customer", time.Now().AddDate(0, 0, 7))
		d.waitForStatus(id, ordercheck.StatusOverridden)
	}
	want := ordercheck.OutcomeCounts{FixedAfterNotice: 1, Overridden: 2}
	require.Eventually(t, func() bool { return d.outcomesOf(rule) == want }, waitFor, tick)
	_, page = boss.get("/rules")
	assert.Contains(t, page,
		"<code>"+rule+`</code> <span class="status doubtful">more overridden than fixed</span>`)
	assert.Contains(t, page, `<td data-label="Fixed after a notice">1</td>`)
	assert.Contains(t, page, `<td data-label="Overridden">2</td>`)
}

// outcomeBranches returns the branches of a run that records outcomes, and of the run that counts
// them.
func outcomeBranches() map[string]branch {
	return map[string]branch{
		"outcomes": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(0)})
			id := s.create("balance-wrong")
			rule := s.waitForReport(id, ordercheck.StatusFailed).Findings[0].RuleID
			_, err := operations.Override(t.Context(), s.temporal, id, ordercheck.OverrideRequest{
				Findings: []string{ordercheck.AllFindings}, By: "Anna", Reason: "agreed", For: "1h",
			})
			require.NoError(t, err)
			want := ordercheck.OutcomeCounts{Overridden: 1}
			require.Eventually(t, func() bool { return s.outcomesOf(rule) == want }, waitFor, tick)
			other := s.create("balance-wrong")
			s.waitForReport(other, ordercheck.StatusFailed)
			s.fix(other)
			s.mustResult(other)
			s.record(name+"-overridden", id)
			s.record(name+"-fixed", other)
			s.recordEvents(name+"-counted", s.events(ordercheck.OutcomesWorkflowID, ""))
		},
	}
}
