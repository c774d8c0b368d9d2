package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// Observer counts what runs do, for metrics. Its methods are called once for each event, never when
// a history is replayed. They must not block.
type Observer interface {
	// Checked is called after each check. sinceDelivery is the time since the ingress accepted the
	// first delivery that the check answers; 0 if it answers none.
	Checked(status ordercheck.Status, sinceDelivery time.Duration)
	// NoticeGivenUp is called when a notice could not be sent to a target for a day.
	NoticeGivenUp(kind ordercheck.NoticeKind)
	// MarkWritten is called after each attempt to write a hold mark.
	MarkWritten(outcome orderlife.MarkOutcome)
	// ErrorsEnded is called when errors of a rule are fixed, overridden, or have another outcome.
	ErrorsEnded(outcome ordercheck.RuleOutcome)
}

func (o *salesOrder) observe(ctx workflow.Context, report func(Observer)) {
	if o.observer != nil && !workflow.IsReplaying(ctx) {
		report(o.observer)
	}
}
