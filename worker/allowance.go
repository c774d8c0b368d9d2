package worker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/watchdog"
)

// inflowSpread is the time over which we spread a minute's allowance. Temporal limits the rate at
// which a queue's activities start, including retries, but allows a burst: the starts of one
// second, and one more. Spread over 66 seconds, at most the allowance starts within any 64
// seconds, which leaves 4 seconds of a minute's limit for network jitter and for the burst that a
// restarted Temporal server allows.
const inflowSpread = 66 * time.Second

// inflowRate returns the rate limit of InFlow's task queue, in starts per second.
func inflowRate(requestsPerMinute int) float64 {
	return float64(requestsPerMinute) / inflowSpread.Seconds()
}

// headStart is how much earlier a request is retried than one of the next priority, if both wait
// until InFlow accepts requests again. Temporal sorts only requests that are in the queue, so the
// more urgent one must be there first.
const headStart = 250 * time.Millisecond

// allowance postpones this worker's requests while InFlow has told it to wait. Temporal's rate
// limit bounds the gate's own requests, but other programs use the account's quota too.
//
// An attempt that starts meanwhile fails at once, without a request, and is retried when the wait
// is over, so it occupies no slot and uses none of its 20 seconds. A worker starts to wait when
// one of its own requests gets a 429.
type allowance struct {
	interceptor.WorkerInterceptorBase
	perMinute int
	temporal  client.Client
	namespace string
	clock     *clock // learns Temporal's time from the queue's pollers
	queue     *poll.Value[*workflowservice.DescribeTaskQueueResponse]

	waited    metric.Float64Histogram
	postponed metric.Int64Counter

	until atomic.Pointer[time.Time] // no requests before this time; nil is no limit
}

const scopeName = "error-check-gate/worker"

const (
	queueEvery   = 5 * time.Second
	queueTimeout = 2 * time.Second
	queueMaxAge  = 30 * time.Second // Temporal's rates are averages of 30 seconds
)

// newAllowance makes an allowance and registers its metrics; stop unregisters them. Run a.queue
// too: it supplies the values of some metrics.
func newAllowance(
	c client.Client, namespace string, perMinute int, clock *clock, provider metric.MeterProvider,
	w *watchdog.Watchdog,
) (a *allowance, stop func() error, err error) {
	a = &allowance{perMinute: perMinute, temporal: c, namespace: namespace, clock: clock}
	a.queue = poll.New(a.queueStats, poll.Options{
		Name:  "the request to Temporal for the state of task queue " + ordercheck.InflowTaskQueue,
		Every: queueEvery, Timeout: queueTimeout, MaxAge: queueMaxAge, Watchdog: w,
	})
	meter := provider.Meter(scopeName)
	var errs [3]error
	a.waited, errs[0] = meter.Float64Histogram("gate.inflow.allowance.wait", metric.WithUnit("s"),
		metric.WithDescription("Time that requests to InFlow waited in Temporal for their turn, "+
			"by priority: 1 a person, 3 webhooks, 5 the sweep. First attempts only."))
	a.postponed, errs[1] = meter.Int64Counter("gate.inflow.kept_back", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that this worker postponed because InFlow had told it to wait."))
	stop, errs[2] = a.observeQueue(meter)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, nil, fmt.Errorf("set up the metrics of InFlow's allowance: %w", err)
	}
	return a, stop, nil
}

// observeQueue registers the metrics that come from Temporal's statistics of the task queue.
// While the statistics are unknown, these metrics have no values.
func (a *allowance) observeQueue(meter metric.Meter) (stop func() error, err error) {
	var errs [4]error
	setting, err := meter.Int64ObservableGauge("gate.inflow.allowance", metric.WithUnit("{request}"),
		metric.WithDescription("Requests to InFlow per minute allowed for all workers together: "+
			"INFLOW_REQUESTS_PER_MINUTE of this worker."))
	errs[0] = err
	remaining, err := meter.Float64ObservableGauge("gate.inflow.allowance.remaining",
		metric.WithUnit("1"),
		metric.WithDescription("Unused share of the allowance, 0 to 1, in the last half minute, "+
			"over all workers, as Temporal counts; 0 while InFlow has told this worker to wait."))
	errs[1] = err
	waiting, err := meter.Int64ObservableGauge("gate.inflow.waiting", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that wait in Temporal for their turn, over all workers, "+
			"by priority. Requests that wait for a retry are not counted."))
	errs[2] = err
	oldest, err := meter.Float64ObservableGauge("gate.inflow.waiting.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest request of gate.inflow.waiting."))
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	priorities := []int32{
		ordercheck.PriorityPerson, ordercheck.PriorityMarkBegun, ordercheck.PriorityWebhook,
		ordercheck.PriorityMark, ordercheck.PrioritySweep,
	}
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(setting, int64(a.perMinute))
		queue, err := a.queue.Get()
		if err != nil {
			return nil
		}
		stats := queue.GetStats()
		o.ObserveFloat64(remaining, a.remaining(stats.GetTasksDispatchRate()))
		o.ObserveFloat64(oldest, stats.GetApproximateBacklogAge().AsDuration().Seconds())
		for _, priority := range priorities {
			backlog := queue.GetStatsByPriorityKey()[priority].GetApproximateBacklogCount()
			o.ObserveInt64(waiting, backlog, priorityLabel(int(priority)))
		}
		return nil
	}, setting, remaining, waiting, oldest)
	if err != nil {
		return nil, err
	}
	return registration.Unregister, nil
}

