package orderlife_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

var byAnna = ordercheck.OverrideRequest{
	Findings: []string{"all"},
	By:       "Anna",
	Reason:   "agreed with the customer",
}

// lifeStory is a series of events in the life of an order. Times count from the first fetch.
type lifeStory struct {
	broken  []string    // the rules that the order breaks at first
	story   func(*life) // what happens then; nil means nothing
	status  ordercheck.Status
	seen    []string // by the story's calls of look
	notices []string
	ended   time.Duration
}

const quiet = 2 * time.Second // an order settles for this time after a save

var overrideOfTotal = ordercheck.OverrideRequest{
	Findings: []string{"total"},
	By:       "Anna",
	Reason:   "r",
}

// graceStories are orders that nobody has put on hold yet: they are right, or within grace.
var graceStories = map[string]lifeStory{
	"right from the start": {status: ordercheck.StatusPassed},
	"warnings never hold":  {broken: []string{"~odd"}, status: ordercheck.StatusWarning},
	"pending, fixed within grace: nobody is notified": {
		broken: []string{"total"},
		story: func(l *life) {
			l.look(29 * time.Minute)
			l.saveBroken(29 * time.Minute)
		},
		status: ordercheck.StatusPassed, seen: []string{"29m0s pending"}, ended: 29*time.Minute + quiet,
	},
	"fixed without a delivery: seen when grace ends, before anything is confirmed": {
		broken: []string{"total"},
		story:  func(l *life) { l.edit(10 * time.Minute) },
		status: ordercheck.StatusPassed, ended: 30 * time.Minute,
	},
	"deleted within grace": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(10*time.Minute, func() { l.deleted = true }) },
		status: ordercheck.StatusUnchecked, ended: 10*time.Minute + quiet,
	},
	"overridden while pending: nobody is notified": {
		broken: []string{"total"},
		story: func(l *life) {
			l.override(10*time.Minute, byAnna)
			l.requireOverridden(time.Hour)
			l.saveBroken(day)
		},
		status: ordercheck.StatusPassed, ended: day + quiet,
	},
	"a person checks at once": {
		broken: []string{"total"},
		story: func(l *life) {
			l.edit(10 * time.Minute)
			l.at(10*time.Minute, l.ask)
		},
		status: ordercheck.StatusPassed, ended: 10 * time.Minute,
	},
}

