package ingress

import (
	"sync"
	"time"
)

const (
	// A few orders get a call each, at the same time: maxDirect at most. More orders than that are
	// committed as one batch, by starting one short workflow that hands each order its deliveries.
	// For fewer orders that would cost more than it saves.
	maxDirect = 3

	// A call stops counting as in flight after slowFactor times the usual duration. Its order is
	// busy or Temporal is slow, and other orders must not wait for that. minSlow and maxSlow are
	// the limits of that time.
	slowFactor = 2
	minSlow    = 20 * time.Millisecond
	maxSlow    = 100 * time.Millisecond

	// An order gets its next call after this fraction of commitWithin, although the previous one is
	// still in flight. Otherwise too little time would remain for the waiting deliveries. Temporal may
	// commit the two calls in either order, which makes no difference to a check.
	nextCallFraction = 8
)

// groupCommit decides when deliveries go to Temporal. It works like group commit in a database:
// while one batch is being committed, everything that arrives waits for the next one. Few large
// batches are committed much faster than many small ones. The committer's mu guards it.
type groupCommit struct {
	direct  int // calls for one order in flight, without slow ones
	batches int // batches in flight, without slow ones
	limit   batchLimit
	gather  gathering
	usual   time.Duration // recent average duration of a call; 0 before the first
}

// mayStart returns how many of the ready orders the next call carries; 0 means none for now.
func (g *groupCommit) mayStart(ready int) (orders int) {
	switch {
	case ready == 0 || g.gather.active():
		return 0
	case ready > maxDirect && g.direct+g.batches < g.limit.inFlight():
		return ready
	case ready <= maxDirect && g.batches == 0 && g.direct < maxDirect:
		return 1
	default:
		return 0
	}
}

// slow returns the time after which a call stops counting as in flight.
func (g *groupCommit) slow() time.Duration {
	if g.usual == 0 {
		return maxSlow
	}
	return min(max(slowFactor*g.usual, minSlow), maxSlow)
}

// took adds the duration of a call to the average. One call that hangs hardly changes it.
func (g *groupCommit) took(duration time.Duration) {
	const weight = 8
	if g.usual == 0 {
		g.usual = min(duration, maxSlow)
		return
	}
	g.usual += (min(duration, 2*g.usual) - g.usual) / weight
}

// startCalls starts the calls that may be in flight. The caller holds mu.
func (c *committer) startCalls() {
	for {
		orders := c.group.mayStart(len(c.ready))
		if orders == 0 {
			return
		}
		b := c.takeBatch(orders)
		if len(b) == 0 {
			continue
		}
		counter := &c.group.batches
		if orders == 1 {
			counter = &c.group.direct
		}
		*counter++
		c.running.Go(func() { c.call(b, counter) })
	}
}

// call commits a batch, gives its deliveries their result and lets their queues continue. It
// decrements the counter when the call ends, or earlier if the call is slow.
func (c *committer) call(b batch, counter *int) {
	c.mu.Lock()
	slow := c.group.slow()
	c.mu.Unlock()
	release := sync.OnceFunc(func() { *counter-- })
	timer := time.AfterFunc(slow, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		release()
		c.startCalls()
	})
	endTurn := sync.OnceFunc(func() {
		for _, part := range b {
			part.queue.called <- struct{}{}
		}
	})
	next := time.AfterFunc(c.commitWithin/nextCallFraction, endTurn)
	began := time.Now()
	err := c.send(b)
	timer.Stop()
	next.Stop()
	duration := time.Since(began)

	c.mu.Lock()
	release()
	c.group.took(duration)
	if counter == &c.group.batches {
		c.group.limit.ended(b.size(), time.Now())
		c.group.gather.start(b.size(), duration, c.gathered)
	}
	c.stopWaiting(b.size())
	c.startCalls()
	c.mu.Unlock()
	b.answer(err)
	endTurn()
	if err != nil {
		c.logFailure(b, err)
	}
}

// gathered ends the wait after a batch.
func (c *committer) gathered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.group.gather.missing = 0
	c.startCalls()
}
