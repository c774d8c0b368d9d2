package ordercheck_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

func TestTimelineKeepsTheLastFifty(t *testing.T) {
	var report ordercheck.Report
	for i := range 60 {
		report.AddToTimeline(
			ordercheck.TimelineEntry{Kind: ordercheck.TimelineChecked, Text: fmt.Sprint(i)},
		)
	}
	require.Len(t, report.Timeline, 50)
	assert.Equal(t, "10", report.Timeline[0].Text)
	assert.Equal(t, "59", report.Timeline[49].Text)
}

func TestTimelineOfLongTextsIsLimited(t *testing.T) {
	var report ordercheck.Report
	longest := ordercheck.TimelineEntry{
		Kind: ordercheck.TimelineCommented,
		By:   strings.Repeat("𝔹", ordercheck.MaxOverrideBy),
		Text: strings.Repeat("𝔹", ordercheck.MaxComment),
	}
	for range 60 {
		report.AddToTimeline(longest)
		assert.Equal(t, longest, report.Timeline[len(report.Timeline)-1], "the latest is whole")
	}
	data, err := json.Marshal(report.Timeline)
	require.NoError(t, err)
	assert.Less(t, len(data), 130<<10)
	assert.Greater(t, len(data), 100<<10)

	report.AddToTimeline(
		ordercheck.TimelineEntry{Kind: ordercheck.TimelineNotChecked, Text: strings.Repeat("x", 10_000)},
	)
	assert.Less(t, len(report.Timeline[len(report.Timeline)-1].Text), 600)
}

func TestCopiedReportKeepsItsTimeline(t *testing.T) {
	var report ordercheck.Report
	report.AddToTimeline(ordercheck.TimelineEntry{Text: "first"})
	before := report
	report.AddToTimeline(ordercheck.TimelineEntry{Text: "second"})
	before.AddToTimeline(ordercheck.TimelineEntry{Text: "another"})
	assert.Equal(t, "second", report.Timeline[1].Text)
}

func TestComments(t *testing.T) {
	for name, tc := range map[string]struct {
		comment ordercheck.Comment
		fault   string
	}{
		"complete":    {ordercheck.Comment{By: "Jim", Text: "done"}, ""},
		"the longest": {ordercheck.Comment{By: "Jim", Text: strings.Repeat("ü", 2000)}, ""},
		"nobody":      {ordercheck.Comment{Text: "done"}, `"by" is missing`},
		"invisible":   {ordercheck.Comment{By: "\u200b", Text: "done"}, `"by" is missing`},
		"blank":       {ordercheck.Comment{By: "Jim", Text: "\n "}, `"text" is missing`},
		"too long": {ordercheck.Comment{By: "Jim", Text: strings.Repeat("ü", 2001)},
			`"text" has 2001 characters; give at most 2000`},
		"a long name": {ordercheck.Comment{By: strings.Repeat("J", 201), Text: "done"},
			`"by" has 201 characters; give a name of at most 200`},
		"nothing at all": {ordercheck.Comment{}, `"by" is missing`},
	} {
		err := tc.comment.Validate()
		if tc.fault == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, tc.fault, name)
		}
	}
}
