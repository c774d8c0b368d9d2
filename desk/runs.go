package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

const (
	// getWithin limits a question to a run. A worker answers within milliseconds unless it is busy.
	getWithin = 5 * time.Second
	// askAgainAfter is the time before a query is sent once more. Temporal's server 1.29 loses about
	// one query in a thousand, also of a bare client, and answers it only after 5 s. A worker that
	// has just died answers none.
	askAgainAfter = 300 * time.Millisecond
	// checkWithin limits the wait for a check. The check goes on without it.
	checkWithin = 30 * time.Second
	// updateWithin limits an override and a comment.
	updateWithin = 15 * time.Second
)

// runs implements [Orders] with the orders' runs in Temporal.
type runs struct {
	temporal client.Client
	board    *board
	past     past
	// batches finds deliveries that the orders' runs may not know of yet.
	batches *batches
}

// List implements [Orders].
func (o *runs) List(ctx context.Context, f Filter) (Page, error) {
	s, err := o.board.get(ctx)
	if err != nil {
		return Page{}, err
	}
	return choose(s.rows, f, o.board.now())
}

// Get implements [Orders].
func (o *runs) Get(ctx context.Context, name string) (*Order, error) {
	ctx, cancel := context.WithTimeout(ctx, getWithin)
	defer cancel()
	id, err := o.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return o.latest(ctx, id)
}

// find returns the id of the order that name means.
func (o *runs) find(ctx context.Context, name string) (string, error) {
	if operations.IsOrderID(name) {
		return ordercheck.CanonicalID(name), nil
	}
	id, err := operations.Find(ctx, o.temporal, nil, name)
	switch {
	case operations.IsUnknownOrder(err):
		return "", fmt.Errorf("%w: %w", ErrUnknownOrder, err)
	case err != nil:
		return "", unavailable(err)
	}
	return id, nil
}

// latest asks the order's latest run. A run that says the order may leave is asked after a look at
// the hand-overs: its answer only counts if no delivery was on its way to it before the question.
func (o *runs) latest(ctx context.Context, id string) (*Order, error) {
	view, err := o.askOpen(ctx, id)
	if err != nil {
		return nil, err
	}
	if view != nil && release(view.Report.Status, view.CheckOwed) != ReleaseYes {
		return newOrder(view, true), nil
	}
	onTheWay, err := o.batches.contain(ctx, id)
	if err != nil {
		return nil, err
	}
	open := view != nil
	if open {
		if view, err = o.askOpen(ctx, id); err != nil {
			return nil, err
		}
		open = view != nil
	}
	if !open {
		if view, err = o.ask(ctx, id, ""); err != nil {
			return nil, err
		}
	}
	view.CheckOwed = view.CheckOwed || onTheWay
	return newOrder(view, open), nil
}

// askOpen asks the order's latest run if it is open, and returns nil if it is closed.
func (o *runs) askOpen(ctx context.Context, id string) (*ordercheck.DeskView, error) {
	return o.query(ctx, id, "", enumspb.QUERY_REJECT_CONDITION_NOT_OPEN)
}

// ask asks a run, open or closed. An empty runID is the latest.
func (o *runs) ask(ctx context.Context, id, runID string) (*ordercheck.DeskView, error) {
	return o.query(ctx, id, runID, enumspb.QUERY_REJECT_CONDITION_NONE)
}

// query asks a run. It returns nil if Temporal rejects the question.
func (o *runs) query(
	ctx context.Context, id, runID string, reject enumspb.QueryRejectCondition,
) (*ordercheck.DeskView, error) {
	answer, err := o.queryTwice(ctx, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: ordercheck.WorkflowID(id), RunID: runID, QueryType: ordercheck.QueryDesk,
		QueryRejectCondition: reject,
	})
	if err != nil {
		return nil, fmt.Errorf("ask the run of sales order %s: %w", id, knownError(err))
	}
	if answer.QueryRejected != nil {
		return nil, nil
	}
	var view ordercheck.DeskView
	if err := answer.QueryResult.Get(&view); err != nil {
		return nil, fmt.Errorf("read the answer of sales order %s: %w", id, err)
	}
	return &view, nil
}

type queryAnswer struct {
	response *client.QueryWorkflowWithOptionsResponse
	err      error
}

