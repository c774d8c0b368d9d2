package activities

import (
	"cmp"
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// Gatherers is the part of Temporal's client that updates the runs which limit a receiver's
// messages. There is one such run per receiver.
type Gatherers interface {
	NewWithStartWorkflowOperation(options client.StartWorkflowOptions, workflow any,
		args ...any) client.WithStartWorkflowOperation
	UpdateWithStartWorkflow(ctx context.Context,
		options client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error)
}

// admitTimeout leaves most of the activity's minute for sending.
const admitTimeout = 20 * time.Second

// admit asks a receiver's run whether to send a notice now. It starts the run if there is none.
func (a *Activities) admit(
	ctx context.Context, receiver string, admission *ordercheck.Admission,
) (ordercheck.Admitted, error) {
	ctx, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	admission.Limit, admission.Window = a.NoticesPerHour, cmp.Or(a.NoticeWindow, time.Hour)
	id := ordercheck.GatherWorkflowID(receiver)
	start := a.Gatherers.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: ordercheck.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Messages to " + receiver,
	}, ordercheck.GatherWorkflowType, struct{}{})
	var admitted ordercheck.Admitted
	handle, err := a.Gatherers.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: ordercheck.UpdateAdmit, Args: []any{admission},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err == nil {
		err = handle.Get(ctx, &admitted)
	}
	if err != nil {
		return admitted, fmt.Errorf("ask run %s whether to send the notice: %w", id, err)
	}
	return admitted, nil
}

// SendGathered sends one message with several notices. If the receiver is a sales rep, it first
// asks InFlow for the sales rep of one of the orders, because no history holds an address.
func (a *Activities) SendGathered(
	ctx context.Context, in ordercheck.SendGatheredInput,
) (ordercheck.SentGathered, error) {
	if a.Notifier == nil {
		return ordercheck.SentGathered{}, nil
	}
	var recipients notify.Notice // has only the fields that decide on the targets
	for i := range in.Message.Notices {
		recipients.HasSalesRep = recipients.HasSalesRep || in.Message.Notices[i].HasSalesRep
	}
	if in.LookUp != "" {
		email, err := a.salesRepEmail(ctx, in.LookUp)
		switch {
		case err != nil:
			return ordercheck.SentGathered{}, err
		case email == "":
			return ordercheck.SentGathered{Moved: true}, nil // the order no longer has a sales rep
		}
		recipients.SalesRepEmail = email
	}
	var rep string // receiver of the order's present sales rep
	for _, target := range a.Notifier.Targets(&recipients) {
		switch {
		case target.Receiver() == in.Receiver:
			return ordercheck.SentGathered{}, noticeError(
				a.Notifier.SendCollection(ctx, target, &in.Message),
			)
		case target.Name() == ordercheck.TargetSalesRep:
			rep = target.Receiver()
		}
	}
	if in.LookUp != "" {
		return a.moveGathered(ctx, &in, rep)
	}
	return ordercheck.SentGathered{},
		temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("%s no longer gets notices: the settings have changed", in.Receiver),
			errorNoticeRefused, nil)
}

// moveGathered hands an order's notices to the gathering run of its new sales rep. If rep is
// empty, the new sales rep gets every notice anyway.
func (a *Activities) moveGathered(
	ctx context.Context, in *ordercheck.SendGatheredInput, rep string,
) (ordercheck.SentGathered, error) {
	if rep == "" || a.Gatherers == nil {
		return ordercheck.SentGathered{Moved: true}, nil
	}
	for i := range in.Message.Notices {
		if in.Message.Notices[i].SalesOrderID != in.LookUp {
			continue
		}
		admission := ordercheck.Admission{Notice: in.Message.Notices[i], Gather: true}
		if _, err := a.admit(ctx, rep, &admission); err != nil {
			return ordercheck.SentGathered{}, err
		}
	}
	return ordercheck.SentGathered{Moved: true}, nil
}
