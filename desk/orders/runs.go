package orders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/watchdog"
)

const (
	// CheckTimeout limits the wait for a check. The check itself goes on.
	CheckTimeout = 30 * time.Second
	// getTimeout limits the queries for one order together. A worker answers within milliseconds
	// unless it is busy.
	getTimeout = 5 * time.Second
	// queryAgainAfter is the time before we send a query a second time. Temporal's server 1.29 loses
	// about one query in a thousand and answers it only after 5 s. A worker that has just died never
	// answers.
	queryAgainAfter = 300 * time.Millisecond
	// updateTimeout limits an override or a comment.
	updateTimeout = 15 * time.Second
)

// Options configure [Runs]. All fields but Watchdog are required.
type Options struct {
	Temporal client.Client
	// Converter decodes memos and the input of batches.
	Converter converter.DataConverter
	// Watchdog reports refreshes of the list that hang.
	Watchdog *watchdog.Watchdog
	Logger   *slog.Logger
	Now      func() time.Time
}

// Runs implements [Service] with the runs in Temporal: queries read an order, updates act on it.
type Runs struct {
	temporal  client.Client
	board     *board
	batches   *batches
	timelines timelineCache
	rules     rulesCache
}

// NewRuns returns Runs whose list is empty until [Runs.Run] runs.
func NewRuns(o Options) *Runs {
	return &Runs{
		temporal: o.Temporal, board: newBoard(&o),
		batches: &batches{temporal: o.Temporal, converter: o.Converter},
	}
}

// Run keeps the list of orders up to date until ctx ends.
func (r *Runs) Run(ctx context.Context) { r.board.run(ctx) }

// List implements [Service].
func (r *Runs) List(ctx context.Context, f Filter) (Page, error) { return r.board.page(ctx, f) }

// Get implements [Service].
func (r *Runs) Get(ctx context.Context, name string) (*Order, error) {
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	id, err := r.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return r.latest(ctx, id)
}

// find returns the id of an order, given its id or its number.
func (r *Runs) find(ctx context.Context, name string) (string, error) {
	if operations.IsOrderID(name) {
		return ordercheck.CanonicalID(name), nil
	}
	id, err := operations.Find(ctx, r.temporal, nil, name)
	switch {
	case operations.IsUnknownOrder(err):
		return "", fmt.Errorf("%w: %w", ErrUnknownOrder, err)
	case err != nil:
		return "", unavailable(err)
	}
	return id, nil
}

// latest returns the order as its latest run has it. If the run would let the order leave,
// latest looks for a delivery in an open batch and then queries again. A delivery may have moved
// from a batch to the run between the first query and that look, so only the second answer
// counts.
func (r *Runs) latest(ctx context.Context, id string) (*Order, error) {
	view, err := r.queryOpen(ctx, id)
	if err != nil {
		return nil, err
	}
	if view != nil && release(view.Report.Status, view.CheckDue) != ReleaseYes {
		return newOrder(view, true), nil
	}
	inBatch, err := r.batches.contain(ctx, id)
	if err != nil {
		return nil, err
	}
	open := view != nil
	if open {
		if view, err = r.queryOpen(ctx, id); err != nil {
			return nil, err
		}
		open = view != nil
	}
	if !open {
		if view, err = r.query(ctx, id, ""); err != nil {
			return nil, err
		}
	}
	view.CheckDue = view.CheckDue || inBatch
	return newOrder(view, open), nil
}

// queryOpen queries the order's latest run. It returns nil if that run is closed.
func (r *Runs) queryOpen(ctx context.Context, id string) (*ordercheck.DeskView, error) {
	return r.queryIf(ctx, id, "", enumspb.QUERY_REJECT_CONDITION_NOT_OPEN)
}

// query queries a run, open or closed. An empty runID means the latest one.
func (r *Runs) query(ctx context.Context, id, runID string) (*ordercheck.DeskView, error) {
	return r.queryIf(ctx, id, runID, enumspb.QUERY_REJECT_CONDITION_NONE)
}

// queryIf queries a run. It returns nil if the condition makes Temporal reject the query.
func (r *Runs) queryIf(
	ctx context.Context, id, runID string, reject enumspb.QueryRejectCondition,
) (*ordercheck.DeskView, error) {
	answer, err := r.queryTwice(ctx, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: ordercheck.WorkflowID(id), RunID: runID, QueryType: ordercheck.QueryDesk,
		QueryRejectCondition: reject,
	})
	if err != nil {
		return nil, fmt.Errorf("query the run of sales order %s: %w", id, classify(err))
	}
	if answer.QueryRejected != nil {
		return nil, nil
	}
	var view ordercheck.DeskView
	if err := answer.QueryResult.Get(&view); err != nil {
		return nil, fmt.Errorf("decode the answer of sales order %s: %w", id, err)
	}
	return &view, nil
}

type queryAnswer struct {
	response *client.QueryWorkflowWithOptionsResponse
	err      error
}

