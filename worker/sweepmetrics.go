package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// sweepPoll is how often the last good sweep is looked for.
const sweepPoll = 30 * time.Second

// lastSweep tells metrics of the last sweep that completed. It is looked for at Temporal, so that
// every worker says the same, and one that has just started too.
type lastSweep struct {
	temporal client.Client
	logger   *slog.Logger
	observed metric.Registration

	mu      sync.Mutex
	runID   string
	endedAt time.Time // zero where none has completed
	missed  int
}

func (s Sweep) observe(c client.Client, logger *slog.Logger, provider metric.MeterProvider) (*lastSweep, error) {
	l := &lastSweep{temporal: c, logger: logger}
	meter := provider.Meter(scopeName)
	every, err := meter.Float64ObservableGauge("gate.sweep.every", metric.WithUnit("s"),
		metric.WithDescription("Time between two sweeps, as the settings have it; 0 is off."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	success, err := meter.Float64ObservableGauge("gate.sweep.last.success", metric.WithUnit("s"),
		metric.WithDescription("When the last good sweep ended, in seconds since 1970. Without a value while there was none."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	missed, err := meter.Int64ObservableGauge("gate.sweep.last.missed", metric.WithUnit("{webhook}"),
		metric.WithDescription("Missed webhooks that the last good sweep found."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	l.observed, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		o.ObserveFloat64(every, s.Every.Seconds())
		if !l.endedAt.IsZero() {
			o.ObserveFloat64(success, float64(l.endedAt.UnixMilli())/1000)
			o.ObserveInt64(missed, int64(l.missed))
		}
		return nil
	}, every, success, missed)
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of sweeps: %w", err)
	}
	return l, nil
}

// run looks for the last good sweep until ctx is done.
func (l *lastSweep) run(ctx context.Context) {
	defer func() { _ = l.observed.Unregister() }() // it fails for a registration of another meter only
	ticker := time.NewTicker(sweepPoll)
	defer ticker.Stop()
	for {
		if err := l.look(ctx); err != nil && ctx.Err() == nil {
			l.logger.WarnContext(ctx, "the last good sweep could not be looked for", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (l *lastSweep) look(ctx context.Context) error {
	runs, err := l.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1,
		Query:    fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Completed'", ordercheck.SweepWorkflowType),
	})
	if err != nil {
		return fmt.Errorf("list the sweeps: %w", err)
	}
	if len(runs.GetExecutions()) == 0 {
		return nil // none yet, or past Temporal's retention: what was seen stands
	}
	last := runs.GetExecutions()[0]
	if last.GetExecution().GetRunId() == l.runID { // only this goroutine writes it
		return nil
	}
	var sweep ordercheck.Sweep
	if err := l.temporal.GetWorkflow(ctx, last.GetExecution().GetWorkflowId(), last.GetExecution().GetRunId()).Get(ctx, &sweep); err != nil {
		return fmt.Errorf("read the result of the last sweep: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runID, l.endedAt, l.missed = last.GetExecution().GetRunId(), last.GetCloseTime().AsTime(), sweep.Missed
	return nil
}
