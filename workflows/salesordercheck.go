// Package workflows holds the workflow that checks a sales order, and short ones around it. Its
// subpackages hold the sweep and the record of the rules in force.
//
// Package orderlife decides what happens to an order. This package does it, with activities and
// timers, and shows the order's state to operators.
package workflows

import (
	"cmp"
	"errors"
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows/call"
)

// SalesOrderChecks has the workflow [ordercheck.WorkflowType].
type SalesOrderChecks struct {
	Settings orderlife.Settings
	Observer Observer // may be nil
}

// SalesOrderCheck checks one order, and again after each delivery. The run of an order with errors
// stays open until the order is fixed, the hold expires, or an operator cancels the run. The result
// is the report. The run fails only if the check could not be done; the error's type says why.
//
// An operator's cancellation ends the hold and nothing else, so everything here runs in a context
// that the cancellation doesn't reach: see watchForCancellation.
func (s *SalesOrderChecks) SalesOrderCheck(
	ctx workflow.Context, start orderlife.Start,
) (*ordercheck.Report, error) {
	connected := ctx
	ctx, _ = workflow.NewDisconnectedContext(connected)
	o, err := s.setUp(ctx, start)
	if err != nil {
		return nil, err
	}
	o.watchForCancellation(ctx, connected.Done())
	return o.run(ctx)
}

// salesOrder drives one run of an order.
type salesOrder struct {
	id    string
	state *orderlife.State
	// changed wakes a sleeping run after a change of the state that no signal brought.
	changed bool

	deliveries workflow.ReceiveChannel
	// peeked holds signals that shouldPreempt has read and receive has not, oldest first.
	peeked []converter.RawValue
	// ownSignals counts the unread signals that came before a cancellation.
	ownSignals      int
	cancelled       bool // an operator cancelled this run
	deliveriesInRun int

	begun, ended int   // numbers of checks
	cause        error // of state.Failure, if that is a failure of this run
	cached       *cachedOrder

	timer      sleepTimer
	background background // notices, the hold mark in InFlow, outcomes

	published     published
	publishedMemo ordercheck.DeskMemo
	observer      Observer
}

// run does what the state asks for, until the run can end. It returns only if no check is due, and
// nothing blocks between the last receive and the return. If a signal comes later, the server
// refuses the completion and this code runs again.
func (o *salesOrder) run(ctx workflow.Context) (*ordercheck.Report, error) {
	for {
		o.receive(ctx)
		o.state.TimePassed(workflow.Now(ctx))
		next := o.state.Next(workflow.Now(ctx))
		var err error
		switch {
		case o.shouldContinueAsNew(ctx, next) && o.background.busy():
			err = o.background.pause(ctx)
		case o.shouldContinueAsNew(ctx, next):
			return nil, o.continueAsNew(ctx)
		case next.Do == orderlife.Check:
			err = o.check(ctx)
		case next.Do == orderlife.Sleep:
			err = o.sleep(ctx, next)
		case next.Do == orderlife.EndByHand:
			err = o.endByHand(ctx)
		case !workflow.AllHandlersFinished(ctx):
			err = workflow.Await(ctx, func() bool {
				return o.state.Due != nil || workflow.AllHandlersFinished(ctx)
			})
		default:
			return o.end(ctx, next)
		}
		if err != nil {
			return nil, err
		}
	}
}

// end returns the run's result.
func (o *salesOrder) end(ctx workflow.Context, next orderlife.Next) (*ordercheck.Report, error) {
	if err := o.publish(ctx); err != nil {
		return nil, err
	}
	switch next.Do {
	case orderlife.Fail:
		return nil, o.failure(o.state.Report) // a later run recalls its overrides
	case orderlife.Cancel:
		return nil, temporal.NewCanceledError(o.state.Report)
	default:
		return &o.state.Report, nil
	}
}

