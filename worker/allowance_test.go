package worker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"

	"error-check-gate/internal/ordercheck"
)

// TestAnyMinuteStartsAtMostTheAllowance computes the largest number of requests that Temporal
// starts within 64 seconds. Temporal allows a burst of one second's starts, and one more (see the
// limiter in its service/matching).
func TestAnyMinuteStartsAtMostTheAllowance(t *testing.T) {
	const burst, length = time.Second, 64 * time.Second
	for _, perMinute := range []int{1, 2, 6, 30, 59, 60, 61, 100, 600, 6000} {
		interval := time.Duration(float64(time.Second) / inflowRate(perMinute))
		starts := 0
		for at := time.Duration(0); at < length; starts++ {
			at = max(0, time.Duration(starts+1)*interval-burst)
		}
		assert.LessOrEqual(t, starts, perMinute)
		assert.GreaterOrEqual(t, starts, perMinute*9/10, "and not much fewer")
	}
}

func TestWorkerMakesNoRequestsWhileItMustWait(t *testing.T) {
	a, stop, err := newAllowance(nil, "", 60, nil, noop.NewMeterProvider(), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, stop()) }()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(sdkworker.Options{Interceptors: []interceptor.WorkerInterceptor{a}})
	requests := 0
	var answer error
	env.RegisterActivityWithOptions(func(context.Context) error { requests++; return answer },
		activity.RegisterOptions{Name: "ask"})
	ask := func() time.Duration {
		_, err := env.ExecuteActivity("ask")
		if err == nil {
			return 0
		}
		var failed *temporal.ApplicationError
		require.ErrorAs(t, err, &failed)
		assert.False(t, failed.NonRetryable())
		if failed.Type() != ordercheck.ErrorInflowRateLimited {
			return 0
		}
		return failed.NextRetryDelay()
	}
	limited := func(wait time.Duration) error {
		return temporal.NewApplicationErrorWithOptions("429", ordercheck.ErrorInflowRateLimited,
			temporal.ApplicationErrorOptions{NextRetryDelay: wait})
	}
	const webhook = 2 * headStart // extra delay of an activity without a priority

	answer = temporal.NewApplicationError("503", ordercheck.ErrorInflowUnavailable)
	assert.Zero(t, ask())
	assert.Zero(t, a.wait(), "after other failures the worker doesn't wait")

	answer = limited(time.Minute)
	assert.Equal(t, time.Minute+webhook, ask())
	assert.Equal(t, 2, requests)
	answer = nil
	wait := ask()
	assert.Equal(t, 2, requests, "no request while the worker must wait")
	assert.LessOrEqual(t, wait, time.Minute+webhook)
	assert.Greater(t, wait, webhook)
	assert.Zero(t, a.remaining(0))

	a.pause(time.Second)
	assert.Greater(t, a.wait(), time.Second, "a shorter pause does not end a longer one")

	over := time.Now()
	a.until.Store(&over)
	assert.Zero(t, ask())
	assert.Equal(t, 3, requests)
}

func TestRemainingShare(t *testing.T) {
	a := &allowance{perMinute: 60}
	for dispatched, want := range map[float32]float64{0: 1, 0.25: 0.75, 1: 0, 3: 0} {
		assert.InDelta(t, want, a.remaining(dispatched), 1e-6)
	}
}

func TestMoreUrgentRequestsAreRetriedFirst(t *testing.T) {
	due := func(priority int) time.Duration {
		var failed *temporal.ApplicationError
		require.ErrorAs(t, later("", time.Minute, priority, temporal.ApplicationErrorOptions{}), &failed)
		return failed.NextRetryDelay()
	}
	assert.Equal(t, time.Minute, due(ordercheck.PriorityPerson))
	assert.Less(t, due(ordercheck.PriorityPerson), due(ordercheck.PriorityWebhook))
	assert.Less(t, due(ordercheck.PriorityWebhook), due(ordercheck.PrioritySweep))
}
