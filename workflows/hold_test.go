package workflows_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

const day = 24 * time.Hour

var settings = orderlife.Settings{
	SettleQuiet: 2 * time.Second, SettleMax: 30 * time.Second,
	GracePeriod: 30 * time.Minute, HoldMax: 30 * day,
}

// life is an order whose errors change over time.
type life struct {
	*world
	t      *testing.T
	broken []string // rules broken now
	amount string   // of every finding
	terms  []ordercheck.Terms
	gone   bool // InFlow does not know the order
	cancel bool // the order is cancelled
	down   bool // InFlow refuses the key
	rules  []ordercheck.RuleError
	saved  int // versions of the order
	// ruleSet is in force, off are rules that it has no longer.
	ruleSet ordercheck.RuleSet
	off     []string
	seen    []string
}

func newLife(t *testing.T, settings orderlife.Settings, broken ...string) *life {
	t.Helper()
	l := &life{world: newWorldWith(t, settings), t: t, broken: broken, amount: "5.00", ruleSet: ruleSet}
	l.fetch = func(int) (ordercheck.FetchedOrder, error) {
		switch {
		case l.down:
			return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("401", ordercheck.ErrorInflowUnauthorized, nil)
		case l.gone:
			return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("404", ordercheck.ErrorOrderNotFound, nil)
		}
		o := order(l.saved)
		o.IsCancelled, o.RuleSet = l.cancel, l.ruleSet
		return o, nil
	}
	l.check = func(int) (ordercheck.CheckedOrder, error) {
		checked := found()
		for _, rule := range l.broken {
			severity := ordercheck.SeverityError
			if rule[0] == '~' {
				severity = ordercheck.SeverityWarning
			}
			f := finding(rule, severity)
			f.Actual = l.amount
			checked.Findings = append(checked.Findings, f)
		}
		checked.Terms, checked.RuleErrors, checked.RuleSet = l.terms, l.rules, l.ruleSet
		for _, rule := range l.lastCheck.Told {
			if slices.Contains(l.off, rule) {
				checked.NotInForce = append(checked.NotInForce, rule)
			}
		}
		return checked, nil
	}
	return l
}

// save changes the order at a time, and delivers.
func (l *life) save(at time.Duration, change func()) {
	l.RegisterDelayedCallback(func() {
		change()
		l.saved++
		l.deliver(1)
	}, at)
}

// look notes the report's status at a time.
func (l *life) look(at time.Duration) {
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		l.seen = append(l.seen, fmt.Sprintf("%s %s", at, report.Status))
	}, at)
}

func (l *life) ask() ordercheck.Report {
	l.t.Helper()
	answer, err := l.QueryWorkflow(ordercheck.QueryReport)
	require.NoError(l.t, err)
	var report ordercheck.Report
	require.NoError(l.t, answer.Get(&report))
	return report
}

// told is what was sent, in order: "30m0s failed".
func (l *life) told() []string {
	told := []string{}
	for _, s := range l.sent {
		told = append(told, fmt.Sprintf("%s %s", s.at.Round(time.Second), s.notice.Kind))
	}
	return told
}

// override sends the update at a time; refused gets the validator's word, if it refuses.
func (l *life) override(at time.Duration, request ordercheck.OverrideRequest, refused *string) {
	l.RegisterDelayedCallback(func() {
		if request.Until.IsZero() && request.For == "" && request.Reason != "no end" {
			request.Until = l.Now().Add(7 * day)
		}
		l.UpdateWorkflow(ordercheck.UpdateOverride, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {
				if refused != nil {
					*refused = "accepted"
				}
			},
			OnReject: func(err error) {
				if refused == nil {
					l.t.Errorf("refused: %v", err)
					return
				}
				*refused = err.Error()
			},
			OnComplete: func(any, error) {},
		}, request)
	}, at)
}

// requireOverridden looks at a time whether Anna answers for every error.
func (l *life) requireOverridden(at time.Duration) {
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		assert.Equal(l.t, ordercheck.StatusOverridden, report.Status)
		if assert.NotEmpty(l.t, report.Findings) && assert.NotNil(l.t, report.Findings[0].Override) {
			assert.Equal(l.t, "Anna", report.Findings[0].Override.By)
		}
	}, at)
}

