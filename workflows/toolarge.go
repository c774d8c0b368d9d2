package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

const noteTooLarge = "The order is too large for the gate, so nobody has checked it. Check it by hand, or split it into several orders."

// tellTooLarge tells people that an order is not checked because it is too large: nobody would
// look for it among the failed runs. They are told once, until a check of the order succeeds.
func (o *salesOrder) tellTooLarge(ctx workflow.Context) {
	if o.hold.TooLarge {
		return
	}
	o.hold.TooLarge = true
	o.report.Note = noteTooLarge
	if o.report.CheckedAt.IsZero() {
		var recalled ordercheck.RecalledRun
		err := workflow.ExecuteActivity(recallOptions(ctx), ordercheck.ActivityRecallRun,
			ordercheck.RecallRunInput{SalesOrderID: o.id}).Get(ctx, &recalled)
		if err == nil && recalled.Failure == ordercheck.ErrorOrderTooLarge {
			return // the run before has told them
		}
	}
	o.tell(ctx, ordercheck.NoticeUnchecked, "")
}
