package ingress

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"error-check-gate/internal/ordercheck"
)

func orderNumber(n int) string { return fmt.Sprintf("order-%d", n) }

// deliverEach delivers once for each of n orders, in their order, and returns how each ended, once all have.
func deliverEach(t *testing.T, h *handover, n int) []error {
	t.Helper()
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = h.deliver(t.Context(), orderNumber(i), numbered(i)) })
		synctest.Wait()
	}
	group.Wait()
	return errs
}

// TestHandOverTogether: what waits while calls are under way is committed by one.
func TestHandOverTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(20 * time.Millisecond)}
		h := newTestHandover(t, temporal, nil, nil)
		began := time.Now()
		for i, err := range deliverEach(t, h, 64) {
			require.NoError(t, err, i)
		}
		assert.Equal(t, 40*time.Millisecond, time.Since(began), "two rounds of calls for all")
		assert.Equal(t, maxCalls+1, temporal.attempted())

		starts := temporal.started()
		require.Len(t, starts, 1)
		start := starts[0]
		assert.Equal(t, "HandOverDeliveries", start.workflow)
		assert.Regexp(t, "^hand-over-[0-9a-f-]{36}$", start.options.ID)
		assert.Equal(t, "error-check-gate", start.options.TaskQueue)
		assert.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, start.options.WorkflowIDReusePolicy)
		assert.False(t, start.options.WorkflowExecutionErrorWhenAlreadyStarted, "a second attempt is content with what the first one started")
		assert.Equal(t, "Deliveries of 60 sales orders", start.options.StaticSummary)
		assert.Equal(t, 3, start.options.Priority.PriorityKey)
		assert.Zero(t, start.options.WorkflowExecutionTimeout)
		assert.Zero(t, start.options.WorkflowRunTimeout)
		require.Len(t, start.handOver.Orders, 64-maxCalls)
		for i, order := range start.handOver.Orders {
			assert.Equal(t, orderNumber(maxCalls+i), order.SalesOrderID, "longest waiting first")
			assert.Equal(t, []ordercheck.Delivery{numbered(maxCalls + i)}, order.Deliveries)
		}
		requireForgotten(t, h)
	})
}

// TestHandOverTogetherOnlyWhereManyWait: else each order has the call of its own that it would have had.
func TestHandOverTogetherOnlyWhereManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(20 * time.Millisecond)}
		h := newTestHandover(t, temporal, nil, nil)
		const orders = maxCalls + togetherFrom - 1
		for i, err := range deliverEach(t, h, orders) {
			require.NoError(t, err, i)
		}
		assert.Empty(t, temporal.started())
		assert.Len(t, temporal.committed(), orders)
		requireForgotten(t, h)
	})
}

// TestHandOverManyDeliveriesOfManyOrders: every delivery is in exactly one call, whose commit came
// before its success, and an order's are in the order of their arrival.
func TestHandOverManyDeliveriesOfManyOrders(t *testing.T) {
	for _, tc := range []struct{ orders, deliveries int }{{20, 1000}, {700, 1400}, {2200, 2200}, {3, 900}} {
		t.Run(fmt.Sprintf("%d on %d", tc.deliveries, tc.orders), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := &fakeTemporal{signal: waitFor(15 * time.Millisecond)}
				h := newTestHandover(t, temporal, nil, nil)
				succeeded := make([]time.Time, tc.deliveries)
				var group sync.WaitGroup
				for i := range tc.deliveries {
					group.Go(func() {
						time.Sleep(time.Duration(i) * 100 * time.Microsecond)
						if assert.NoError(t, h.deliver(t.Context(), orderNumber(i%tc.orders), numbered(i))) {
							succeeded[i] = time.Now()
						}
					})
				}
				group.Wait()

				carried := map[string]time.Time{}
				latest := map[string]int{}
				for _, call := range temporal.committed() {
					for _, delivery := range call.deliveries {
						_, twice := carried[delivery.Event]
						require.False(t, twice, "%s is carried twice", delivery.Event)
						carried[delivery.Event] = call.committedAt
						var n int
						_, err := fmt.Sscanf(delivery.Event, "delivery-%d", &n)
						require.NoError(t, err)
						require.Equal(t, ordercheck.WorkflowID(orderNumber(n%tc.orders)), call.workflowID, "the delivery is its order's")
						require.GreaterOrEqual(t, n, latest[call.workflowID])
						latest[call.workflowID] = n
					}
				}
				require.Len(t, carried, tc.deliveries)
				for i, at := range succeeded {
					require.False(t, at.Before(carried[numbered(i).Event]), "%d succeeded before its commit", i)
				}
				for _, start := range temporal.started() {
					total := 0
					for _, order := range start.handOver.Orders {
						total += len(order.Deliveries)
					}
					require.LessOrEqual(t, total, maxBatch)
				}
				assert.Less(t, temporal.attempted(), tc.deliveries/5)
				requireForgotten(t, h)
			})
		})
	}
}

