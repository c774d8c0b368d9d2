package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/ordercheck"
)

var otherRules = ordercheck.RuleSet{Name: "default", Digest: "sha256:01"}

// Changed rules are evaluated on the cached order, unless an event says that the order has
// changed, or the rules need more data.
func TestChangedRulesAreCheckedWithoutAFetch(t *testing.T) {
	changed := func(l *life, at time.Duration, change func()) {
		l.RegisterDelayedCallback(func() {
			change()
			l.SignalWorkflow(ordercheck.SignalWebhookDelivered,
				[]ordercheck.Delivery{{Event: ordercheck.EventRulesChanged, RulesDigest: l.ruleSet.Digest}})
		}, at)
	}
	rulesOff := func(l *life) func() { return func() { l.ruleSet, l.broken = otherRules, nil } }
	for name, tc := range map[string]struct {
		story           func(l *life)
		notices         []string
		fetched, checks int
	}{
		"a rule is switched off": {
			story:   func(l *life) { changed(l, time.Hour, rulesOff(l)) },
			notices: []string{"0s failed", "1h0m0s ended"}, fetched: 1, checks: 2,
		},
		"the order is saved at the same time": {
			story: func(l *life) {
				l.RegisterDelayedCallback(func() {
					rulesOff(l)()
					l.SignalWorkflow(ordercheck.SignalWebhookDelivered, []ordercheck.Delivery{
						{Event: ordercheck.EventRulesChanged, RulesDigest: l.ruleSet.Digest},
						{Event: "salesOrder.updated"},
					})
				}, time.Hour)
			},
			notices: []string{"0s failed", "1h0m2s ended"}, fetched: 2, checks: 2,
		},
		"the rules need more than was requested": {
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
			notices: []string{"0s failed", "1h0m0s ended"}, fetched: 2, checks: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			settings := settings
			settings.GracePeriod = 0
			l := newLife(t, settings, "total")
			tc.story(l)
			l.mustRun(t)
			assert.Equal(t, tc.notices, l.notices())
			assert.Len(t, l.fetchedAt, tc.fetched)
			assert.Equal(t, tc.checks, l.checked)
		})
	}
}
