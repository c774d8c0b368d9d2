// Package worker runs the gate's workflows and activities: which task queue
// serves what, how fast, and how it stops.
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
	"go.temporal.io/sdk/interceptor"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/activities"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/watchdog"
	"error-check-gate/workflows"
	"error-check-gate/workflows/rulesinforce"
	"error-check-gate/workflows/sweep"
)

// Options is what a worker needs besides its connection.
type Options struct {
	Settings   orderlife.Settings
	Activities *activities.Activities
	// InflowRequestsPerMinute bounds the starts of InFlow activities over all
	// workers together, by Temporal's limit on the task queue. Zero is an error.
	InflowRequestsPerMinute int
	// Namespace is the client's; Meter's metrics ask about its task queue. A nil Meter counts nothing.
	Namespace string
	Meter     metric.MeterProvider
	// StopTimeout is how long running activities may take to end after the
	// context of [Run] is done. Zero gives them no time.
	StopTimeout time.Duration
	// Deployment and BuildID, where both are set, switch Temporal's worker versioning on: runs
	// stay with the build they began with until they continue as new.
	Deployment, BuildID string
	// CachedRuns is how many open runs are kept in memory; 0 is what [CachedRuns] says.
	CachedRuns int
	// Watchdog learns of questions to Temporal that hang; nil is nobody.
	Watchdog *watchdog.Watchdog
	// Started is called once the task queues are polled, with what tells whether the worker is ready; nil is nobody.
	Started func(ready func(context.Context) error)
	// RuleFilesDecide has a set of the rule files take over even if it was in force before: for a
	// worker that is alone, with the person who edits the files beside it.
	RuleFilesDecide bool
	// Sweep is when to look for missed webhooks.
	Sweep Sweep
	// Digest is when the list of held orders is mailed.
	Digest Digest
	// Logger is told of the sweep's schedule and of a clock that is wrong; nil is silence.
	Logger *slog.Logger
	// Now is this machine's clock, which is compared with Temporal's; nil is time.Now.
	Now func() time.Time
	// Identity names this worker in Temporal's Web UI; empty is the SDK's own pid@host.
	Identity string
}

// inflowSlots is how many InFlow requests one worker has under way at once: InFlow's
// allowance is a request a second, an answer takes well under a second.
const inflowSlots = 8

// inflowPollers of one worker cover the queue's partitions, 4 where the server was not told
// otherwise: one that nobody has polled would not know the rate.
const inflowPollers = inflowSlots

const (
	// handOverSlots is the number of batches that one worker hands over at the same time. More would
	// not help: Temporal can only start so many runs per second.
	handOverSlots = 2
	// handOverHeartbeat is the minimum time between two heartbeats of a hand-over. It is short so that
	// little is repeated after a worker died.
	handOverHeartbeat = time.Second
)

// deadlockAfter is how long a workflow task may compute before it counts as stuck. The SDK's own second is too
// short for a machine with more work than processors: it gives up a task that is only waiting for one. It is
// well below the 10 seconds after which Temporal gives the task to another worker.
const deadlockAfter = 8 * time.Second

