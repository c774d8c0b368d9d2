package ingress

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

func nthOrderID(n int) string { return fmt.Sprintf("order-%d", n) }

// commitEach commits one delivery for each of n orders, one after the other, and returns their
// results.
func commitEach(t *testing.T, c *committer, n int) []error {
	t.Helper()
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = c.commit(t.Context(), nthOrderID(i), numbered(i)) })
		synctest.Wait()
	}
	group.Wait()
	return errs
}

// TestBatch checks that one call commits the deliveries of all orders that wait while maxDirect
// calls are in flight.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(20 * time.Millisecond)}
		c := newTestCommitter(t, temporal, nil, nil)
		began := time.Now()
		for i, err := range commitEach(t, c, 64) {
			require.NoError(t, err, i)
		}
		assert.Equal(t, 40*time.Millisecond, time.Since(began), "the direct calls, then one batch")
		assert.Equal(t, maxDirect+1, temporal.attempted())

		starts := temporal.started()
		require.Len(t, starts, 1)
		start := starts[0]
		assert.Equal(t, "HandOverDeliveries", start.workflow)
		assert.Regexp(t, "^hand-over-[0-9a-f-]{36}$", start.options.ID)
		assert.Equal(t, "error-check-gate", start.options.TaskQueue)
		assert.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			start.options.WorkflowIDReusePolicy)
		assert.False(t, start.options.WorkflowExecutionErrorWhenAlreadyStarted,
			"a second attempt succeeds if the first one started the workflow")
		assert.Equal(t, "Deliveries of 61 sales orders", start.options.StaticSummary)
		assert.Equal(t, 3, start.options.Priority.PriorityKey)
		assert.Zero(t, start.options.WorkflowExecutionTimeout)
		assert.Zero(t, start.options.WorkflowRunTimeout)
		require.Len(t, start.batch.Orders, 64-maxDirect)
		for i, order := range start.batch.Orders {
			assert.Equal(t, nthOrderID(maxDirect+i), order.SalesOrderID, "longest waiting first")
			assert.Equal(t, []ordercheck.Delivery{numbered(maxDirect + i)}, order.Deliveries)
		}
		requireIdle(t, c)
	})
}

// TestNoBatchOfFewOrders checks that each order gets its own call if few orders wait.
func TestNoBatchOfFewOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(20 * time.Millisecond)}
		c := newTestCommitter(t, temporal, nil, nil)
		const orders = 2 * maxDirect
		for i, err := range commitEach(t, c, orders) {
			require.NoError(t, err, i)
		}
		assert.Empty(t, temporal.started())
		assert.Len(t, temporal.committed(), orders)
		requireIdle(t, c)
	})
}

// TestManyDeliveriesOfManyOrders checks that every delivery is in exactly one call, that commit
// returns only after that call, and that the deliveries for an order stay in sequence.
func TestManyDeliveriesOfManyOrders(t *testing.T) {
	for _, tc := range []struct{ orders, deliveries int }{
		{20, 1000}, {700, 1400}, {2200, 2200}, {3, 900},
	} {
		t.Run(fmt.Sprintf("%d for %d orders", tc.deliveries, tc.orders), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := &fakeTemporal{signal: waitFor(15 * time.Millisecond)}
				c := newTestCommitter(t, temporal, nil, nil)
				succeeded := make([]time.Time, tc.deliveries)
				var group sync.WaitGroup
				for i := range tc.deliveries {
					group.Go(func() {
						time.Sleep(time.Duration(i) * 100 * time.Microsecond)
						if assert.NoError(t, c.commit(t.Context(), nthOrderID(i%tc.orders), numbered(i))) {
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
						require.False(t, twice, "%s is in two calls", delivery.Event)
						carried[delivery.Event] = call.committedAt
						var n int
						_, err := fmt.Sscanf(delivery.Event, "delivery-%d", &n)
						require.NoError(t, err)
						require.Equal(t, ordercheck.WorkflowID(nthOrderID(n%tc.orders)),
							call.workflowID, "the delivery goes to its own order")
						require.GreaterOrEqual(t, n, latest[call.workflowID])
						latest[call.workflowID] = n
					}
				}
				require.Len(t, carried, tc.deliveries)
				for i, at := range succeeded {
					require.False(t, at.Before(carried[numbered(i).Event]),
						"%d succeeded before its commit", i)
				}
				for _, start := range temporal.started() {
					total := 0
					for _, order := range start.batch.Orders {
						total += len(order.Deliveries)
					}
					require.LessOrEqual(t, total, maxBatch)
				}
				assert.Less(t, temporal.attempted(), tc.deliveries/5)
				requireIdle(t, c)
			})
		})
	}
}

