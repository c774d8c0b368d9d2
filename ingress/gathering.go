package ingress

import "time"

const (
	// After a batch, the next one waits until no delivery has arrived for half of the batch's
	// duration, at least minQuiet, and no longer than maxGather or the batch's duration.
	minQuiet  = 2 * time.Millisecond
	maxGather = 20 * time.Millisecond
)

// gathering waits briefly after a batch, because many of its senders send their next delivery
// right away. Without the wait, the first of them would get its own call, and the others would
// wait for that call. The zero value waits for nothing.
type gathering struct {
	missing int // deliveries that the wait is for; 0 means that it is over
	quiet   time.Duration
	ends    time.Time
	timer   *time.Timer
}

func (g *gathering) active() bool { return g.missing > 0 }

// start begins the wait after a batch with the given number of deliveries. It calls over when the
// time is up.
func (g *gathering) start(deliveries int, took time.Duration, over func()) {
	g.missing = deliveries
	g.quiet = min(max(took/2, minQuiet), maxGather)
	g.ends = time.Now().Add(min(max(took, minQuiet), maxGather))
	if g.timer == nil {
		g.timer = time.AfterFunc(g.quiet, over)
		return
	}
	g.timer.Reset(g.quiet) // if it fires for the previous wait, this one is only shorter
}

// arrived counts a delivery.
func (g *gathering) arrived() {
	if g.missing == 0 {
		return
	}
	g.missing--
	if g.missing == 0 {
		g.timer.Stop()
		return
	}
	g.timer.Reset(min(g.quiet, time.Until(g.ends)))
}
