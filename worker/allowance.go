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

// inflowSpread is the time over which a minute's allowance is spread. Temporal limits the
// starts of a queue's activities, retries included, and lets those of one second (burst) come
// at once, and one more: spread over 66 seconds, no more than the allowance start within 64. The
// rest is for requests that reach InFlow later after their start than others did, and for a
// server of Temporal's that restarts and then begins with a burst anew: two requests more.
const inflowSpread = 66 * time.Second

// inflowRate is the rate of InFlow's task queue in starts a second.
func inflowRate(requestsPerMinute int) float64 {
	return float64(requestsPerMinute) / inflowSpread.Seconds()
}

// headStart is how much earlier a request is due than one of the next priority, where both
// wait until InFlow takes requests again: Temporal orders what is in the queue, not what is yet to come.
const headStart = 250 * time.Millisecond

// allowance keeps a worker's requests back while InFlow has told it to wait, since somebody
// else spends the account's allowance too. Temporal's rate bounds what the gate sends.
//
// What is dispatched meanwhile fails at once, without a request, and is dispatched again when the
// time is over. A slot, or an activity's 20 seconds, are no place to wait. Every worker
// learns of it by a 429 of its own.
type allowance struct {
	interceptor.WorkerInterceptorBase
	perMinute int
	temporal  client.Client
	namespace string
	clock     *clock                                                  // learns Temporal's time from the queue's pollers
	queue     *poll.Value[*workflowservice.DescribeTaskQueueResponse] // of InFlow's task queue

	waited   metric.Float64Histogram
	keptBack metric.Int64Counter

	until atomic.Pointer[time.Time] // no request before it; nil is none
}

const scopeName = "error-check-gate/worker"

const (
	queueEvery   = 5 * time.Second
	queueTimeout = 2 * time.Second
	queueMaxAge  = 30 * time.Second // as long as the time that Temporal's rates are of
)

// newAllowance also registers its metrics; stop ends them. Run its queue for those that Temporal knows.
func newAllowance(c client.Client, namespace string, perMinute int, clock *clock, provider metric.MeterProvider, w *watchdog.Watchdog) (a *allowance, stop func() error, err error) {
	a = &allowance{perMinute: perMinute, temporal: c, namespace: namespace, clock: clock}
	a.queue = poll.New(a.queueStats, poll.Options{
		Name: "the question to Temporal about task queue " + ordercheck.InflowTaskQueue, Every: queueEvery, Timeout: queueTimeout,
		MaxAge: queueMaxAge, Watchdog: w,
	})
	meter := provider.Meter(scopeName)
	var errs [7]error
	a.waited, errs[0] = meter.Float64Histogram("gate.inflow.allowance.wait", metric.WithUnit("s"),
		metric.WithDescription("Time that requests to InFlow waited in Temporal for their turn, by priority: 1 a person, 3 webhooks, 5 the sweep. First attempts only."))
	a.keptBack, errs[1] = meter.Int64Counter("gate.inflow.kept_back", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that this worker put off since InFlow had told it to wait."))
	setting, err := meter.Int64ObservableGauge("gate.inflow.allowance", metric.WithUnit("{request}"),
		metric.WithDescription("Requests a minute that InFlow may see of all workers together: INFLOW_REQUESTS_PER_MINUTE of this worker."))
	errs[2] = err
	remaining, err := meter.Float64ObservableGauge("gate.inflow.allowance.remaining", metric.WithUnit("1"),
		metric.WithDescription("Share of the allowance, 0 to 1, that all workers together left in the last half minute, as Temporal counts; 0 while InFlow has told this worker to wait."))
	errs[3] = err
	waiting, err := meter.Int64ObservableGauge("gate.inflow.waiting", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that wait in Temporal for their turn, of all workers together, by priority. What is to be retried later is not among them."))
	errs[4] = err
	oldest, err := meter.Float64ObservableGauge("gate.inflow.waiting.age", metric.WithUnit("s"),
		metric.WithDescription("Time that the oldest request of gate.inflow.waiting has waited."))
	errs[5] = err
	var registration metric.Registration
	if errors.Join(errs[:6]...) == nil {
		registration, errs[6] = meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
			observer.ObserveInt64(setting, int64(a.perMinute))
			stats, err := a.queue.Get()
			if err != nil {
				return nil // what is not known has no value; the rest is shown
			}
			observer.ObserveFloat64(remaining, a.remaining(stats.GetStats().GetTasksDispatchRate()))
			observer.ObserveFloat64(oldest, stats.GetStats().GetApproximateBacklogAge().AsDuration().Seconds())
			for _, priority := range []int32{ordercheck.PriorityPerson, ordercheck.PriorityWebhook, ordercheck.PrioritySweep} {
				observer.ObserveInt64(waiting, stats.GetStatsByPriorityKey()[priority].GetApproximateBacklogCount(), priorityLabel(int(priority)))
			}
			return nil
		}, setting, remaining, waiting, oldest)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, nil, fmt.Errorf("set up the metrics of InFlow's allowance: %w", err)
	}
	return a, registration.Unregister, nil
}

