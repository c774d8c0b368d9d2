package pages

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/ordercheck"
)

// An end-to-end test checks that runs still write these sentences.
func TestTimelineText(t *testing.T) {
	t.Parallel()
	zurich := time.FixedZone("CET", 3600)
	for _, tc := range []struct {
		kind ordercheck.TimelineKind
		text string
		want string
	}{
		{ordercheck.TimelineChecked, "Checked: passed, 0 errors, 0 warnings.", "Checked: nothing is wrong."},
		{ordercheck.TimelineChecked, "Checked: failed, 1 error, 2 warnings.", "Checked: 1 error, 2 warnings."},
		{
			ordercheck.TimelineChecked, "Checked: incomplete, 0 errors, 0 warnings.",
			"Checked. Some rules could not be checked.",
		},
		{
			ordercheck.TimelineConfirmed, "Confirmed: 1200 errors (price, depth).",
			"Held from now on, because of 1,200 errors: price, depth.",
		},
		{ordercheck.TimelineNotified, "Told mail:c712a5: failed.", "Told 1 email address: the order is held."},
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
