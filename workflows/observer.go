package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// Observer is told what runs do, for metrics: once each, never when a history is replayed.
// It must not block, and cannot change what a run does.
type Observer interface {
	// Checked is a check that has ended. sinceDelivery is the time from the ingress's acceptance
	// of the first delivery that it answers; 0 where there was none.
	Checked(status ordercheck.Status, sinceDelivery time.Duration)
	// NoticeGivenUp is a notice that one target could not be told of for a day.
	NoticeGivenUp(kind ordercheck.NoticeKind)
}

func (o *salesOrder) observe(ctx workflow.Context, tell func(Observer)) {
	if o.observer != nil && !workflow.IsReplaying(ctx) {
		tell(o.observer)
	}
}
