package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/time/rate"
	grpccodes "google.golang.org/grpc/codes"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
	"error-check-gate/internal/watchdog"
)

// Temporal is the part of Temporal's client that the ingress uses.
type Temporal interface {
	ordersignal.Temporal
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	CheckHealth(ctx context.Context, request *client.CheckHealthRequest) (*client.CheckHealthResponse, error)
}

const (
	// commitWithin is how long Temporal has to commit a delivery, from its acceptance.
	commitWithin = 4 * time.Second
	// maxBatch bounds the deliveries of one call: about 200 KiB of a payload's 2 MiB.
	maxBatch = 1000

	// Temporal starts only so many runs a second, however many calls wait for it. So few are
	// under way at a time. What comes meanwhile waits, and where that are deliveries of
	// togetherFrom orders or more, the next call commits them together: it starts one
	// short workflow that hands each order its own. With fewer, that would cost more than it saves.
	maxCalls     = 4
	togetherFrom = 4
	// callHolds is after how long a call that is still under way, because its order is busy or Temporal
	// is slow, no longer counts: it must not keep other orders waiting.
	callHolds = 100 * time.Millisecond
	// maxWaiting bounds the deliveries held in memory over all orders.
	maxWaiting = 20_000

	// Two calls for one order keep a distance that doubles from the first of these to
	// the last while deliveries go on coming. Otherwise a fast Temporal would get a signal for
	// nearly each delivery of a burst, and a run has room for 10,000. Nothing is
	// lost by it: the workflow waits for quiet anyway.
	minSpacing = 25 * time.Millisecond
	maxSpacing = 400 * time.Millisecond
	// A pause ends early once a batch is large, or nothing more comes: then nobody
	// gains by waiting longer.
	fullBatch  = 64
	quietAfter = 15 * time.Millisecond

	// Waits between attempts at one call, for errors that Temporal's client does not retry itself.
	minRetryWait = 50 * time.Millisecond
	maxRetryWait = 400 * time.Millisecond

	// maxSpanLinks is what OpenTelemetry's SDK keeps by default.
	maxSpanLinks = 128
)

var (
	// errNotCommitted: Temporal did not commit a delivery in time, or refused it.
	errNotCommitted = errors.New("Temporal did not commit the delivery")
	// errTooManyWaiting: as many deliveries as may wait for Temporal are waiting.
	errTooManyWaiting = errors.New("too many deliveries are waiting for Temporal")
	// errClosed: the process is about to end.
	errClosed = errors.New("the ingress is shutting down")
)

// handover hands deliveries to Temporal: one call per order at a time, which
// carries every delivery that came since the one before, and under load those of
// other orders too.
type handover struct {
	temporal Temporal
	logger   *slog.Logger
	tracer   trace.Tracer
	metrics  *metrics
	watchdog *watchdog.Watchdog
	health   func() error // what Temporal answered last; it does not wait
	// failures keeps the log readable while Temporal is down.
	failures *rate.Limiter

	base  context.Context // of every call; no request's
	abort context.CancelFunc

	within     time.Duration
	maxWaiting int

	mu      sync.Mutex
	orders  map[string]*orderQueue // an order is in it while a goroutine works on it
	ready   []*orderQueue          // whose next call is due, longest waiting first
	calls   int                    // under way, that count
	waiting int                    // deliveries in all queues and calls
	closed  bool
	closing chan struct{}
	running sync.WaitGroup
}

// orderQueue holds what has come for an order since its latest call began.
type orderQueue struct {
	salesOrderID string
	deliveries   []*waitingDelivery // oldest first
	arrived      chan struct{}      // holds one while something has come that a pause has not seen
	called       chan struct{}      // gets one when the call that the order waits for has ended
}

type waitingDelivery struct {
	ordercheck.Delivery
	span     trace.Span
	deadline time.Time
	done     chan error // holds one, so that nobody waits for one who has gone
}

// orderCall is an order's part in a call.
type orderCall struct {
	queue      *orderQueue
	deliveries []*waitingDelivery // oldest first
}

