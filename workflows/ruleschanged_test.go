package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

var otherRules = ordercheck.RuleSet{Name: "default", Digest: "sha256:01"}

// TestPeopleAreToldThatTheRulesChanged: nobody fixed an order whose rule was switched off.
func TestPeopleAreToldThatTheRulesChanged(t *testing.T) {
	kind := func(n ordercheck.Notice) string { return string(n.Kind) + string(n.EndReason) }
	rulesOf := func(findings []ordercheck.Finding) (rules []string) {
		for _, f := range findings {
			rules = append(rules, f.RuleID)
		}
		return rules
	}
	recheck := func(l *life, at time.Duration, change func()) {
		l.RegisterDelayedCallback(func() {
			change()
			l.SignalWorkflow(ordercheck.SignalWebhookDelivered, nil)
		}, at)
	}
	change := func(l *life, still ...string) { l.ruleSet, l.broken = otherRules, still }
	for name, tc := range map[string]struct {
		story            func(l *life)
		told             []string
		resolved, lifted []string // of the last notice
	}{
		"the rule is switched off": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { change(l); l.off = []string{"total", "stock"} })
			},
			told: []string{"failed", "endedrules-changed"}, lifted: []string{"total", "stock"},
		},
		"the rule has another limit": {
			story: func(l *life) { recheck(l, time.Hour, func() { change(l) }) },
			told:  []string{"failed", "endedrules-changed"}, lifted: []string{"total", "stock"},
		},
		"the rule is a warning now": {
			story: func(l *life) { recheck(l, time.Hour, func() { change(l, "~total", "~stock") }) },
			told:  []string{"failed", "endedrules-changed"}, lifted: []string{"total", "stock"},
		},
		"the order was saved too, and a rule stays in force": {
			story: func(l *life) {
				l.save(time.Hour, func() { change(l); l.off = []string{"stock"} })
			},
			told: []string{"failed", "resolved"}, resolved: []string{"total"}, lifted: []string{"stock"},
		},
		"one rule is switched off, the other error is fixed later": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { change(l, "total"); l.off = []string{"stock"} })
				l.save(2*time.Hour, func() { l.broken = nil })
			},
			told: []string{"failed", "resolved"}, resolved: []string{"total"}, lifted: []string{"stock"},
		},
		"the rules changed, and the order was fixed later": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { change(l, "total", "stock") })
				l.save(2*time.Hour, func() { l.broken = nil })
			},
			told: []string{"failed", "resolved"}, resolved: []string{"total", "stock"},
		},
		"a rule is switched off, on again, and the error is fixed": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { change(l, "total") })
				recheck(l, 2*time.Hour, func() { l.ruleSet, l.broken = ruleSet, []string{"total", "stock"} })
				l.save(3*time.Hour, func() { l.broken = nil })
			},
			told: []string{"failed", "failed", "resolved"}, resolved: []string{"total", "stock"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			settings := settings
			settings.GracePeriod = 0
			l := newLife(t, settings, "total", "stock")
			tc.story(l)
			l.mustRun(t)
			var told []string
			for _, s := range l.sent {
				told = append(told, kind(s.notice))
			}
			require.Equal(t, tc.told, told)
			last := l.sent[len(l.sent)-1].notice
			assert.ElementsMatch(t, tc.resolved, rulesOf(last.Resolved))
			assert.ElementsMatch(t, tc.lifted, rulesOf(last.Lifted))
		})
	}
}

// TestHoldExpiresWhileInflowRefusesTheKey: the hold ends in time, and nobody claims to know how the order is.
func TestHoldExpiresWhileInflowRefusesTheKey(t *testing.T) {
	l := newLife(t, settings, "total")
	l.save(29*day, func() { l.down = true })
	l.execute()
	require.ErrorContains(t, l.GetWorkflowError(), "InFlow refused the API key")
	assert.Equal(t, []string{"30m0s failed", "720h30m0s ended"}, l.told())
	note := l.sent[len(l.sent)-1].notice.Report.Note
	assert.Contains(t, note, "could not be checked again")
	assert.NotContains(t, note, "still wrong")
}

// TestChangedRulesAreCheckedWithoutAFetch: what is kept of an order is enough, unless somebody says that the
// order has changed or the rules need more.
func TestChangedRulesAreCheckedWithoutAFetch(t *testing.T) {
	changed := func(l *life, at time.Duration, change func()) {
		l.RegisterDelayedCallback(func() {
			change()
			l.SignalWorkflow(ordercheck.SignalWebhookDelivered, []ordercheck.Delivery{{Event: ordercheck.EventRulesChanged, RulesDigest: l.ruleSet.Digest}})
		}, at)
	}
	rulesOff := func(l *life) func() { return func() { l.ruleSet, l.broken = otherRules, nil } }
	for name, tc := range map[string]struct {
		grace           time.Duration
		story           func(l *life)
		told            []string
		fetched, checks int
	}{
		"a rule is switched off": {
			story: func(l *life) { changed(l, time.Hour, rulesOff(l)) },
			told:  []string{"0s failed", "1h0m0s ended"}, fetched: 1, checks: 2,
		},
		"the rules are those of the check": {
			story: func(l *life) {
				changed(l, time.Hour, func() {})
				l.save(2*time.Hour, rulesOff(l))
			},
			told: []string{"0s failed", "2h0m2s resolved"}, fetched: 2, checks: 2,
		},
		"the order is saved at the same time": {
			story: func(l *life) {
				l.RegisterDelayedCallback(func() {
					rulesOff(l)()
					l.SignalWorkflow(ordercheck.SignalWebhookDelivered, []ordercheck.Delivery{
						{Event: ordercheck.EventRulesChanged, RulesDigest: l.ruleSet.Digest}, {Event: "salesOrder.updated"},
					})
				}, time.Hour)
			},
			told: []string{"0s failed", "1h0m2s ended"}, fetched: 2, checks: 2,
		},
		"the rules need more than was asked for": {
			story: func(l *life) {
				check := l.check
				l.check = func(n int) (ordercheck.CheckedOrder, error) {
					if n == 2 {
						return ordercheck.CheckedOrder{RuleSet: otherRules, NotAsked: []string{"salesRep"}}, nil
					}
					return check(n)
				}
				changed(l, time.Hour, rulesOff(l))
			},
			told: []string{"0s failed", "1h0m0s ended"}, fetched: 2, checks: 3,
		},
		"a new error is not confirmed before a fetch": {
			grace: 30 * time.Minute,
			story: func(l *life) {
				changed(l, time.Hour, func() { l.ruleSet, l.broken = otherRules, []string{"total", "stock"} })
				l.save(3*time.Hour, func() { l.broken = nil })
			},
			// at 0 and 30m the order is fetched, at 1h it is not, at 1h30m it is before stock is confirmed
			told: []string{"30m0s failed", "1h30m0s failed", "3h0m2s resolved"}, fetched: 4, checks: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			settings := settings
			settings.GracePeriod = tc.grace
			l := newLife(t, settings, "total")
			tc.story(l)
			l.mustRun(t)
			assert.Equal(t, tc.told, l.told())
			assert.Len(t, l.fetchedAt, tc.fetched)
			assert.Equal(t, tc.checks, l.checked)
		})
	}
}
