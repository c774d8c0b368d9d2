package ingress

import (
	"time"

	"error-check-gate/internal/ordercheck"
)

// maxBatch is the maximum number of deliveries in a batch: about 200 KiB of the 2 MiB that a payload
// may have.
const maxBatch = 1000

// batch holds the deliveries that one call to Temporal carries, of one order or of several.
type batch []batchPart

// batchPart holds deliveries of one order, oldest first. It has at least one.
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

// patience returns how long a call for the batch may take before its deliveries go to another
// workflow too: half of the time until the deadline of the oldest delivery.
func (b batch) patience() time.Duration {
	earliest := b[0].deliveries[0].deadline
	for _, part := range b[1:] {
		if first := part.deliveries[0].deadline; first.Before(earliest) {
			earliest = first
		}
	}
	return max(time.Until(earliest)/2, maxSlow)
}

// answer gives the deliveries their result.
func (b batch) answer(err error) {
	for _, part := range b {
		for _, d := range part.deliveries {
			d.result <- err
		}
	}
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
