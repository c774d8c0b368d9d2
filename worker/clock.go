package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/workflowservice/v1"
)

const (
	// clockWarning is the offset above which we log a warning. Clocks that use NTP differ by
	// milliseconds.
	clockWarning = time.Second
	// clockLimit is the offset above which the worker isn't ready. It is half of CheckOrder's 10
	// seconds. Temporal's SDK takes an attempt's deadline from Temporal's clock, but waits for it
	// by the worker's clock. If the worker's clock is ahead, every attempt gets less time. If it
	// is behind, an attempt goes on after Temporal has given it up.
	clockLimit = 5 * time.Second
	// clockRepeat is the time between log lines about a clock that stays wrong.
	clockRepeat = 5 * time.Minute
)

// clock compares this machine's clock with Temporal's. No call of Temporal's API returns the
// server's time, but one lists the pollers of a task queue with the time of their latest poll. If
// that time has changed between two requests, the poll began between them. So the offset lies
// between two bounds, and clock reports the smallest offset within them. On a slow machine or
// network the bounds are further apart, but clock never reports a correct clock as wrong.
type clock struct {
	now    func() time.Time
	logger *slog.Logger
	// offset is the smallest possible offset of the local clock; positive if it is ahead of
	// Temporal's; nil until known.
	offset atomic.Pointer[time.Duration]

	// Only the polling goroutine uses these.
	lastAsked, lastPoll time.Time
	lastLogged          time.Time
	lastLevel           slog.Level
}

func newClock(
	now func() time.Time, logger *slog.Logger, provider metric.MeterProvider,
) (c *clock, stop func() error, err error) {
	if now == nil {
		now = time.Now
	}
	c = &clock{now: now, logger: logger}
	meter := provider.Meter(scopeName)
	offset, err := meter.Float64ObservableGauge(
		"gate.clock.offset",
		metric.WithUnit("s"),
		metric.WithDescription(
			"Smallest possible time by which this machine's clock is ahead of Temporal's "+
				"(negative: behind); 0 if they may agree. No value until known.",
		),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("set up the metric of the clock: %w", err)
	}
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		if known := c.offset.Load(); known != nil {
			o.ObserveFloat64(offset, known.Seconds())
		}
		return nil
	}, offset)
	if err != nil {
		return nil, nil, fmt.Errorf("set up the metric of the clock: %w", err)
	}
	return c, registration.Unregister, nil
}

// observe updates the offset from Temporal's answer to a request that was made at asked, by the
// local clock.
func (c *clock) observe(
	ctx context.Context, asked time.Time, answer *workflowservice.DescribeTaskQueueResponse,
) {
	answered := c.now()
	// Compare wall clocks: monotonic readings would hide a clock that was set.
	asked, answered = asked.Round(0), answered.Round(0)
	var poll time.Time
	for _, poller := range answer.GetPollers() {
		if at := poller.GetLastAccessTime().AsTime(); at.After(poll) {
			poll = at
		}
	}
	before := c.lastAsked
	changed := poll.After(c.lastPoll)
	known := !c.lastPoll.IsZero()
	c.lastAsked = asked
	if poll.IsZero() || !changed {
		return
	}
	c.lastPoll = poll
	if !known {
		return // the poll may have begun long before the request
	}
	offset := nearest(before.Sub(poll), answered.Sub(poll))
	c.offset.Store(&offset)
	c.log(ctx, offset)
}

// nearest returns the duration from low to high that is nearest to zero.
func nearest(low, high time.Duration) time.Duration {
	switch {
	case low > 0:
		return low
	case high < 0:
		return high
	default:
		return 0
	}
}

func (c *clock) log(ctx context.Context, offset time.Duration) {
	level, message := slog.LevelInfo, "this machine's clock agrees with Temporal's again"
	switch {
	case offset.Abs() > clockLimit:
		level = slog.LevelError
		message = "this machine's clock is wrong, so checks fail or are done twice; " +
			"synchronize it, for example with NTP"
	case offset.Abs() > clockWarning:
		level = slog.LevelWarn
		message = "this machine's clock differs from Temporal's; synchronize it, for example with NTP"
	}
	now := time.Now()
	if level == c.lastLevel && (level == slog.LevelInfo || now.Sub(c.lastLogged) < clockRepeat) {
		return
	}
	c.lastLevel, c.lastLogged = level, now
	c.logger.Log(ctx, level, message, //nolint:sloglint // one of the texts above
		"difference", describeOffset(offset), "limit", clockLimit.String())
}

// ready returns an error if the clock is known to differ from Temporal's by more than clockLimit.
func (c *clock) ready() error {
	if offset := c.offset.Load(); offset != nil && offset.Abs() > clockLimit {
		return fmt.Errorf("this machine's clock is at least %s, and at most %v is allowed: "+
			"synchronize it, for example with NTP", describeOffset(*offset), clockLimit)
	}
	return nil
}

func describeOffset(offset time.Duration) string {
	direction := "ahead of"
	if offset < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("%v %s Temporal's", offset.Abs().Round(100*time.Millisecond), direction)
}