// holdStories are orders that were held and put right.
var holdStories = map[string]lifeStory{
	"pending, confirmed, fixed": {
		broken: []string{"total"},
		story: func(l *life) {
			l.look(29 * time.Minute)
			l.look(31 * time.Minute)
			l.saveBroken(2 * time.Hour)
		},
		status: ordercheck.StatusPassed, seen: []string{"29m0s pending", "31m0s failed"},
		notices: []string{"30m0s failed", "2h0m2s resolved"}, ended: 2*time.Hour + quiet,
	},
	"no grace: confirmed at once": {
		broken: []string{"total"},
		story: func(l *life) {
			l.state.Settings.GracePeriod = 0
			l.saveBroken(time.Hour)
		},
		status: ordercheck.StatusPassed, notices: []string{"0s failed", "1h0m2s resolved"},
		ended: time.Hour + quiet,
	},
	"a rule's own grace": {
		broken: []string{"total", "stock"},
		story: func(l *life) {
			grace := 5 * time.Minute
			l.rules.terms = map[string]ordercheck.Terms{"stock": {RuleID: "stock", Grace: &grace}}
			l.saveBroken(time.Hour)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"5m0s failed", "30m0s failed", "1h0m2s resolved"},
		ended:   time.Hour + quiet,
	},
	"a finding keeps its first-seen time when amounts change": {
		broken: []string{"total"},
		story: func(l *life) {
			l.save(20*time.Minute, func() { l.order.wrong = map[string]string{"total": "500.00"} })
			l.saveBroken(time.Hour)
		},
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "1h0m2s resolved"},
		ended: time.Hour + quiet,
	},
	"a finding that was gone in between has a new first-seen time": {
		broken: []string{"total", "balance"},
		story: func(l *life) {
			l.saveBroken(10*time.Minute, "balance")
			l.saveBroken(20*time.Minute, "total", "balance")
			l.saveBroken(time.Hour)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"30m0s failed", "50m2s failed", "1h0m2s resolved"},
		ended:   time.Hour + quiet,
	},
	"no new errors: no notice": {
		broken: []string{"total"},
		story: func(l *life) {
			for hour := range 5 {
				l.saveBroken(time.Duration(hour+1)*time.Hour, "total")
			}
			l.saveBroken(10 * time.Hour)
		},
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "10h0m2s resolved"},
		ended: 10*time.Hour + quiet,
	},
	"one of two fixed: nothing new": {
		broken: []string{"total", "balance"},
		story: func(l *life) {
			l.saveBroken(time.Hour, "balance")
			l.saveBroken(2 * time.Hour)
		},
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "2h0m2s resolved"},
		ended: 2*time.Hour + quiet,
	},
	"a second error, later": {
		broken: []string{"total"},
		story: func(l *life) {
			l.saveBroken(time.Hour, "total", "balance")
			l.saveBroken(2 * time.Hour)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"30m0s failed", "1h30m2s failed", "2h0m2s resolved"},
		ended:   2*time.Hour + quiet,
	},
	"reminders": {
		broken: []string{"total"},
		story: func(l *life) {
			l.state.Settings.RemindEvery = day
			l.saveBroken(3 * day)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"30m0s failed", "24h30m0s reminder", "48h30m0s reminder", "72h0m2s resolved"},
		ended:   3*day + quiet,
	},
	"fixed without a delivery: nobody is reminded": {
		broken: []string{"total"},
		story: func(l *life) {
			l.state.Settings.RemindEvery = day
			l.edit(12 * time.Hour)
		},
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "24h30m0s resolved"},
		ended: day + 30*time.Minute,
	},
	"fixed without a delivery: the hold does not expire": {
		broken: []string{"total"},
		story:  func(l *life) { l.edit(12 * time.Hour) },
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "720h30m0s resolved"},
		ended: 30*day + 30*time.Minute,
	},
}

// endStories are holds that end although the order is still wrong, or gone.
var endStories = map[string]lifeStory{
	"expired": {
		broken: []string{"total"},
		status: ordercheck.StatusFailed, notices: []string{"30m0s failed", "720h30m0s ended"},
		ended: 30*day + 30*time.Minute,
	},
	"rules with terms of their own": {
		broken: []string{"total", "stock"},
		story: func(l *life) {
			l.state.Settings.GracePeriod = 0
			two, six, ten := 2*time.Hour, 6*time.Hour, 10*time.Hour
			l.rules.terms = map[string]ordercheck.Terms{
				"total": {RuleID: "total", HoldMax: &two},
				"stock": {RuleID: "stock", HoldMax: &ten, RemindEvery: &six},
			}
		},
		status:  ordercheck.StatusFailed,
		notices: []string{"0s failed", "6h0m0s reminder", "10h0m0s ended"},
		ended:   10 * time.Hour,
	},
	"cancelled": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(time.Hour, func() { l.broken(); l.order.cancelled = true }) },
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "1h0m2s ended"},
		ended: time.Hour + quiet,
	},
	"deleted": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(time.Hour, func() { l.deleted = true }) },
		status: ordercheck.StatusUnchecked, notices: []string{"30m0s failed", "1h0m2s ended"},
		ended: time.Hour + quiet,
	},
}

