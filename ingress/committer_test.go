package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/serviceerror"

	"error-check-gate/internal/ordercheck"
)

// newTestCommitter returns a committer that is closed when the test ends. tracers and log may be
// nil.
func newTestCommitter(
	t *testing.T, temporal Temporal, tracers trace.TracerProvider, log *bytes.Buffer,
) *committer {
	t.Helper()
	m, err := newMetrics(metricnoop.NewMeterProvider())
	require.NoError(t, err)
	if tracers == nil {
		tracers = tracenoop.NewTracerProvider()
	}
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	c := newCommitter(committerOptions{
		Temporal: temporal, Logger: logger, Tracer: tracers.Tracer(scopeName), Metrics: m,
		TemporalError: func() error { return errDown },
	})
	t.Cleanup(func() { assert.NoError(t, c.close(context.Background())) })
	return c
}

// numbered returns delivery n. A test can recognize it by its event.
func numbered(n int) ordercheck.Delivery {
	return ordercheck.Delivery{Event: fmt.Sprintf("delivery-%d", n)}
}

// requireIdle waits until all calls are over and checks that the committer keeps nothing. It is for
// synctest bubbles.
func requireIdle(t *testing.T, c *committer) {
	t.Helper()
	time.Sleep(2 * maxSpacing)
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(t, c.queues)
	require.Zero(t, c.waiting)
}

func TestCommitOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{}
		c := newTestCommitter(t, temporal, nil, nil)
		delivery := ordercheck.Delivery{
			Event:      "salesOrder.updated",
			OccurredAt: "2025-10-28T12:00:00Z",
			ReceivedAt: time.Now(),
		}
		require.NoError(t, c.commit(t.Context(), "order-1", delivery))

		calls := temporal.committed()
		require.Len(t, calls, 1)
		call := calls[0]
		assert.Equal(t, "sales-order-order-1", call.workflowID)
		assert.Equal(t, "webhook-delivered", call.signalName)
		assert.Equal(t, []ordercheck.Delivery{delivery}, call.deliveries)
		assert.Equal(t, "SalesOrderCheck", call.workflow)
		assert.Equal(t, []any{ordercheck.Start{SalesOrderID: "order-1"}}, call.arguments)
		assert.Equal(t, "sales-order-order-1", call.options.ID)
		assert.Equal(t, "error-check-gate", call.options.TaskQueue)
		assert.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			call.options.WorkflowIDReusePolicy)
		assert.Equal(t, "Sales order order-1", call.options.StaticSummary)
		assert.Equal(t, 3, call.options.Priority.PriorityKey)
		assert.Zero(t, call.options.WorkflowExecutionTimeout, "a reset run would time out at once")
		assert.Zero(t, call.options.WorkflowRunTimeout)
		assert.Nil(t, call.options.RetryPolicy)
		requireIdle(t, c)
	})
}

// TestCommitGivesUpInTime checks that each delivery gets its answer within commitWithin if Temporal
// doesn't take it.
func TestCommitGivesUpInTime(t *testing.T) {
	for name, signal := range map[string]func(context.Context, int) error{
		"hanging": hang,
		"unavailable": func(context.Context, int) error {
			return serviceerror.NewUnavailable("connection refused")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				temporal := &fakeTemporal{signal: signal}
				c := newTestCommitter(t, temporal, nil, &log)
				began := time.Now()
				var group sync.WaitGroup
				for i := range 50 { // over 2.5 s; each has its own 4 s
					group.Go(func() {
						time.Sleep(time.Duration(i) * 50 * time.Millisecond)
						accepted := time.Now()
						assert.ErrorIs(t, c.commit(t.Context(), "order-1", numbered(i)),
							errNotCommitted)
						assert.LessOrEqual(t, time.Since(accepted), commitWithin)
					})
				}
				group.Wait()
				assert.LessOrEqual(t, time.Since(began), commitWithin+2500*time.Millisecond)
				assert.Empty(t, temporal.committed())
				// a call may take until the latest deadline of its deliveries
				time.Sleep(commitWithin)
				requireIdle(t, c)
				synctest.Wait() // a call answers its deliveries before it logs
				assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
				assert.Contains(t, log.String(), errDown.Error(), "the log says why")
			})
		})
	}
}

