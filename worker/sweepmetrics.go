package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/watchdog"
)

const (
	sweepPoll    = 30 * time.Second
	sweepTimeout = 10 * time.Second
)

// lastSweep holds the last sweep that completed, for metrics. It asks Temporal, so all workers
// report the same values, even right after their start. While Temporal is down it keeps the last
// answer: the metric is a point in time, which doesn't get stale.
type lastSweep struct {
	temporal client.Client
	logger   *slog.Logger
	observed metric.Registration
	seen     atomic.Pointer[goodSweep] // nil if none has completed
}

// goodSweep is a sweep that completed.
type goodSweep struct {
	runID   string
	endedAt time.Time
	missed  int // missed webhooks
}

// observe registers the metrics of sweeps. Their values are known once lastSweep.run has begun.
func (s Sweep) observe(
	c client.Client, logger *slog.Logger, provider metric.MeterProvider,
) (*lastSweep, error) {
	l := &lastSweep{temporal: c, logger: logger}
	meter := provider.Meter(scopeName)
	every, err := meter.Float64ObservableGauge("gate.sweep.every", metric.WithUnit("s"),
		metric.WithDescription("Time between sweeps, from the settings; 0 is off."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	success, err := meter.Float64ObservableGauge(
		"gate.sweep.last.success",
		metric.WithUnit("s"),
		metric.WithDescription(
			"When the last good sweep ended, in seconds since 1970. No value before the first one.",
		),
	)
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	missed, err := meter.Int64ObservableGauge("gate.sweep.last.missed", metric.WithUnit("{webhook}"),
		metric.WithDescription("Missed webhooks that the last good sweep found."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	l.observed, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveFloat64(every, s.Every.Seconds())
		if last := l.seen.Load(); last != nil {
			o.ObserveFloat64(success, float64(last.endedAt.UnixMilli())/1000)
			o.ObserveInt64(missed, int64(last.missed))
		}
		return nil
	}, every, success, missed)
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	return l, nil
}

// run looks for the last good sweep every 30 seconds until ctx is done. Then it unregisters the
// metrics.
func (l *lastSweep) run(ctx context.Context, w *watchdog.Watchdog) {
	defer func() { _ = l.observed.Unregister() }() // fails only with another meter's registration
	poll.New(func(asked context.Context) (*goodSweep, error) {
		err := l.look(asked)
		if err != nil && ctx.Err() == nil {
			l.logger.WarnContext(ctx, "cannot find the last good sweep", "error", err)
		}
		return l.seen.Load(), err
	}, poll.Options{
		Name: "the request to Temporal for the last sweep", Every: sweepPoll, Timeout: sweepTimeout,
		Watchdog: w,
	}).Run(ctx)
}

func (l *lastSweep) look(ctx context.Context) error {
	runs, err := l.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1,
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Completed'",
			ordercheck.SweepWorkflowType),
	})
	if err != nil {
		return fmt.Errorf("list the sweeps: %w", err)
	}
	if len(runs.GetExecutions()) == 0 {
		return nil // none has completed, or Temporal has deleted them all: keep the last answer
	}
	last := runs.GetExecutions()[0]
	if seen := l.seen.Load(); seen != nil && last.GetExecution().GetRunId() == seen.runID {
		return nil
	}
	var sweep ordercheck.Sweep
	workflowID, runID := last.GetExecution().GetWorkflowId(), last.GetExecution().GetRunId()
	if err := l.temporal.GetWorkflow(ctx, workflowID, runID).Get(ctx, &sweep); err != nil {
		return fmt.Errorf("read the result of the last sweep: %w", err)
	}
	l.seen.Store(&goodSweep{runID, last.GetCloseTime().AsTime(), sweep.Missed})
	return nil
}
