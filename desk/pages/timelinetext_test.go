package pages

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// TestTimelineText translates sentences of each kind. TestTimelineOfARunIsTranslated checks that
// runs really write such sentences.
func TestTimelineText(t *testing.T) {
	t.Parallel()
	zurich := time.FixedZone("CET", 3600)
	for _, tc := range []struct {
		kind ordercheck.TimelineKind
		text string
		want string
	}{
		{ordercheck.TimelineChecked, "Checked: passed, 0 errors, 0 warnings.",
			"Checked: nothing is wrong."},
		{ordercheck.TimelineChecked, "Checked: failed, 1 error, 2 warnings.",
			"Checked: 1 error, 2 warnings."},
		{
			ordercheck.TimelineChecked, "Checked: incomplete, 0 errors, 0 warnings.",
			"Checked. Some rules could not be checked.",
		},
		{
			ordercheck.TimelineConfirmed, "Confirmed: 1200 errors (price, depth).",
			"Held from now on, because of 1,200 errors: price, depth.",
		},
		{ordercheck.TimelineNotified, "Told mail:c712a5: failed.",
			"Told 1 email address: the order is held."},
		{
			ordercheck.TimelineNotified,
			"Told mail:c712a5, mail:sales-rep, mail:ffffff, slack:aaaaaa and 2 more: resolved.",
			"Told the sales rep, 2 email addresses, 1 chat and 2 more: the order is correct again.",
		},
		{
			ordercheck.TimelineReminded, "Reminded mail:sales-rep: reminder.",
			"Reminded the sales rep: the order is held.",
		},
		{
			ordercheck.TimelineNotified, "Not told: mail:c712a5 (failed notice), given up after a day.",
			"Could not tell 1 email address: the order is held. The gate gave up after a day.",
		},
		{ordercheck.TimelineNotified, "Told mail:c712a5: unheard-of.", "Told mail:c712a5: unheard-of."},
		{
			ordercheck.TimelineNotified,
			"mail:c712a5 will be told in the next collective message: failed.",
			"The next collective message tells 1 email address: the order is held.",
		},
		{
			ordercheck.TimelineNotified,
			"Told slack:aaaaaa: failed. mail:c712a5, mail:sales-rep will be told in the next collective " +
				"message: failed.",
			"Told 1 chat: the order is held. The next collective message tells the sales rep and " +
				"1 email address: the order is held.",
		},
		{ordercheck.TimelineDelivery, "Announced by webhook.", "InFlow announced a change."},
		{ordercheck.TimelineDelivery, "Announced by 3 webhooks.", "InFlow announced 3 changes."},
		{
			ordercheck.TimelineSweep, "The sweep found version 00AB, which no webhook had announced.",
			"The regular comparison with InFlow found a change that InFlow had not announced.",
		},
		{
			ordercheck.TimelineOverridden,
			"jim overrides 2 errors until 2026-12-04 23:00:00 UTC: paid\nby check: Checked: x",
			"Took responsibility for 2 errors until the end of 4 Dec 2026: paid\nby check: Checked: x",
		},
		{
			ordercheck.TimelineOverrideEnded, "The override by jim has ended.",
			"This responsibility has ended.",
		},
		// Texts that people wrote stay as they are.
		{ordercheck.TimelineCommented, "Told mail:c712a5: failed.", "Told mail:c712a5: failed."},
		{
			ordercheck.TimelineOverridden, "eve overrides 2 errors until 2026-12-04 23:00:00 UTC: x",
			"eve overrides 2 errors until 2026-12-04 23:00:00 UTC: x",
		},
	} {
		entry := ordercheck.TimelineEntry{Kind: tc.kind, Text: tc.text, By: "jim"}
		assert.Equal(t, tc.want, timelineText(&entry, zurich))
	}
}

// TestTimelineOfARunIsTranslated leads the state of a run through a hold, and translates every
// sentence that the state writes.
func TestTimelineOfARunIsTranslated(t *testing.T) {
	t.Parallel()
	timeline := heldAndResolved(t)
	kinds := map[ordercheck.TimelineKind]bool{}
	for _, entry := range timeline {
		kinds[entry.Kind] = true
		text := timelineText(&entry, time.UTC)
		if entry.Kind != ordercheck.TimelineResolved {
			assert.NotEqual(t, entry.Text, text, "%s is not translated", entry.Kind)
		}
		for _, name := range []string{"mail:", "slack:", "webhook", "sweep"} {
			assert.NotContains(t, text, name)
		}
	}
	for _, kind := range []ordercheck.TimelineKind{
		ordercheck.TimelineChecked, ordercheck.TimelineConfirmed, ordercheck.TimelineNotified,
		ordercheck.TimelineReminded, ordercheck.TimelineDelivery, ordercheck.TimelineSweep,
		ordercheck.TimelineOverridden, ordercheck.TimelineOverrideEnded, ordercheck.TimelineResolved,
	} {
		assert.True(t, kinds[kind], "no entry %s", kind)
	}
}

// heldAndResolved returns the timeline of an order that was held, overridden, held again and fixed.
func heldAndResolved(t *testing.T) []ordercheck.TimelineEntry {
	t.Helper()
	const grace, remindEvery = 30 * time.Minute, 24 * time.Hour
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	s := orderlife.New("1", orderlife.Settings{
		GracePeriod: grace, HoldMax: 720 * time.Hour, RemindEvery: remindEvery,
	}, ordercheck.PriorityPerson)
	version := 0
	check := func(found ...ordercheck.Finding) {
		s.Asked()
		s.Begin()
		version++
		s.Checked(now, &orderlife.Result{
			Began:   now,
			Fetched: ordercheck.FetchedOrder{OrderVersion: fmt.Sprint(version)},
			Checked: &ordercheck.CheckedOrder{Findings: found},
		})
	}
	notify := func() {
		for len(s.Outbox) > 0 {
			s.NoticeSent("mail:c712a5")
			s.NoticeSent(ordercheck.TargetSalesRep)
			s.NoticeGathered("slack:aaaaaa")
			s.NoticeGivenUp(now, "mail:ffffff", "no such user")
			s.NoticeDone(now)
		}
	}
	pass := func(d time.Duration) {
		now = now.Add(d)
		s.TimePassed(now)
		notify()
	}
	wrong := ordercheck.Finding{
		ID: "price/1", RuleID: "price", Severity: ordercheck.SeverityError,
		Scope: ordercheck.ScopeOrder, Message: "too cheap",
	}
	s.Delivered(now, 1, now)
	check(wrong)
	s.Delivered(now, 3, now)
	pass(grace)
	check(wrong)
	notify()
	s.Missed(now, "00AB")
	check(wrong)
	pass(remindEvery)
	check(wrong)
	notify()
	require.Equal(t, ordercheck.StatusFailed, s.Report.Status)
	s.Override(now, ordercheck.OverrideRequest{
		Findings: []string{"all"}, By: "jim", Reason: "agreed", Until: now.Add(time.Hour),
	})
	notify()
	require.Equal(t, ordercheck.StatusOverridden, s.Report.Status)
	pass(2 * time.Hour)
	check(wrong)
	notify()
	check()
	require.Equal(t, ordercheck.StatusPassed, s.Report.Status)
	return s.Report.Timeline
}
