package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// maxDeliveriesInRun keeps a run well under the 10,000 signals that Temporal allows one.
const maxDeliveriesInRun = 2000

// shouldContinueAsNew reports whether the next run should take over the state.
//
// It should not while an update waits, because the update would be lost; the next check answers it.
// Nor while the run ends by an operator's cancellation, because the next run would not be a
// cancelled one. A cancelled run in which the order began a new life hands over at once, so an
// operator can cancel the next run again.
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