var byAnna = ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "agreed with the customer"}

// TestLife is every way that an order can go. Times are since the first delivery was fetched.
func TestLife(t *testing.T) {
	quiet := 2 * time.Second // settling, after a save
	for name, tc := range map[string]struct {
		settings func(*orderlife.Settings)
		broken   []string
		story    func(*life)
		status   ordercheck.Status
		told     []string
		ended    time.Duration
	}{
		"right from the start": {status: ordercheck.StatusPassed, told: []string{}},
		"warnings never hold":  {broken: []string{"~odd"}, status: ordercheck.StatusWarning, told: []string{}},
		"pending, fixed within grace: nobody is told": {
			broken: []string{"total"},
			story: func(l *life) {
				l.look(29 * time.Minute)
				l.save(29*time.Minute, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{}, ended: 29*time.Minute + quiet,
		},
		"pending, confirmed, fixed": {
			broken: []string{"total"},
			story: func(l *life) {
				l.look(29 * time.Minute)
				l.look(31 * time.Minute)
				l.save(2*time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "2h0m2s resolved"}, ended: 2*time.Hour + quiet,
		},
		"fixed without a delivery: seen when grace ends, before anything is confirmed": {
			broken: []string{"total"},
			story: func(l *life) {
				l.RegisterDelayedCallback(func() { l.broken, l.saved = nil, 1 }, 10*time.Minute)
			},
			status: ordercheck.StatusPassed, told: []string{}, ended: 30 * time.Minute,
		},
		"no grace: confirmed at once": {
			settings: func(s *orderlife.Settings) { s.GracePeriod = 0 },
			broken:   []string{"total"},
			story:    func(l *life) { l.save(time.Hour, func() { l.broken = nil }) },
			status:   ordercheck.StatusPassed, told: []string{"0s failed", "1h0m2s resolved"}, ended: time.Hour + quiet,
		},
		"a rule's own grace": {
			broken: []string{"total", "stock"},
			story: func(l *life) {
				grace := 5 * time.Minute
				l.terms = []ordercheck.Terms{{RuleID: "stock", Grace: &grace}}
				l.save(time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"5m0s failed", "30m0s failed", "1h0m2s resolved"}, ended: time.Hour + quiet,
		},
		"a finding keeps its clock when amounts change": {
			broken: []string{"total"},
			story: func(l *life) {
				l.save(20*time.Minute, func() { l.amount = "500.00" })
				l.save(time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "1h0m2s resolved"}, ended: time.Hour + quiet,
		},
		"and loses it when it was gone in between": {
			broken: []string{"total", "balance"},
			story: func(l *life) {
				l.save(10*time.Minute, func() { l.broken = []string{"balance"} })
				l.save(20*time.Minute, func() { l.broken = []string{"total", "balance"} })
				l.save(time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "50m2s failed", "1h0m2s resolved"}, ended: time.Hour + quiet,
		},
		"nothing new, nothing said": {
			broken: []string{"total"},
			story: func(l *life) {
				for hour := range 5 {
					l.save(time.Duration(hour+1)*time.Hour, func() {})
				}
				l.save(10*time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "10h0m2s resolved"}, ended: 10*time.Hour + quiet,
		},
		"one of two fixed: nothing new": {
			broken: []string{"total", "balance"},
			story: func(l *life) {
				l.save(time.Hour, func() { l.broken = []string{"balance"} })
				l.save(2*time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "2h0m2s resolved"}, ended: 2*time.Hour + quiet,
		},
		"a second error, later": {
			broken: []string{"total"},
			story: func(l *life) {
				l.save(time.Hour, func() { l.broken = []string{"total", "balance"} })
				l.save(2*time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "1h30m2s failed", "2h0m2s resolved"}, ended: 2*time.Hour + quiet,
		},
		"reminders": {
			settings: func(s *orderlife.Settings) { s.RemindEvery = day },
			broken:   []string{"total"},
			story:    func(l *life) { l.save(3*day, func() { l.broken = nil }) },
			status:   ordercheck.StatusPassed,
			told:     []string{"30m0s failed", "24h30m0s reminder", "48h30m0s reminder", "72h0m2s resolved"}, ended: 3*day + quiet,
		},
		"fixed without a delivery: nobody is reminded": {
			settings: func(s *orderlife.Settings) { s.RemindEvery = day },
			broken:   []string{"total"},
			story: func(l *life) {
				l.RegisterDelayedCallback(func() { l.broken, l.saved = nil, 1 }, 12*time.Hour)
			},
			status: ordercheck.StatusPassed,
			told:   []string{"30m0s failed", "24h30m0s resolved"}, ended: day + 30*time.Minute,
		},
		"no reminder while InFlow refuses the key, one with the next check": {
			settings: func(s *orderlife.Settings) { s.RemindEvery = day },
			broken:   []string{"total"},
			story: func(l *life) {
				l.RegisterDelayedCallback(func() { l.down = true }, 12*time.Hour)
				l.RegisterDelayedCallback(func() { l.down = false }, day+40*time.Minute)
				l.save(2*day, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed,
			told:   []string{"30m0s failed", "24h45m0s reminder", "48h0m2s resolved"}, ended: 2*day + quiet,
		},
		"fixed without a delivery: the hold does not expire": {
			broken: []string{"total"},
			story: func(l *life) {
				l.RegisterDelayedCallback(func() { l.broken, l.saved = nil, 1 }, 12*time.Hour)
			},
			status: ordercheck.StatusPassed,
			told:   []string{"30m0s failed", "720h30m0s resolved"}, ended: 30*day + 30*time.Minute,
		},
		"expired": {
			broken: []string{"total"}, status: ordercheck.StatusFailed,
			told: []string{"30m0s failed", "720h30m0s ended"}, ended: 30*day + 30*time.Minute,
		},
		"rules with terms of their own": {
			settings: func(s *orderlife.Settings) { s.GracePeriod = 0 },
			broken:   []string{"total", "stock"},
			story: func(l *life) {
				two, six, ten := 2*time.Hour, 6*time.Hour, 10*time.Hour
				l.terms = []ordercheck.Terms{
					{RuleID: "total", HoldMax: &ten, RemindEvery: &six}, {RuleID: "stock", HoldMax: &two},
				}
			},
			status: ordercheck.StatusFailed, told: []string{"0s failed", "6h0m0s reminder", "10h0m0s ended"}, ended: 10 * time.Hour,
		},
		"cancelled": {
			broken: []string{"total"},
			story:  func(l *life) { l.save(time.Hour, func() { l.broken, l.cancel = nil, true }) },
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "1h0m2s ended"}, ended: time.Hour + quiet,
		},
		"deleted": {
			broken: []string{"total"},
			story:  func(l *life) { l.save(time.Hour, func() { l.gone = true }) },
			status: ordercheck.StatusUnchecked, told: []string{"30m0s failed", "1h0m5s ended"}, ended: time.Hour + quiet + 3*time.Second,
		},
		"deleted within grace": {
			broken: []string{"total"},
			story:  func(l *life) { l.save(10*time.Minute, func() { l.gone = true }) },
			status: ordercheck.StatusUnchecked, told: []string{}, ended: 10*time.Minute + quiet + 3*time.Second,
		},
		"overridden while pending: nobody is told": {
			broken: []string{"total"},
			story: func(l *life) {
				l.override(10*time.Minute, byAnna, nil)
				l.requireOverridden(time.Hour)
				l.save(day, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{}, ended: day + quiet,
		},
		"overridden while held": {
			broken: []string{"total"},
			story: func(l *life) {
				l.override(time.Hour, byAnna, nil)
				l.requireOverridden(2 * time.Hour)
				l.save(3*time.Hour, func() {}) // the same errors: nobody is asked again
				l.requireOverridden(4 * time.Hour)
				l.save(day, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "1h0m0s overridden"}, ended: day + quiet,
		},
		"every override ends": {
			broken: []string{"total"},
			story: func(l *life) {
				l.override(time.Hour, byAnna, nil) // a week
				l.requireOverridden(7 * day)
				l.save(8*day, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "1h0m0s overridden", "169h0m0s failed", "192h0m2s resolved"}, ended: 8*day + quiet,
		},
		"overridden for longer than a hold": {
			broken: []string{"total"},
			story: func(l *life) {
				until := byAnna
				until.For = "8760h"
				l.override(time.Hour, until, nil)
				l.override(2*time.Hour, until, nil)
			},
			status: ordercheck.StatusOverridden, told: []string{"30m0s failed", "1h0m0s overridden"}, ended: 30*day + 2*time.Hour,
		},
		"overridden, then cancelled at InFlow": {
			broken: []string{"total"},
			story: func(l *life) {
				l.override(time.Hour, byAnna, nil)
				l.save(day, func() { l.cancel = true })
			},
			status: ordercheck.StatusOverridden, told: []string{"30m0s failed", "1h0m0s overridden"}, ended: day + quiet,
		},
		"one overridden, the other fixed": {
			broken: []string{"total", "balance"},
			story: func(l *life) {
				l.override(time.Hour, ordercheck.OverrideRequest{Findings: []string{"total"}, By: "Anna", Reason: "r"}, nil)
				l.save(2*time.Hour, func() { l.broken = []string{"total"} })
				l.requireOverridden(3 * time.Hour)
				l.save(day, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "2h0m2s overridden"}, ended: day + quiet,
		},
		"an override lapses at its end": {
			broken: []string{"total", "balance"},
			story: func(l *life) {
				l.override(time.Hour, ordercheck.OverrideRequest{Findings: []string{"total"}, By: "Anna", Reason: "r"}, nil)
				l.save(8*day, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "169h0m0s failed", "192h0m2s resolved"}, ended: 8*day + quiet,
		},
		"an override does not cover other facts": {
			broken: []string{"total", "balance"},
			story: func(l *life) {
				l.override(time.Hour, ordercheck.OverrideRequest{Findings: []string{"total"}, By: "Anna", Reason: "r"}, nil)
				l.save(2*time.Hour, func() { l.amount = "500.00" })
				l.save(3*time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "2h0m2s failed", "3h0m2s resolved"}, ended: 3*time.Hour + quiet,
		},
		"a rule that cannot be evaluated clears nothing": {
			broken: []string{"total"},
			story: func(l *life) {
				l.save(time.Hour, func() {
					l.broken, l.rules = nil, []ordercheck.RuleError{{RuleID: "total", Error: "overflow"}}
				})
				l.look(90 * time.Minute)
				l.save(2*time.Hour, func() { l.rules = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "2h0m2s resolved"}, ended: 2*time.Hour + quiet,
		},
		"held while InFlow refuses the key": {
			broken: []string{"total"},
			story: func(l *life) {
				l.save(time.Hour, func() { l.down = true })
				l.RegisterDelayedCallback(func() { l.down, l.broken = false, nil }, 65*time.Minute)
			},
			status: ordercheck.StatusPassed, told: []string{"30m0s failed", "1h15m2s resolved"}, ended: 75*time.Minute + quiet,
		},
		"grace is served while InFlow refuses the key": {
			broken: []string{"total"},
			story: func(l *life) {
				l.RegisterDelayedCallback(func() { l.down = true }, 10*time.Minute)
				l.RegisterDelayedCallback(func() { l.down = false }, 40*time.Minute)
				l.save(2*time.Hour, func() { l.broken = nil })
			},
			status: ordercheck.StatusPassed, told: []string{"45m0s failed", "2h0m2s resolved"}, ended: 2*time.Hour + quiet,
		},
		"a delivery at the very moment grace ends": {
			broken: []string{"total"},
			story:  func(l *life) { l.save(30*time.Minute, func() { l.broken = nil }) },
			status: ordercheck.StatusPassed,
		},
		"a person checks at once": {
			broken: []string{"total"},
			story: func(l *life) {
				l.RegisterDelayedCallback(func() {
					l.broken, l.saved = nil, 1
					l.SignalWorkflow(ordercheck.SignalWebhookDelivered, nil)
				}, 10*time.Minute)
			},
			status: ordercheck.StatusPassed, told: []string{}, ended: 10 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			settings := settings
			if tc.settings != nil {
				tc.settings(&settings)
			}
			l := newLife(t, settings, tc.broken...)
			if tc.story != nil {
				tc.story(l)
			}
			report := l.mustRun(t)
			assert.Equal(t, tc.status, report.Status)
			if tc.told == nil {
				return // a race whose outcome is the point, not its notices
			}
			assert.Equal(t, tc.told, l.told())
			assert.Equal(t, tc.ended, l.Now().Sub(l.start).Round(time.Second))
			for _, seen := range l.seen {
				switch seen {
				case "29m0s pending", "31m0s failed", "1h30m0s failed":
				default:
					t.Errorf("seen: %s", seen)
				}
			}
			keys := map[string]bool{}
			for i, sent := range l.sent {
				assert.False(t, keys[sent.notice.Key], "a notice of its own has a key of its own")
				keys[sent.notice.Key] = true
				if i > 0 {
					assert.Equal(t, l.sent[0].notice.Key, sent.notice.Thread)
				}
				if sent.notice.Kind == ordercheck.NoticeResolved {
					assert.NotEmpty(t, sent.notice.Resolved)
				}
			}
		})
	}
}

func TestValidatorOfOverrides(t *testing.T) {
	for name, tc := range map[string]struct {
		request ordercheck.OverrideRequest
		refused string
	}{
		"no name":              {ordercheck.OverrideRequest{Findings: []string{"all"}, Reason: "r"}, `"by" is missing`},
		"a blank name":         {ordercheck.OverrideRequest{Findings: []string{"all"}, By: " ", Reason: "r"}, `"by" is missing`},
		"an invisible reason":  {ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "\u200b\u00ad"}, `"reason" is missing`},
		"no reason":            {ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna"}, `"reason" is missing`},
		"no end":               {ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "no end"}, `"until" is missing`},
		"an end that has been": {ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "r", Until: time.Unix(1, 0)}, "in the past"},
		"a duration that is none": {ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "no end", For: "3 days"},
			`"for" is "3 days", which is no duration`},
		"a duration that goes back": {ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "no end", For: "-1h"},
			`"for" is "-1h": give one second or more`},
		"two ends": {ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "no end", For: "1h", Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)},
			`"until" and "for" are both given`},
		"no findings":        {ordercheck.OverrideRequest{By: "Anna", Reason: "r"}, `"findings" is missing`},
		"an unknown finding": {ordercheck.OverrideRequest{Findings: []string{"nope"}, By: "Anna", Reason: "r"}, `no finding "nope"`},
		"a warning":          {ordercheck.OverrideRequest{Findings: []string{"~odd"}, By: "Anna", Reason: "r"}, "is a warning"},
		"a rule that allows none": {ordercheck.OverrideRequest{Findings: []string{"fixed-price"}, By: "Anna", Reason: "r"},
			`"fixed-price" cannot be overridden`},
		"a finding that was just fixed": {ordercheck.OverrideRequest{Findings: []string{"balance"}, By: "Anna", Reason: "r"}, `no finding "balance"`},
		"everything in order":           {ordercheck.OverrideRequest{Findings: []string{"total"}, By: "Anna", Reason: "r"}, "accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, settings, "total", "balance", "fixed-price", "~odd")
			l.terms = []ordercheck.Terms{{RuleID: "fixed-price", NotOverridable: true}}
			l.save(50*time.Minute, func() { l.broken = []string{"total", "fixed-price", "~odd"} })
			var refused string
			l.override(time.Hour, tc.request, &refused)
			l.save(2*time.Hour, func() { l.broken = nil })
			l.mustRun(t)
			assert.Contains(t, refused, tc.refused)
		})
	}
}

// TestOverrideForADuration: it counts from the acceptance, by the workflow's clock.
func TestOverrideForADuration(t *testing.T) {
	l := newLife(t, settings, "total")
	request := byAnna
	request.Reason, request.For = "no end", "72h"
	l.override(time.Hour, request, nil)
	accepted := l.Now().Add(time.Hour)
	l.RegisterDelayedCallback(func() {
		override := l.ask().Findings[0].Override
		require.NotNil(t, override)
		assert.WithinDuration(t, accepted.Add(72*time.Hour), override.Until, 2*time.Second)
	}, 2*time.Hour)
	l.save(3*time.Hour, func() { l.broken = nil })
	l.mustRun(t)
}

// TestOverrideDuringACheckAnswersTheTruth: the report that the update answers with has the status
// that its findings amount to.
func TestOverrideDuringACheckAnswersTheTruth(t *testing.T) {
	for name, tc := range map[string]struct {
		findings []string
		status   ordercheck.Status
	}{
		"all errors": {[]string{ordercheck.AllFindings}, ordercheck.StatusOverridden},
		"one of two": {[]string{"total"}, ordercheck.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, settings, "total", "balance")
			fetch := l.fetch
			var answer *ordercheck.Report
			l.fetch = func(n int) (ordercheck.FetchedOrder, error) {
				if n == 3 {
					request := byAnna
					request.Findings, request.For = tc.findings, "72h"
					l.UpdateWorkflow(ordercheck.UpdateOverride, "", &testsuite.TestUpdateCallback{
						OnReject: func(err error) { t.Errorf("refused: %v", err) }, OnAccept: func() {},
						OnComplete: func(result any, err error) {
							require.NoError(t, err)
							copied := *result.(*ordercheck.Report) //nolint:forcetypeassert,errcheck // a test
							answer = &copied
						},
					}, request)
				}
				return fetch(n)
			}
			l.save(time.Hour, func() {})
			l.save(2*time.Hour, func() { l.broken = nil })
			l.mustRun(t)
			require.NotNil(t, answer, "no answer")
			assert.Equal(t, tc.status, answer.Status)
		})
	}
}

// TestOverrideOfARunBeforeIsRecalled: that run has ended, since an operator cancelled it, say.
func TestOverrideOfARunBeforeIsRecalled(t *testing.T) {
	overridden := func(amount string) ordercheck.Finding {
		f := finding("total", ordercheck.SeverityError)
		f.Actual, f.State = amount, ordercheck.FindingOverridden
		f.Override = &ordercheck.Override{By: "Anna", Reason: "agreed", Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
		return f
	}
	t.Run("the same facts", func(t *testing.T) {
		l := newLife(t, settings, "total")
		l.recalled = []ordercheck.Finding{overridden("5.00")}
		l.requireOverridden(time.Hour)
		l.save(day, func() { l.broken = nil })
		l.mustRun(t)
		assert.Empty(t, l.sent)
	})
	t.Run("other facts", func(t *testing.T) {
		l := newLife(t, settings, "total")
		l.recalled = []ordercheck.Finding{overridden("500.00")}
		l.save(time.Hour, func() { l.broken = nil })
		assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
		assert.NotEmpty(t, l.sent)
	})
}

// TestAHeldOrderSleepsOnOneTimer: the timer of a sleep that a delivery ended is cancelled.
func TestAHeldOrderSleepsOnOneTimer(t *testing.T) {
	l := newLife(t, settings, "total")
	asleep, most := 0, 0
	l.SetOnTimerScheduledListener(func(string, time.Duration) {
		asleep++
		most = max(most, asleep)
	})
	l.SetOnTimerFiredListener(func(string) { asleep-- })
	l.SetOnTimerCanceledListener(func(string) { asleep-- })
	for hour := range 24 {
		l.save(time.Duration(hour+1)*time.Hour, func() {})
	}
	l.save(2*day, func() { l.broken = nil })
	l.mustRun(t)
	assert.LessOrEqual(t, most, 2, "the next one may start in the very task that cancels the last")
	assert.Zero(t, asleep)
}

func TestNoticeRepeatsOnlyWhatFailed(t *testing.T) {
	l := newLife(t, settings, "total")
	l.targets = []string{"mail", "chat"}
	attempts := map[string]int{}
	l.notify = func(in ordercheck.NotifyInput) error {
		attempts[in.Target]++
		if in.Target == "chat" && attempts["chat"] < 3 {
			return temporal.NewApplicationError("chat is down", "NoticeNotSent")
		}
		return nil
	}
	l.save(time.Hour, func() { l.broken = nil })
	l.mustRun(t)
	assert.Equal(t, map[string]int{"mail": 2, "chat": 4}, attempts, "a failed and a resolved notice, and two more tries of one")
}

func TestNoticeThatCannotBeSentNeverFailsTheCheck(t *testing.T) {
	l := newLife(t, settings, "total")
	l.notify = func(ordercheck.NotifyInput) error {
		return temporal.NewNonRetryableApplicationError("the mail server refuses the address", "NoticeRefused", nil)
	}
	l.save(time.Hour, func() { l.broken = nil })
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
}

// Deliveries and overrides go on being served while a mail server is down.
func TestSlowNoticeHoldsNothingUp(t *testing.T) {
	l := newLife(t, settings, "total")
	l.notify = func(in ordercheck.NotifyInput) error {
		if in.Notice.Kind == ordercheck.NoticeFailed && l.Now().Sub(l.start) < 3*time.Hour {
			return temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent", temporal.ApplicationErrorOptions{NextRetryDelay: 30 * time.Minute})
		}
		return nil
	}
	var checkedAt time.Duration
	l.save(time.Hour, func() { l.broken = nil })
	l.RegisterDelayedCallback(func() { checkedAt = l.ask().CheckedAt.Sub(l.start) }, 61*time.Minute)
	l.mustRun(t)
	assert.Equal(t, time.Hour+2*time.Second, checkedAt.Round(time.Second))
	kinds := []ordercheck.NoticeKind{}
	for _, s := range l.sent {
		kinds = append(kinds, s.notice.Kind)
	}
	assert.Equal(t, []ordercheck.NoticeKind{ordercheck.NoticeFailed, ordercheck.NoticeResolved}, kinds, "in their order")
}

// A year of edits: two thousand deliveries on one order that stays wrong until the
// last. No run outgrows its limits, no delivery is lost, no clock starts again,
// nothing is said twice.
func TestYearOfEdits(t *testing.T) {
	const (
		deliveries = 2_000
		inOneRun   = 400
		every      = 4*time.Hour + 20*time.Minute
	)
	settings := settings
	settings.HoldMax = 0
	start := orderlife.Start{Start: ordercheck.Start{SalesOrderID: orderID}}
	yearBegins := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var firstSeen time.Time
	var told []string
	delivered, fetched, runs := 0, 0, 0
	for {
		runs++
		l := newLife(t, settings, "total")
		l.SetStartTime(yearBegins.Add(time.Duration(delivered) * every))
		l.saved = delivered
		deliveredHere := 0
		var edit func()
		edit = func() {
			if delivered == deliveries {
				return
			}
			delivered++
			if deliveredHere++; deliveredHere > inOneRun {
				l.SetContinueAsNewSuggested(true)
			}
			if delivered == deliveries {
				l.broken = nil
			}
			l.saved++
			l.deliver(1)
			l.RegisterDelayedCallback(edit, every)
		}
		l.RegisterDelayedCallback(edit, time.Minute)
		l.ExecuteWorkflow(ordercheck.WorkflowType, start)
		fetched += len(l.fetchedAt)
		for _, s := range l.sent {
			told = append(told, string(s.notice.Kind))
		}
		err := l.GetWorkflowError()
		if err == nil {
			break
		}
		var again *workflow.ContinueAsNewError
		require.ErrorAs(t, err, &again)
		start = startOf(t, again)
		payload, err := converter.GetDefaultDataConverter().ToPayload(start)
		require.NoError(t, err)
		require.Less(t, len(payload.GetData()), 8<<10, "what is carried stays small")
		if firstSeen.IsZero() {
			firstSeen = start.State.Report.Findings[0].FirstSeen
		}
		require.Equal(t, firstSeen, start.State.Report.Findings[0].FirstSeen)
	}
	assert.Equal(t, deliveries, delivered)
	assert.Equal(t, deliveries+2, fetched, "one fetch for each delivery, one for the start, one when grace ends")
	assert.Equal(t, []string{"failed", "resolved"}, told)
	assert.Equal(t, deliveries/inOneRun, runs)
}