func (s *SalesOrderChecks) setUp(ctx workflow.Context, start orderlife.Start) (*salesOrder, error) {
	id, err := orderOf(ctx, start)
	if err != nil {
		return nil, err
	}
	var settings orderlife.Settings
	recorded := workflow.SideEffectWithOptions(ctx, workflow.SideEffectOptions{Summary: "settings"},
		func(workflow.Context) any { return s.Settings })
	if err := recorded.Get(&settings); err != nil {
		return nil, fmt.Errorf("read the settings of the run: %w", err)
	}
	o := &salesOrder{
		id:         id,
		state:      start.State,
		deliveries: workflow.GetSignalChannel(ctx, ordercheck.SignalWebhookDelivered),
		published:  startPublished(ctx),
		observer:   s.Observer,
	}
	if o.state == nil {
		o.state = orderlife.New(id, settings, startPriority(ctx))
	}
	o.state.Settings = settings
	info := workflow.GetInfo(ctx)
	if info.OriginalRunID != "" && info.OriginalRunID != info.WorkflowExecution.RunID {
		o.state.Mark.Reset = true // the next runs keep it
	}
	if err := o.handle(ctx); err != nil {
		return nil, err
	}
	o.background.jobs = []*job{o.noticeJob(ctx), o.markJob(ctx), o.outcomeJob()}
	workflow.Go(ctx, o.background.run)
	return o, o.publish(ctx)
}

// orderOf returns the id of the run's order.
func orderOf(ctx workflow.Context, start orderlife.Start) (string, error) {
	workflowID := workflow.GetInfo(ctx).WorkflowExecution.ID
	named, _ := ordercheck.SalesOrderID(workflowID)
	id := ordercheck.CanonicalID(cmp.Or(start.SalesOrderID, named))
	if workflowID != ordercheck.WorkflowID(id) {
		// Under another workflow id, the order could have two runs at the same time.
		return "", temporal.NewNonRetryableApplicationError(fmt.Sprintf(
			"a check of sales order %q must run under the workflow id %q",
			id, ordercheck.WorkflowID(id)), "WrongWorkflowID", nil)
	}
	if err := ordercheck.ValidateSalesOrderID(id); err != nil {
		return "", temporal.NewNonRetryableApplicationError(err.Error(), "WrongWorkflowID", err)
	}
	return id, nil
}

// startPriority returns the priority that the run was started with. A person starts it without one.
func startPriority(ctx workflow.Context) int {
	return cmp.Or(workflow.GetInfo(ctx).Priority.PriorityKey, ordercheck.PriorityPerson)
}

// sleep waits for an event, or until the time of next.
func (o *salesOrder) sleep(ctx workflow.Context, next orderlife.Next) error {
	if err := o.publish(ctx); err != nil {
		return err
	}
	o.background.resume()
	o.timer.set(ctx, next.Until, next.Why, next.Why != o.timer.why)
	err := workflow.Await(ctx, func() bool {
		return o.timer.fired() || o.changed || o.unreadSignals() > 0 ||
			o.cancelled && o.shouldContinueAsNew(ctx, next)
	})
	o.changed = false
	return err
}

// request runs an activity that makes a request to InFlow, and may wait long for its turn. If
// somebody with a higher priority asks for a check before the activity has begun, request cancels
// the activity and returns errPreempted. An activity that has begun goes on.
func request[In, Out any](
	ctx workflow.Context, o *salesOrder, a call.Activity[In, Out], in In,
) (Out, error) {
	requestCtx, cancel := workflow.WithCancel(ctx)
	requested := a.WithPriority(o.state.InFlight.Priority).Start(requestCtx, in)
	for !requested.IsReady() {
		if err := workflow.Await(ctx, func() bool {
			return requested.IsReady() || o.state.ShouldPreempt() || o.unreadSignals() > 0
		}); err != nil {
			var zero Out
			return zero, err
		}
		if requested.IsReady() || !o.shouldPreempt() {
			continue
		}
		cancel()
		if out, err := requested.Get(ctx); err != nil {
			return out, errPreempted
		}
	}
	return requested.Get(ctx)
}

var errPreempted = errors.New("somebody more urgent asked before the request had begun")
