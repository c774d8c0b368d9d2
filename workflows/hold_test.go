package workflows_test

import (
	"fmt"
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
	t            *testing.T
	broken       []string           // ids of the rules that are broken now; ~ marks a warning
	gone         bool               // InFlow does not know the order
	unauthorized bool               // InFlow refuses the API key
	saved        int                // latest version of the order
	ruleSet      ordercheck.RuleSet // in force
	seen         []string           // written by look: "29m0s pending"
}

func newLife(t *testing.T, settings orderlife.Settings, broken ...string) *life {
	t.Helper()
	l := &life{world: newWorldWith(t, settings), t: t, broken: broken, ruleSet: ruleSet}
	l.fetch = func(int) (ordercheck.FetchedOrder, error) {
		switch {
		case l.unauthorized:
			return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("401",
				ordercheck.ErrorInflowUnauthorized, nil)
		case l.gone:
			return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("404",
				ordercheck.ErrorOrderNotFound, nil)
		}
		o := order(l.saved)
		o.RuleSet = l.ruleSet
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
			f.Actual = "5.00"
			checked.Findings = append(checked.Findings, f)
		}
		checked.RuleSet = l.ruleSet
		return checked, nil
	}
	return l
}

// save changes the order at a time after the start, and sends a delivery.
func (l *life) save(at time.Duration, change func()) {
	l.RegisterDelayedCallback(func() {
		change()
		l.saved++
		l.deliver(1)
	}, at)
}

// look queries the report at a time after the start, and appends its status to l.seen.
func (l *life) look(at time.Duration) {
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		l.seen = append(l.seen, fmt.Sprintf("%s %s", at, report.Status))
	}, at)
}

// ask queries the report.
func (l *life) ask() ordercheck.Report {
	l.t.Helper()
	answer, err := l.QueryWorkflow(ordercheck.QueryReport)
	require.NoError(l.t, err)
	var report ordercheck.Report
	require.NoError(l.t, answer.Get(&report))
	return report
}

// notices returns the notices sent so far, in order: "30m0s failed".
func (l *life) notices() []string {
	notices := []string{}
	for _, s := range l.sent {
		notices = append(notices, fmt.Sprintf("%s %s", s.at.Round(time.Second), s.notice.Kind))
	}
	return notices
}

