package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// handle registers the run's queries and updates.
func (o *salesOrder) handle(ctx workflow.Context) error {
	return errors.Join(
		workflow.SetQueryHandler(ctx, ordercheck.QueryReport, func() (ordercheck.Report, error) {
			return o.state.Report, nil
		}),
		workflow.SetQueryHandler(ctx, ordercheck.QueryDesk, func() (ordercheck.DeskView, error) {
			return o.state.DeskView(o.unreadSignals() > 0), nil
		}),
		setUpdate(ctx, ordercheck.UpdateCheck, o.checkNow, nil,
			"Check the order now and answer with the report."),
		setUpdate(ctx, ordercheck.UpdateOverride, o.override,
			func(ctx workflow.Context, request ordercheck.OverrideRequest) error {
				return o.state.ValidateOverride(workflow.Now(ctx), request)
			}, "Take responsibility for findings."),
		setUpdate(ctx, ordercheck.UpdateComment, o.comment,
			func(comment ordercheck.Comment) error { return comment.Validate() },
			"Write a comment into the order's timeline."),
	)
}

// setUpdate registers an update. The validator may be nil.
func setUpdate(
	ctx workflow.Context, name string, handler, validator any, description string,
) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, name, handler,
		workflow.UpdateHandlerOptions{Validator: validator, Description: description})
}

// checkNow is the update [ordercheck.UpdateCheck]. It returns the report of a check whose fetch
// began after the update was accepted.
func (o *salesOrder) checkNow(ctx workflow.Context) (*ordercheck.Report, error) {
	o.state.Asked()
	o.changed = true
	asked := o.begun
	ctx, _ = workflow.NewDisconnectedContext(ctx) // a cancelled run still answers
	if err := workflow.Await(ctx, func() bool { return o.ended > asked }); err != nil {
		return nil, err
	}
	if o.state.Failure != nil {
		return nil, o.failure()
	}
	return o.report(), nil
}

// override is the update [ordercheck.UpdateOverride].
func (o *salesOrder) override(
	ctx workflow.Context, request ordercheck.OverrideRequest,
) (*ordercheck.Report, error) {
	o.state.Override(workflow.Now(ctx), request)
	o.changed = true
	if err := o.publish(ctx); err != nil {
		return nil, err
	}
	return o.report(), nil
}

// comment is the update [ordercheck.UpdateComment].
func (o *salesOrder) comment(
	ctx workflow.Context, comment ordercheck.Comment,
) (*ordercheck.Report, error) {
	o.state.Comment(workflow.Now(ctx), comment)
	workflow.SetCurrentDetails(ctx, o.details(ctx))
	return o.report(), nil
}

// report returns a copy of the report, because the state may change before Temporal encodes the
// answer.
func (o *salesOrder) report() *ordercheck.Report {
	report := o.state.Report.Clone()
	return &report
}
