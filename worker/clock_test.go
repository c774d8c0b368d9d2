package worker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// observation is a request to Temporal, and the time of the latest poll in its answer. All times
// are by Temporal's clock, since the test's start.
type observation struct{ asked, answered, lastPoll time.Duration }

func TestClockReportsTheSmallestPossibleOffset(t *testing.T) {
	steady := []observation{{0, 1, -time.Second}, {5 * time.Second, 5 * time.Second, 3 * time.Second}}
	slow := []observation{
		{0, time.Minute, time.Second},
		{61 * time.Second, 5 * time.Minute, 4 * time.Minute},
	}
	for name, tc := range map[string]struct {
		ahead        time.Duration
		observations []observation
		says         string // the error of /readyz
		level        string // of the line in the log, if any
	}{
		"right":                    {0, steady, "", ""},
		"right, on a slow machine": {0, slow, "", ""},
		"right, polled long ago": {0, []observation{
			{0, 1, -time.Hour}, {5 * time.Second, 5 * time.Second, -time.Hour},
		}, "", ""},
		"an hour ahead":          {time.Hour, steady, "59m57s ahead of Temporal's", "ERROR"},
		"an hour behind":         {-time.Hour, steady, "59m58s behind Temporal's", "ERROR"},
		"five seconds ahead":     {5 * time.Second, steady, "", "WARN"},
		"ahead, polled long ago": {time.Hour, []observation{{0, 1, -time.Hour}}, "", ""},
		"nobody polls": {time.Hour, []observation{
			{0, 1, -1000 * time.Hour}, {2, 3, -1000 * time.Hour},
		}, "", ""},
		"an hour ahead, slow answer": {time.Hour, slow, "56m0s ahead of Temporal's", "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			epoch := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
			var now time.Time
			var log bytes.Buffer
			c, stop, err := newClock(func() time.Time { return now },
				slog.New(slog.NewTextHandler(&log, nil)), noop.NewMeterProvider())
			require.NoError(t, err)
			defer func() { assert.NoError(t, stop()) }()
			for _, o := range tc.observations {
				now = epoch.Add(o.answered + tc.ahead)
				answer := &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueuepb.PollerInfo{
					{
						LastAccessTime: timestamppb.New(epoch.Add(-2000 * time.Hour)),
					}, {LastAccessTime: timestamppb.New(epoch.Add(o.lastPoll))},
				}}
				c.observe(t.Context(), epoch.Add(o.asked+tc.ahead), answer)
				c.observe(t.Context(), epoch.Add(o.asked+tc.ahead), answer) // changes nothing
			}
			if tc.says == "" {
				require.NoError(t, c.ready())
			} else {
				require.ErrorContains(t, c.ready(), tc.says)
			}
			if tc.level == "" {
				assert.Empty(t, log.String())
			} else {
				assert.Equal(t, 1, strings.Count(log.String(), "\n"))
				assert.Contains(t, log.String(), "level="+tc.level)
			}
		})
	}
}
