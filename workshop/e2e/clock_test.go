package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"

	"error-check-gate/activities"
	"error-check-gate/worker"
)

// TestClockIsComparedWithTemporal runs a worker with a wrong clock. It is not ready, and says why.
// A worker with the right clock stays ready.
func TestClockIsComparedWithTemporal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ahead time.Duration
		says  string
	}{
		"ahead":  {time.Hour, "ahead of Temporal's"},
		"behind": {-time.Hour, "behind Temporal's"},
		"right":  {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, options{noWorker: true})
			reader := metric.NewManualReader()
			ready := make(chan func(context.Context) error, 1)
			serve(t, func(ctx context.Context) error {
				return s.gate().RunWorker(ctx, worker.Options{
					Settings: s.settings, InflowRequestsPerMinute: plenty,
					StopTimeout: 5 * time.Second,
					Meter:       metric.NewMeterProvider(metric.WithReader(reader)),
					Started:     func(check func(context.Context) error) { ready <- check },
					Now:         func() time.Time { return time.Now().Add(tc.ahead) },
				}, &activities.Activities{Orders: s.inflow, Rules: s.rules})
			})
			check := <-ready
			id := s.create("plain")
			if tc.says == "" {
				require.Eventually(t, func() bool { // until the clocks have been compared
					s.checkNow(id)
					_, compared := gaugeValues(t, reader)["gate.clock.offset"]
					return compared
				}, waitFor, tick)
				require.Eventually(t, func() bool {
					return check(t.Context()) == nil
				}, waitFor, tick)
				return
			}
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				s.checkNow(id) // without work, a worker polls only once a minute
				assert.ErrorContains(c, check(t.Context()), tc.says)
			}, waitFor, tick)
		})
	}
}
