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
	// clockWarning is more than clocks differ by that NTP keeps: milliseconds.
	clockWarning = time.Second
	// clockLimit is half of CheckOrder's 10 seconds. Temporal's SDK takes an attempt's deadline from
	// Temporal's clock and waits for it by the worker's: a worker whose clock is ahead cuts each
	// attempt by the difference, and one whose clock is behind goes on when Temporal has given up on it.
	clockLimit = 5 * time.Second
	// clockRepeat is the time between log lines about a clock that stays wrong.
	clockRepeat = 5 * time.Minute
)

// clock compares this machine's time with Temporal's. No call of Temporal's API answers with its
// time, but the pollers of a task queue are listed with the time of their latest poll. If that
// has changed from one question to the next, the poll began between the two. So the difference
// lies between two bounds, and what is told is the one nearer to zero: on a slow machine or network the
// bounds are further apart, and a clock that is right is never taken for a wrong one.
type clock struct {
	now    func() time.Time
	logger *slog.Logger
	offset atomic.Pointer[time.Duration] // of the local clock, at least; nil until known

	// Only the goroutine that asks uses these.
	lastAsked, lastPoll time.Time
	lastLogged          time.Time
	lastLevel           slog.Level
}

func newClock(now func() time.Time, logger *slog.Logger, provider metric.MeterProvider) (c *clock, stop func() error, err error) {
	if now == nil {
		now = time.Now
	}
	c = &clock{now: now, logger: logger}
	meter := provider.Meter(scopeName)
	offset, err := meter.Float64ObservableGauge("gate.clock.offset", metric.WithUnit("s"),
		metric.WithDescription("Time that this machine's clock is ahead of Temporal's (negative: behind), at least; 0 if they may agree. Without a value until known."))
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

// observe takes Temporal's answer to a question that was asked at a time by the local clock.
func (c *clock) observe(ctx context.Context, asked time.Time, answer *workflowservice.DescribeTaskQueueResponse) {
	answered := c.now()
	// Wall clocks are compared: a difference of monotonic readings would hide a clock that was set.
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
		return // the poll may be a while ago
	}
	offset := nearest(before.Sub(poll), answered.Sub(poll))
	c.offset.Store(&offset)
	c.log(ctx, offset)
}

// nearest returns the duration between low and high that is nearest to zero.
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
		level, message = slog.LevelError, "this machine's clock is wrong, and checks fail or are done twice: synchronise it, by NTP say"
	case offset.Abs() > clockWarning:
		level, message = slog.LevelWarn, "this machine's clock differs from Temporal's: synchronise it, by NTP say"
	}
	now := time.Now()
	if level == c.lastLevel && (level == slog.LevelInfo || now.Sub(c.lastLogged) < clockRepeat) {
		return
	}
	c.lastLevel, c.lastLogged = level, now
	c.logger.Log(ctx, level, message, "difference", describeOffset(offset), "limit", clockLimit.String())
}

// ready fails if the clock is known to be further from Temporal's than checks allow.
func (c *clock) ready() error {
	if offset := c.offset.Load(); offset != nil && offset.Abs() > clockLimit {
		return fmt.Errorf("this machine's clock is %s, at least: synchronise it, by NTP say; at most %v are allowed",
			describeOffset(*offset), clockLimit)
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
