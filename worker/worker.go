// Package worker runs the gate's workflows and activities.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.temporal.io/sdk/client"

	"error-check-gate/activities"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/watchdog"
)

// Options are a worker's settings, and everything else that it needs besides its connection.
type Options struct {
	Settings   orderlife.Settings
	Activities *activities.Activities
	// InflowRequestsPerMinute limits the starts of InFlow activities, over all workers together. It
	// must be 1 or more.
	InflowRequestsPerMinute int
	// Namespace is the client's namespace.
	Namespace string
	// Meter may be nil: then nothing is counted.
	Meter metric.MeterProvider
	// StopTimeout is how long running activities may take to end when the worker stops. Zero gives
	// them no time.
	StopTimeout time.Duration
	// Deployment and BuildID turn on Temporal's worker versioning if both are set. A run then stays
	// with the build it began with until it continues as new.
	Deployment, BuildID string
	// CachedRuns limits the open runs in memory; 0 is [CachedRuns].
	CachedRuns int
	// Watchdog is notified of requests to Temporal that hang; may be nil.
	Watchdog *watchdog.Watchdog
	// Started is called once the task queues are polled; may be nil. ready fails if the worker is not
	// ready.
	Started func(ready func(context.Context) error)
	// CountOutcome is called once for each outcome of errors, for metrics; may be nil.
	CountOutcome func(context.Context, ordercheck.RuleOutcome)
	// RuleFilesDecide lets a set of the rule files take over even if it was in force before. It is for
	// a worker that runs alone, next to the person who edits the files.
	RuleFilesDecide bool
	// Sweep says when to look for missed webhooks.
	Sweep Sweep
	// Digest says when to mail the list of held orders.
	Digest Digest
	// Logger may be nil: then nothing is logged.
	Logger *slog.Logger
	// Now is this machine's clock; nil is time.Now.
	Now func() time.Time
	// Identity names this worker in Temporal's Web UI; empty means the SDK's pid@host.
	Identity string
}

// Run polls the task queues until ctx is done, or until a worker cannot go on (its credentials were
// withdrawn, say). Then it stops polling and gives running activities the stop timeout.
func Run(ctx context.Context, c client.Client, o Options) (err error) {
	if o.InflowRequestsPerMinute <= 0 {
		return fmt.Errorf("INFLOW_REQUESTS_PER_MINUTE is %d: it must be 1 or more",
			o.InflowRequestsPerMinute)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p, stop, err := newParts(c, &o)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	o.Activities.Record = p.record

	fatal := make(chan error, 1)
	queues := newQueues(c, &o, p, func(err error) {
		select {
		case fatal <- err:
		default: // the first error is enough
		}
	})
	stopSchedules, err := o.startSchedules(ctx, c, p.keyID)
	if err != nil {
		return err
	}
	defer stopSchedules()
	health := poll.TemporalHealth(c, o.Watchdog, nil)
	stopBackground := inBackground(ctx,
		health.Run,
		p.allowance.queue.Run,
		func(ctx context.Context) { p.record.run(ctx, o.Watchdog) })
	defer stopBackground()
	if err := start(queues); err != nil {
		return err
	}
	defer stopAll(queues)
	if o.Started != nil {
		o.Started(func(ctx context.Context) error {
			health.Wait(ctx)
			if _, err := health.Get(); err != nil {
				return err
			}
			return p.clock.ready()
		})
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-fatal:
		return fmt.Errorf("the worker cannot go on: %w", err)
	}
}

// parts holds everything that the queues of a worker share.
type parts struct {
	clock     *clock
	allowance *allowance
	attempts  *attempts
	metrics   *checkMetrics
	record    *rulesRecord
	keyID     string // of the payload key that this worker writes with; empty if none
}

// newParts makes the shared parts and registers their metrics. Call stop even if it fails.
func newParts(c client.Client, o *Options) (p *parts, stop func() error, err error) {
	var unregister []func() error
	stop = func() (err error) {
		for _, f := range unregister {
			err = errors.Join(err, f())
		}
		return err
	}
	meter := o.Meter
	if meter == nil {
		meter = noop.NewMeterProvider()
	}
	registered := func(f func() error, err error) error {
		if err == nil {
			unregister = append(unregister, f)
		}
		return err
	}
	p = &parts{}
	if err := registered(setCache(o.CachedRuns, meter)); err != nil {
		return nil, stop, err
	}
	var f func() error
	p.clock, f, err = newClock(o.Now, o.Logger, meter)
	if err := registered(f, err); err != nil {
		return nil, stop, err
	}
	p.allowance, f, err = newAllowance(
		c, o.Namespace, o.InflowRequestsPerMinute, p.clock, meter, o.Watchdog)
	if err := registered(f, err); err != nil {
		return nil, stop, err
	}
	if p.attempts, err = newAttempts(meter); err != nil {
		return nil, stop, err
	}
	if p.metrics, err = newCheckMetrics(meter); err != nil {
		return nil, stop, err
	}
	p.metrics.countOutcome = o.CountOutcome
	dataConverter := cmp.Or(o.Activities.Converter, codec.NewDataConverter(nil))
	if p.keyID, err = codec.WritingKeyID(dataConverter); err != nil {
		return nil, stop, err
	}
	p.record, f, err = newRulesRecord(o, c, p.keyID, meter)
	return p, stop, registered(f, err)
}

// inBackground runs functions until ctx is done. stop ends them and waits until they have returned.
func inBackground(ctx context.Context, functions ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, f := range functions {
		running.Go(func() { f(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// startSchedules brings the schedules up to date and observes the last sweep, in the background.
func (o *Options) startSchedules(
	ctx context.Context, c client.Client, keyID string,
) (stop func(), err error) {
	functions := []func(context.Context){
		func(ctx context.Context) { o.Sweep.reconcileSchedule(ctx, c, keyID, o.Logger) },
		func(ctx context.Context) { o.Digest.reconcileSchedule(ctx, c, keyID, o.Logger) },
	}
	if o.Meter != nil {
		last, err := o.Sweep.observe(c, o.Logger, o.Meter)
		if err != nil {
			return nil, err
		}
		functions = append(functions, func(ctx context.Context) { last.run(ctx, o.Watchdog) })
	}
	return inBackground(ctx, functions...), nil
}
