package ingress

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

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
		require.Eventually(t, func() bool { return ts.get(t, readyPath).status == status }, 30*time.Second, 10*time.Millisecond)
	}
	assert.Equal(t, 200, ts.get(t, readyPath).status, "the first probe waits for the first answer")

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

// TestHungHealthQuestion: a question to Temporal never returns, not even when its time is over. No
// probe, scrape or delivery waits for it, and after a minute /livez says that the process hangs.
func TestHungHealthQuestion(t *testing.T) {
	var questions atomic.Int32
	hang := make(chan struct{})
	temporal := &fakeTemporal{health: func(context.Context) error {
		if questions.Add(1) > 1 {
			<-hang
		}
		return nil
	}}
	clock, log, reader := newClock(), &lockedBuffer{}, sdkmetric.NewManualReader()
	dog := watchdog.New(slog.New(slog.NewTextHandler(log, nil)), clock.now)
	ts := startServer(t, temporal, withOptions(func(o *Options) {
		o.Now, o.Watchdog = clock.now, dog
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	defer close(hang)
	require.Equal(t, 200, ts.get(t, readyPath).status)
	require.Eventually(t, func() bool { return questions.Load() == 2 }, 30*time.Second, time.Millisecond)

	clock.step(watchdog.Limit)
	assert.Equal(t, 200, ts.get(t, livePath).status)
	clock.step(time.Second)
	for range 3 {
		assert.Equal(t, 503, ts.get(t, readyPath).status, "the answer is old")
		assert.Equal(t, 200, ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
		assert.Zero(t, gauge(t, reader, "gate.temporal.reachable"))
		got := ts.get(t, livePath)
		assert.Equal(t, 503, got.status)
		assert.JSONEq(t, `{"error":"Temporal's health check has been hanging for 1m1s"}`, got.body)
	}
	assert.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
	assert.EqualValues(t, 2, questions.Load(), "none is asked beside it")
}

// TestHungCall: a call to Temporal never returns. Its deliveries are answered in time, and after a
// minute /livez says that the process hangs.
func TestHungCall(t *testing.T) {
	hang := make(chan struct{})
	temporal := &fakeTemporal{signal: func(context.Context, int) error {
		<-hang
		return nil
	}}
	clock := newClock()
	dog := watchdog.New(slog.New(slog.DiscardHandler), clock.now)
	ts := startServer(t, temporal, withOptions(func(o *Options) { o.Now, o.Watchdog = clock.now, dog }), commitTime(10*time.Millisecond))
	assert.Equal(t, 503, ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
	assert.Equal(t, 200, ts.get(t, livePath).status)
	clock.step(watchdog.Limit + time.Second)
	got := ts.get(t, livePath)
	assert.Equal(t, 503, got.status)
	assert.Contains(t, got.body, "a call that commits deliveries to Temporal has been hanging for 1m1s")
	close(hang)
	require.Eventually(t, func() bool { return ts.get(t, livePath).status == 200 }, 30*time.Second, time.Millisecond)
}
