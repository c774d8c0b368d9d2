package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

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
)

// Temporal is the part of Temporal's client that the ingress uses.
type Temporal interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
	CheckHealth(ctx context.Context, request *client.CheckHealthRequest) (*client.CheckHealthResponse, error)
}

const (
	// commitWithin is how long Temporal has to commit a delivery, from its acceptance.
	commitWithin = 4 * time.Second
	// maxBatch bounds the deliveries of one signal: about 100 KiB of a payload's 2 MiB.
	maxBatch = 1000
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
// carries every delivery that came since the one before.
type handover struct {
	temporal Temporal
	logger   *slog.Logger
	tracer   trace.Tracer
	metrics  *metrics
	// failures keeps the log readable while Temporal is down.
	failures *rate.Limiter

	base  context.Context // of every call; no request's
	abort context.CancelFunc

	within     time.Duration
	maxWaiting int

	mu      sync.Mutex
	orders  map[string]*orderQueue // an order is in it while a goroutine works on it
	waiting int                    // deliveries in all queues and calls
	closed  bool
	closing chan struct{}
	running sync.WaitGroup
}

// orderQueue holds what has come for an order since its latest call began.
type orderQueue struct {
	deliveries []*waitingDelivery // oldest first
	arrived    chan struct{}      // holds one while something has come that a pause has not seen
}

type waitingDelivery struct {
	ordercheck.Delivery
	span     trace.Span
	deadline time.Time
	done     chan error // holds one, so that nobody waits for one who has gone
}

func newHandover(t Temporal, logger *slog.Logger, tracer trace.Tracer, m *metrics) *handover {
	base, abort := context.WithCancel(context.Background())
	return &handover{
		temporal: t, logger: logger, tracer: tracer, metrics: m,
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
		queue = &orderQueue{arrived: make(chan struct{}, 1)}
		h.orders[salesOrderID] = queue
		h.running.Go(func() { h.work(salesOrderID, queue) })
	}
	queue.deliveries = append(queue.deliveries, w)
	select {
	case queue.arrived <- struct{}{}:
	default:
	}
	return nil
}

// work makes one call after the other for an order until nothing has come for it
// during the pause after one.
func (h *handover) work(salesOrderID string, queue *orderQueue) {
	spacing := minSpacing
	for {
		batch := h.take(salesOrderID, queue)
		if len(batch) == 0 {
			return
		}
		err := h.commit(salesOrderID, batch)
		h.settle(batch, err)
		if err != nil {
			h.logFailure(salesOrderID, batch, err)
		}

		h.pause(queue, spacing)
		spacing = min(2*spacing, maxSpacing)
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

// take is the next call's deliveries, oldest first. With none, the order is forgotten.
func (h *handover) take(salesOrderID string, queue *orderQueue) []*waitingDelivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Whose time is over has been answered, and will be sent again.
	now, expired := time.Now(), 0
	for expired < len(queue.deliveries) && !now.Before(queue.deliveries[expired].deadline) {
		queue.deliveries[expired].done <- errNotCommitted
		expired++
	}
	h.release(expired)
	rest := queue.deliveries[expired:]
	if len(rest) == 0 {
		delete(h.orders, salesOrderID)
		return nil
	}
	batch := rest[:min(len(rest), maxBatch)]
	queue.deliveries = append([]*waitingDelivery(nil), rest[len(batch):]...)
	return batch
}

func (h *handover) settle(batch []*waitingDelivery, err error) {
	h.mu.Lock()
	h.release(len(batch))
	h.mu.Unlock()
	for _, w := range batch {
		w.done <- err
	}
}

// release is called with mu held.
func (h *handover) release(n int) {
	if n > 0 {
		h.waiting -= n
		h.metrics.waiting(-n)
	}
}

// commit is one call, tried again until the youngest of its deliveries runs out of time.
func (h *handover) commit(salesOrderID string, batch []*waitingDelivery) (err error) {
	deadline := batch[len(batch)-1].deadline
	ctx, span := h.startSpan(salesOrderID, batch)
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%w: panic: %v", errNotCommitted, panicked)
		}
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
		h.metrics.called(ctx, len(batch), err)
	}()

	deliveries := make([]ordercheck.Delivery, len(batch))
	for i, w := range batch {
		deliveries[i] = w.Delivery
	}
	for wait := minRetryWait; ; wait = min(2*wait, maxRetryWait) {
		err := h.signal(ctx, salesOrderID, deliveries, time.Until(deadline))
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

// logFailure asks Temporal how it is, since an attempt that ran out of time hides why.
func (h *handover) logFailure(salesOrderID string, batch []*waitingDelivery, err error) {
	if !h.failures.Allow() {
		return
	}
	ctx, cancel := context.WithTimeout(trace.ContextWithSpan(h.base, batch[0].span), healthTimeout)
	defer cancel()
	health := "well"
	if _, err := h.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		health = err.Error()
	}
	h.logger.WarnContext(ctx, "deliveries were not handed to Temporal; their senders were told to send them again",
		"salesOrderId", salesOrderID, "deliveries", len(batch), "error", err, "temporal", health)
}

// signal is one call of Temporal's client.
//
// The client retries by itself, with one request id, so that a retry cannot
// signal twice: first after 0.4 s, then at most every tenth of the context's
// remaining time. It ends an attempt after half of that time, and hides the cause then.
// So it is told twice the time there is, and cut off when the time is over: a
// slow commit may take all of it, and what comes in between is tried again soon
// enough for a workflow that is just closing (milliseconds) or was started less than a
// second ago.
func (h *handover) signal(ctx context.Context, salesOrderID string, deliveries []ordercheck.Delivery, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 2*within)
	defer cancel()
	defer time.AfterFunc(within, cancel).Stop()
	_, err := h.temporal.SignalWithStartWorkflow(ctx,
		ordercheck.WorkflowID(salesOrderID), ordercheck.SignalWebhookDelivered, deliveries,
		client.StartWorkflowOptions{
			ID:                    ordercheck.WorkflowID(salesOrderID),
			TaskQueue:             ordercheck.TaskQueue,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         ordercheck.Summary(salesOrderID),
			Priority:              temporal.Priority{PriorityKey: ordercheck.PriorityWebhook},
		},
		ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: salesOrderID})
	return err
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
func (h *handover) startSpan(salesOrderID string, batch []*waitingDelivery) (context.Context, trace.Span) {
	var links []trace.Link
	for _, w := range batch[1:] {
		if link := (trace.Link{SpanContext: w.span.SpanContext()}); link.SpanContext.IsValid() && len(links) < maxSpanLinks {
			links = append(links, link)
		}
	}
	return h.tracer.Start(trace.ContextWithSpan(h.base, batch[0].span), "hand deliveries to Temporal",
		trace.WithLinks(links...),
		trace.WithAttributes(attribute.String("gate.sales_order_id", salesOrderID), attribute.Int("gate.deliveries", len(batch))))
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