// queueStats asks Temporal for the statistics of InFlow's task queue, and updates the clock from
// the answer.
func (a *allowance) queueStats(
	ctx context.Context,
) (*workflowservice.DescribeTaskQueueResponse, error) {
	asked := a.clock.now()
	stats, err := a.temporal.WorkflowService().
		DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace:     a.namespace,
			TaskQueue:     &taskqueuepb.TaskQueue{Name: ordercheck.InflowTaskQueue},
			TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
			ReportStats:   true,
		})
	if err != nil {
		return nil, fmt.Errorf("describe Temporal's task queue %s for metrics: %w",
			ordercheck.InflowTaskQueue, err)
	}
	a.clock.observe(ctx, asked, stats)
	return stats, nil
}

// remaining returns the unused share of the allowance, from 0 to 1.
func (a *allowance) remaining(dispatchedPerSecond float32) float64 {
	if a.wait() > 0 {
		return 0
	}
	return min(max(1-float64(dispatchedPerSecond)*60/float64(a.perMinute), 0), 1)
}

// priorityLabel returns the label of a priority. Temporal has five priorities.
func priorityLabel(priority int) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("priority", strconv.Itoa(min(max(priority, 1), 5))))
}

// wait returns the time until a request may be made, or 0 if one may be made now.
func (a *allowance) wait() time.Duration {
	until := a.until.Load()
	if until == nil {
		return 0
	}
	return max(time.Until(*until), 0)
}

// pause lets no request through for d. It never shortens an earlier pause.
func (a *allowance) pause(d time.Duration) {
	until := time.Now().Add(d)
	for {
		before := a.until.Load()
		if before != nil && !until.After(*before) || a.until.CompareAndSwap(before, &until) {
			return
		}
	}
}

// InterceptActivity implements [interceptor.WorkerInterceptor].
func (a *allowance) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &allowedActivity{
		ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next},
		allowance:                      a,
	}
}

// allowedActivity makes one attempt at a request to InFlow.
type allowedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	allowance *allowance
}

// ExecuteActivity makes the request, unless InFlow has told this worker to wait.
func (i *allowedActivity) ExecuteActivity(
	ctx context.Context, in *interceptor.ExecuteActivityInput,
) (any, error) {
	a, info := i.allowance, activity.GetInfo(ctx)
	priority := info.Priority.PriorityKey
	if priority == 0 {
		priority = ordercheck.PriorityWebhook // Temporal's default
	}
	if info.Attempt == 1 {
		waited := max(info.StartedTime.Sub(info.ScheduledTime), 0)
		a.waited.Record(ctx, waited.Seconds(), priorityLabel(priority))
	}
	if wait := a.wait(); wait > 0 {
		a.postponed.Add(ctx, 1)
		// No request failed, so nothing is logged.
		benign := temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign}
		return nil, later("no request was made: InFlow has told this worker to wait",
			wait, priority, benign)
	}
	result, err := i.Next.ExecuteActivity(ctx, in)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != ordercheck.ErrorInflowRateLimited ||
		failed.NextRetryDelay() <= 0 {
		return result, err
	}
	a.pause(failed.NextRetryDelay())
	return nil, later(failed.Message(), failed.NextRetryDelay(), priority,
		temporal.ApplicationErrorOptions{Cause: failed.Unwrap()})
}

// later returns an error that makes Temporal retry the activity after the wait. Less urgent
// requests wait a little longer.
func later(
	message string, wait time.Duration, priority int, o temporal.ApplicationErrorOptions,
) error {
	o.NextRetryDelay = wait + time.Duration(priority-1)*headStart
	return temporal.NewApplicationErrorWithOptions(message, ordercheck.ErrorInflowRateLimited, o)
}