func newHandover(t Temporal, logger *slog.Logger, tracer trace.Tracer, m *metrics, w *watchdog.Watchdog, health func() error) *handover {
	base, abort := context.WithCancel(context.Background())
	return &handover{
		temporal: t, logger: logger, tracer: tracer, metrics: m, watchdog: w, health: health,
		failures:   rate.NewLimiter(rate.Every(10*time.Second), 1),
		base:       base,
		abort:      abort,
		within:     commitWithin,
		maxWaiting: maxWaiting,
		orders:     map[string]*orderQueue{},
		closing:    make(chan struct{}),
	}
}

// deliver returns nil once Temporal has committed the delivery, and an error
// after commitWithin at the latest. The end of ctx stops nothing: a delivery that was
// accepted goes on when its sender hangs up.
func (h *handover) deliver(ctx context.Context, salesOrderID string, delivery ordercheck.Delivery) error {
	began := time.Now()
	w := &waitingDelivery{
		Delivery: delivery,
		span:     trace.SpanFromContext(ctx),
		deadline: began.Add(h.within),
		done:     make(chan error, 1),
	}
	if err := h.enqueue(salesOrderID, w); err != nil {
		return err
	}

	timer := time.NewTimer(h.within)
	defer timer.Stop()
	var err error
	select {
	case err = <-w.done:
	case <-timer.C:
		err = errNotCommitted
	}
	h.metrics.handedOver(ctx, time.Since(began), err)
	return err
}

func (h *handover) enqueue(salesOrderID string, w *waitingDelivery) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	if h.waiting >= h.maxWaiting {
		return errTooManyWaiting
	}
	h.waiting++
	h.metrics.waiting(1)
	queue, ok := h.orders[salesOrderID]
	if !ok {
		queue = &orderQueue{salesOrderID: salesOrderID, arrived: make(chan struct{}, 1), called: make(chan struct{}, 1)}
		h.orders[salesOrderID] = queue
		h.running.Go(func() { h.work(queue) })
	}
	queue.deliveries = append(queue.deliveries, w)
	select {
	case queue.arrived <- struct{}{}:
	default:
	}
	return nil
}

// work has one call after the other made for an order, until nothing has come for it
// during the pause after one.
func (h *handover) work(queue *orderQueue) {
	for spacing := minSpacing; h.ask(queue); spacing = min(2*spacing, maxSpacing) {
		<-queue.called
		h.pause(queue, spacing)
	}
}

// ask puts an order among those whose next call is due. Where nothing waits, it is
// forgotten, and the answer is false.
func (h *handover) ask(queue *orderQueue) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(queue.deliveries) == 0 {
		delete(h.orders, queue.salesOrderID)
		return false
	}
	h.ready = append(h.ready, queue)
	h.startCalls()
	return true
}

// startCalls is called with mu held. It begins as many calls as may be under way:
// for one order where few are waiting, for all of them where they are many.
func (h *handover) startCalls() {
	for h.calls < maxCalls && len(h.ready) > 0 {
		orders := 1
		if len(h.ready) >= togetherFrom {
			orders = len(h.ready)
		}
		call := h.take(orders)
		if len(call) == 0 {
			continue
		}
		h.calls++
		h.running.Go(func() { h.call(call) })
	}
}

// call is one call to Temporal, and all that follows from it.
func (h *handover) call(call []orderCall) {
	yield := sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.calls--
		h.startCalls()
	})
	timer := time.AfterFunc(callHolds, yield)
	err := h.commit(call)
	timer.Stop()
	yield()
	h.settle(call, err)
	for _, c := range call {
		c.queue.called <- struct{}{}
	}
	if err != nil {
		h.logFailure(call, err)
	}
}

