package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// Observer counts what runs do, for metrics. Its methods are called once for each event, never when
// a history is replayed. They must not block.
type Observer interface {
	// Checked is called after each check. sinceDelivery is the time since the ingress accepted the
	// first delivery that the check answers; 0 if it answers none.
	Checked(status ordercheck.Status, sinceDelivery time.Duration)
	// NoticeGivenUp is called when a target could not be sent a notice for a day.
	NoticeGivenUp(kind ordercheck.NoticeKind)
}

func (o *salesOrder) observe(ctx workflow.Context, report func(Observer)) {
	if o.observer != nil && !workflow.IsReplaying(ctx) {
		report(o.observer)
	}
}
