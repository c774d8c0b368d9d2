package orderlife_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// recordOutcomes appends the waiting outcomes to l.outcomes, as text.
func (l *life) recordOutcomes() {
	batch, _ := l.state.BeginOutcomes(l.now)
	for _, o := range batch.Outcomes {
		text := fmt.Sprintf("%v %s %s", l.now.Sub(start), o.RuleID, o.Outcome)
		if o.Count > 1 {
			text += fmt.Sprintf(" ×%d", o.Count)
		}
		if o.Seconds > 0 {
			text += fmt.Sprintf(" after %v", time.Duration(o.Seconds)*time.Second)
		}
		l.outcomes = append(l.outcomes, text)
	}
	l.state.EndOutcomes()
}

// outcomeStory is something that happens to an order, and the outcomes that it leaves.
type outcomeStory struct {
	broken []string
	story  func(*life)
	want   []string
	end    orderlife.Do
}

// outcomeStories has every outcome, alone and with others.
var outcomeStories = map[string]outcomeStory{
	"right from the start": {},
	"only warnings":        {broken: []string{"~odd"}},
	"fixed within grace": {
		broken: []string{"total"},
		story:  func(l *life) { l.saveBroken(10 * time.Minute) },
		want:   []string{"10m2s total fixed-in-grace after 10m2s"},
	},
	"fixed after people were notified, one after the other": {
		broken: []string{"balance", "total"},
		story: func(l *life) {
			l.saveBroken(time.Hour, "total")
			l.saveBroken(2 * time.Hour)
		},
		want: []string{
			"1h0m2s balance fixed-after-notice after 1h0m2s",
			"2h0m2s total fixed-after-notice after 2h0m2s",
		},
	},
	"amounts change: the same error": {
		broken: []string{"total"},
		story: func(l *life) {
			l.save(time.Hour, func() { l.order.wrong["total"] = "500.00" })
			l.saveBroken(2 * time.Hour)
		},
		want: []string{"2h0m2s total fixed-after-notice after 2h0m2s"},
	},
	"overridden, then fixed: overridden": {
		broken: []string{"total"},
		story: func(l *life) {
			l.override(time.Hour, byAnna)
			l.saveBroken(day)
		},
		want: []string{"1h0m0s total overridden after 1h0m0s"},
	},
	"the override ends, then fixed: both": {
		broken: []string{"total"},
		story: func(l *life) {
			l.override(time.Hour, byAnna) // ends after a week
			l.saveBroken(8 * day)
		},
		want: []string{
			"1h0m0s total overridden after 1h0m0s",
			"192h0m2s total fixed-after-notice after 192h0m2s",
		},
	},
	"expired, the other one fixed": {
		broken: []string{"balance", "total"},
		story:  func(l *life) { l.edit(12*time.Hour, "total") },
		want: []string{
			"720h30m0s balance fixed-after-notice after 720h30m0s",
			"720h30m0s total expired after 720h30m0s",
		},
	},
	"expired while InFlow refuses the key": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(29*day, func() { l.unauthorized = true }) },
		want:   []string{"720h30m0s total expired after 720h30m0s"},
		end:    orderlife.Fail,
	},
	"cancelled": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(time.Hour, func() { l.broken(); l.order.cancelled = true }) },
		want:   []string{"1h0m2s total order-gone after 1h0m2s"},
	},
	"deleted within grace": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(10*time.Minute, func() { l.deleted = true }) },
		want:   []string{"10m2s total order-gone after 10m2s"},
	},
	"the rules changed": {
		broken: []string{"total"},
		story:  func(l *life) { l.at(time.Hour, func() { l.changeRules(); l.announceRules() }) },
		want:   []string{"1h0m0s total rules-changed after 1h0m0s"},
	},
	"only a warning now": {
		broken: []string{"total"},
		story: func(l *life) {
			l.at(time.Hour, func() { l.changeRules("~total"); l.announceRules() })
		},
		want: []string{"1h0m0s total rules-changed after 1h0m0s"},
	},
	"the rule is off, and somebody saved the order within grace": {
		broken: []string{"total"},
		story: func(l *life) {
			l.save(10*time.Minute, func() { l.rules.number++; l.rules.off = []string{"total"} })
		},
		want: []string{"10m2s total rules-changed after 10m2s"},
	},
	"ended by an operator": {
		broken: []string{"total"},
		story:  func(l *life) { l.at(time.Hour, func() { l.state.CancelledByOperator() }) },
		want:   []string{"1h0m0s total ended-by-hand after 1h0m0s"},
		end:    orderlife.Cancel,
	},
	"could not be evaluated, which counts once": {
		broken: []string{"total"},
		story: func(l *life) {
			l.failing = []string{"credit"}
			for minute := range 5 {
				l.saveBroken(time.Duration(minute+1)*time.Minute, "total")
			}
			l.save(10*time.Minute, func() { l.broken(); l.failing = nil })
		},
		want: []string{
			"0s credit not-evaluated", "10m2s total fixed-in-grace after 10m2s",
		},
	},
}