// pause keeps a distance between two calls for an order.
func (h *handover) pause(queue *orderQueue, spacing time.Duration) {
	longest, quiet := time.NewTimer(spacing), time.NewTimer(spacing)
	defer longest.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-longest.C:
			return
		case <-quiet.C:
			return
		case <-h.closing:
			return
		case <-queue.arrived:
			h.mu.Lock()
			waiting := len(queue.deliveries)
			h.mu.Unlock()
			if waiting >= fullBatch {
				return
			}
			if waiting > 0 { // else it was taken before the pause
				quiet.Reset(quietAfter)
			}
		}
	}
}

// take is called with mu held. It is the next call: what waits for the first of the ready
// orders, at most maxBatch deliveries.
func (h *handover) take(orders int) []orderCall {
	var call []orderCall
	now, room := time.Now(), maxBatch
	for ; orders > 0 && room > 0; orders-- {
		queue := h.ready[0]
		h.ready[0] = nil
		h.ready = h.ready[1:]
		h.expire(queue, now)
		if len(queue.deliveries) == 0 {
			queue.called <- struct{}{}
			continue
		}
		n := min(len(queue.deliveries), room)
		call = append(call, orderCall{queue, queue.deliveries[:n]})
		queue.deliveries = append([]*waitingDelivery(nil), queue.deliveries[n:]...)
		room -= n
	}
	return call
}

// expire is called with mu held. It drops deliveries whose time is over: they have been answered,
// and will be sent again.
func (h *handover) expire(queue *orderQueue, now time.Time) {
	expired := 0
	for expired < len(queue.deliveries) && !now.Before(queue.deliveries[expired].deadline) {
		queue.deliveries[expired].done <- errNotCommitted
		expired++
	}
	queue.deliveries = queue.deliveries[expired:]
	h.release(expired)
}

func (h *handover) settle(call []orderCall, err error) {
	h.mu.Lock()
	h.release(size(call))
	h.mu.Unlock()
	for _, c := range call {
		for _, w := range c.deliveries {
			w.done <- err
		}
	}
}

// size is in deliveries.
func size(call []orderCall) int {
	n := 0
	for _, c := range call {
		n += len(c.deliveries)
	}
	return n
}

// release is called with mu held.
func (h *handover) release(n int) {
	if n > 0 {
		h.waiting -= n
		h.metrics.waiting(-n)
	}
}

// commit is one call, tried again until the youngest of its deliveries runs out of time.
func (h *handover) commit(call []orderCall) (err error) {
	defer h.watchdog.Begin("a call that hands deliveries to Temporal")()
	ctx, span := h.startSpan(call)
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%w: panic: %v", errNotCommitted, panicked)
		}
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
		h.metrics.called(ctx, len(call), size(call), err)
	}()

	attempt, deadline := h.attempt(call), youngest(call)
	for wait := minRetryWait; ; wait = min(2*wait, maxRetryWait) {
		err := within(ctx, time.Until(deadline), attempt)
		switch {
		case err == nil:
			return nil
		case h.base.Err() != nil:
			return fmt.Errorf("%w: %w", errNotCommitted, errClosed)
		case !passing(err):
			return fmt.Errorf("%w: %w", errNotCommitted, err)
		case time.Until(deadline) <= wait:
			return fmt.Errorf("%w within %v: %w", errNotCommitted, h.within, err)
		}
		retry := time.NewTimer(wait)
		select {
		case <-retry.C:
		case <-h.base.Done():
			retry.Stop()
		}
	}
}

// youngest is the latest deadline.
func youngest(call []orderCall) (deadline time.Time) {
	for _, c := range call {
		if last := c.deliveries[len(c.deliveries)-1].deadline; last.After(deadline) {
			deadline = last
		}
	}
	return deadline
}

// logFailure says how Temporal is, since an attempt that ran out of time hides why.
func (h *handover) logFailure(call []orderCall, err error) {
	if !h.failures.Allow() {
		return
	}
	ctx := trace.ContextWithSpan(h.base, call[0].deliveries[0].span)
	health := "well"
	if err := h.health(); err != nil {
		health = err.Error()
	}
	h.logger.WarnContext(ctx, "deliveries were not handed to Temporal; their senders were told to send them again",
		"salesOrderId", call[0].queue.salesOrderID, "orders", len(call), "deliveries", size(call), "error", err, "temporal", health)
}

