package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows/call"
)

// watchForCancellation waits in the background until an operator cancels the run. Only signals
// that arrived before the cancellation belong to this life of the order: see unreadSignals.
func (o *salesOrder) watchForCancellation(ctx workflow.Context, done workflow.Channel) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		done.Receive(ctx, nil)
		o.ownSignals = o.deliveries.Len()
		o.cancelled, o.changed = true, true
		o.state.CancelledByOperator()
		workflow.SetCurrentDetails(ctx, o.details(ctx))
	})
}

// endByHand ends the hold for an operator who cancelled the run. An activity reads the operator's
// name from the history. If it fails, the hold ends without a name.
func (o *salesOrder) endByHand(ctx workflow.Context) error {
	by, err := readCancellation.Run(ctx, call.None{})
	if err != nil {
		workflow.GetLogger(ctx).Warn("cannot read from the history who cancelled the run", "error", err)
	}
	o.state.EndedByHand(workflow.Now(ctx), by)
	return o.publish(ctx)
}

// cancellationText says what a cancelled run still does before it ends.
func (o *salesOrder) cancellationText() string {
	switch unsent := len(o.state.Outbox); {
	case o.state.Cancellation == orderlife.CancelRequested:
		return "An operator cancelled this run. It ends after the checks that are due.\n\n"
	case o.state.Cancellation == orderlife.Cancelled && unsent > 0:
		return "The run ends after " + ordercheck.Plural(unsent, "notice") + ", sent or given up.\n\n"
	default:
		return ""
	}
}
