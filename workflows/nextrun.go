package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// maxDeliveriesInRun keeps a run well under the 10,000 signals that Temporal allows one.
const maxDeliveriesInRun = 2000

func (o *salesOrder) shouldContinueAsNew(ctx workflow.Context) bool {
	switch {
	case !workflow.AllHandlersFinished(ctx):
		return false // an update that waits would be lost with the run; the next check answers it
	case o.cancelRequested, o.endedByHand:
		return false // the next run would not be a cancelled one
	case !o.due && !o.waits():
		return false
	case o.restarted:
		return true
	case o.fetches == 0:
		return false
	}
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() || o.deliveriesInRun > maxDeliveriesInRun
}

// continueAsNew hands everything to the next run.
func (o *salesOrder) continueAsNew(ctx workflow.Context) error {
	return workflow.NewContinueAsNewError(ctx, ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: o.id, Carried: o.carry()})
}

// carry returns what the next run must know. Times are absolute, so no clock starts again.
// TestNothingIsForgottenBetweenRuns names the fields that are left behind, and why.
func (o *salesOrder) carry() *ordercheck.Carried {
	c := &ordercheck.Carried{
		Report:        o.report,
		FirstDelivery: o.firstDelivery,
		LastDelivery:  o.lastDelivery,
		Accepted:      o.accepted,
		Due:           o.due,
		DueNow:        o.dueNow,
		Priority:      o.duePriority,
		MissingOnce:   o.missingOnce,
		HoldEnded:     o.holdEnded,
		Hold:          o.hold,
	}
	if o.outcome != nil {
		c.NotChecked = &ordercheck.NotChecked{Type: applicationErrorType(o.outcome), Message: applicationErrorMessage(o.outcome)}
	}
	return c
}

// resume is the inverse of carry.
func (o *salesOrder) resume(c *ordercheck.Carried) {
	o.report, o.hold, o.holdEnded = c.Report, c.Hold, c.HoldEnded
	o.firstDelivery, o.lastDelivery, o.accepted = c.FirstDelivery, c.LastDelivery, c.Accepted
	o.due, o.dueNow, o.duePriority = c.Due, c.DueNow, c.Priority
	o.missingOnce = c.MissingOnce
	if c.NotChecked != nil {
		o.outcome = temporal.NewNonRetryableApplicationError(c.NotChecked.Message, c.NotChecked.Type, nil)
	}
}