// TestHandOverTogetherFailure: where the start fails, so does each of its deliveries, and no other.
func TestHandOverTogetherFailure(t *testing.T) {
	for name, fail := range map[string]func() error{
		"refused": func() error { return serviceerror.NewPermissionDenied("no", "") },
		"panic":   func() error { panic("in the client") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
					if err := waitFor(10*time.Millisecond)(ctx, n); err != nil || n < maxCalls {
						return err
					}
					return fail()
				}}
				h := newTestHandover(t, temporal, nil, &log)
				for i, err := range deliverEach(t, h, 30) {
					if i < maxCalls {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, errNotCommitted)
					}
				}
				requireForgotten(t, h)
				assert.Len(t, temporal.committed(), maxCalls)
				synctest.Wait() // the call logs after it has answered
				assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
				assert.Contains(t, log.String(), "orders=26")
			})
		})
	}
}

// TestHandOverTogetherRetries: another attempt has the same id, so that no batch is started twice.
func TestHandOverTogetherRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{}
		lostAnswers := 0
		temporal.signal = func(ctx context.Context, n int) error {
			if err := waitFor(10*time.Millisecond)(ctx, n); err != nil || n < maxCalls || lostAnswers == 2 {
				return err
			}
			lostAnswers++
			return serviceerror.NewUnavailable("the answer was lost")
		}
		h := newTestHandover(t, temporal, nil, nil)
		for i, err := range deliverEach(t, h, 30) {
			require.NoError(t, err, i)
		}
		assert.Equal(t, maxCalls+3, temporal.attempted())
		assert.Len(t, temporal.started(), 1)
		assert.Len(t, temporal.committed(), 30)
		requireForgotten(t, h)
	})
}

// TestHandOverTogetherWithoutTheExpired: those have been answered, and will be sent again.
func TestHandOverTogetherWithoutTheExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if n < maxCalls {
				return hang(ctx, n)
			}
			return nil
		}}
		h := newTestHandover(t, temporal, nil, nil)
		h.within = callHolds / 2
		var group sync.WaitGroup
		for i := range 40 { // as long as the first calls hang
			group.Go(func() { assert.ErrorIs(t, h.deliver(t.Context(), orderNumber(i), numbered(i)), errNotCommitted) })
		}
		synctest.Wait()
		time.Sleep(h.within - time.Millisecond)
		for i := 100; i < 110; i++ {
			group.Go(func() { assert.NoError(t, h.deliver(t.Context(), orderNumber(i), numbered(i))) })
		}
		group.Wait()
		assert.Len(t, temporal.committed(), 10)
		requireForgotten(t, h)
	})
}

// TestHandOverBusyOrdersAreInNobodysWay: calls that take long do not keep the others from theirs.
func TestHandOverBusyOrdersAreInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if n < 2*maxCalls {
				return hang(ctx, n)
			}
			return nil
		}}
		h := newTestHandover(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 2 * maxCalls {
			group.Go(func() { assert.ErrorIs(t, h.deliver(t.Context(), orderNumber(i), numbered(i)), errNotCommitted) })
			synctest.Wait()
			if i%maxCalls == maxCalls-1 {
				time.Sleep(callHolds)
			}
		}
		began := time.Now()
		require.NoError(t, h.deliver(t.Context(), "free", numbered(100)))
		assert.LessOrEqual(t, time.Since(began), callHolds)
		group.Wait()
		requireForgotten(t, h)
		assert.Zero(t, h.calls)
	})
}

func TestHandOverTogetherCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(time.Second)}
		h := newTestHandover(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() { assert.NoError(t, h.deliver(t.Context(), orderNumber(i%40), numbered(i))) })
		}
		synctest.Wait()
		require.NoError(t, h.close(t.Context()))
		total := 0
		for _, call := range temporal.committed() {
			total += len(call.deliveries)
		}
		assert.Equal(t, 100, total)
		group.Wait()
		require.Empty(t, h.orders)
	})
}

// TestHandOverTogetherSpans: one span, which the requests of all orders are linked from.
func TestHandOverTogetherSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := tracetest.NewSpanRecorder()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		h := newTestHandover(t, &fakeTemporal{signal: waitFor(10 * time.Millisecond)}, tracers, nil)
		requests := make([]trace.SpanContext, 200)
		var group sync.WaitGroup
		for i := range requests {
			ctx, span := tracers.Tracer("test").Start(t.Context(), "request")
			requests[i] = span.SpanContext()
			group.Go(func() {
				defer span.End()
				assert.NoError(t, h.deliver(ctx, orderNumber(i), numbered(i)))
			})
			synctest.Wait()
		}
		group.Wait()

		var together sdktrace.ReadOnlySpan
		for _, span := range recorder.Ended() {
			if span.Name() != "request" && len(span.Links()) > 0 {
				require.Nil(t, together, "one call for all that waited")
				together = span
			}
		}
		require.NotNil(t, together)
		assert.Equal(t, requests[maxCalls].SpanID(), together.Parent().SpanID())
		assert.Equal(t, requests[maxCalls+1].SpanID(), together.Links()[0].SpanContext.SpanID())
		assert.Len(t, together.Links(), maxSpanLinks)
		attributes := map[string]string{}
		for _, attribute := range together.Attributes() {
			attributes[string(attribute.Key)] = attribute.Value.String()
		}
		assert.Equal(t, map[string]string{"gate.orders": "196", "gate.deliveries": "196"}, attributes)
	})
}