// queryTwice sends a query, sends it again if there is no answer after askAgainAfter, and returns
// the first answer.
func (o *runs) queryTwice(
	ctx context.Context, request *client.QueryWorkflowWithOptionsRequest,
) (*client.QueryWorkflowWithOptionsResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan queryAnswer, 2)
	send := func() {
		response, err := o.temporal.QueryWorkflowWithOptions(ctx, request)
		answers <- queryAnswer{response, err}
	}
	go send()
	again := time.NewTimer(askAgainAfter)
	defer again.Stop()
	for inFlight := 1; ; {
		select {
		case <-again.C:
			inFlight++
			go send()
		case answer := <-answers:
			if inFlight--; answer.err == nil || inFlight == 0 {
				return answer.response, answer.err
			}
		}
	}
}

// newOrder completes a view of a run. Nobody notices the end of an override whose run was
// terminated, so only an open run with overrides lets its order leave.
func newOrder(view *ordercheck.DeskView, open bool) *Order {
	order := &Order{
		Report: view.Report, Release: release(view.Report.Status, view.CheckOwed), CheckOwed: view.CheckOwed,
		SalesRep: view.SalesRep, NotOverridable: view.NotOverridable, HeldSince: view.HeldSince,
	}
	switch order.Status {
	case ordercheck.StatusPending, ordercheck.StatusFailed, ordercheck.StatusOverridden:
		order.Open = open
		if !open && order.Release == ReleaseYes {
			order.Release = ReleaseUnknown
		}
	default:
	}
	return order
}

// Check implements [Orders].
func (o *runs) Check(ctx context.Context, id string) (*Order, error) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	report, err := operations.CheckNow(ctx, o.temporal, id)
	if err != nil {
		return nil, knownError(err)
	}
	return o.after(ctx, id, report)
}

// Override implements [Orders].
func (o *runs) Override(ctx context.Context, id string, request ordercheck.OverrideRequest) (*Order, error) {
	return o.update(ctx, id, func(ctx context.Context) (*ordercheck.Report, error) {
		return operations.Override(ctx, o.temporal, id, request)
	})
}

// Comment implements [Orders].
func (o *runs) Comment(ctx context.Context, id string, comment ordercheck.Comment) (*Order, error) {
	return o.update(ctx, id, func(ctx context.Context) (*ordercheck.Report, error) {
		return operations.Comment(ctx, o.temporal, id, comment)
	})
}

// update does something to an order that needs an open run, and returns the order as it is then.
func (o *runs) update(
	ctx context.Context, id string, do func(context.Context) (*ordercheck.Report, error),
) (*Order, error) {
	ctx, cancel := context.WithTimeout(ctx, updateWithin)
	defer cancel()
	report, err := do(ctx)
	if err != nil {
		return nil, o.notOpen(ctx, id, err)
	}
	return o.after(ctx, id, report)
}

// after returns the order as it is after an action. If the run does not answer now, the report of
// the action itself tells: what was done is never reported as a failure.
func (o *runs) after(ctx context.Context, id string, report *ordercheck.Report) (*Order, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), getWithin)
	defer cancel()
	if order, err := o.latest(ctx, id); err == nil {
		return order, nil
	}
	return &Order{Report: *report, Release: release(report.Status, true)}, nil
}

// notOpen tells an order without an open run from one that the gate never saw.
func (o *runs) notOpen(ctx context.Context, id string, err error) error {
	var none *serviceerror.NotFound
	if !errors.As(err, &none) {
		return knownError(err)
	}
	_, describe := o.temporal.DescribeWorkflowExecution(ctx, ordercheck.WorkflowID(id), "")
	switch {
	case errors.As(describe, &none):
		return fmt.Errorf("%w: %w", ErrUnknownOrder, err)
	case describe != nil:
		return knownError(describe)
	}
	return fmt.Errorf("%w: %w", ErrNotOpen, err)
}

// knownError wraps what callers tell apart around an error of Temporal's.
func knownError(err error) error {
	var none *serviceerror.NotFound
	var application *temporal.ApplicationError
	switch {
	case err == nil, errors.As(err, &application):
		return err
	case errors.As(err, &none):
		return fmt.Errorf("%w: %w", ErrUnknownOrder, err)
	}
	return unavailable(err)
}

// unavailable wraps [ErrUnavailable] around the errors that pass by themselves.
func unavailable(err error) error {
	var gone *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	var notReady *serviceerror.WorkflowNotReady
	var timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
	if errors.As(err, &gone) || errors.As(err, &late) || errors.As(err, &busy) || errors.As(err, &notReady) ||
		errors.As(err, &timeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
