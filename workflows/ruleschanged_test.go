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
			settings := holding
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
	l := newLife(t, swept(holding), "total")
	l.save(29*day, func() { l.down = true })
	l.execute()
	require.ErrorContains(t, l.GetWorkflowError(), "InFlow refused the API key")
	assert.Equal(t, []string{"30m0s failed", "720h30m0s ended"}, l.told())
	note := l.sent[len(l.sent)-1].notice.Report.Note
	assert.Contains(t, note, "could not be checked again")
	assert.NotContains(t, note, "still wrong")
}