// override sends the update at a time after the start. The test fails if the validator rejects
// it, unless refused is set: then override stores "accepted" or the validator's error there.
// Without an end, the override lasts a week.
func (l *life) override(at time.Duration, request ordercheck.OverrideRequest, refused *string) {
	l.RegisterDelayedCallback(func() {
		if request.Until.IsZero() && request.For == "" {
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

// requireOverridden checks, at a time after the start, that Anna has overridden every error.
func (l *life) requireOverridden(at time.Duration) {
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		assert.Equal(l.t, ordercheck.StatusOverridden, report.Status)
		if assert.NotEmpty(l.t, report.Findings) && assert.NotNil(l.t, report.Findings[0].Override) {
			assert.Equal(l.t, "Anna", report.Findings[0].Override.By)
		}
	}, at)
}

var byAnna = ordercheck.OverrideRequest{
	Findings: []string{"all"},
	By:       "Anna",
	Reason:   "agreed with the customer",
}

// The tests of package orderlife cover each event. This test plays one long life in a workflow.
func TestLife(t *testing.T) {
	settings := settings
	settings.RemindEvery = day
	l := newLife(t, settings, "total")
	l.look(29 * time.Minute)
	l.look(31 * time.Minute)
	l.save(time.Hour, func() { l.unauthorized = true })
	l.RegisterDelayedCallback(func() { l.unauthorized = false }, 65*time.Minute)
	l.override(25*time.Hour, byAnna, nil) // ends after a week
	l.requireOverridden(26 * time.Hour)
	l.RegisterDelayedCallback(func() { l.SignalWorkflow(ordercheck.SignalWebhookDelivered, nil) },
		194*time.Hour)
	l.save(195*time.Hour, func() { l.broken = nil })
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
	assert.Equal(t, []string{"29m0s pending", "31m0s failed"}, l.seen)
	assert.Equal(t, []string{
		"30m0s failed", "24h30m0s reminder", "25h0m0s overridden", "193h0m0s failed", "195h0m2s resolved",
	}, l.notices())
	fetched := make([]string, len(l.fetchedAt))
	for i, at := range l.fetchedAt {
		fetched[i] = at.Round(time.Second).String()
	}
	assert.Equal(t,
		[]string{"0s", "30m0s", "1h0m2s", "1h15m2s", "24h30m0s", "193h0m0s", "194h0m0s", "195h0m2s"},
		fetched)
}

func TestDeletedOrderIsFetchedTwice(t *testing.T) {
	l := newLife(t, settings, "total")
	l.save(time.Hour, func() { l.gone = true })
	assert.Equal(t, ordercheck.StatusUnchecked, l.mustRun(t).Status)
	assert.Equal(t, []string{"30m0s failed", "1h0m5s ended"}, l.notices())
}

func TestDeliveryAtTheMomentGraceEndsIsChecked(t *testing.T) {
	l := newLife(t, settings, "total")
	l.save(30*time.Minute, func() { l.broken = nil })
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
}

func TestRefusedOverrideChangesNothing(t *testing.T) {
	l := newLife(t, settings, "total")
	request := byAnna
	request.Findings = []string{"nope"}
	var refused string
	l.override(time.Hour, request, &refused)
	l.save(2*time.Hour, func() { l.broken = nil })
	l.mustRun(t)
	assert.Contains(t, refused, `no finding "nope"`)
	assert.Equal(t, []string{"30m0s failed", "2h0m2s resolved"}, l.notices())
}

func TestOverridesOfTheLastRunAreRecalled(t *testing.T) {
	overridden := finding("total", ordercheck.SeverityError)
	overridden.Actual, overridden.State = "5.00", ordercheck.FindingOverridden
	overridden.Override = &ordercheck.Override{
		By:     "Anna",
		Reason: "agreed",
		Until:  time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	l := newLife(t, settings, "total")
	l.recalled = []ordercheck.Finding{overridden}
	l.requireOverridden(time.Hour)
	l.save(day, func() { l.broken = nil })
	l.mustRun(t)
	assert.Empty(t, l.sent)
}

// A delivery ends the sleep and cancels its timer.
func TestHeldOrderSleepsOnOneTimer(t *testing.T) {
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
	assert.LessOrEqual(t, most, 2, "a timer may start in the task that cancels the one before")
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
	assert.Equal(t, map[string]int{"mail": 2, "chat": 4}, attempts,
		"two notices each, and two more attempts for the first notice to the chat")
}

func TestUnsentNoticeDoesNotFailTheCheck(t *testing.T) {
	l := newLife(t, settings, "total")
	l.notify = func(ordercheck.NotifyInput) error {
		return temporal.NewNonRetryableApplicationError("the mail server refuses the address",
			"NoticeRefused", nil)
	}
	l.save(time.Hour, func() { l.broken = nil })
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
}

// A delivery is checked while the mail server is down.
func TestSlowNoticeDelaysNothing(t *testing.T) {
	l := newLife(t, settings, "total")
	l.notify = func(in ordercheck.NotifyInput) error {
		if in.Notice.Kind == ordercheck.NoticeFailed && l.Now().Sub(l.start) < 3*time.Hour {
			return temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent",
				temporal.ApplicationErrorOptions{NextRetryDelay: 30 * time.Minute})
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
	assert.Equal(t,
		[]ordercheck.NoticeKind{ordercheck.NoticeFailed, ordercheck.NoticeResolved}, kinds)
}

// Two thousand deliveries come for one order that stays wrong until the last one. No run outgrows
// its limits, no delivery is lost, the finding keeps its first-seen time, and nobody is notified
// twice.
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
	var notices []string
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
			notices = append(notices, string(s.notice.Kind))
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
		require.Less(t, len(payload.GetData()), 8<<10, "the carried state stays small")
		if firstSeen.IsZero() {
			firstSeen = start.State.Report.Findings[0].FirstSeen
		}
		require.Equal(t, firstSeen, start.State.Report.Findings[0].FirstSeen)
	}
	assert.Equal(t, deliveries, delivered)
	assert.Equal(t, deliveries+2, fetched,
		"one fetch for each delivery, one for the start, one when grace ends")
	assert.Equal(t, []string{"failed", "resolved"}, notices)
	assert.Equal(t, deliveries/inOneRun, runs)
}
