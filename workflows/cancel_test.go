package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// cancelled returns the report of a run that ended as cancelled.
func (l *life) cancelled() ordercheck.Report {
	l.t.Helper()
	require.True(l.t, l.IsWorkflowCompleted())
	var canceled *temporal.CanceledError
	require.ErrorAs(l.t, l.GetWorkflowError(), &canceled)
	var report ordercheck.Report
	require.NoError(l.t, canceled.Details(&report), "the report comes with the cancellation")
	return report
}

func (l *life) cancelAt(at time.Duration) { l.RegisterDelayedCallback(l.CancelWorkflow, at) }

func (l *life) execute() {
	l.ExecuteWorkflow(ordercheck.WorkflowType,
		orderlife.Start{Start: ordercheck.Start{SalesOrderID: orderID}})
}

// cancelStory is a run that an operator cancels at some point.
type cancelStory struct {
	broken  []string
	story   func(*life)
	status  ordercheck.Status
	fetches int
	notices []string
}

// cancelStories has a cancellation in each state of a run.
var cancelStories = map[string]cancelStory{
	"while the order settles": {
		story:  func(l *life) { l.deliverAt(0, 1); l.cancelAt(time.Second) },
		status: ordercheck.StatusPassed, fetches: 1, notices: []string{},
	},
	"before anything has happened": {
		broken: []string{"total"}, story: func(l *life) { l.cancelAt(0) },
		status: ordercheck.StatusPending, fetches: 1, notices: []string{},
	},
	"while it is fetched": {
		broken: []string{"total"},
		story: func(l *life) {
			fetch := l.fetch
			l.fetch = func(n int) (ordercheck.FetchedOrder, error) { l.CancelWorkflow(); return fetch(n) }
		},
		status: ordercheck.StatusPending, fetches: 1, notices: []string{},
	},
	"while it is checked": {
		broken: []string{"total"},
		story: func(l *life) {
			check := l.check
			l.check = func(n int) (ordercheck.CheckedOrder, error) { l.CancelWorkflow(); return check(n) }
		},
		status: ordercheck.StatusPending, fetches: 1, notices: []string{},
	},
	"within grace: nobody was notified": {
		broken: []string{"total"}, story: func(l *life) { l.cancelAt(time.Minute) },
		status: ordercheck.StatusPending, fetches: 1, notices: []string{},
	},
	"while it is held": {
		broken: []string{"total"}, story: func(l *life) { l.cancelAt(time.Hour) },
		status: ordercheck.StatusFailed, fetches: 2,
		notices: []string{"30m0s failed", "1h0m0s ended"},
	},
	"with a delivery, which is fetched first": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(time.Hour, func() {}); l.cancelAt(time.Hour) },
		status: ordercheck.StatusFailed, fetches: 3,
		notices: []string{"30m0s failed", "1h0m2s ended"},
	},
	"with a delivery that fixes it": {
		broken: []string{"total"},
		story:  func(l *life) { l.save(time.Hour, func() { l.broken = nil }); l.cancelAt(time.Hour) },
		status: ordercheck.StatusPassed, fetches: 3,
		notices: []string{"30m0s failed", "1h0m2s resolved"},
	},
	"while the mail server is down: the notices are sent first": {
		broken: []string{"total"},
		story: func(l *life) {
			l.notify = func(ordercheck.NotifyInput) error {
				if l.Now().Sub(l.start) < 2*time.Hour {
					return temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent",
						temporal.ApplicationErrorOptions{NextRetryDelay: 10 * time.Minute})
				}
				return nil
			}
			l.cancelAt(time.Hour)
		},
		status: ordercheck.StatusFailed, fetches: 2,
		notices: []string{"2h0m0s failed", "2h0m0s ended"},
	},
	"while InFlow refuses the key": {
		broken: []string{"total"},
		story: func(l *life) {
			l.save(time.Hour, func() { l.unauthorized = true })
			l.RegisterDelayedCallback(func() { l.unauthorized = false }, 76*time.Minute)
			l.RegisterDelayedCallback(func() { l.SignalWorkflow(ordercheck.SignalWebhookDelivered, nil) },
				77*time.Minute)
			l.cancelAt(77 * time.Minute)
		},
		status: ordercheck.StatusFailed, fetches: 5,
		notices: []string{"30m0s failed", "1h17m0s ended"},
	},
}

// Accepted deliveries are fetched and checked first. Then the hold ends, and people who know of it
// are notified.
func TestCancelEndsTheHoldAfterTheDueChecks(t *testing.T) {
	for name, tc := range cancelStories {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, settings, tc.broken...)
			tc.story(l)
			l.execute()
			report := l.cancelled()
			assert.Equal(t, tc.status, report.Status)
			assert.Len(t, l.fetchedAt, tc.fetches)
			assert.Equal(t, tc.notices, l.notices())
			assert.Zero(t, l.observer.givenUp, "no notice was given up")
			assert.Equal(t, "anna@desk ended the watch over this order by hand, "+
				"by cancelling its run. Reason: goods are needed", report.Note)
			for _, sent := range l.sent {
				if sent.notice.Kind == ordercheck.NoticeEnded {
					assert.Equal(t, ordercheck.EndByHand, sent.notice.EndReason)
					assert.Equal(t, report.Note, sent.notice.Report.Note)
				}
			}
			assert.Equal(t, report.Note, l.ask().Note, "the query returns the note too")
		})
	}
}