// TestOneAttemptMayTakeAllTheTime checks that the context of an attempt lasts twice as long as
// its delivery may wait. Temporal's client ends an attempt after half of the context's time, and
// one attempt may take all the time of a delivery.
func TestOneAttemptMayTakeAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen time.Duration
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			seen = time.Until(deadline)
			return waitFor(commitWithin-time.Millisecond)(ctx, n)
		}}
		c := newTestCommitter(t, temporal, nil, nil)
		require.NoError(t, c.commit(t.Context(), "order-1", numbered(0)))
		assert.GreaterOrEqual(t, seen/2, commitWithin)
	})
}

// TestRetries checks which errors are retried.
func TestRetries(t *testing.T) {
	const busy = enumspb.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW
	for _, tc := range []struct {
		name  string
		err   error
		retry bool
	}{
		{"unavailable", serviceerror.NewUnavailable("connection refused"), true},
		{
			"unavailable, wrapped by a lazy client",
			fmt.Errorf("failed reaching server: %w", serviceerror.NewUnavailable("refused")), true,
		},
		{
			"busy workflow",
			serviceerror.NewResourceExhausted(busy, "Too many restarts for workflow"), true,
		},
		{
			"closing workflow", serviceerror.NewResourceExhausted(busy,
				"workflow operation can not be applied because workflow is closing"), true,
		},
		{
			"closing workflow, older server",
			serviceerror.NewFailedPrecondition("workflow operation rejected because workflow is closing"),
			true,
		},
		{
			"deadline set by the server",
			serviceerror.NewDeadlineExceeded("context deadline exceeded"), true,
		},
		{"internal", serviceerror.NewInternal("shard is moving"), true},
		{"no such namespace", serviceerror.NewNamespaceNotFound("default"), false},
		{"not allowed", serviceerror.NewPermissionDenied("no", ""), false},
		{
			"not accepted",
			serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events"), false,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := &fakeTemporal{signal: func(_ context.Context, n int) error {
					if n < 3 {
						return tc.err
					}
					return nil
				}}
				c := newTestCommitter(t, temporal, nil, nil)
				err := c.commit(t.Context(), "order-1", numbered(0))
				if tc.retry {
					require.NoError(t, err)
					assert.Equal(t, 4, temporal.attempted())
				} else {
					require.ErrorIs(t, err, errNotCommitted)
					require.ErrorContains(t, err, tc.err.Error())
					calls := 1
					if _, ok := tc.err.(*serviceerror.InvalidArgument); ok { //nolint:errorlint // it is not wrapped
						calls = 2 // the second call leaves out the search attributes
					}
					assert.Equal(t, calls, temporal.attempted())
				}
			})
		})
	}
}

// TestFailedCall checks that a failed call fails its own deliveries and no others.
func TestFailedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if err := waitFor(10*time.Millisecond)(ctx, n); err != nil || n != 1 {
				return err
			}
			return serviceerror.NewPermissionDenied("no", "")
		}}
		c := newTestCommitter(t, temporal, nil, &log)
		errs := make([]error, 11)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = c.commit(t.Context(), "order-1", numbered(i)) })
			synctest.Wait() // so the first is alone in its call
		}
		group.Wait()
		require.NoError(t, errs[0])
		for _, err := range errs[1:] {
			require.ErrorIs(t, err, errNotCommitted)
		}
		require.NoError(t, c.commit(t.Context(), "order-1", numbered(11)))
		assert.Len(t, temporal.committed(), 2)
		synctest.Wait() // a call answers its deliveries before it logs
		assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
		requireIdle(t, c)
	})
}

// TestSenderHangsUp checks that a sender that hangs up cancels neither its own delivery nor
// others in the same call.
func TestSenderHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(time.Second)}
		c := newTestCommitter(t, temporal, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() { assert.NoError(t, c.commit(ctx, "order-1", numbered(i))) })
			synctest.Wait()
		}
		cancel()
		group.Go(func() { assert.NoError(t, c.commit(t.Context(), "order-1", numbered(3))) })
		group.Wait()
		total := 0
		for _, call := range temporal.committed() {
			total += len(call.deliveries)
		}
		assert.Equal(t, 4, total)
	})
}

func TestMaxWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(time.Second)}
		c := newTestCommitter(t, temporal, nil, nil)
		c.maxWaiting = 10
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(
				func() { assert.NoError(t, c.commit(t.Context(), fmt.Sprintf("order-%d", i%3), numbered(i))) },
			)
		}
		synctest.Wait()
		began := time.Now()
		require.ErrorIs(t, c.commit(t.Context(), "order-9", numbered(10)), errTooManyWaiting)
		assert.Zero(t, time.Since(began))
		group.Wait()
		require.NoError(t, c.commit(t.Context(), "order-9", numbered(11)), "there is room again")
		requireIdle(t, c)
	})
}

func TestPanicInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(_ context.Context, n int) error {
			if n == 0 {
				panic("in the client")
			}
			return nil
		}}
		c := newTestCommitter(t, temporal, nil, nil)
		require.ErrorIs(t, c.commit(t.Context(), "order-1", numbered(0)), errNotCommitted)
		require.NoError(t, c.commit(t.Context(), "order-1", numbered(1)))
		requireIdle(t, c)
	})
}

func TestCloseCommitter(t *testing.T) {
	t.Run("after the accepted deliveries", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			temporal := &fakeTemporal{signal: waitFor(time.Second)}
			c := newTestCommitter(t, temporal, nil, nil)
			var group sync.WaitGroup
			for i := range 5 {
				group.Go(
					func() { assert.NoError(t, c.commit(t.Context(), "order-1", numbered(i))) })
				synctest.Wait()
			}
			require.NoError(t, c.close(t.Context()))
			total := 0
			for _, call := range temporal.committed() {
				total += len(call.deliveries)
			}
			assert.Equal(t, 5, total)
			group.Wait()
			require.ErrorIs(t, c.commit(t.Context(), "order-1", numbered(5)), errClosed)
			require.NoError(t, c.close(t.Context()), "again")
		})
	})
	t.Run("in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newTestCommitter(t, &fakeTemporal{signal: hang}, nil, nil)
			var group sync.WaitGroup
			group.Go(
				func() { assert.ErrorIs(t, c.commit(t.Context(), "order-1", numbered(0)), errNotCommitted) },
			)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, c.close(ctx), context.DeadlineExceeded)
			group.Wait()
			assert.Equal(t, time.Second, time.Since(began),
				"calls are cancelled, and their deliveries get their answer")
		})
	})
}

// TestSpanOfACall checks that the parent of a call's span is the first request, that the span links
// to the other requests, and that it takes nothing else from them.
func TestSpanOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := tracetest.NewSpanRecorder()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		var inCall trace.SpanContext
		type key struct{}
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			assert.Nil(t, ctx.Value(key{}))
			inCall = trace.SpanContextFromContext(ctx)
			return waitFor(10*time.Millisecond)(ctx, n)
		}}
		c := newTestCommitter(t, temporal, tracers, nil)
		tracer := tracers.Tracer("test")
		requests := make([]trace.SpanContext, 4)
		var group sync.WaitGroup
		for i := range requests {
			ctx, span := tracer.Start(context.WithValue(t.Context(), key{}, "x"), "request")
			requests[i] = span.SpanContext()
			group.Go(func() {
				defer span.End()
				assert.NoError(t, c.commit(ctx, "order-1", numbered(i)))
			})
			synctest.Wait()
		}
		group.Wait()

		var calls []sdktrace.ReadOnlySpan
		for _, span := range recorder.Ended() {
			if span.Name() != "request" {
				calls = append(calls, span)
			}
		}
		require.Len(t, calls, 2)
		assert.Equal(t, requests[0].SpanID(), calls[0].Parent().SpanID())
		assert.Empty(t, calls[0].Links())
		assert.Equal(t, requests[1].SpanID(), calls[1].Parent().SpanID())
		assert.Equal(t, requests[1].TraceID(), calls[1].SpanContext().TraceID())
		assert.Equal(t, calls[1].SpanContext().SpanID(), inCall.SpanID())
		require.Len(t, calls[1].Links(), 2)
		assert.Equal(t, requests[2].SpanID(), calls[1].Links()[0].SpanContext.SpanID())
		assert.Equal(t, requests[3].SpanID(), calls[1].Links()[1].SpanContext.SpanID())
	})
}

func TestErrorsFromOutsideTemporalAreRetryable(t *testing.T) {
	assert.True(t, retryable(errors.New("anything")))
	assert.True(t, retryable(context.Canceled))
}