// attempt is a call of Temporal's client, which may be made several times: a signal to
// the order, or where they are several a start of the workflow that hands them over. An
// attempt whose answer was lost may have started it; the next one finds it by its id, and is content.
func (h *handover) attempt(call []orderCall) func(context.Context) error {
	orders := make([]ordercheck.OrderDeliveries, len(call))
	for i, c := range call {
		orders[i].SalesOrderID = c.queue.salesOrderID
		orders[i].Deliveries = make([]ordercheck.Delivery, len(c.deliveries))
		for j, w := range c.deliveries {
			orders[i].Deliveries[j] = w.Delivery
		}
	}
	if len(orders) == 1 {
		return func(ctx context.Context) error {
			return ordersignal.Send(ctx, h.temporal, orders[0].SalesOrderID, ordercheck.PriorityWebhook, orders[0].Deliveries)
		}
	}
	options := client.StartWorkflowOptions{
		ID:                    ordercheck.HandOverWorkflowID(uuid.NewString()),
		TaskQueue:             ordercheck.TaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         fmt.Sprintf("Deliveries of %d sales orders", len(orders)),
		Priority:              temporal.Priority{PriorityKey: ordercheck.PriorityWebhook},
	}
	return func(ctx context.Context) error {
		_, err := h.temporal.ExecuteWorkflow(ctx, options, ordercheck.HandOverType, ordercheck.HandOver{Orders: orders})
		return err
	}
}

// within makes one call of Temporal's client.
//
// The client retries by itself, with one request id, so that a retry cannot
// signal twice: first after 0.4 s, then at most every tenth of the context's
// remaining time. It ends an attempt after half of that time, and hides the cause then.
// So it is told twice the time there is, and cut off when the time is over: a
// slow commit may take all of it, and what comes in between is tried again soon
// enough for a workflow that is just closing (milliseconds) or was started less than a
// second ago.
func within(ctx context.Context, left time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*left)
	defer cancel()
	defer time.AfterFunc(left, cancel).Stop()
	return call(ctx)
}

// passing says whether an error of Temporal's may be gone in a moment. Busy and
// closing workflows are ResourceExhausted, or FailedPrecondition from servers before 1.22.
func passing(err error) bool {
	switch serviceerror.ToStatus(err).Code() {
	case grpccodes.InvalidArgument, grpccodes.NotFound, grpccodes.PermissionDenied, grpccodes.Unauthenticated,
		grpccodes.Unimplemented, grpccodes.OutOfRange:
		return false
	default:
		return true
	}
}

// startSpan begins the span of a call: a child of its first delivery's request,
// linked to those of the others. No other value of a request's context comes along:
// baggage would let a sender write into a workflow's history.
func (h *handover) startSpan(call []orderCall) (context.Context, trace.Span) {
	first := call[0].deliveries[0]
	var links []trace.Link
	for _, c := range call {
		for _, w := range c.deliveries {
			if link := (trace.Link{SpanContext: w.span.SpanContext()}); w != first && link.SpanContext.IsValid() && len(links) < maxSpanLinks {
				links = append(links, link)
			}
		}
	}
	attributes := []attribute.KeyValue{attribute.Int("gate.orders", len(call)), attribute.Int("gate.deliveries", size(call))}
	if len(call) == 1 {
		attributes = append(attributes, attribute.String("gate.sales_order_id", call[0].queue.salesOrderID))
	}
	return h.tracer.Start(trace.ContextWithSpan(h.base, first.span), "hand deliveries to Temporal",
		trace.WithLinks(links...), trace.WithAttributes(attributes...))
}

// close takes no more deliveries, and waits until those taken have been called
// for or ctx ends; then calls are cut off.
func (h *handover) close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.closing)
	}
	h.mu.Unlock()

	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	defer h.abort()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop handing deliveries to Temporal: %w", context.Cause(ctx))
	}
}
