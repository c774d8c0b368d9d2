package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

var _ Temporal = client.Client(nil)

// fakeTemporal takes signals as Temporal's client does, and remembers those that it committed.
type fakeTemporal struct {
	// signal decides what becomes of the nth attempt, from 0; nil commits at once.
	signal func(ctx context.Context, n int) error
	health func(ctx context.Context) error
	forget bool // commits are not remembered

	mu       sync.Mutex
	attempts int
	calls    []signalCall // committed; those of an order that was started with others too
	starts   []startCall  // committed
	checks   int          // of health
}

// startCall is a start of the workflow that hands deliveries over.
type startCall struct {
	options  client.StartWorkflowOptions
	workflow any
	handOver ordercheck.HandOver
}

type signalCall struct {
	workflowID, signalName string
	deliveries             []ordercheck.Delivery
	options                client.StartWorkflowOptions
	workflow               any
	arguments              []any
	committedAt            time.Time
}

func (f *fakeTemporal) SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
	options client.StartWorkflowOptions, workflow any, workflowArgs ...any,
) (client.WorkflowRun, error) {
	if err := f.attempt(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forget {
		return nil, nil
	}
	f.calls = append(f.calls, signalCall{
		workflowID, signalName, slices.Clone(signalArg.([]ordercheck.Delivery)), options, workflow, workflowArgs, time.Now(),
	})
	return nil, nil
}

// ExecuteWorkflow hands the deliveries over at once.
func (f *fakeTemporal) ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	if err := f.attempt(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	call := startCall{options, workflow, args[0].(ordercheck.HandOver)}
	f.starts = append(f.starts, call)
	for _, order := range call.handOver.Orders {
		f.calls = append(f.calls, signalCall{
			workflowID: ordercheck.WorkflowID(order.SalesOrderID), deliveries: slices.Clone(order.Deliveries), committedAt: time.Now(),
		})
	}
	return nil, nil
}

func (f *fakeTemporal) attempt(ctx context.Context) error {
	f.mu.Lock()
	n := f.attempts
	f.attempts++
	f.mu.Unlock()
	if f.signal == nil {
		return nil
	}
	return f.signal(ctx, n)
}

func (f *fakeTemporal) CheckHealth(ctx context.Context, _ *client.CheckHealthRequest) (*client.CheckHealthResponse, error) {
	f.mu.Lock()
	f.checks++
	f.mu.Unlock()
	if f.health != nil {
		if err := f.health(ctx); err != nil {
			return nil, err
		}
	}
	return &client.CheckHealthResponse{}, nil
}

func (f *fakeTemporal) committed() []signalCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeTemporal) started() []startCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.starts)
}

func (f *fakeTemporal) attempted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.attempts
}

// waitFor is a commit that takes its time.
func waitFor(d time.Duration) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return serviceerror.NewCanceled(ctx.Err().Error())
		}
	}
}

func hang(ctx context.Context, _ int) error {
	<-ctx.Done()
	return serviceerror.NewCanceled(ctx.Err().Error())
}

func newTestHandover(t *testing.T, temporal Temporal, tracers trace.TracerProvider, log *bytes.Buffer) *handover {
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
	h := newHandover(temporal, logger, tracers.Tracer(scopeName), m, nil, func() error { return errDown })
	t.Cleanup(func() { assert.NoError(t, h.close(context.Background())) })
	return h
}

func numbered(n int) ordercheck.Delivery {
	return ordercheck.Delivery{Event: fmt.Sprintf("delivery-%d", n)}
}

// requireForgotten: nothing is kept of orders that nothing is done for.
func requireForgotten(t *testing.T, h *handover) {
	t.Helper()
	time.Sleep(2 * maxSpacing) // of the bubble's clock
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Empty(t, h.orders)
	require.Zero(t, h.waiting)
}

func TestHandOverOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{}
		h := newTestHandover(t, temporal, nil, nil)
		delivery := ordercheck.Delivery{Event: "salesOrder.updated", OccurredAt: "2025-10-28T12:00:00Z", ReceivedAt: time.Now()}
		require.NoError(t, h.deliver(t.Context(), "order-1", delivery))

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
		assert.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, call.options.WorkflowIDReusePolicy)
		assert.Equal(t, "Sales order order-1", call.options.StaticSummary)
		assert.Equal(t, 3, call.options.Priority.PriorityKey)
		assert.Zero(t, call.options.WorkflowExecutionTimeout, "a reset run would time out at once")
		assert.Zero(t, call.options.WorkflowRunTimeout)
		assert.Nil(t, call.options.RetryPolicy)
		requireForgotten(t, h)
	})
}

// TestHandOverBurst: every delivery of a burst is in exactly one call, whose
// commit came before the delivery's success; and the calls are few, also where Temporal is
// fast and the burst slow.
func TestHandOverBurst(t *testing.T) {
	const deliveries = 200
	for _, tc := range []struct {
		commit, gap time.Duration // between two deliveries
		atMost      int
	}{
		{5 * time.Millisecond, 0, 2},
		{time.Millisecond, 500 * time.Microsecond, 5},
		{time.Millisecond, 5 * time.Millisecond, 8},
		{0, 10 * time.Millisecond, 10},
		{300 * time.Millisecond, 5 * time.Millisecond, 5},
	} {
		t.Run(fmt.Sprintf("commit %v, gap %v", tc.commit, tc.gap), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := &fakeTemporal{signal: waitFor(tc.commit)}
				h := newTestHandover(t, temporal, nil, nil)
				succeeded := make([]time.Time, deliveries)
				var group sync.WaitGroup
				for i := range deliveries {
					group.Go(func() {
						time.Sleep(time.Duration(i) * tc.gap)
						if assert.NoError(t, h.deliver(t.Context(), "order-1", numbered(i))) {
							succeeded[i] = time.Now()
						}
					})
				}
				group.Wait()

				calls := temporal.committed()
				assert.LessOrEqual(t, len(calls), tc.atMost)
				carried := map[string]time.Time{}
				for _, call := range calls {
					for _, delivery := range call.deliveries {
						require.NotContains(t, carried, delivery.Event, "carried twice")
						carried[delivery.Event] = call.committedAt
					}
				}
				require.Len(t, carried, deliveries)
				for i, at := range succeeded {
					require.False(t, at.Before(carried[numbered(i).Event]), "%d succeeded before its commit", i)
				}
				requireForgotten(t, h)
			})
		})
	}
}

func TestHandOverKeepsTheOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(100 * time.Millisecond)}
		h := newTestHandover(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() { assert.NoError(t, h.deliver(t.Context(), "order-1", numbered(i))) })
			synctest.Wait()
		}
		group.Wait()
		var got []string
		for _, call := range temporal.committed() {
			for _, delivery := range call.deliveries {
				got = append(got, delivery.Event)
			}
		}
		want := make([]string, 20)
		for i := range want {
			want[i] = numbered(i).Event
		}
		assert.Equal(t, want, got)
	})
}

func TestHandOverCapsABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(10 * time.Millisecond)}
		h := newTestHandover(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 2500 {
			group.Go(func() { assert.NoError(t, h.deliver(t.Context(), "order-1", numbered(i))) })
		}
		group.Wait()
		total := 0
		for _, call := range temporal.committed() {
			assert.LessOrEqual(t, len(call.deliveries), maxBatch)
			total += len(call.deliveries)
		}
		assert.Equal(t, 2500, total)
		requireForgotten(t, h)
	})
}

func TestHandOverKeepsOrdersApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if n == 0 {
				return hang(ctx, n)
			}
			return nil
		}}
		h := newTestHandover(t, temporal, nil, nil)
		var group sync.WaitGroup
		group.Go(func() { assert.ErrorIs(t, h.deliver(t.Context(), "stuck", numbered(0)), errNotCommitted) })
		synctest.Wait()
		began := time.Now()
		require.NoError(t, h.deliver(t.Context(), "free", numbered(1)))
		assert.Zero(t, time.Since(began))
		group.Wait()
		requireForgotten(t, h)
	})
}

