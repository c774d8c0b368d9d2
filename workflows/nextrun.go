package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// maxDeliveriesInRun is the number of deliveries after which a run continues as new. It is well
// under the 10,000 signals that Temporal allows per run.
const maxDeliveriesInRun = 2000

// shouldContinueAsNew reports whether the next run should take over the state.
//
// It returns false while an update waits, because the update would be lost; the next check
// answers the update. It returns false while an operator's cancellation ends the run, because the
// next run would not be cancelled. If the order has begun a new life in a cancelled run, it
// returns true at once, so that an operator can cancel the next run again.
func (o *salesOrder) shouldContinueAsNew(ctx workflow.Context, next orderlife.Next) bool {
	switch {
	case !workflow.AllHandlersFinished(ctx), next.Ends(),
		o.state.Cancellation != orderlife.NotCancelled:
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
