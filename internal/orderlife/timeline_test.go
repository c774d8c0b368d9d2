package orderlife_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/ordercheck"
)

func TestTimelineTellsTheWholeStory(t *testing.T) {
	l := newLife(t, "total")
	l.targets = []string{"mail:8c87b4", "webhook:060104"}
	l.at(0, func() { l.deliver(2) })
	l.at(time.Second, func() { l.deliver(1) })
	l.at(time.Hour,
		func() { l.state.Comment(l.now, ordercheck.Comment{By: "Jim", Text: "I am on it"}) })
	l.override(2*time.Hour, byAnna) // ends after a week
	l.save(8*day, func() { l.unauthorized = true })
	l.save(8*day+time.Hour, func() { l.unauthorized = false; l.broken() })
	report := l.mustRun()

	var kinds []ordercheck.TimelineKind
	texts := map[ordercheck.TimelineKind]string{}
	for i, entry := range report.Timeline {
		kinds = append(kinds, entry.Kind)
		texts[entry.Kind] = entry.Text
		if i > 0 {
			assert.False(t, entry.At.Before(report.Timeline[i-1].At),
				"%s is out of order", entry.Kind)
		}
	}
	assert.Equal(t, []ordercheck.TimelineKind{
		"delivery", "checked",
		"checked", "confirmed", "notified", "commented", "overridden", "notified",
		"checked", "override-ended", "confirmed", "notified",
		"delivery", "not-checked",
		"delivery", "checked", "resolved", "notified",
	}, kinds)
	assert.Equal(t, "Announced by 3 webhooks.", report.Timeline[0].Text)
	assert.Equal(t, "Checked: pending, 1 error, 0 warnings.", report.Timeline[1].Text)
	assert.Equal(t, "Confirmed: 1 error (total).", report.Timeline[3].Text)
	assert.Equal(t, "Told mail:8c87b4, webhook:060104: failed.", report.Timeline[4].Text)
	assert.Equal(
		t,
		ordercheck.TimelineEntry{
			At:   start.Add(time.Hour),
			Kind: "commented",
			Text: "I am on it",
			By:   "Jim",
		},
		report.Timeline[5],
	)
	assert.Equal(t, "Anna", report.Timeline[6].By)
	assert.Equal(t, "Anna overrides 1 error until 2026-01-12 10:00:00 UTC: agreed with the customer",
		texts["overridden"])
	assert.Equal(t, "The override by Anna has ended.", texts["override-ended"])
	assert.Equal(t, "Could not be checked: InFlow refused the API key", texts["not-checked"])
	assert.Equal(t, "Every confirmed error is gone.", texts["resolved"])
	for _, sent := range l.sent {
		assert.Empty(t, sent.notice.Report.Timeline, "only the order's page shows the timeline")
	}
}

func TestTimelineTellsHowALifeEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		story func(l *life)
		want  []string
	}{
		"deleted": {
			func(l *life) { l.save(time.Hour, func() { l.deleted = true }) },
			[]string{"The order was deleted in InFlow.", "Told mail: ended."},
		},
		"cancelled": {
			func(l *life) { l.save(time.Hour, func() { l.order.cancelled = true; l.broken() }) },
			[]string{"The order is cancelled.", "Checked: passed, 0 errors, 0 warnings.",
				"Told mail: ended."},
		},
		"reminded, and expired": {
			func(l *life) { l.state.Settings.RemindEvery = 29 * day },
			[]string{"Reminded mail: reminder.", "Checked: failed, 1 error, 0 warnings.",
				"The order was held for 720h0m0s and is still wrong; the gate has stopped waiting for it.",
				"Told mail: ended."},
		},
		"overridden for long": {
			func(l *life) {
				forAYear := byAnna
				forAYear.For = "8760h"
				l.override(time.Hour, forAYear)
			},
			[]string{
				"Nobody has overridden anything for 720h0m0s; the gate has stopped waiting for the " +
					"end of the overrides.",
			},
		},
		"an override ends with its error": {
			func(l *life) { l.override(time.Hour, byAnna); l.saveBroken(2 * time.Hour) },
			[]string{"Checked: passed, 0 errors, 0 warnings.",
				"The override by Anna is over: the error is gone, or its facts have changed."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "total")
			tc.story(l)
			timeline := l.mustRun().Timeline
			var texts []string
			for _, entry := range timeline[len(timeline)-len(tc.want):] {
				texts = append(texts, entry.Text)
			}
			assert.Equal(t, tc.want, texts)
		})
	}
}
