package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows/call"
)

// watchForCancellation notes that an operator cancelled the run, and how many signals came before.
func (o *salesOrder) watchForCancellation(ctx workflow.Context, done workflow.Channel) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		done.Receive(ctx, nil)
		o.ownSignals = o.deliveries.Len()
		o.cancelled, o.changed = true, true
		o.state.CancelledByOperator()
		workflow.SetCurrentDetails(ctx, o.details(ctx))
	})
}

// endByHand ends the hold for an operator who cancelled the run. A workflow cannot see who did and
// why, but the history has it. If that cannot be read, nobody is named: the hold ends all the same.
func (o *salesOrder) endByHand(ctx workflow.Context) error {
	by, err := readCancellation.Run(ctx, call.None{})
	if err != nil {
		workflow.GetLogger(ctx).Warn("who cancelled the run could not be read from its history", "error", err)
	}
	o.state.EndedByHand(workflow.Now(ctx), by)
	return o.publish(ctx)
}

// cancellationText says what a cancelled run still does before it ends.
func (o *salesOrder) cancellationText() string {
	switch unsent := len(o.state.Outbox); {
	case o.state.Cancellation == orderlife.CancelRequested:
		return "An operator cancelled this run. It ends when what was accepted is fetched and checked.\n\n"
	case o.state.Cancellation == orderlife.Cancelled && unsent > 0:
		return "The run ends after " + ordercheck.Plural(unsent, "notice") + ", sent or given up.\n\n"
	default:
		return ""
	}
}