// Run polls the task queues until ctx is done or a worker fails for good
// (its credentials were withdrawn, say), then stops: polls end, running
// activities get the stop timeout.
func Run(ctx context.Context, c client.Client, o Options) (err error) {
	if o.InflowRequestsPerMinute <= 0 {
		return fmt.Errorf("INFLOW_REQUESTS_PER_MINUTE is %d: it must be 1 or more", o.InflowRequestsPerMinute)
	}
	meter := o.Meter
	if meter == nil {
		meter = noop.NewMeterProvider()
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	unregisterCache, err := setCache(o.CachedRuns, meter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unregisterCache()) }()
	clock, unregisterClock, err := newClock(o.Now, logger, meter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unregisterClock()) }()
	allowance, unregister, err := newAllowance(c, o.Namespace, o.InflowRequestsPerMinute, clock, meter, o.Watchdog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unregister()) }()
	attempts, err := newAttempts(meter)
	if err != nil {
		return err
	}
	metrics, err := newCheckMetrics(meter)
	if err != nil {
		return err
	}
	keyID, err := codec.WritingKeyID(cmp.Or(o.Activities.Converter, codec.NewDataConverter(nil)))
	if err != nil {
		return err
	}
	record, unregisterRecord, err := newRulesRecord(&o, c, keyID, logger, meter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unregisterRecord()) }()
	o.Activities.Record = record
	fatal := make(chan error, 3)
	onFatal := func(err error) {
		select {
		case fatal <- err:
		default:
		}
	}

	main := sdkworker.New(c, ordercheck.TaskQueue, sdkworker.Options{
		DeadlockDetectionTimeout: deadlockAfter,
		Identity:                 o.Identity,
		WorkerStopTimeout:        o.StopTimeout,
		OnFatalError:             onFatal,
		DeploymentOptions:        o.deployment(),
		Interceptors:             []interceptor.WorkerInterceptor{attempts},
	})
	checks := &workflows.SalesOrderChecks{Settings: o.Settings, Observer: metrics}
	main.RegisterWorkflowWithOptions(checks.SalesOrderCheck, workflow.RegisterOptions{Name: ordercheck.WorkflowType})
	main.RegisterWorkflowWithOptions(workflows.HandOverDeliveries, workflow.RegisterOptions{Name: ordercheck.HandOverWorkflowType})
	main.RegisterWorkflowWithOptions(sweep.Orders, workflow.RegisterOptions{Name: ordercheck.SweepWorkflowType})
	main.RegisterWorkflowWithOptions(workflows.DescribeRules, workflow.RegisterOptions{Name: ordercheck.DescribeRulesType})
	main.RegisterWorkflowWithOptions(workflows.UseSignInLink, workflow.RegisterOptions{Name: ordercheck.UseSignInLinkType})
	main.RegisterWorkflowWithOptions(workflows.SendDigest, workflow.RegisterOptions{Name: ordercheck.DigestWorkflowType})
	gathering := &workflows.NoticeGathering{Observer: metrics}
	main.RegisterWorkflowWithOptions(gathering.GatherNotices, workflow.RegisterOptions{
		Name: ordercheck.GatherWorkflowType,
		// A receiver who gets mail every day has a run every day.
		VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	main.RegisterWorkflowWithOptions(rulesinforce.Keep, workflow.RegisterOptions{
		Name: ordercheck.RulesWorkflowType,
		// It never ends, so that it cannot stay with the version that it began with.
		VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	o.Activities.RegisterLocal(main)
	(&activities.RecheckOrders{Temporal: c}).Register(main)

	inflow := sdkworker.New(c, ordercheck.InflowTaskQueue, sdkworker.Options{
		Identity:                           o.Identity,
		WorkerStopTimeout:                  o.StopTimeout,
		OnFatalError:                       onFatal,
		DisableWorkflowWorker:              true,
		DeploymentOptions:                  o.deployment(),
		MaxConcurrentActivityExecutionSize: inflowSlots,
		MaxConcurrentActivityTaskPollers:   inflowPollers,
		TaskQueueActivitiesPerSecond:       inflowRate(o.InflowRequestsPerMinute),
		Interceptors:                       []interceptor.WorkerInterceptor{attempts, allowance},
	})
	o.Activities.RegisterInflow(inflow)

	handOver := sdkworker.New(c, ordercheck.HandOverTaskQueue, sdkworker.Options{
		Identity:                           o.Identity,
		WorkerStopTimeout:                  o.StopTimeout,
		OnFatalError:                       onFatal,
		DisableWorkflowWorker:              true,
		DeploymentOptions:                  o.deployment(),
		MaxConcurrentActivityExecutionSize: handOverSlots,
		MaxHeartbeatThrottleInterval:       handOverHeartbeat,
		Interceptors:                       []interceptor.WorkerInterceptor{attempts},
	})
	(&activities.HandOver{Temporal: c}).Register(handOver)

	stopSchedules, err := o.startSchedules(ctx, c, keyID, logger)
	if err != nil {
		return err
	}
	defer stopSchedules()
	health := poll.TemporalHealth(c, o.Watchdog, nil)
	background, stopBackground := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { health.Run(background) })
	running.Go(func() { allowance.queue.Run(background) })
	running.Go(func() { record.run(background, o.Watchdog) })
	defer running.Wait()
	defer stopBackground()
	queues := []struct {
		name   string
		worker sdkworker.Worker
	}{{ordercheck.TaskQueue, main}, {ordercheck.InflowTaskQueue, inflow}, {ordercheck.HandOverTaskQueue, handOver}}
	for i, queue := range queues {
		if err := queue.worker.Start(); err != nil {
			for _, started := range queues[:i] {
				started.worker.Stop()
			}
			return fmt.Errorf("start the worker of task queue %s: %w", queue.name, err)
		}
	}

	if o.Started != nil {
		o.Started(func(ctx context.Context) error {
			health.Wait(ctx)
			if _, err := health.Get(); err != nil {
				return err
			}
			return clock.ready()
		})
	}
	select {
	case <-ctx.Done():
	case err = <-fatal:
		err = fmt.Errorf("the worker cannot go on: %w", err)
	}
	var stopped sync.WaitGroup
	for _, queue := range queues {
		stopped.Go(queue.worker.Stop)
	}
	stopped.Wait()
	return err
}

// startSchedules keeps the schedules and the sweep's metrics, until stop.
func (o *Options) startSchedules(ctx context.Context, c client.Client, keyID string, logger *slog.Logger) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	if o.Meter != nil {
		last, err := o.Sweep.observe(c, logger, o.Meter)
		if err != nil {
			cancel()
			return nil, err
		}
		running.Go(func() { last.run(ctx, o.Watchdog) })
	}
	running.Go(func() { o.Sweep.keepSchedule(ctx, c, keyID, logger) })
	running.Go(func() { o.Digest.keepSchedule(ctx, c, keyID, logger) })
	return func() {
		cancel()
		running.Wait()
	}, nil
}

func (o *Options) deployment() sdkworker.DeploymentOptions {
	if o.Deployment == "" || o.BuildID == "" {
		return sdkworker.DeploymentOptions{}
	}
	return sdkworker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   sdkworker.WorkerDeploymentVersion{DeploymentName: o.Deployment, BuildID: o.BuildID},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}
