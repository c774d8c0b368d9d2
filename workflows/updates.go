package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// handle registers the run's query and updates.
func (o *salesOrder) handle(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, ordercheck.QueryReport, func() (ordercheck.Report, error) {
		return o.state.Report, nil
	}); err != nil {
		return fmt.Errorf("register query %s: %w", ordercheck.QueryReport, err)
	}
	if err := workflow.SetQueryHandler(ctx, ordercheck.QueryDesk, func() (ordercheck.DeskView, error) {
		return o.state.DeskView(o.unreadSignals() > 0), nil
	}); err != nil {
		return fmt.Errorf("register query %s: %w", ordercheck.QueryDesk, err)
	}
	for _, update := range []struct {
		name    string
		handler any
		options workflow.UpdateHandlerOptions
	}{
		{ordercheck.UpdateCheck, o.checkNow, workflow.UpdateHandlerOptions{
			Description: "Check the order now and answer with the report.",
		}},
		{ordercheck.UpdateOverride, o.override, workflow.UpdateHandlerOptions{
			Validator: o.validateOverride, Description: "Take responsibility for findings.",
		}},
		{ordercheck.UpdateComment, o.comment, workflow.UpdateHandlerOptions{
			Validator: validateComment, Description: "Write a comment into the order's timeline.",
		}},
	} {
		if err := workflow.SetUpdateHandlerWithOptions(ctx, update.name, update.handler, update.options); err != nil {
			return fmt.Errorf("register update %s: %w", update.name, err)
		}
	}
	return nil
}

// checkNow is the update [ordercheck.UpdateCheck]. It answers with the report of a check whose fetch
// begins after the update was accepted.
func (o *salesOrder) checkNow(ctx workflow.Context) (*ordercheck.Report, error) {
	o.state.Asked()
	o.changed = true
	asked := o.begun
	ctx, _ = workflow.NewDisconnectedContext(ctx) // a cancelled run still answers
	if err := workflow.Await(ctx, func() bool { return o.ended > asked }); err != nil {
		return nil, err
	}
	if o.state.Failure != nil {
		return nil, o.notCheckedError(nil)
	}
	return o.report(), nil
}

func (o *salesOrder) validateOverride(ctx workflow.Context, request ordercheck.OverrideRequest) error {
	return o.state.ValidateOverride(workflow.Now(ctx), request)
}

// override is the update [ordercheck.UpdateOverride].
func (o *salesOrder) override(ctx workflow.Context, request ordercheck.OverrideRequest) (*ordercheck.Report, error) {
	o.state.Override(workflow.Now(ctx), request)
	o.changed = true
	if err := o.publish(ctx); err != nil {
		return nil, err
	}
	return o.report(), nil
}

func validateComment(_ workflow.Context, comment ordercheck.Comment) error { return comment.Validate() }

// comment is the update [ordercheck.UpdateComment].
func (o *salesOrder) comment(ctx workflow.Context, comment ordercheck.Comment) (*ordercheck.Report, error) {
	o.state.Comment(workflow.Now(ctx), comment)
	workflow.SetCurrentDetails(ctx, o.details(ctx))
	return o.report(), nil
}

// report returns a copy of the report, because an answer is encoded after the state has gone on.
func (o *salesOrder) report() *ordercheck.Report {
	report := o.state.Report.Clone()
	return &report
}
