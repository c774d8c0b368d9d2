package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"golang.org/x/time/rate"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
	"error-check-gate/internal/watchdog"
)

// Temporal is the part of Temporal's client that the ingress uses.
type Temporal interface {
	ordersignal.Temporal
	ordersignal.Starter
	CheckHealth(
		ctx context.Context, request *client.CheckHealthRequest,
	) (*client.CheckHealthResponse, error)
}

const (
	// commitWithin limits the time from accepting a delivery until Temporal has committed it.
	commitWithin = 4 * time.Second
	// maxWaiting is the maximum number of deliveries in memory, over all orders.
	maxWaiting = 20_000
)

var (
	// errNotCommitted means that Temporal refused a delivery or didn't commit it in time.
	errNotCommitted = errors.New("Temporal did not commit the delivery")
	// errTooManyWaiting means that maxWaiting deliveries are waiting already.
	errTooManyWaiting = errors.New("too many deliveries are waiting for Temporal")
	// errClosed means that the process is about to end.
	errClosed = errors.New("the ingress is shutting down")
)

type committerOptions struct {
	Temporal      Temporal
	Logger        *slog.Logger
	Tracer        trace.Tracer
	Metrics       *metrics
	Watchdog      *watchdog.Watchdog // may be nil
	TemporalError func() error       // the result of the latest health check
}

// committer commits deliveries to Temporal. It makes one call per order at a time, unless a call
// takes long. The call carries every delivery of the order that arrived since the previous call.
// Under load, a call carries a batch of several orders. See orderqueue.go for the queues, batch.go
// for the batches, and groupcommit.go for when a call is made.
type committer struct {
	committerOptions
	logFailures *rate.Limiter // keeps the log readable while Temporal is down

	base  context.Context // of every call; it is not a request's
	abort context.CancelFunc

	commitWithin time.Duration
	maxWaiting   int

	mu      sync.Mutex
	queues  map[string]*orderQueue // by order; each has a goroutine
	ready   []*orderQueue          // queues that need a call, the longest waiting first
	group   groupCommit
	waiting int // deliveries in all queues and calls
	closed  bool
	closing chan struct{}
	running sync.WaitGroup
}

// pendingDelivery is a delivery that Temporal has not committed yet.
type pendingDelivery struct {
	ordercheck.Delivery
	span     trace.Span
	deadline time.Time
	result   chan error // has room for one, so sending never blocks
}

func newCommitter(o committerOptions) *committer {
	base, abort := context.WithCancel(context.Background())
	return &committer{
		committerOptions: o,
		logFailures:      rate.NewLimiter(rate.Every(10*time.Second), 1),
		base:             base,
		abort:            abort,
		commitWithin:     commitWithin,
		maxWaiting:       maxWaiting,
		queues:           map[string]*orderQueue{},
		closing:          make(chan struct{}),
	}
}

// commit returns nil once Temporal has committed the delivery, and an error after commitWithin at
// the latest. It ignores the end of ctx: a delivery that was accepted is committed even if its
// sender hangs up.
func (c *committer) commit(
	ctx context.Context, salesOrderID string, delivery ordercheck.Delivery,
) error {
	began := time.Now()
	d := &pendingDelivery{
		Delivery: delivery,
		span:     trace.SpanFromContext(ctx),
		deadline: began.Add(c.commitWithin),
		result:   make(chan error, 1),
	}
	if err := c.enqueue(salesOrderID, d); err != nil {
		return err
	}

	timer := time.NewTimer(c.commitWithin)
	defer timer.Stop()
	var err error
	select {
	case err = <-d.result:
	case <-timer.C:
		err = errNotCommitted
	}
	c.Metrics.commitEnded(ctx, time.Since(began), err)
	return err
}

// stopWaiting counts n deliveries as done. The caller holds mu.
func (c *committer) stopWaiting(n int) {
	if n > 0 {
		c.waiting -= n
		c.Metrics.waiting(-n)
	}
}

// close stops accepting deliveries, and waits until every accepted one has its result or ctx
// ends. Then it cancels the calls in flight.
func (c *committer) close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
	c.mu.Unlock()

	done := make(chan struct{})
	go func() {
		c.running.Wait()
		close(done)
	}()
	defer c.abort()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop committing deliveries to Temporal: %w", context.Cause(ctx))
	}
}