// queryTwice sends a query, sends it again if there is no answer after queryAgainAfter, and returns
// the first answer.
func (r *Runs) queryTwice(
	ctx context.Context, request *client.QueryWorkflowWithOptionsRequest,
) (*client.QueryWorkflowWithOptionsResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan queryAnswer, 2)
	send := func() {
		response, err := r.temporal.QueryWorkflowWithOptions(ctx, request)
		answers <- queryAnswer{response, err}
	}
	go send()
	again := time.NewTimer(queryAgainAfter)
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

// newOrder converts the answer of a run. A closed run with overrides was terminated, and nothing
// notices when its overrides end, so it doesn't let the order leave.
func newOrder(view *ordercheck.DeskView, open bool) *Order {
	order := &Order{
		Report: view.Report, Release: release(view.Report.Status, view.CheckDue),
		CheckDue: view.CheckDue, SalesRep: view.SalesRep, HeldSince: view.HeldSince,
		NotOverridable: view.NotOverridable,
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

// Check implements [Service].
func (r *Runs) Check(ctx context.Context, id string) (*Order, error) {
	ctx, cancel := context.WithTimeout(ctx, CheckTimeout)
	defer cancel()
	report, err := operations.CheckNow(ctx, r.temporal, id)
	if err != nil {
		return nil, classify(err)
	}
	return r.after(ctx, id, report)
}

// Override implements [Service].
func (r *Runs) Override(
	ctx context.Context, id string, request ordercheck.OverrideRequest,
) (*Order, error) {
	return r.update(ctx, id, func(ctx context.Context) (*ordercheck.Report, error) {
		return operations.Override(ctx, r.temporal, id, request)
	})
}

// Comment implements [Service].
func (r *Runs) Comment(ctx context.Context, id string, comment ordercheck.Comment) (*Order, error) {
	return r.update(ctx, id, func(ctx context.Context) (*ordercheck.Report, error) {
		return operations.Comment(ctx, r.temporal, id, comment)
	})
}

// update calls do, which updates the open run of an order, and returns the order afterwards.
func (r *Runs) update(
	ctx context.Context, id string, do func(context.Context) (*ordercheck.Report, error),
) (*Order, error) {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	report, err := do(ctx)
	var application *temporal.ApplicationError
	switch {
	case errors.As(err, &application) && application.Type() == acceptedAndCompleted:
		return nil, fmt.Errorf("%w: %w", ErrRunEnded, err)
	case err != nil:
		return nil, r.explainNotFound(ctx, id, err)
	}
	return r.after(ctx, id, report)
}

// after returns the order after an action. If the run does not answer now, it returns the action's
// own report, so that a completed action never looks failed.
func (r *Runs) after(
	ctx context.Context, id string, report *ordercheck.Report,
) (*Order, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), getTimeout)
	defer cancel()
	if order, err := r.latest(ctx, id); err == nil {
		return order, nil
	}
	return &Order{Report: *report, Release: release(report.Status, true)}, nil
}

// acceptedAndCompleted is the error type that Temporal returns if a run accepts an update and ends
// before it answers.
const acceptedAndCompleted = "AcceptedUpdateCompletedWorkflow"

// explainNotFound turns NotFound, which an update returns if the order has no open run, into
// [ErrNotOpen] or, if the order never had a run, into [ErrUnknownOrder].
func (r *Runs) explainNotFound(ctx context.Context, id string, err error) error {
	var notFound *serviceerror.NotFound
	if !errors.As(err, &notFound) {
		return classify(err)
	}
	_, describeErr := r.temporal.DescribeWorkflowExecution(ctx, ordercheck.WorkflowID(id), "")
	switch {
	case errors.As(describeErr, &notFound):
		return fmt.Errorf("%w: %w", ErrUnknownOrder, err)
	case describeErr != nil:
		return classify(describeErr)
	}
	return fmt.Errorf("%w: %w", ErrNotOpen, err)
}

// classify wraps one of this package's errors around an error of Temporal's. It returns
// application errors and unknown errors unchanged.
func classify(err error) error {
	var notFound *serviceerror.NotFound
	var application *temporal.ApplicationError
	switch {
	case err == nil, errors.As(err, &application):
		return err
	case errors.As(err, &notFound):
		return fmt.Errorf("%w: %w", ErrUnknownOrder, err)
	}
	return unavailable(err)
}

// unavailable wraps [ErrUnavailable] around retryable errors. It returns other errors unchanged.
func unavailable(err error) error {
	var gone *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	var notReady *serviceerror.WorkflowNotReady
	var noWorker *serviceerror.FailedPrecondition // no worker has polled for some minutes
	var timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
	if errors.As(err, &gone) || errors.As(err, &late) || errors.As(err, &busy) ||
		errors.As(err, &notReady) || errors.As(err, &noWorker) || errors.As(err, &timeout) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
