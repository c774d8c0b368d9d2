package ingress

import (
	"context"
	"errors"
	"fmt"
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
	grpccodes "google.golang.org/grpc/codes"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
)

const (
	// Delays between attempts, for errors that Temporal's client doesn't retry itself.
	minRetryDelay = 50 * time.Millisecond
	maxRetryDelay = 400 * time.Millisecond

	// maxSpanLinks is the limit of OpenTelemetry's SDK.
	maxSpanLinks = 128
)

// send commits a batch. A call can hang although Temporal is well: one history shard is moving, or
// the run of an order is busy. So half-way to the oldest delivery's deadline, send also starts a
// workflow that hands over the deliveries. Its new id is probably in another shard. If an order's
// run refuses its deliveries, send does so at once. If both calls succeed, the orders get their
// deliveries twice, which costs a check at most.
func (c *committer) send(b batch) (err error) {
	defer c.Watchdog.Begin("a call that commits deliveries to Temporal")()
	ctx, span := c.startSpan(b)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the call that is not needed any more
	defer func() {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
		c.Metrics.callEnded(ctx, len(b), b.size(), err)
	}()

	results := make(chan error, 2)
	start := func(attempt func(context.Context) error) {
		c.running.Go(func() { results <- c.persist(ctx, b.deadline(), attempt) })
	}
	content := b.content()
	start(c.attempt(content))
	calls := 1
	goElsewhere := sync.OnceFunc(func() {
		if c.TemporalError() == nil {
			span.AddEvent("another workflow gets the deliveries too")
			calls++
			start(c.handOver(content))
		}
	})
	patience := time.NewTimer(b.patience())
	defer patience.Stop()
	for calls > 0 {
		select {
		case failed := <-results:
			if failed == nil {
				return nil
			}
			calls--
			if err == nil {
				err = failed
			}
			if len(b) == 1 && isRefused(failed) {
				goElsewhere()
			}
		case <-patience.C:
			goElsewhere()
		}
	}
	return err
}

// isRefused reports whether a run doesn't take a signal, such as one that has 10,000 of them.
func isRefused(err error) bool {
	var refused *serviceerror.InvalidArgument
	return errors.As(err, &refused)
}

// persist repeats an attempt until it succeeds, the deadline passes or ctx ends.
func (c *committer) persist(
	ctx context.Context, deadline time.Time, attempt func(context.Context) error,
) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%w: panic: %v", errNotCommitted, panicked)
		}
	}()
	for delay := minRetryDelay; ; delay = min(2*delay, maxRetryDelay) {
		err := within(ctx, time.Until(deadline), attempt)
		switch {
		case err == nil:
			return nil
		case c.base.Err() != nil:
			return fmt.Errorf("%w: %w", errNotCommitted, errClosed)
		case !retryable(err):
			return fmt.Errorf("%w: %w", errNotCommitted, err)
		case time.Until(deadline) <= delay:
			return fmt.Errorf("%w within %v: %w", errNotCommitted, c.commitWithin, err)
		}
		retry := time.NewTimer(delay)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return fmt.Errorf("%w: %w", errNotCommitted, context.Cause(ctx))
		}
	}
}

// attempt returns a function that makes one attempt: a signal to the order, or the start of the
// workflow that hands several orders their deliveries.
func (c *committer) attempt(content ordercheck.DeliveryBatch) func(context.Context) error {
	if len(content.Orders) > 1 {
		return c.handOver(content)
	}
	order := content.Orders[0]
	return func(ctx context.Context) error {
		return ordersignal.Send(ctx, c.Temporal, order.SalesOrderID,
			ordercheck.PriorityWebhook, order.Deliveries)
	}
}

// handOver returns a function that makes one attempt to start the workflow that hands each order its
// deliveries. If the answer to an attempt is lost, the workflow may have started. The next attempt
// has the same id, finds it and succeeds.
func (c *committer) handOver(content ordercheck.DeliveryBatch) func(context.Context) error {
	options := client.StartWorkflowOptions{
		ID:                    ordercheck.HandOverWorkflowID(uuid.NewString()),
		TaskQueue:             ordercheck.TaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         handOverSummary(content),
		Priority:              temporal.Priority{PriorityKey: ordercheck.PriorityWebhook},
	}
	return func(ctx context.Context) error {
		_, err := c.Temporal.ExecuteWorkflow(ctx, options, ordercheck.HandOverWorkflowType, content)
		return err
	}
}

func handOverSummary(content ordercheck.DeliveryBatch) string {
	if len(content.Orders) == 1 {
		return "Deliveries of sales order " + content.Orders[0].SalesOrderID
	}
	return fmt.Sprintf("Deliveries of %d sales orders", len(content.Orders))
}

// within makes one call of Temporal's client, which must end within remaining.
//
// The client retries by itself, with one request id, so its retries cannot signal twice. It retries
// first after 0.4 s, then at most every tenth of the time until the context's deadline. It ends an
// attempt after half of that time, and hides the cause then. So we give the context twice the time
// and cancel it when the real time is over. Then one slow commit may take all of the time, and
// retries come soon enough for a workflow that is just closing (milliseconds) or was started less
// than a second ago.
func within(ctx context.Context, remaining time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*remaining)
	defer cancel()
	defer time.AfterFunc(remaining, cancel).Stop()
	return call(ctx)
}

// retryable reports whether another attempt may succeed. Busy and closing workflows are
// ResourceExhausted, or FailedPrecondition from servers before 1.22.
func retryable(err error) bool {
	switch serviceerror.ToStatus(err).Code() {
	case grpccodes.InvalidArgument, grpccodes.NotFound, grpccodes.PermissionDenied,
		grpccodes.Unauthenticated, grpccodes.Unimplemented, grpccodes.OutOfRange:
		return false
	default:
		return true
	}
}

// logFailure logs the latest health check too, because the error of a call that ran out of time
// doesn't say why.
func (c *committer) logFailure(b batch, err error) {
	if !c.logFailures.Allow() {
		return
	}
	ctx := trace.ContextWithSpan(c.base, b[0].deliveries[0].span)
	health := "well"
	if err := c.TemporalError(); err != nil {
		health = err.Error()
	}
	c.Logger.WarnContext(ctx,
		"deliveries were not committed to Temporal; their senders were asked to send them again",
		"salesOrderId", b[0].queue.salesOrderID, "orders", len(b), "deliveries", b.size(),
		"error", err, "temporal", health)
}

// startSpan starts the span of a call. Its parent is the request of the first delivery, and it
// links to the requests of the others. It takes over nothing else from a request's context: baggage
// would let a sender write into a workflow's history.
func (c *committer) startSpan(b batch) (context.Context, trace.Span) {
	first := b[0].deliveries[0]
	var links []trace.Link
	for _, part := range b {
		for _, d := range part.deliveries {
			link := trace.Link{SpanContext: d.span.SpanContext()}
			if d != first && link.SpanContext.IsValid() && len(links) < maxSpanLinks {
				links = append(links, link)
			}
		}
	}
	attributes := []attribute.KeyValue{
		attribute.Int("gate.orders", len(b)), attribute.Int("gate.deliveries", b.size()),
	}
	if len(b) == 1 {
		attributes = append(attributes,
			attribute.String("gate.sales_order_id", b[0].queue.salesOrderID))
	}
	return c.Tracer.Start(trace.ContextWithSpan(c.base, first.span), "commit deliveries to Temporal",
		trace.WithLinks(links...), trace.WithAttributes(attributes...))
}