// TestFailedBatch checks that a failed start fails the deliveries of its batch and no others.
func TestFailedBatch(t *testing.T) {
	for name, fail := range map[string]func() error{
		"refused": func() error { return serviceerror.NewPermissionDenied("no", "") },
		"panic":   func() error { panic("in the client") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
					if err := waitFor(10*time.Millisecond)(ctx, n); err != nil || n < maxDirect {
						return err
					}
					return fail()
				}}
				c := newTestCommitter(t, temporal, nil, &log)
				for i, err := range commitEach(t, c, 30) {
					if i < maxDirect {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, errNotCommitted)
					}
				}
				requireIdle(t, c)
				assert.Len(t, temporal.committed(), maxDirect)
				synctest.Wait() // a call answers its deliveries before it logs
				assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
				assert.Contains(t, log.String(), "orders=27")
			})
		})
	}
}

// TestRetryOfABatch checks that all attempts have the same workflow id, so no batch starts twice.
func TestRetryOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{}
		lostAnswers := 0
		temporal.signal = func(ctx context.Context, n int) error {
			if err := waitFor(10*time.Millisecond)(ctx, n); err != nil || n < maxDirect ||
				lostAnswers == 2 {
				return err
			}
			lostAnswers++
			return serviceerror.NewUnavailable("the answer was lost")
		}
		c := newTestCommitter(t, temporal, nil, nil)
		for i, err := range commitEach(t, c, 30) {
			require.NoError(t, err, i)
		}
		assert.Equal(t, maxDirect+3, temporal.attempted())
		assert.Len(t, temporal.started(), 1)
		assert.Len(t, temporal.committed(), 30)
		requireIdle(t, c)
	})
}

// stuckTemporal is a Temporal client whose call hangs if stuck returns true for its workflow id.
type stuckTemporal struct {
	*fakeTemporal
	stuck func(workflowID string) bool
}

func (s *stuckTemporal) SignalWithStartWorkflow(
	ctx context.Context, workflowID, signalName string, signalArg any,
	options client.StartWorkflowOptions, workflow any, workflowArgs ...any,
) (client.WorkflowRun, error) {
	if s.stuck(workflowID) {
		return nil, hang(ctx, 0)
	}
	return s.fakeTemporal.SignalWithStartWorkflow(ctx, workflowID, signalName, signalArg, options,
		workflow, workflowArgs...)
}

func (s *stuckTemporal) ExecuteWorkflow(
	ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any,
) (client.WorkflowRun, error) {
	if s.stuck(options.ID) {
		return nil, hang(ctx, 0)
	}
	return s.fakeTemporal.ExecuteWorkflow(ctx, options, workflow, args...)
}

// TestCommitElsewhere checks that deliveries are committed to another workflow in time if Temporal
// can't write to their own, for example while its history shard moves.
func TestCommitElsewhere(t *testing.T) {
	healthy := func() error { return nil }
	t.Run("the workflow of a batch hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var first atomic.Value // workflow id of the first batch
			temporal := &stuckTemporal{&fakeTemporal{}, func(workflowID string) bool {
				if strings.HasPrefix(workflowID, "hand-over-") {
					first.CompareAndSwap(nil, workflowID)
				}
				return first.Load() == workflowID
			}}
			c := newTestCommitter(t, temporal, nil, nil)
			c.TemporalError = healthy
			c.group.direct = maxDirect // so all orders wait and get into one batch
			var group sync.WaitGroup
			for i := range 64 {
				group.Go(func() { assert.NoError(t, c.commit(t.Context(), nthOrderID(i), numbered(i))) })
			}
			synctest.Wait()
			c.mu.Lock()
			c.group.direct = 0
			c.startCalls()
			c.mu.Unlock()
			began := time.Now()
			group.Wait()
			assert.LessOrEqual(t, time.Since(began), commitWithin/2)
			assert.Len(t, temporal.started(), 1)
			assert.Len(t, temporal.committed(), 64)
			requireIdle(t, c)
		})
	})
	t.Run("the workflow of an order hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			temporal := &stuckTemporal{&fakeTemporal{}, func(workflowID string) bool {
				return workflowID == "sales-order-order-1"
			}}
			c := newTestCommitter(t, temporal, nil, nil)
			c.TemporalError = healthy
			var group sync.WaitGroup
			for i := range 40 { // all but the first wait and share the second call
				group.Go(func() { assert.NoError(t, c.commit(t.Context(), "order-1", numbered(i))) })
				time.Sleep(10 * time.Millisecond)
			}
			group.Wait()
			starts := temporal.started()
			require.Len(t, starts, 2)
			assert.Equal(t, "Deliveries of sales order order-1", starts[0].options.StaticSummary)
			assert.Len(t, starts[0].batch.Orders, 1)
			assert.Len(t, starts[1].batch.Orders[0].Deliveries, 39)
			requireIdle(t, c)
		})
	})
	t.Run("the run has too many signals", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			temporal := &fakeTemporal{signal: func(_ context.Context, n int) error {
				if n < 2 { // the first attempt sets search attributes, the second does not
					return serviceerror.NewInvalidArgument("exceeded limit for signal events")
				}
				return nil
			}}
			c := newTestCommitter(t, temporal, nil, nil)
			c.TemporalError = healthy
			began := time.Now()
			require.NoError(t, c.commit(t.Context(), "order-1", numbered(0)))
			assert.Zero(t, time.Since(began))
			assert.Len(t, temporal.started(), 1)
			requireIdle(t, c)
		})
	})
	t.Run("Temporal can't be reached", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			temporal := &fakeTemporal{signal: hang}
			c := newTestCommitter(t, temporal, nil, nil)
			require.ErrorIs(t, c.commit(t.Context(), "order-1", numbered(0)), errNotCommitted)
			assert.Equal(t, 1, temporal.attempted(), "another call would not help")
			requireIdle(t, c)
		})
	})
	t.Run("the other workflow hangs too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			temporal := &fakeTemporal{signal: hang}
			c := newTestCommitter(t, temporal, nil, nil)
			c.TemporalError = healthy
			began := time.Now()
			require.ErrorIs(t, c.commit(t.Context(), "order-1", numbered(0)), errNotCommitted)
			assert.Equal(t, commitWithin, time.Since(began))
			assert.Equal(t, 2, temporal.attempted())
			requireIdle(t, c)
		})
	})
}

