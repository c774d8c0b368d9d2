package activities

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
)

const (
	// handOverCalls is the number of orders of a batch that are signalled at the same time.
	handOverCalls = 4
	// handOverSlow is how long a call counts as one of handOverCalls. Without this limit, orders
	// that can't be signalled would keep the others waiting for handOverCallTimeout.
	handOverSlow = 250 * time.Millisecond
	// handOverCallTimeout limits the call for one order. The next attempt tries a busy order
	// again.
	handOverCallTimeout = 5 * time.Second
	// handOverHeartbeat is the time between two heartbeats; the worker's heartbeat throttling must
	// not be longer.
	handOverHeartbeat = time.Second

	// errorNotHandedOver is the error type if some orders have not got their deliveries. Retried.
	errorNotHandedOver = "NotHandedOver"
	// metricHandOverDelay is the time from the receipt of an order's oldest delivery to its signal.
	metricHandOverDelay = "gate_handover_delay"
)

// HandOver is the activity [ordercheck.ActivityHandOver].
type HandOver struct {
	Temporal ordersignal.Temporal
}

// Register registers the activity of [ordercheck.HandOverTaskQueue].
func (h *HandOver) Register(r Registry) {
	r.RegisterActivityWithOptions(h.HandOver,
		activity.RegisterOptions{Name: ordercheck.ActivityHandOver})
}

// HandOver sends each order of a batch its deliveries as a signal. It fails if a signal failed or
// if the worker is stopping. The heartbeat holds the remaining orders, so the next attempt goes
// on with them. If an order was signalled after the last heartbeat, the next attempt signals it
// again, which costs one more check.
func (h *HandOver) HandOver(ctx context.Context, in ordercheck.DeliveryBatch) error {
	remaining := resumeRemaining(ctx, len(in.Orders))
	stopHeartbeat := remaining.startHeartbeat(ctx)
	defer stopHeartbeat()

	var group sync.WaitGroup
	slots := make(chan struct{}, handOverCalls)
	for _, i := range remaining.indexes() {
		if !acquire(ctx, slots) {
			break
		}
		release := sync.OnceFunc(func() { <-slots })
		group.Go(func() {
			defer release()
			defer time.AfterFunc(handOverSlow, release).Stop()
			remaining.finish(i, h.signalOrder(ctx, &in.Orders[i]))
		})
	}
	group.Wait()
	return remaining.err(in.Orders)
}

// acquire waits for a slot. It returns false if the worker stops or ctx ends.
func acquire(ctx context.Context, slots chan<- struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-activity.GetWorkerStopChannel(ctx):
		return false
	case <-ctx.Done():
		return false
	}
}

func (h *HandOver) signalOrder(
	ctx context.Context, order *ordercheck.OrderDeliveries,
) (err error) {
	ctx, cancel := context.WithTimeout(ctx, handOverCallTimeout)
	defer cancel()
	defer func() { // the SDK recovers only panics of the activity's own goroutine
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	err = ordersignal.Send(ctx, h.Temporal, order.SalesOrderID,
		ordercheck.PriorityWebhook, order.Deliveries)
	if err != nil {
		return err
	}
	if len(order.Deliveries) > 0 {
		delay := time.Since(order.Deliveries[0].ReceivedAt)
		activity.GetMetricsHandler(ctx).Timer(metricHandOverDelay).Record(delay)
	}
	return nil
}

// remainingOrders holds the indexes of the orders that have not got their deliveries yet.
type remainingOrders struct {
	mu          sync.Mutex
	list        []int // ascending
	firstErr    error
	firstFailed int // index of the order of firstErr
}

// resumeRemaining returns the orders that the previous attempt left, or all orders if there is no
// previous attempt or its heartbeat makes no sense.
func resumeRemaining(ctx context.Context, orders int) *remainingOrders {
	var r remainingOrders
	isInvalid := func(i int) bool { return i < 0 || i >= orders }
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &r.list) == nil &&
		!slices.ContainsFunc(r.list, isInvalid) {
		return &r
	}
	r.list = make([]int, orders)
	for i := range r.list {
		r.list[i] = i
	}
	return &r
}

func (r *remainingOrders) indexes() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// finish removes an order from the list if err is nil.
func (r *remainingOrders) finish(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch at, found := slices.BinarySearch(r.list, i); {
	case err == nil && found:
		r.list = slices.Delete(r.list, at, at+1)
	case err != nil && r.firstErr == nil:
		r.firstErr, r.firstFailed = err, i
	}
}

// startHeartbeat records the list regularly. stop records it a last time.
func (r *remainingOrders) startHeartbeat(ctx context.Context) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(handOverHeartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				activity.RecordHeartbeat(ctx, r.indexes())
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		activity.RecordHeartbeat(ctx, r.indexes())
	}
}

// err returns nil if no order remains.
func (r *remainingOrders) err(orders []ordercheck.OrderDeliveries) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return nil
	}
	message := fmt.Sprintf("%d of %d orders have not got their deliveries yet: ",
		len(r.list), len(orders))
	if r.firstErr == nil {
		return temporal.NewApplicationError(message+"the worker is stopping", errorNotHandedOver)
	}
	return temporal.NewApplicationErrorWithCause(
		fmt.Sprintf("%ssales order %s: %v", message, orders[r.firstFailed].SalesOrderID, r.firstErr),
		errorNotHandedOver, r.firstErr)
}
