package orderlife_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

// Nobody fixed the order: its rule was switched off.
func TestPeopleAreNotifiedThatTheRulesChanged(t *testing.T) {
	rulesOf := func(findings []ordercheck.Finding) (rules []string) {
		for _, f := range findings {
			rules = append(rules, f.RuleID)
		}
		return rules
	}
	recheck := func(l *life, after time.Duration, change func()) {
		l.at(after, func() { change(); l.ask() })
	}
	for name, tc := range map[string]struct {
		story            func(l *life)
		notices          []string
		resolved, lifted []string // of the last notice
	}{
		"the rule is switched off": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { l.changeRules(); l.rules.off = []string{"total", "stock"} })
			},
			notices: []string{"failed", "endedrules-changed"}, lifted: []string{"total", "stock"},
		},
		"the rule has another limit": {
			story:   func(l *life) { recheck(l, time.Hour, func() { l.changeRules() }) },
			notices: []string{"failed", "endedrules-changed"}, lifted: []string{"total", "stock"},
		},
		"the rule is a warning now": {
			story:   func(l *life) { recheck(l, time.Hour, func() { l.changeRules("~total", "~stock") }) },
			notices: []string{"failed", "endedrules-changed"}, lifted: []string{"total", "stock"},
		},
		"the order was saved too, and a rule stays in force": {
			story: func(l *life) {
				l.save(time.Hour, func() { l.changeRules(); l.rules.off = []string{"stock"} })
			},
			notices: []string{"failed", "resolved"}, resolved: []string{"total"}, lifted: []string{"stock"},
		},
		"one rule is switched off, the other error is fixed later": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { l.changeRules("total"); l.rules.off = []string{"stock"} })
				l.saveBroken(2 * time.Hour)
			},
			notices: []string{"failed", "resolved"}, resolved: []string{"total"}, lifted: []string{"stock"},
		},
		"the rules changed, and the order was fixed later": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { l.changeRules("total", "stock") })
				l.saveBroken(2 * time.Hour)
			},
			notices: []string{"failed", "resolved"}, resolved: []string{"total", "stock"},
		},
		"a rule is switched off, on again, and the error is fixed": {
			story: func(l *life) {
				recheck(l, time.Hour, func() { l.changeRules("total") })
				recheck(l, 2*time.Hour, func() { l.changeRules("total", "stock") })
				l.saveBroken(3 * time.Hour)
			},
			notices: []string{"failed", "failed", "resolved"}, resolved: []string{"total", "stock"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "total", "stock")
			l.state.Settings.GracePeriod = 0
			tc.story(l)
			l.mustRun()
			var notices []string
			for _, s := range l.sent {
				notices = append(notices, string(s.notice.Kind)+string(s.notice.EndReason))
			}
			require.Equal(t, tc.notices, notices)
			last := l.sent[len(l.sent)-1].notice
			assert.ElementsMatch(t, tc.resolved, rulesOf(last.Resolved))
			assert.ElementsMatch(t, tc.lifted, rulesOf(last.Lifted))
		})
	}
}

// Changed rules are evaluated on the kept order, which confirms no error.
func TestChangedRulesConfirmNothingWithoutAFetch(t *testing.T) {
	for name, tc := range map[string]struct {
		story           func(l *life)
		notices         []string
		fetched, checks int
	}{
		"the rules are the same as in the check": {
			story: func(l *life) {
				l.state.Settings.GracePeriod = 0
				l.at(time.Hour, l.announceRules)
				l.save(2*time.Hour, func() { l.changeRules() })
			},
			notices: []string{"0s failed", "2h0m2s resolved"}, fetched: 2, checks: 2,
		},
		"the order is saved at the same time": {
			story: func(l *life) {
				l.at(time.Hour, func() {
					l.changeRules()
					l.announceRules()
					l.deliver(1)
				})
			},
			notices: []string{"30m0s failed", "1h0m2s ended"}, fetched: 3, checks: 2,
		},
		"a new error is not confirmed before a fetch": {
			story: func(l *life) {
				l.at(time.Hour, func() { l.changeRules("total", "stock"); l.announceRules() })
				l.saveBroken(3 * time.Hour)
			},
			// The order is fetched at 0 and 30m, not at 1h, and at 1h30m before stock is confirmed.
			notices: []string{"30m0s failed", "1h30m0s failed", "3h0m2s resolved"}, fetched: 4, checks: 3,
		},
		"the latest check could not be done": {
			story: func(l *life) {
				l.save(time.Hour, func() { l.unauthorized = true })
				l.at(65*time.Minute, func() { l.unauthorized = false; l.changeRules(); l.announceRules() })
			},
			// The order was saved meanwhile, so the rules are not the only change.
			notices: []string{"30m0s failed", "1h5m0s resolved"}, fetched: 4, checks: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "total")
			tc.story(l)
			l.mustRun()
			assert.Equal(t, tc.notices, l.notices())
			assert.Len(t, l.fetchedAt, tc.fetched)
			assert.Equal(t, tc.checks, l.checked)
		})
	}
}