// TestBatchOmitsExpiredDeliveries checks that a batch leaves out deliveries whose senders already
// got a 503: they will send them again.
func TestBatchOmitsExpiredDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if n < maxDirect {
				return hang(ctx, n)
			}
			return nil
		}}
		c := newTestCommitter(t, temporal, nil, nil)
		c.commitWithin = maxSlow / 2
		var group sync.WaitGroup
		for i := range 40 { // the first calls hang
			group.Go(
				func() {
					assert.ErrorIs(t, c.commit(t.Context(), nthOrderID(i), numbered(i)),
						errNotCommitted)
				},
			)
		}
		synctest.Wait()
		time.Sleep(c.commitWithin - time.Millisecond)
		for i := 100; i < 110; i++ {
			group.Go(
				func() { assert.NoError(t, c.commit(t.Context(), nthOrderID(i), numbered(i))) })
		}
		group.Wait()
		assert.Len(t, temporal.committed(), 10)
		requireIdle(t, c)
	})
}

func TestSlowCallsDoNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if n < 2*maxDirect {
				return hang(ctx, n)
			}
			return nil
		}}
		c := newTestCommitter(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 2 * maxDirect {
			group.Go(
				func() {
					assert.ErrorIs(t, c.commit(t.Context(), nthOrderID(i), numbered(i)),
						errNotCommitted)
				},
			)
			synctest.Wait()
			if i%maxDirect == maxDirect-1 {
				time.Sleep(maxSlow)
			}
		}
		began := time.Now()
		require.NoError(t, c.commit(t.Context(), "free", numbered(100)))
		assert.LessOrEqual(t, time.Since(began), maxSlow)
		group.Wait()
		requireIdle(t, c)
		assert.Zero(t, c.group.direct)
		assert.Zero(t, c.group.batches)
	})
}

func TestCloseWithABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(time.Second)}
		c := newTestCommitter(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(
				func() { assert.NoError(t, c.commit(t.Context(), nthOrderID(i%40), numbered(i))) })
		}
		synctest.Wait()
		require.NoError(t, c.close(t.Context()))
		total := 0
		for _, call := range temporal.committed() {
			total += len(call.deliveries)
		}
		assert.Equal(t, 100, total)
		group.Wait()
		require.Empty(t, c.queues)
	})
}

// TestSpanOfABatch checks that a batch has one span, which links to at most maxSpanLinks of its
// requests.
func TestSpanOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := tracetest.NewSpanRecorder()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		c := newTestCommitter(t, &fakeTemporal{signal: waitFor(10 * time.Millisecond)}, tracers,
			nil)
		requests := make([]trace.SpanContext, 200)
		var group sync.WaitGroup
		for i := range requests {
			ctx, span := tracers.Tracer("test").Start(t.Context(), "request")
			requests[i] = span.SpanContext()
			group.Go(func() {
				defer span.End()
				assert.NoError(t, c.commit(ctx, nthOrderID(i), numbered(i)))
			})
			synctest.Wait()
		}
		group.Wait()

		var shared sdktrace.ReadOnlySpan
		for _, span := range recorder.Ended() {
			if span.Name() != "request" && len(span.Links()) > 0 {
				require.Nil(t, shared, "one call for all waiting deliveries")
				shared = span
			}
		}
		require.NotNil(t, shared)
		assert.Equal(t, requests[maxDirect].SpanID(), shared.Parent().SpanID())
		assert.Equal(t, requests[maxDirect+1].SpanID(), shared.Links()[0].SpanContext.SpanID())
		assert.Len(t, shared.Links(), maxSpanLinks)
		attributes := map[string]string{}
		for _, attribute := range shared.Attributes() {
			attributes[string(attribute.Key)] = attribute.Value.String()
		}
		assert.Equal(t, map[string]string{"gate.orders": "197", "gate.deliveries": "197"},
			attributes)
	})
}
