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
	// handOverCalls is how many orders of a batch are handed their deliveries at once.
	handOverCalls = 4
	// handOverCallTimeout is for one order; a busy one is tried again in the next attempt.
	handOverCallTimeout = 5 * time.Second
	// handOverBeat is how often an attempt says what is left; see the worker's option.
	handOverBeat = time.Second

	// errorNotHandedOver is the type of the error for orders that have not got their deliveries. Retried.
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
	r.RegisterActivityWithOptions(h.HandOver, activity.RegisterOptions{Name: ordercheck.ActivityHandOver})
}

// HandOver gives each order its deliveries. It fails, to be tried again for what is left,
// where Temporal did not take those of an order or the worker is about to stop. What
// an attempt did without having told of it is done twice, and costs an order a check more.
func (h *HandOver) HandOver(ctx context.Context, in ordercheck.DeliveryBatch) error {
	left := newLeft(ctx, len(in.Orders))
	stopBeat := left.beat(ctx)
	defer stopBeat()

	work := make(chan int)
	var group sync.WaitGroup
	for range handOverCalls {
		group.Go(func() {
			for i := range work {
				left.done(i, h.toOrder(ctx, &in.Orders[i]))
			}
		})
	}
	feed(ctx, work, left.indexes())
	group.Wait()
	return left.fault(in.Orders)
}

// feed stops where the worker does, or ctx ends.
func feed(ctx context.Context, work chan<- int, list []int) {
	defer close(work)
	for _, i := range list {
		select {
		case work <- i:
		case <-activity.GetWorkerStopChannel(ctx):
			return
		case <-ctx.Done():
			return
		}
	}
}

func (h *HandOver) toOrder(ctx context.Context, order *ordercheck.OrderDeliveries) (err error) {
	ctx, cancel := context.WithTimeout(ctx, handOverCallTimeout)
	defer cancel()
	defer func() { // of another goroutine than the activity's own, whose panics the SDK catches
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	if err := ordersignal.Send(ctx, h.Temporal, order.SalesOrderID, ordercheck.PriorityWebhook, order.Deliveries); err != nil {
		return err
	}
	if len(order.Deliveries) > 0 {
		activity.GetMetricsHandler(ctx).Timer(metricHandOverDelay).Record(time.Since(order.Deliveries[0].ReceivedAt))
	}
	return nil
}

// leftOrders are the indexes of orders that have not got their deliveries yet. They are
// what an attempt leaves to the next one.
type leftOrders struct {
	mu    sync.Mutex
	list  []int // ascending
	err   error // of the first order that failed
	which int
}

func newLeft(ctx context.Context, orders int) *leftOrders {
	var left leftOrders
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &left.list) == nil &&
		!slices.ContainsFunc(left.list, func(i int) bool { return i < 0 || i >= orders }) {
		return &left
	}
	left.list = make([]int, orders)
	for i := range left.list {
		left.list[i] = i
	}
	return &left
}

func (l *leftOrders) indexes() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

func (l *leftOrders) done(i int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch at, found := slices.BinarySearch(l.list, i); {
	case err == nil && found:
		l.list = slices.Delete(l.list, at, at+1)
	case err != nil && l.err == nil:
		l.err, l.which = err, i
	}
}

// beat tells what is left until stop is called, which tells it a last time.
func (l *leftOrders) beat(ctx context.Context) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(handOverBeat)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				activity.RecordHeartbeat(ctx, l.indexes())
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		activity.RecordHeartbeat(ctx, l.indexes())
	}
}

// fault is nil when nothing is left.
func (l *leftOrders) fault(orders []ordercheck.OrderDeliveries) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == 0 {
		return nil
	}
	left := fmt.Sprintf("%d of %d orders have not got their deliveries yet: ", len(l.list), len(orders))
	if l.err == nil {
		return temporal.NewApplicationError(left+"the worker is about to stop", errorNotHandedOver)
	}
	return temporal.NewApplicationErrorWithCause(
		fmt.Sprintf("%ssales order %s: %v", left, orders[l.which].SalesOrderID, l.err), errorNotHandedOver, l.err)
}