// TestHandOverFailure: where a call fails, so does each of its deliveries, and no other.
func TestHandOverFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if err := waitFor(10*time.Millisecond)(ctx, n); err != nil || n != 1 {
				return err
			}
			return serviceerror.NewPermissionDenied("no", "")
		}}
		h := newTestHandover(t, temporal, nil, &log)
		errs := make([]error, 11)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = h.deliver(t.Context(), "order-1", numbered(i)) })
			synctest.Wait() // so that the first is alone in its call
		}
		group.Wait()
		require.NoError(t, errs[0])
		for _, err := range errs[1:] {
			require.ErrorIs(t, err, errNotCommitted)
		}
		require.NoError(t, h.deliver(t.Context(), "order-1", numbered(11)))
		assert.Len(t, temporal.committed(), 2)
		synctest.Wait() // the call logs after it has answered
		assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
		requireForgotten(t, h)
	})
}

// TestHandOverRetries: what passes is tried again inside the delivery's time, what does not is not.
func TestHandOverRetries(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		retry bool
	}{
		{"unavailable", serviceerror.NewUnavailable("connection refused"), true},
		{"unavailable, wrapped by a client that connects late", fmt.Errorf("failed reaching server: %w", serviceerror.NewUnavailable("connection refused")), true},
		{"busy workflow", serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW, "Too many restarts for workflow"), true},
		{"closing workflow", serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW, "workflow operation can not be applied because workflow is closing"), true},
		{"closing workflow, older server", serviceerror.NewFailedPrecondition("workflow operation rejected because workflow is closing"), true},
		{"deadline of the server's own", serviceerror.NewDeadlineExceeded("context deadline exceeded"), true},
		{"internal", serviceerror.NewInternal("shard is moving"), true},
		{"no such namespace", serviceerror.NewNamespaceNotFound("default"), false},
		{"not allowed", serviceerror.NewPermissionDenied("no", ""), false},
		{"not accepted", serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := &fakeTemporal{signal: func(_ context.Context, n int) error {
					if n < 3 {
						return tc.err
					}
					return nil
				}}
				h := newTestHandover(t, temporal, nil, nil)
				err := h.deliver(t.Context(), "order-1", numbered(0))
				if tc.retry {
					require.NoError(t, err)
					assert.Equal(t, 4, temporal.attempted())
				} else {
					require.ErrorIs(t, err, errNotCommitted)
					require.ErrorContains(t, err, tc.err.Error())
					calls := 1
					if _, ok := tc.err.(*serviceerror.InvalidArgument); ok { //nolint:errorlint // it is not wrapped
						calls = 2 // once more without search attributes, which can be what is not accepted
					}
					assert.Equal(t, calls, temporal.attempted())
				}
			})
		})
	}
}

func TestHandOverGivesUpInTime(t *testing.T) {
	for name, signal := range map[string]func(context.Context, int) error{
		"hanging":     hang,
		"unavailable": func(context.Context, int) error { return serviceerror.NewUnavailable("connection refused") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				temporal := &fakeTemporal{signal: signal}
				h := newTestHandover(t, temporal, nil, &log)
				began := time.Now()
				var group sync.WaitGroup
				for i := range 50 { // over 2.5 s: each has its own 4 s
					group.Go(func() {
						time.Sleep(time.Duration(i) * 50 * time.Millisecond)
						accepted := time.Now()
						assert.ErrorIs(t, h.deliver(t.Context(), "order-1", numbered(i)), errNotCommitted)
						assert.LessOrEqual(t, time.Since(accepted), commitWithin)
					})
				}
				group.Wait()
				assert.LessOrEqual(t, time.Since(began), commitWithin+2500*time.Millisecond)
				assert.Empty(t, temporal.committed())
				time.Sleep(commitWithin) // a call has the time of its youngest delivery
				requireForgotten(t, h)
				synctest.Wait() // the call logs after it has answered
				assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
				assert.Contains(t, log.String(), errDown.Error(), "the log says why")
			})
		})
	}
}

