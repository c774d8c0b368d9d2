package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// maxDeliveriesInRun keeps a run well under the 10,000 signals that Temporal allows one.
const maxDeliveriesInRun = 2000

// shouldContinueAsNew reports whether a next run should take over the state. It must not while an
// update waits, as that would be lost with the run; the next check answers it. Nor while the run ends
// by an operator's cancellation, as the next run would not be a cancelled one. A cancelled run that
// has begun a new life hands over at once, so that the next run can be cancelled again.
func (o *salesOrder) shouldContinueAsNew(ctx workflow.Context, next orderlife.Next) bool {
	switch {
	case !workflow.AllHandlersFinished(ctx), o.state.Cancellation != orderlife.NotCancelled, next.Ends():
		return false
	case o.cancelled:
		return true
	case o.begun == 0:
		return false
	}
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() || o.deliveriesInRun > maxDeliveriesInRun
}

// continueAsNew hands the state to the next run.
func (o *salesOrder) continueAsNew(ctx workflow.Context) error {
	return workflow.NewContinueAsNewError(ctx, ordercheck.WorkflowType, orderlife.Start{
		Start: ordercheck.Start{SalesOrderID: o.id}, State: o.state,
	})
}