// The run fails like any other, so 'gate rerun' finds it.
func TestCancelledRunFailsIfItsCheckCannotBeDone(t *testing.T) {
	l := newLife(t, settings, "total")
	l.save(time.Hour, func() { l.unauthorized = true })
	l.cancelAt(time.Hour)
	l.execute()
	var application *temporal.ApplicationError
	require.ErrorAs(t, l.GetWorkflowError(), &application)
	assert.Equal(t, ordercheck.ErrorInflowUnauthorized, application.Type())
	var report ordercheck.Report
	require.NoError(t, application.Details(&report))
	assert.Contains(t, report.Note, "by hand")
	assert.Equal(t, []string{"30m0s failed", "1h0m2s ended"}, l.notices())
}

// A mail server is down, so the cancelled run is still open. When a delivery begins a new life,
// the run continues as new, so that an operator can cancel it again.
func TestDeliveryAfterACancelBeginsANewLife(t *testing.T) {
	for name, after := range map[string]func(*life){
		"a delivery":         func(l *life) { l.deliver(1) },
		"a person's signal":  func(l *life) { l.SignalWorkflow(ordercheck.SignalWebhookDelivered, nil) },
		"a missed version":   func(l *life) { l.miss(order(99).OrderVersion) },
		"a person's request": func(l *life) { l.askForCheck(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, settings, "total")
			l.notify = func(ordercheck.NotifyInput) error {
				return temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent",
					temporal.ApplicationErrorOptions{NextRetryDelay: 40 * time.Minute})
			}
			l.cancelAt(time.Hour)
			l.RegisterDelayedCallback(func() { after(l) }, 2*time.Hour)
			l.execute()
			var again *workflow.ContinueAsNewError
			require.ErrorAs(t, l.GetWorkflowError(), &again)
			next := startOf(t, again)
			kinds := []ordercheck.NoticeKind{}
			for i := range next.State.Outbox {
				kinds = append(kinds, next.State.Outbox[i].Kind)
			}
			assert.Equal(t, []ordercheck.NoticeKind{ordercheck.NoticeFailed, ordercheck.NoticeEnded}, kinds,
				"unsent notices go along")
			assert.Zero(t, l.observer.givenUp)

			m := newLife(t, settings, "total")
			m.saved = 1
			m.cancelAt(10 * time.Hour)
			m.ExecuteWorkflow(ordercheck.WorkflowType, next)
			assert.Equal(t, ordercheck.StatusFailed, m.cancelled().Status)
			notices := m.notices()
			require.Len(t, notices, 4)
			assert.Contains(t, notices[0], "failed")
			assert.Contains(t, notices[1], "ended")
			assert.Contains(t, notices[2], "30m", "errors have a new grace period")
			assert.Contains(t, notices[2], "failed")
			assert.Equal(t, "10h0m0s ended", notices[3])
		})
	}
}

// askForCheck sends the update [ordercheck.UpdateCheck], and calls answered with its error.
// answered may be nil.
func (l *life) askForCheck(answered func(err error)) {
	l.UpdateWorkflow(ordercheck.UpdateCheck, "", &testsuite.TestUpdateCallback{
		OnReject: func(err error) { l.t.Errorf("rejected: %v", err) },
		OnAccept: func() {},
		OnComplete: func(_ any, err error) {
			if answered != nil {
				answered(err)
			}
		},
	})
}

// A mail server that is down does not keep a run from continuing as new, and nobody is notified
// twice.
func TestSendingPausesForTheNextRun(t *testing.T) {
	l := newLife(t, settings, "total")
	l.targets = []string{"mail", "chat"}
	l.notify = func(in ordercheck.NotifyInput) error {
		if in.Target == "mail" {
			return temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent",
				temporal.ApplicationErrorOptions{NextRetryDelay: 40 * time.Minute})
		}
		return nil
	}
	l.save(time.Hour, func() { l.SetContinueAsNewSuggested(true) })
	l.execute()
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, l.GetWorkflowError(), &again)
	assert.Equal(t, time.Hour, l.Now().Sub(l.start).Round(time.Minute))
	next := startOf(t, again)
	require.Len(t, next.State.Outbox, 1)
	assert.Equal(t, []string{"chat"}, next.State.Outbox[0].Sent)

	m := newLife(t, settings)
	m.targets, m.saved = l.targets, 2
	m.ExecuteWorkflow(ordercheck.WorkflowType, next)
	require.NoError(t, m.GetWorkflowError())
	sent := []string{}
	for _, s := range m.sent {
		sent = append(sent, fmt.Sprintf("%s %s", s.target, s.notice.Kind))
	}
	assert.ElementsMatch(t, []string{"mail failed", "mail resolved", "chat resolved"}, sent)
}