func (a *allowance) queueStats(ctx context.Context) (*workflowservice.DescribeTaskQueueResponse, error) {
	asked := a.clock.now()
	stats, err := a.temporal.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace:     a.namespace,
		TaskQueue:     &taskqueuepb.TaskQueue{Name: ordercheck.InflowTaskQueue},
		TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
		ReportStats:   true,
	})
	if err != nil {
		return nil, fmt.Errorf("ask Temporal about task queue %s, for metrics: %w", ordercheck.InflowTaskQueue, err)
	}
	a.clock.observe(ctx, asked, stats)
	return stats, nil
}

func (a *allowance) remaining(dispatchedPerSecond float32) float64 {
	if a.wait() > 0 {
		return 0
	}
	return min(max(1-float64(dispatchedPerSecond)*60/float64(a.perMinute), 0), 1)
}

// priorityLabel: Temporal knows five.
func priorityLabel(priority int) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("priority", strconv.Itoa(min(max(priority, 1), 5))))
}

// wait is how long no request may be made; 0 where one may.
func (a *allowance) wait() time.Duration {
	until := a.until.Load()
	if until == nil {
		return 0
	}
	return max(time.Until(*until), 0)
}

// close lets no request through for that long; a wait that ends later stands.
func (a *allowance) close(d time.Duration) {
	until := time.Now().Add(d)
	for {
		before := a.until.Load()
		if before != nil && !until.After(*before) || a.until.CompareAndSwap(before, &until) {
			return
		}
	}
}

// InterceptActivity implements [interceptor.WorkerInterceptor].
func (a *allowance) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &allowedActivity{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, allowance: a}
}

// allowedActivity is one attempt at a request to InFlow.
type allowedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	allowance *allowance
}

// ExecuteActivity makes the request, unless it must not be made now.
func (i *allowedActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	a, info := i.allowance, activity.GetInfo(ctx)
	priority := info.Priority.PriorityKey
	if priority == 0 {
		priority = ordercheck.PriorityWebhook // Temporal's own default
	}
	if info.Attempt == 1 {
		a.waited.Record(ctx, max(info.StartedTime.Sub(info.ScheduledTime), 0).Seconds(), priorityLabel(priority))
	}
	if wait := a.wait(); wait > 0 {
		a.keptBack.Add(ctx, 1)
		return nil, later("InFlow has told this worker to wait, and was not asked", wait, priority, temporal.ApplicationErrorOptions{
			Category: temporal.ApplicationErrorCategoryBenign, // no request failed: nothing for the log
		})
	}
	result, err := i.Next.ExecuteActivity(ctx, in)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != ordercheck.ErrorInflowRateLimited || failed.NextRetryDelay() <= 0 {
		return result, err
	}
	a.close(failed.NextRetryDelay())
	return nil, later(failed.Message(), failed.NextRetryDelay(), priority, temporal.ApplicationErrorOptions{Cause: failed.Unwrap()})
}

// later has an attempt dispatched again when the wait is over, in the order of priorities.
func later(message string, wait time.Duration, priority int, o temporal.ApplicationErrorOptions) error {
	o.NextRetryDelay = wait + time.Duration(priority-1)*headStart
	return temporal.NewApplicationErrorWithOptions(message, ordercheck.ErrorInflowRateLimited, o)
}
