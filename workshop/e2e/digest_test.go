package e2e_test

import (
	"encoding/json"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/worker"
)

// rarely is a schedule that never triggers during a test.
var rarely = worker.Digest{Days: []time.Weekday{time.Sunday}, Hour: 3, Minute: 33,
	TimeZone: "Pacific/Kiritimati"}

func (s *stack) digestSchedule() client.ScheduleHandle {
	return s.temporal.ScheduleClient().GetHandle(s.t.Context(), ordercheck.DigestScheduleID)
}

// digestNow triggers the schedule and waits for the digest.
func (s *stack) digestNow() *ordercheck.SentDigest {
	s.t.Helper()
	handle := s.digestSchedule()
	var before int
	require.Eventually(s.t, func() bool {
		described, err := handle.Describe(s.t.Context())
		if err == nil {
			before = described.Info.NumActions
		}
		return err == nil
	}, waitFor, tick)
	require.NoError(s.t, handle.Trigger(s.t.Context(), client.ScheduleTriggerOptions{}))
	var run *client.ScheduleWorkflowExecution
	require.Eventually(s.t, func() bool {
		described, err := handle.Describe(s.t.Context())
		if err != nil || described.Info.NumActions == before {
			return false
		}
		actions := described.Info.RecentActions
		run = actions[len(actions)-1].StartWorkflowResult
		return true
	}, waitFor, tick)
	var sent ordercheck.SentDigest
	require.NoError(s.t, s.temporal.GetWorkflow(s.t.Context(), run.WorkflowID,
		run.FirstExecutionRunID).Get(s.t.Context(), &sent))
	for _, event := range s.events(run.WorkflowID, run.FirstExecutionRunID) {
		data, err := json.Marshal(event)
		require.NoError(s.t, err)
		assert.NotContains(s.t, string(data), "office@example.com", "no history has an address")
	}
	return &sent
}

// latestDigest returns the id of the workflow that the schedule started last.
func (s *stack) latestDigest() string {
	s.t.Helper()
	described, err := s.digestSchedule().Describe(s.t.Context())
	require.NoError(s.t, err)
	actions := described.Info.RecentActions
	return actions[len(actions)-1].StartWorkflowResult.WorkflowID
}

// listed waits until Temporal's list of runs shows the given number of held orders.
func (s *stack) listed(held int64) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		count, err := s.temporal.CountWorkflow(s.t.Context(),
			&workflowservice.CountWorkflowExecutionsRequest{
				Query: "WorkflowType = 'SalesOrderCheck' AND ExecutionStatus = 'Running' AND " +
					"GateStatus = 'failed'",
			})
		return err == nil && count.GetCount() == held
	}, waitFor, tick)
}

// TestDigestListsHeldOrders checks that one mail lists all held orders, oldest first, and marks
// those that the previous digest did not list. If nothing is held, there is no mail.
func TestDigestListsHeldOrders(t *testing.T) {
	t.Parallel()
	catcher := newCatcher(t)
	notifier, err := notify.New(notify.Options{
		SMTP: notify.SMTP{Addr: catcher.SMTPAddr, TLS: notify.TLSNone,
			From: mail.Address{Address: "gate@example.com"}},
		To:      []mail.Address{{Address: "office@example.com"}},
		DeskURL: "https://gate.example.com",
	})
	require.NoError(t, err)
	s := newStack(t, options{notifier: notifier, digest: rarely})
	digests := func() []*mailcatcher.Mail {
		t.Helper()
		list, err := catcher.List(t.Context())
		require.NoError(t, err)
		var mails []*mailcatcher.Mail
		for _, summary := range list {
			if strings.HasPrefix(summary.Subject, "[HELD]") {
				m, err := catcher.Read(t.Context(), summary.ID)
				require.NoError(t, err)
				mails = append(mails, m)
			}
		}
		return mails
	}
	assert.Equal(t, 0, s.digestNow().Held)
	assert.Empty(t, digests(), "nothing is held, so there is no mail")

	older := s.create("total-wrong")
	olderNumber := s.waitForReport(older, ordercheck.StatusFailed).OrderNumber
	newer := s.create("balance-wrong")
	newerNumber := s.waitForReport(newer, ordercheck.StatusFailed).OrderNumber
	s.listed(2)
	sent := s.digestNow()
	assert.Equal(t, 2, sent.Held)
	assert.Equal(t, 2, sent.New)
	assert.Len(t, sent.Sent, 1)
	require.Len(t, digests(), 1)
	text := digests()[0].Text
	at := func(what string) int {
		t.Helper()
		i := strings.Index(text, what)
		require.GreaterOrEqual(t, i, 0, "%s is not in\n%s", what, text)
		return i
	}
	assert.Less(t, at("* [NEW] "+olderNumber), at("* [NEW] "+newerNumber), "oldest first")
	at("https://gate.example.com/orders/" + older)
	at("https://app.inflowinventory.com/sales-orders/" + newer)
	at("1 error: ")

	s.fix(newer)
	s.mustResult(newer)
	third := s.create("balance-wrong")
	s.waitForReport(third, ordercheck.StatusFailed)
	require.Eventually(t, func() bool {
		sent = s.digestNow()
		return sent.Held == 2 && sent.New == 1
	}, waitFor, tick, "Temporal's list lags behind")
	text = digests()[0].Text
	assert.Less(t, at("* "+olderNumber), at("* [NEW] "))
	assert.NotContains(t, text, newer)
}

// TestScheduleOfTheDigestFollowsTheSettings changes the settings. The worker creates the schedule,
// changes it and its time zone, and removes it.
func TestScheduleOfTheDigestFollowsTheSettings(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})
	stop := func() {}
	restart := func(digest worker.Digest) {
		stop()
		s.digest = digest
		stop = s.startWorker()
	}
	becomes := func(what string, is func(*client.ScheduleDescription) bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			described, err := s.digestSchedule().Describe(t.Context())
			return err == nil && is(described)
		}, waitFor, tick, what)
	}
	next := func(hour int, zone string) func(*client.ScheduleDescription) bool {
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		return func(d *client.ScheduleDescription) bool {
			at := d.Info.NextActionTimes[0].In(location)
			return d.Schedule.Spec.TimeZoneName == zone && at.Hour() == hour &&
				at.Weekday() == time.Sunday
		}
	}
	restart(rarely)
	becomes("made", next(3, rarely.TimeZone))
	changed := rarely
	changed.Hour, changed.TimeZone = 5, "America/Bogota"
	restart(changed)
	becomes("changed", next(5, "America/Bogota"))
	require.NoError(t, s.digestSchedule().Pause(t.Context(),
		client.SchedulePauseOptions{Note: "holidays"}))
	restart(changed)
	restart(rarely)
	becomes("changed, and still paused", func(d *client.ScheduleDescription) bool {
		return next(3, rarely.TimeZone)(d) && d.Schedule.State.Paused &&
			d.Schedule.State.Note == "holidays"
	})
	restart(worker.Digest{})
	require.Eventually(t, func() bool {
		_, err := s.digestSchedule().Describe(t.Context())
		return err != nil
	}, waitFor, tick, "off removes the schedule")
}
