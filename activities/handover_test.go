package activities_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/activities"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
)

// signals is a client of Temporal that collects the signals it doesn't refuse.
type signals struct {
	refuse func(workflowID string) error // returns the error of a refused signal; may be nil
	taken  func(orders int)              // gets the number of orders signalled so far; may be nil

	mu  sync.Mutex
	got map[string][]ordercheck.Delivery // by workflow id
}

func (s *signals) SignalWithStartWorkflow(_ context.Context, workflowID, _ string, signalArg any,
	_ client.StartWorkflowOptions, _ any, _ ...any,
) (client.WorkflowRun, error) {
	if s.refuse != nil {
		if err := s.refuse(workflowID); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got == nil {
		s.got = map[string][]ordercheck.Delivery{}
	}
	s.got[workflowID] = append(s.got[workflowID], signalArg.([]ordercheck.Delivery)...)
	if s.taken != nil {
		s.taken(len(s.got))
	}
	return nil, nil
}

func batchOf(n int) ordercheck.DeliveryBatch {
	var batch ordercheck.DeliveryBatch
	for i := range n {
		batch.Orders = append(batch.Orders, ordercheck.OrderDeliveries{
			SalesOrderID: fmt.Sprint(i),
			Deliveries: []ordercheck.Delivery{
				{Event: fmt.Sprintf("delivery-%d", i), ReceivedAt: time.Now().UTC()},
			},
		})
	}
	return batch
}

// handOver runs the activity. prepare may be nil.
func handOver(
	t *testing.T, s ordersignal.Temporal, prepare func(*testsuite.TestActivityEnvironment),
	batch ordercheck.DeliveryBatch,
) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	(&activities.HandOver{Temporal: s}).Register(env)
	if prepare != nil {
		prepare(env)
	}
	_, err := env.ExecuteActivity(ordercheck.ActivityHandOver, batch)
	return err
}

// resumeFrom sets the heartbeat details of the previous attempt.
func resumeFrom(details any) func(*testsuite.TestActivityEnvironment) {
	return func(env *testsuite.TestActivityEnvironment) { env.SetHeartbeatDetails(details) }
}

func TestHandOverGivesEachOrderItsDeliveries(t *testing.T) {
	var s signals
	batch := batchOf(50)
	require.NoError(t, handOver(t, &s, nil, batch))
	require.Len(t, s.got, 50)
	for _, order := range batch.Orders {
		assert.Equal(t, order.Deliveries, s.got[ordercheck.WorkflowID(order.SalesOrderID)])
	}
}

// TestHandOverRetriesOnlyFailedOrders checks that the next attempt signals only the orders that
// failed.
func TestHandOverRetriesOnlyFailedOrders(t *testing.T) {
	refused := []string{ordercheck.WorkflowID("3"), ordercheck.WorkflowID("41")}
	s := &signals{refuse: func(workflowID string) error {
		switch workflowID {
		case refused[0]:
			return serviceerror.NewInvalidArgument(
				"exceeded workflow execution limit for signal events")
		case refused[1]:
			panic("in the client")
		}
		return nil
	}}
	var remaining []int
	listen := func(env *testsuite.TestActivityEnvironment) {
		env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
			remaining = nil
			assert.NoError(t, details.Get(&remaining))
		})
	}
	err := handOver(t, s, listen, batchOf(50))
	var failed *temporal.ApplicationError
	require.ErrorAs(t, err, &failed)
	assert.False(t, failed.NonRetryable())
	assert.Contains(t, failed.Message(), "2 of 50 orders")
	require.Len(t, s.got, 48)
	require.Equal(t, []int{3, 41}, remaining)

	again := &signals{}
	require.NoError(t, handOver(t, again, resumeFrom(remaining), batchOf(50)))
	require.Len(t, again.got, 2)
	for _, id := range refused {
		assert.Contains(t, again.got, id)
	}
}

// stuckOrders is a client of Temporal that doesn't signal some orders before all others have been
// signalled.
type stuckOrders struct {
	*signals
	stuck      func(workflowID string) bool
	othersDone chan struct{}
}

func (s *stuckOrders) SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string,
	signalArg any, options client.StartWorkflowOptions, workflow any, arguments ...any,
) (client.WorkflowRun, error) {
	if s.stuck(workflowID) {
		select {
		case <-s.othersDone:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.signals.SignalWithStartWorkflow(ctx, workflowID, signalName, signalArg, options,
		workflow, arguments...)
}

// TestHandOverOfStuckOrders checks that orders that can't be signalled don't delay the others.
func TestHandOverOfStuckOrders(t *testing.T) {
	const stuck, orders = 12, 40
	batch := batchOf(orders)
	ids := map[string]bool{}
	for _, order := range batch.Orders[:stuck] {
		ids[ordercheck.WorkflowID(order.SalesOrderID)] = true
	}
	s := &stuckOrders{&signals{}, func(id string) bool { return ids[id] }, make(chan struct{})}
	s.taken = func(total int) {
		if total == orders-stuck {
			close(s.othersDone)
		}
	}
	require.NoError(t, handOver(t, s, nil, batch))
	assert.Len(t, s.got, orders)
}

// TestHandOverWithInvalidHeartbeat checks that all orders are signalled if the heartbeat of the
// previous attempt is invalid. To signal an order twice is harmless, but to skip it loses
// deliveries.
func TestHandOverWithInvalidHeartbeat(t *testing.T) {
	for _, details := range []any{"nonsense", []int{7, 50}, []int{-1}} {
		var s signals
		require.NoError(t, handOver(t, &s, resumeFrom(details), batchOf(50)))
		assert.Len(t, s.got, 50, details)
	}
}

// TestHandOverStopsWithItsWorker checks that a stopping worker leaves the remaining orders to the
// next attempt.
func TestHandOverStopsWithItsWorker(t *testing.T) {
	stop := make(chan struct{})
	s := &signals{}
	s.taken = func(total int) {
		if total == 10 {
			close(stop)
		}
	}
	var remaining []int
	err := handOver(t, s, func(env *testsuite.TestActivityEnvironment) {
		env.SetWorkerStopChannel(stop)
		env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
			remaining = nil
			assert.NoError(t, details.Get(&remaining))
		})
	}, batchOf(2000))
	require.ErrorContains(t, err, "the worker is stopping")
	require.NotEmpty(t, remaining)
	require.Len(t, s.got, 2000-len(remaining))
	for _, i := range remaining {
		assert.NotContains(t, s.got, ordercheck.WorkflowID(fmt.Sprint(i)))
	}
	assert.True(t, slices.IsSorted(remaining))
}

func TestHandOverWhileTemporalIsDown(t *testing.T) {
	s := &signals{refuse: func(string) error { return errors.New("connection refused") }}
	err := handOver(t, s, nil, batchOf(5))
	require.ErrorContains(t, err, "5 of 5 orders")
	require.ErrorContains(t, err, "connection refused")
}
