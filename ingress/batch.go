package ingress

import (
	"sync"
	"time"

	"error-check-gate/internal/ordercheck"
)

const (
	// Temporal can only start so many runs per second, so at most maxCalls calls are in flight.
	// Deliveries that arrive meanwhile wait in their queues. Once minBatchOrders orders are
	// waiting, the next call commits them as one batch, by starting one short workflow that hands
	// each order its deliveries. For fewer orders that would cost more than it saves.
	maxCalls       = 4
	minBatchOrders = 4
	// maxBatch is the maximum number of deliveries in a batch: about 200 KiB of the 2 MiB that a
	// payload may have.
	maxBatch = 1000
	// slowCall is when a call in flight stops counting towards maxCalls. Its order is busy or
	// Temporal is slow, and other orders must not wait for that.
	slowCall = 100 * time.Millisecond
)

// batch holds the deliveries that one call to Temporal carries, of one order or of several.
type batch []batchPart

// batchPart is the deliveries of one order, oldest first. It has at least one.
type batchPart struct {
	queue      *orderQueue
	deliveries []*pendingDelivery
}

// size returns the number of deliveries.
func (b batch) size() int {
	n := 0
	for _, part := range b {
		n += len(part.deliveries)
	}
	return n
}

// deadline returns the latest deadline of the deliveries.
func (b batch) deadline() (latest time.Time) {
	for _, part := range b {
		if last := part.deliveries[len(part.deliveries)-1].deadline; last.After(latest) {
			latest = last
		}
	}
	return latest
}

// content returns the deliveries as Temporal gets them.
func (b batch) content() ordercheck.DeliveryBatch {
	orders := make([]ordercheck.OrderDeliveries, len(b))
	for i, part := range b {
		orders[i].SalesOrderID = part.queue.salesOrderID
		orders[i].Deliveries = make([]ordercheck.Delivery, len(part.deliveries))
		for j, d := range part.deliveries {
			orders[i].Deliveries[j] = d.Delivery
		}
	}
	return ordercheck.DeliveryBatch{Orders: orders}
}

// startCalls starts as many calls as may be in flight: for one order each if few orders are ready,
// and for all of them at once if there are many. The caller holds mu.
func (c *committer) startCalls() {
	for c.callsInFlight < maxCalls && len(c.ready) > 0 {
		orders := 1
		if len(c.ready) >= minBatchOrders {
			orders = len(c.ready)
		}
		b := c.takeBatch(orders)
		if len(b) == 0 {
			continue
		}
		c.callsInFlight++
		c.running.Go(func() { c.call(b) })
	}
}

// takeBatch removes the first orders from ready and returns their deliveries, at most maxBatch. The
// batch is empty if all of them have expired. The caller holds mu.
func (c *committer) takeBatch(orders int) batch {
	var b batch
	now, room := time.Now(), maxBatch
	for ; orders > 0 && room > 0; orders-- {
		queue := c.ready[0]
		c.ready[0] = nil
		c.ready = c.ready[1:]
		c.stopWaiting(queue.dropExpired(now))
		if len(queue.deliveries) == 0 {
			queue.called <- struct{}{}
			continue
		}
		part := batchPart{queue, queue.take(room)}
		b = append(b, part)
		room -= len(part.deliveries)
	}
	return b
}

// call commits a batch, gives its deliveries their result and lets the queues go on.
func (c *committer) call(b batch) {
	releaseSlot := sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.callsInFlight--
		c.startCalls()
	})
	timer := time.AfterFunc(slowCall, releaseSlot)
	err := c.send(b)
	timer.Stop()
	releaseSlot()
	c.finish(b, err)
	for _, part := range b {
		part.queue.called <- struct{}{}
	}
	if err != nil {
		c.logFailure(b, err)
	}
}
