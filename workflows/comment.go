package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

func validateComment(_ workflow.Context, comment ordercheck.Comment) error { return comment.Validate() }

// comment is the update [ordercheck.UpdateComment]. It changes nothing but the timeline.
func (o *salesOrder) comment(ctx workflow.Context, comment ordercheck.Comment) (*ordercheck.Report, error) {
	o.noteBy(ctx, ordercheck.TimelineCommented, comment.By, comment.Text)
	workflow.SetCurrentDetails(ctx, o.details())
	report := o.report
	return &report, nil
}