// overrideStories are held orders that a person takes responsibility for.
var overrideStories = map[string]lifeStory{
	"overridden while held": {
		broken: []string{"total"},
		story: func(l *life) {
			l.override(time.Hour, byAnna)
			l.requireOverridden(2 * time.Hour)
			l.saveBroken(3*time.Hour, "total") // the same errors: nobody is asked again
			l.requireOverridden(4 * time.Hour)
			l.saveBroken(day)
		},
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "1h0m0s overridden"},
		ended: day + quiet,
	},
	"every override ends": {
		broken: []string{"total"},
		story: func(l *life) {
			l.override(time.Hour, byAnna) // ends after a week
			l.requireOverridden(7 * day)
			l.saveBroken(8 * day)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"30m0s failed", "1h0m0s overridden", "169h0m0s failed", "192h0m2s resolved"},
		ended:   8*day + quiet,
	},
	"overridden for longer than a hold": {
		broken: []string{"total"},
		story: func(l *life) {
			forAYear := byAnna
			forAYear.For = "8760h"
			l.override(time.Hour, forAYear)
			l.override(2*time.Hour, forAYear)
		},
		status: ordercheck.StatusOverridden, notices: []string{"30m0s failed", "1h0m0s overridden"},
		ended: 30*day + 2*time.Hour,
	},
	"overridden, then cancelled at InFlow": {
		broken: []string{"total"},
		story: func(l *life) {
			l.override(time.Hour, byAnna)
			l.save(day, func() { l.order.cancelled = true })
		},
		status: ordercheck.StatusOverridden, notices: []string{"30m0s failed", "1h0m0s overridden"},
		ended: day + quiet,
	},
	"one overridden, the other fixed": {
		broken: []string{"total", "balance"},
		story: func(l *life) {
			l.override(time.Hour, overrideOfTotal)
			l.saveBroken(2*time.Hour, "total")
			l.requireOverridden(3 * time.Hour)
			l.saveBroken(day)
		},
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "2h0m2s overridden"},
		ended: day + quiet,
	},
	"an override lapses at its end": {
		broken: []string{"total", "balance"},
		story: func(l *life) {
			l.override(time.Hour, overrideOfTotal)
			l.saveBroken(8 * day)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"30m0s failed", "169h0m0s failed", "192h0m2s resolved"},
		ended:   8*day + quiet,
	},
	"an override does not cover other facts": {
		broken: []string{"total", "balance"},
		story: func(l *life) {
			l.override(time.Hour, overrideOfTotal)
			l.save(2*time.Hour,
				func() { l.order.wrong = map[string]string{"total": "500.00", "balance": "5.00"} })
			l.saveBroken(3 * time.Hour)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"30m0s failed", "2h0m2s failed", "3h0m2s resolved"},
		ended:   3*time.Hour + quiet,
	},
}

// outageStories are held orders that cannot be checked for a while.
var outageStories = map[string]lifeStory{
	"no reminder while InFlow refuses the key, one with the next check": {
		broken: []string{"total"},
		story: func(l *life) {
			l.state.Settings.RemindEvery = day
			l.at(12*time.Hour, func() { l.unauthorized = true })
			l.at(day+40*time.Minute, func() { l.unauthorized = false })
			l.saveBroken(2 * day)
		},
		status:  ordercheck.StatusPassed,
		notices: []string{"30m0s failed", "24h45m0s reminder", "48h0m2s resolved"}, ended: 2*day + quiet,
	},
	"a rule that cannot be evaluated clears nothing": {
		broken: []string{"total"},
		story: func(l *life) {
			l.save(time.Hour, func() { l.failing = []string{"total"} })
			l.look(90 * time.Minute)
			l.save(2*time.Hour, func() { l.broken(); l.failing = nil })
		},
		status: ordercheck.StatusPassed, seen: []string{"1h30m0s failed"},
		notices: []string{"30m0s failed", "2h0m2s resolved"}, ended: 2*time.Hour + quiet,
	},
	"held while InFlow refuses the key": {
		broken: []string{"total"},
		story: func(l *life) {
			l.save(time.Hour, func() { l.unauthorized = true })
			l.at(65*time.Minute, func() { l.unauthorized = false; l.broken() })
		},
		status: ordercheck.StatusPassed, notices: []string{"30m0s failed", "1h15m2s resolved"},
		ended: 75*time.Minute + quiet,
	},
	"grace ends while InFlow refuses the key": {
		broken: []string{"total"},
		story: func(l *life) {
			l.at(10*time.Minute, func() { l.unauthorized = true })
			l.at(40*time.Minute, func() { l.unauthorized = false })
			l.saveBroken(2 * time.Hour)
		},
		status: ordercheck.StatusPassed, notices: []string{"45m0s failed", "2h0m2s resolved"},
		ended: 2*time.Hour + quiet,
	},
}

