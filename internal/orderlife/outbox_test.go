package orderlife_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// The latest notice has the newest state of the order.
func TestOutboxIsLimited(t *testing.T) {
	l := newLife(t, "total")
	l.state.Settings.GracePeriod, l.mailDown = 0, true
	for hour := 1; hour <= 40; hour += 2 {
		l.saveBroken(time.Duration(hour) * time.Hour)
		l.saveBroken(time.Duration(hour+1)*time.Hour, "total")
	}
	l.at(41*time.Hour, func() {
		require.Len(t, l.state.Outbox, 4)
		require.Len(t, l.state.Unsent, 10)
		assert.Equal(t,
			"resolved notice of 2026-01-06T23:00:02Z: a later one replaced it before it could be sent",
			l.state.Unsent[9])
		l.mailDown = false
	})
	l.saveBroken(42 * time.Hour)
	l.mustRun()
	assert.Equal(
		t,
		[]string{
			"41h0m0s failed",
			"41h0m0s resolved",
			"41h0m0s failed",
			"41h0m0s failed",
			"42h0m2s resolved",
		},
		l.notices(),
	)
	assert.Equal(t, start.Add(40*time.Hour+2*time.Second), l.sent[3].notice.At)
}

// The mail server is down.
func TestRemindersDoNotPileUp(t *testing.T) {
	l := newLife(t, "total")
	l.state.Settings.RemindEvery, l.mailDown = day, true
	l.at(3*day, func() { l.mailDown = false })
	l.saveBroken(3*day + time.Hour)
	l.mustRun()
	assert.Equal(t, []string{"72h0m0s failed", "72h30m0s reminder", "73h0m2s resolved"}, l.notices())
}

func TestUnreachableReceiverIsGivenUp(t *testing.T) {
	l := newLife(t, "total")
	l.mailDown = true
	l.at(25*time.Hour, func() {
		l.state.NoticeSent("mail")
		l.state.NoticeGivenUp(l.now, "chat", "no such room")
		l.state.NoticeDone(l.now)
		l.mailDown = false
	})
	l.saveBroken(26 * time.Hour)
	report := l.mustRun()
	assert.Equal(t, []string{"26h0m2s resolved"}, l.notices())
	assert.Equal(t, []string{"failed notice of 2026-01-06T09:00:00Z to chat: no such room"},
		l.state.Unsent)
	var texts []string
	for _, entry := range report.Timeline {
		if entry.Kind == ordercheck.TimelineNotified {
			texts = append(texts, entry.Text)
		}
	}
	assert.Equal(
		t,
		[]string{
			"Not told: chat (failed notice), given up after a day.",
			"Told mail: failed.",
			"Told mail: resolved.",
		},
		texts,
	)
}

func TestTimelineCountsManyReceivers(t *testing.T) {
	l := newLife(t, "total")
	l.targets = []string{"a", "b", "c", "d", "e", "f", "g"}
	timeline := l.mustRun().Timeline
	assert.Equal(t, "Told a, b, c, d, e and 2 more: ended.", timeline[len(timeline)-1].Text)
}

func TestPeopleAreNotifiedOfAHoldEndedByHand(t *testing.T) {
	for name, tc := range map[string]struct {
		by      ordercheck.Cancellation
		at      time.Duration
		note    string
		notices []string
	}{
		"with a reason": {
			ordercheck.Cancellation{Identity: "anna@desk", Reason: "goods are needed"}, time.Hour,
			"anna@desk ended the watch over this order by hand, by cancelling its run. " +
				"Reason: goods are needed",
			[]string{"30m0s failed", "1h0m0s ended"},
		},
		"without a name": {
			ordercheck.Cancellation{}, time.Hour,
			"An operator ended the watch over this order by hand, by cancelling its run.",
			[]string{"30m0s failed", "1h0m0s ended"},
		},
		"within grace": {
			ordercheck.Cancellation{Identity: "anna@desk"}, time.Minute,
			"anna@desk ended the watch over this order by hand, by cancelling its run.",
			[]string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "total")
			l.by = tc.by
			l.at(tc.at, func() { l.state.CancelledByOperator() })
			require.Equal(t, orderlife.Cancel, l.run())
			assert.Equal(t, tc.note, l.state.Report.Note)
			assert.Equal(t, tc.notices, l.notices())
			assert.Equal(t, tc.at, l.now.Sub(start))
		})
	}
}

func TestTimelineNamesGatheredReceivers(t *testing.T) {
	l := newLife(t, "total")
	l.mailDown = true
	l.at(time.Hour, func() {
		l.state.NoticeSent("mail")
		l.state.NoticeGathered("chat")
		assert.True(t, l.state.Outbox[0].IsDoneFor("mail"))
		assert.True(t, l.state.Outbox[0].IsDoneFor("chat"))
		assert.False(t, l.state.Outbox[0].IsDoneFor("rep"))
		l.state.NoticeDone(l.now)
		l.mailDown = false
	})
	l.saveBroken(2 * time.Hour)
	report := l.mustRun()
	var texts []string
	for _, entry := range report.Timeline {
		if entry.Kind == ordercheck.TimelineNotified {
			texts = append(texts, entry.Text)
		}
	}
	assert.Contains(t, texts,
		"Told mail: failed. chat will be told in the next collective message: failed.")
}
