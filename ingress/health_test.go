package ingress

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"error-check-gate/internal/testkit"
	"error-check-gate/internal/watchdog"
)

func TestReadiness(t *testing.T) {
	var down atomic.Bool
	temporal := &fakeTemporal{health: func(ctx context.Context) error {
		_, ok := ctx.Deadline()
		assert.True(t, ok)
		if down.Load() {
			return errDown
		}
		return nil
	}}
	ts := startServer(t, temporal)
	becomes := func(status int) {
		t.Helper()
		require.Eventually(t, func() bool { return ts.get(t, readyPath).status == status },
			generous, 10*time.Millisecond)
	}
	becomes(200)
	down.Store(true)
	becomes(503)
	got := ts.get(t, readyPath)
	assert.JSONEq(t, `{"error":"Temporal cannot be reached"}`, got.body)
	assert.Equal(t, 200, ts.get(t, livePath).status, "a restart would not bring Temporal back")
	down.Store(false)
	becomes(200)
	assert.Contains(t, ts.log.String(), "Temporal cannot be reached")
	assert.Contains(t, ts.log.String(), errDown.Error(), "the log says why, the answer does not")
}

// TestFirstProbeWaits checks that a probe right after the start waits for Temporal's first answer.
func TestFirstProbeWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		takes, waits time.Duration
		want         error
	}{
		"an answer in time": {firstAnswer / 2, firstAnswer / 2, nil},
		"no answer yet":     {time.Hour, firstAnswer, errUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				secrets, err := NewFixedSecrets(parseKeys(t, firstSecret))
				require.NoError(t, err)
				temporal := &fakeTemporal{health: func(ctx context.Context) error {
					return waitFor(tc.takes)(ctx, 0)
				}}
				server, err := New(Options{
					Temporal: temporal, Secrets: secrets, Logger: slog.New(slog.DiscardHandler),
				})
				require.NoError(t, err)
				go server.health.Run(t.Context())
				began := time.Now()
				require.ErrorIs(t, server.Ready(t.Context()), tc.want)
				assert.Equal(t, tc.waits, time.Since(began))
			})
		})
	}
}

// TestHungHealthCheck checks that no probe, scrape or delivery waits for a health check of Temporal
// that hangs in spite of its deadline, and that /livez fails after a minute.
func TestHungHealthCheck(t *testing.T) {
	var checks atomic.Int32
	hang := make(chan struct{})
	temporal := &fakeTemporal{health: func(context.Context) error {
		if checks.Add(1) > 1 {
			<-hang
		}
		return nil
	}}
	clock, log, reader := testkit.NewClock(), &testkit.Log{}, sdkmetric.NewManualReader()
	dog := watchdog.New(slog.New(slog.NewTextHandler(log, nil)), clock.Now)
	ts := startServer(t, temporal, withOptions(func(o *Options) {
		o.Now, o.Watchdog = clock.Now, dog
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	defer close(hang)
	require.Eventually(t, func() bool { return checks.Load() == 2 }, generous, time.Millisecond)
	require.Equal(t, 200, ts.get(t, readyPath).status)

	clock.Advance(watchdog.Limit)
	assert.Equal(t, 200, ts.get(t, livePath).status)
	clock.Advance(time.Second)
	for range 3 {
		assert.Equal(t, 503, ts.get(t, readyPath).status, "the answer is stale")
		assert.Equal(t, 200, ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
		assert.Zero(t, gauge(t, reader, "gate.temporal.reachable"))
		got := ts.get(t, livePath)
		assert.Equal(t, 503, got.status)
		assert.JSONEq(t, `{"error":"Temporal's health check has been hanging for 1m1s"}`, got.body)
	}
	assert.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
	assert.EqualValues(t, 2, checks.Load(), "there is one check at a time")
}

// TestHungCall checks that deliveries are answered in time if a call to Temporal never returns, and
// that /livez fails after a minute.
func TestHungCall(t *testing.T) {
	hang := make(chan struct{})
	temporal := &fakeTemporal{signal: func(context.Context, int) error {
		<-hang
		return nil
	}}
	clock := testkit.NewClock()
	dog := watchdog.New(slog.New(slog.DiscardHandler), clock.Now)
	ts := startServer(t, temporal, commitTime(time.Millisecond), withOptions(func(o *Options) {
		o.Now, o.Watchdog = clock.Now, dog
	}))
	assert.Equal(t, 503, ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
	assert.Equal(t, 200, ts.get(t, livePath).status)
	clock.Advance(watchdog.Limit + time.Second)
	got := ts.get(t, livePath)
	assert.Equal(t, 503, got.status)
	assert.Contains(t, got.body,
		"a call that commits deliveries to Temporal has been hanging for 1m1s")
	close(hang)
	require.Eventually(t, func() bool { return ts.get(t, livePath).status == 200 },
		generous, time.Millisecond)
}
