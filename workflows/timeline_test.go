package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/internal/ordercheck"
)

// comment sends the update at a time; refused gets the validator's word, if it refuses.
func (l *life) comment(at time.Duration, comment ordercheck.Comment, refused *string) {
	l.RegisterDelayedCallback(func() {
		l.UpdateWorkflow(ordercheck.UpdateComment, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { *refused = err.Error() },
			OnComplete: func(_ any, err error) {
				assert.NoError(l.t, err)
			},
		}, comment)
	}, at)
}

// TestTimeline tells the whole story of an order, from one run to the next.
func TestTimeline(t *testing.T) {
	l := newLife(t, settings, "total")
	l.targets = []string{"mail:8c87b4", "webhook:060104"}
	l.deliverAt(0, 2)
	l.deliverAt(time.Second, 1)
	l.comment(time.Hour, ordercheck.Comment{By: "Jim", Text: "I am on it"}, nil)
	l.override(2*time.Hour, byAnna, nil) // a week
	l.save(8*day, func() { l.down = true })
	l.save(8*day+time.Hour, func() { l.down, l.broken = false, nil })
	report := l.mustRun(t)

	var kinds []ordercheck.TimelineKind
	texts := map[ordercheck.TimelineKind]string{}
	for i, entry := range report.Timeline {
		kinds = append(kinds, entry.Kind)
		texts[entry.Kind] = entry.Text
		if i > 0 {
			assert.False(t, entry.At.Before(report.Timeline[i-1].At), "%s is not in its place", entry.Kind)
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
	assert.Equal(t, "Told mail:8c87b4, webhook:060104: failed.", report.Timeline[4].Text)
	assert.Equal(t, ordercheck.TimelineEntry{At: l.start.Add(time.Hour).UTC(), Kind: "commented", Text: "I am on it", By: "Jim"}, report.Timeline[5])
	assert.Equal(t, "Anna", report.Timeline[6].By)
	assert.Contains(t, texts["overridden"], "Anna overrides 1 error until ")
	assert.Equal(t, "The override by Anna has ended.", texts["override-ended"])
	assert.Contains(t, texts["not-checked"], "Could not be checked: ")
	for _, sent := range l.sent {
		assert.Empty(t, sent.notice.Report.Timeline, "it is for the order's page")
	}
}

func TestCommentsThatAreRefused(t *testing.T) {
	l := newLife(t, settings, "total")
	var nobody, nothing string
	l.comment(time.Hour, ordercheck.Comment{Text: "who?"}, &nobody)
	l.comment(time.Hour, ordercheck.Comment{By: "Jim", Text: " "}, &nothing)
	l.save(2*time.Hour, func() { l.broken = nil })
	report := l.mustRun(t)
	assert.Contains(t, nobody, `"by" is missing`)
	assert.Contains(t, nothing, `"text" is missing`)
	for _, entry := range report.Timeline {
		require.NotEqual(t, ordercheck.TimelineCommented, entry.Kind)
	}
}