// TestLife plays all stories.
func TestLife(t *testing.T) {
	for _, stories := range []map[string]lifeStory{
		graceStories, holdStories, endStories, overrideStories, outageStories,
	} {
		for name, story := range stories {
			t.Run(name, story.test)
		}
	}
}

func (s lifeStory) test(t *testing.T) {
	l := newLife(t, s.broken...)
	if s.story != nil {
		s.story(l)
	}
	report := l.mustRun()
	assert.Equal(t, s.status, report.Status)
	assert.Equal(t, s.seen, l.seen)
	assert.Equal(t, append([]string{}, s.notices...), l.notices())
	assert.Equal(t, s.ended, l.now.Sub(start))
	keys := map[string]bool{}
	for i, sent := range l.sent {
		assert.False(t, keys[sent.notice.Key], "each notice has its own key")
		keys[sent.notice.Key] = true
		if i > 0 {
			assert.Equal(t, l.sent[0].notice.Key, sent.notice.Thread)
		}
		if sent.notice.Kind == ordercheck.NoticeResolved {
			assert.NotEmpty(t, sent.notice.Resolved)
		}
	}
}

// The hold ends in time, and the note does not say that the order is still wrong.
func TestHoldExpiresWhileInflowRefusesTheKey(t *testing.T) {
	l := newLife(t, "total")
	l.save(29*day, func() { l.unauthorized = true })
	require.Equal(t, orderlife.Fail, l.run())
	assert.Equal(t, ordercheck.ErrorInflowUnauthorized, l.state.Failure.Type)
	assert.Equal(t, []string{"30m0s failed", "720h30m0s ended"}, l.notices())
	note := l.sent[len(l.sent)-1].notice.Report.Note
	assert.Contains(t, note, "could not be checked again")
	assert.NotContains(t, note, "still wrong")
}

func TestCheckWaitsUntilTheOrderIsQuiet(t *testing.T) {
	for name, tc := range map[string]struct {
		deliveries []time.Duration
		want       []time.Duration
	}{
		"no delivery, no wait": {nil, []time.Duration{0}},
		"two seconds of quiet": {[]time.Duration{0}, []time.Duration{2 * time.Second}},
		"each delivery begins it again": {[]time.Duration{0, 1500 * time.Millisecond, 3 * time.Second},
			[]time.Duration{5 * time.Second}},
		"thirty seconds at most": {everySecond(40),
			[]time.Duration{30 * time.Second, 41 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "total")
			for _, at := range tc.deliveries {
				l.at(at, func() { l.deliver(1) })
			}
			l.at(time.Minute, func() { assert.Equal(t, tc.want, l.fetchedAt) })
			l.mustRun()
		})
	}
}

func TestPersonDoesNotWaitForSettling(t *testing.T) {
	l := newLife(t)
	l.at(0, func() { l.deliver(1) })
	l.at(time.Second, l.ask)
	l.mustRun()
	assert.Equal(t, []time.Duration{time.Second}, l.fetchedAt)
}

func everySecond(n int) []time.Duration {
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = time.Duration(i) * time.Second
	}
	return at
}

func TestListsOfAReportAreNeverNull(t *testing.T) {
	for name, story := range map[string]func(l *life){
		"right":     func(*life) {},
		"put right": func(l *life) { l.broken("total"); l.saveBroken(time.Hour) },
		"deleted": func(l *life) {
			l.broken("total")
			l.save(time.Hour,
				func() { l.deleted = true })
		},
		"not checked": func(l *life) { l.unauthorized = true },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			story(l)
			l.run()
			data, err := json.Marshal(l.state.Report)
			require.NoError(t, err)
			var report map[string]any
			require.NoError(t, json.Unmarshal(data, &report))
			for _, list := range []string{"findings", "skipped", "ruleErrors"} {
				assert.Equal(t, []any{}, report[list], "%s", list)
			}
		})
	}
}