// TestHandOverTimeOfOneAttempt: Temporal's client ends an attempt after half of the time its context has
// left, and a commit may take all of a delivery's.
func TestHandOverTimeOfOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told time.Duration
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			told = time.Until(deadline)
			return waitFor(commitWithin-time.Millisecond)(ctx, n)
		}}
		h := newTestHandover(t, temporal, nil, nil)
		require.NoError(t, h.deliver(t.Context(), "order-1", numbered(0)))
		assert.GreaterOrEqual(t, told/2, commitWithin)
	})
}

// TestHandOverOutlivesItsSender: that a client hangs up ends neither its own
// delivery nor those which share the call.
func TestHandOverOutlivesItsSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(time.Second)}
		h := newTestHandover(t, temporal, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() { assert.NoError(t, h.deliver(ctx, "order-1", numbered(i))) })
			synctest.Wait()
		}
		cancel()
		group.Go(func() { assert.NoError(t, h.deliver(t.Context(), "order-1", numbered(3))) })
		group.Wait()
		total := 0
		for _, call := range temporal.committed() {
			total += len(call.deliveries)
		}
		assert.Equal(t, 4, total)
	})
}

func TestHandOverBoundsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(time.Second)}
		h := newTestHandover(t, temporal, nil, nil)
		h.maxWaiting = 10
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() { assert.NoError(t, h.deliver(t.Context(), fmt.Sprintf("order-%d", i%3), numbered(i))) })
		}
		synctest.Wait()
		began := time.Now()
		require.ErrorIs(t, h.deliver(t.Context(), "order-9", numbered(10)), errTooManyWaiting)
		assert.Zero(t, time.Since(began))
		group.Wait()
		require.NoError(t, h.deliver(t.Context(), "order-9", numbered(11)), "there is room again")
		requireForgotten(t, h)
	})
}

func TestHandOverSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(_ context.Context, n int) error {
			if n == 0 {
				panic("in the client")
			}
			return nil
		}}
		h := newTestHandover(t, temporal, nil, nil)
		require.ErrorIs(t, h.deliver(t.Context(), "order-1", numbered(0)), errNotCommitted)
		require.NoError(t, h.deliver(t.Context(), "order-1", numbered(1)))
		requireForgotten(t, h)
	})
}

func TestHandOverCloses(t *testing.T) {
	t.Run("after what was taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			temporal := &fakeTemporal{signal: waitFor(time.Second)}
			h := newTestHandover(t, temporal, nil, nil)
			var group sync.WaitGroup
			for i := range 5 {
				group.Go(func() { assert.NoError(t, h.deliver(t.Context(), "order-1", numbered(i))) })
				synctest.Wait()
			}
			require.NoError(t, h.close(t.Context()))
			total := 0
			for _, call := range temporal.committed() {
				total += len(call.deliveries)
			}
			assert.Equal(t, 5, total)
			group.Wait()
			require.ErrorIs(t, h.deliver(t.Context(), "order-1", numbered(5)), errClosed)
			require.NoError(t, h.close(t.Context()), "again")
		})
	})
	t.Run("in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newTestHandover(t, &fakeTemporal{signal: hang}, nil, nil)
			var group sync.WaitGroup
			group.Go(func() { assert.ErrorIs(t, h.deliver(t.Context(), "order-1", numbered(0)), errNotCommitted) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, h.close(ctx), context.DeadlineExceeded)
			group.Wait()
			assert.Equal(t, time.Second, time.Since(began), "calls are cut off, and their deliveries told")
		})
	})
}

// TestHandOverSpans: a call's span belongs to the request that came first, is
// linked to the others, and carries nothing else of theirs.
func TestHandOverSpans(t *testing.T) {
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
		h := newTestHandover(t, temporal, tracers, nil)
		tracer := tracers.Tracer("test")
		requests := make([]trace.SpanContext, 4)
		var group sync.WaitGroup
		for i := range requests {
			ctx, span := tracer.Start(context.WithValue(t.Context(), key{}, "x"), "request")
			requests[i] = span.SpanContext()
			group.Go(func() {
				defer span.End()
				assert.NoError(t, h.deliver(ctx, "order-1", numbered(i)))
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

func TestPassingErrorsFromOutsideTemporal(t *testing.T) {
	assert.True(t, passing(errors.New("anything")))
	assert.True(t, passing(context.Canceled))
}