// An order that has only warnings is not held. The first notice that lists a warning counts as
// the notice of this warning.
func TestWarningsAreNotifiedOnce(t *testing.T) {
	notifiedBefore := func(l *life, rule string) {
		f := finding(rule, ordercheck.SeverityWarning)
		f.Notified = true
		l.recalled = &ordercheck.RecalledRun{Notified: []ordercheck.Finding{f}}
	}
	for name, tc := range map[string]struct {
		broken []string
		story  func(l *life)
		want   []string
	}{
		"at once": {[]string{"~stock"}, func(*life) {}, []string{"0s warning"}},
		"notified by an earlier run": {[]string{"~stock"},
			func(l *life) { notifiedBefore(l, "stock") }, []string{}},
		"another one notified then": {[]string{"~stock"}, func(l *life) { notifiedBefore(l, "phone") },
			[]string{"0s warning"}},
		"one more since then": {[]string{"~stock", "~phone"},
			func(l *life) { notifiedBefore(l, "phone") },
			[]string{"0s warning"}},
		"no warnings": {nil, func(*life) {}, []string{}},
		"an error within grace": {[]string{"total", "~stock"},
			func(l *life) { l.saveBroken(time.Minute, "~stock") },
			[]string{"1m2s warning"}},
		"listed by the failure": {[]string{"total", "~stock"},
			func(l *life) { l.saveBroken(time.Hour, "~stock") },
			[]string{"30m0s failed", "1h0m2s resolved"}},
		"of a cancelled order": {[]string{"~stock"},
			func(l *life) { l.order.cancelled = true }, []string{}},
		"an error while it stands": {[]string{"~stock", "total"},
			func(l *life) { l.save(time.Hour, func() { l.deleted = true }) },
			[]string{"30m0s failed", "1h0m2s ended"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, tc.broken...)
			l.state.Settings.NotifyWarnings = true
			tc.story(l)
			report := l.mustRun()
			assert.Equal(t, tc.want, l.notices())
			for _, f := range report.Findings {
				assert.Equal(t, !l.order.cancelled, f.Notified, "the report says that people know of %s",
					f.RuleID)
			}
		})
	}
	t.Run("off", func(t *testing.T) {
		l := newLife(t, "~stock")
		assert.Equal(t, ordercheck.StatusWarning, l.mustRun().Status)
		assert.Empty(t, l.sent)
	})
}

func TestOnlyNewWarningsMakeANoticeWhileOneWaits(t *testing.T) {
	l := newLife(t, "~stock")
	l.state.Settings.NotifyWarnings, l.mailDown = true, true
	l.saveBroken(10*time.Minute, "~stock")
	l.saveBroken(20*time.Minute, "~stock", "~phone")
	l.saveBroken(30*time.Minute, "~phone")
	l.at(time.Hour, func() { l.mailDown = false })
	assert.Equal(t, ordercheck.StatusWarning, l.mustRun().Status)
	assert.Equal(t, []string{"1h0m0s warning", "1h0m0s warning"}, l.notices())
	first, second := l.sent[0].notice.Report.Findings, l.sent[1].notice.Report.Findings
	require.Len(t, first, 1)
	require.Len(t, second, 2)
	notified := map[string]bool{}
	for _, f := range second {
		notified[f.RuleID] = f.Notified
	}
	assert.Equal(t, map[string]bool{"stock": true, "phone": false}, notified,
		"the second notice says which warning is not new")
}