func TestOutcomes(t *testing.T) {
	for name, tc := range outcomeStories {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, tc.broken...)
			l.state.Settings.RecordOutcomes = true
			if tc.story != nil {
				tc.story(l)
			}
			end := tc.end
			if end == "" {
				end = orderlife.Complete
			}
			assert.Equal(t, end, l.run())
			assert.Equal(t, tc.want, l.outcomes)
		})
	}
}

// Runs that an older version of the gate began do not record outcomes.
func TestNoOutcomesUnlessRecorded(t *testing.T) {
	l := newLife(t, "total")
	l.failing = []string{"credit"}
	l.saveBroken(time.Hour)
	l.at(2*time.Hour, func() { l.failing = nil; l.ask() })
	l.run()
	assert.Empty(t, l.outcomes)
	data, err := json.Marshal(l.state)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "utcomes")
}

// If a rule has more errors than the report lists, the outcomes follow from their number.
func TestOutcomesOfUnlistedErrors(t *testing.T) {
	l := newLife(t)
	s := l.state
	s.Settings.RecordOutcomes, s.Settings.GracePeriod = true, 0
	check := func(after time.Duration, version string, errors int) {
		l.now = start.Add(after)
		s.Asked()
		s.Begin()
		checked := &ordercheck.CheckedOrder{RuleSet: l.rules.set()}
		for i := range errors {
			checked.Findings = append(checked.Findings, ordercheck.Finding{
				ID: fmt.Sprintf("price/%04d", i), RuleID: "price", Severity: ordercheck.SeverityError,
				Message: "too cheap", Actual: "1.00",
			})
		}
		checked.Truncate()
		fetched := ordercheck.FetchedOrder{OrderVersion: version}
		s.Checked(l.now, &orderlife.Result{Began: l.now, Fetched: fetched, Checked: checked})
	}
	check(0, "1", 600)
	check(time.Hour, "2", 590)
	check(2*time.Hour, "3", 20)
	check(3*time.Hour, "4", 0)
	want := []ordercheck.RuleOutcome{
		{RuleID: "price", Outcome: ordercheck.OutcomeFixedAfterNotice, Count: 10, Seconds: 3600},
		{RuleID: "price", Outcome: ordercheck.OutcomeFixedAfterNotice, Count: 570, Seconds: 7200},
		{RuleID: "price", Outcome: ordercheck.OutcomeFixedAfterNotice, Count: 20, Seconds: 10800},
	}
	assert.Equal(t, want, s.Outcomes.Waiting)
}

// Outcomes that wait for a long time are merged, and none is lost.
func TestWaitingOutcomesAreBounded(t *testing.T) {
	l := newLife(t, "total")
	s := l.state
	s.Settings.RecordOutcomes, s.Settings.GracePeriod = true, 0
	const times = 2000
	for i := range times {
		s.Asked()
		l.check()
		l.now = l.now.Add(time.Duration(i) * time.Second)
		l.order.version++
		l.broken()
		s.Asked()
		l.check()
		s.Outbox = nil
		l.order.version++
		l.broken("total")
	}
	assert.LessOrEqual(t, len(s.Outcomes.Waiting), 501)
	n := 0
	for _, o := range s.Outcomes.Waiting {
		n += o.Count
	}
	assert.Equal(t, times, n)
}
