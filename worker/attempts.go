package worker

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
)

// attempts counts attempts of activities. The SDK's own metrics don't distinguish first attempts
// from retries.
type attempts struct {
	interceptor.WorkerInterceptorBase
	counter metric.Int64Counter
}

func newAttempts(provider metric.MeterProvider) (*attempts, error) {
	counter, err := provider.Meter(scopeName).
		Int64Counter("gate.activity.attempts", metric.WithUnit("{attempt}"),
			metric.WithDescription("Attempts at activities by activity, by attempt (first, retry) "+
				"and by outcome (done, failed)."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of activities: %w", err)
	}
	return &attempts{counter: counter}, nil
}

// InterceptActivity is called by the SDK for each attempt.
func (a *attempts) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &countedActivity{
		ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next},
		counter:                        a.counter,
	}
}

type countedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	counter metric.Int64Counter
}

// ExecuteActivity counts the attempt when it ends.
func (c *countedActivity) ExecuteActivity(
	ctx context.Context, in *interceptor.ExecuteActivityInput,
) (any, error) {
	result, err := c.Next.ExecuteActivity(ctx, in)
	attempt, outcome := "first", "done"
	info := activity.GetInfo(ctx)
	if info.Attempt > 1 {
		attempt = "retry"
	}
	if err != nil {
		outcome = "failed"
	}
	c.counter.Add(ctx, 1, metric.WithAttributes(attribute.String("activity", info.ActivityType.Name),
		attribute.String("attempt", attempt), attribute.String("outcome", outcome)))
	return result, err
}
