package ingress

import "time"

const (
	// Consecutive calls for the same order are spaced out: the gap doubles from minSpacing to
	// maxSpacing while deliveries keep arriving. Otherwise a fast Temporal would get a signal for
	// nearly every delivery of a burst, and a run has room for 10,000 signals. The gap loses
	// nothing: the workflow waits for quiet anyway.
	minSpacing = 25 * time.Millisecond
	maxSpacing = 400 * time.Millisecond
	// A gap ends early if fullQueue deliveries are waiting, or if none arrives for quietAfter:
	// waiting longer would gain nothing.
	fullQueue  = 64
	quietAfter = 15 * time.Millisecond
)

// orderQueue holds the deliveries of one order that wait for the order's next call.
type orderQueue struct {
	salesOrderID string
	deliveries   []*pendingDelivery // oldest first; guarded by the committer's mu
	arrived      chan struct{}      // holds one element after a delivery arrived
	called       chan struct{}      // gets an element when a call has ended, or is slow
}

// enqueue appends a delivery to the queue of its order. If there is none, it makes one, which is
// ready for its first call.
func (c *committer) enqueue(salesOrderID string, d *pendingDelivery) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	if c.waiting >= c.maxWaiting {
		return errTooManyWaiting
	}
	c.waiting++
	c.Metrics.waiting(1)
	queue, ok := c.queues[salesOrderID]
	if !ok {
		queue = &orderQueue{
			salesOrderID: salesOrderID,
			arrived:      make(chan struct{}, 1),
			called:       make(chan struct{}, 1),
		}
		c.queues[salesOrderID] = queue
		c.ready = append(c.ready, queue)
		c.running.Go(func() { c.runQueue(queue) })
	}
	queue.deliveries = append(queue.deliveries, d)
	select {
	case queue.arrived <- struct{}{}:
	default:
	}
	c.group.gather.arrived()
	c.startCalls()
	return nil
}

// runQueue requests one call after the other for an order, with a gap between them. It ends when no
// delivery arrived during a gap.
func (c *committer) runQueue(queue *orderQueue) {
	for spacing := minSpacing; ; spacing = min(2*spacing, maxSpacing) {
		<-queue.called
		c.waitGap(queue, spacing)
		if !c.requestCall(queue) {
			return
		}
	}
}

// requestCall marks a queue as ready for its next call. If the queue is empty, requestCall removes
// it and returns false.
func (c *committer) requestCall(queue *orderQueue) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(queue.deliveries) == 0 {
		delete(c.queues, queue.salesOrderID)
		return false
	}
	c.ready = append(c.ready, queue)
	c.startCalls()
	return true
}

// waitGap returns when the gap between two calls for an order is over.
func (c *committer) waitGap(queue *orderQueue, spacing time.Duration) {
	longest, quiet := time.NewTimer(spacing), time.NewTimer(spacing)
	defer longest.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-longest.C:
			return
		case <-quiet.C:
			return
		case <-c.closing:
			return
		case <-queue.arrived:
			c.mu.Lock()
			waiting := len(queue.deliveries)
			c.mu.Unlock()
			if waiting >= fullQueue {
				return
			}
			if waiting > 0 { // else the previous call carried it
				quiet.Reset(quietAfter)
			}
		}
	}
}

// take removes up to n deliveries from the queue. The caller holds the committer's mu.
func (q *orderQueue) take(n int) []*pendingDelivery {
	n = min(n, len(q.deliveries))
	taken := q.deliveries[:n]
	q.deliveries = append([]*pendingDelivery(nil), q.deliveries[n:]...)
	return taken
}

// dropExpired drops the deliveries whose deadline has passed, and returns their number. Their
// senders already got a 503 and will send them again. The caller holds the committer's mu.
func (q *orderQueue) dropExpired(now time.Time) int {
	expired := 0
	for expired < len(q.deliveries) && !now.Before(q.deliveries[expired].deadline) {
		q.deliveries[expired].result <- errNotCommitted
		expired++
	}
	q.deliveries = q.deliveries[expired:]
	return expired
}
