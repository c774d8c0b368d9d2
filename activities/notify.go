package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// Types of the errors of [Activities.Notify].
const (
	errorNoticeNotSent = "NoticeNotSent" // retried
	errorNoticeRefused = "NoticeRefused" // not retried
)

// Notify sends a notice to one target, or returns the targets if none is given. A retry of the same
// notice has the same Message-ID and idempotency key.
func (a *Activities) Notify(
	ctx context.Context, in ordercheck.NotifyInput,
) (ordercheck.NotifyResult, error) {
	if a.Notifier == nil {
		return ordercheck.NotifyResult{}, nil
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	notice := notify.Notice{Notice: in.Notice, WorkflowID: run.ID, RunID: run.RunID}
	if in.Target == ordercheck.TargetSalesRep {
		email, err := a.salesRepEmail(ctx, notice.Report.SalesOrderID)
		if err != nil || email == "" {
			return ordercheck.NotifyResult{}, err // the order may no longer have a sales rep
		}
		notice.SalesRepEmail = email
	}
	targets := a.Notifier.Targets(&notice)
	if in.Target == "" {
		names := make([]string, len(targets))
		for i := range targets {
			names[i] = targets[i].Name()
		}
		return ordercheck.NotifyResult{Targets: names}, nil
	}
	for i := range targets {
		if targets[i].Name() == in.Target {
			return a.notifyTarget(ctx, targets[i], &notice)
		}
	}
	if in.Target == ordercheck.TargetSalesRep {
		return ordercheck.NotifyResult{}, nil // the sales rep gets every notice anyway
	}
	return ordercheck.NotifyResult{},
		temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("%s no longer gets notices: the settings have changed", in.Target),
			errorNoticeRefused, nil)
}

// salesRepEmail asks InFlow for the address of an order's sales rep. It returns "" if there is
// none.
func (a *Activities) salesRepEmail(ctx context.Context, salesOrderID string) (string, error) {
	order, err := a.Orders.SalesOrder(ctx, salesOrderID, []string{inflow.IncludeSalesRepTeamMember})
	switch {
	case err != nil:
		return "", applicationError(err)
	case order.Lacks(inflow.IncludeSalesRepTeamMember):
		return "", temporal.NewApplicationError("InFlow left out the order's sales rep",
			errorNoticeNotSent)
	case order.SalesRepTeamMember == nil:
		return "", nil
	}
	return order.SalesRepTeamMember.Email, nil
}

// notifyTarget sends a notice to a target. If the target's receiver has had too many messages, it
// hands the notice to the receiver's gathering run instead.
func (a *Activities) notifyTarget(
	ctx context.Context, target notify.Target, notice *notify.Notice,
) (ordercheck.NotifyResult, error) {
	if receiver := target.Receiver(); a.NoticesPerHour > 0 && a.Gatherers != nil && receiver != "" {
		admitted, err := a.admit(ctx, receiver, &ordercheck.Admission{Notice: a.Notifier.Brief(notice)})
		if err != nil || admitted.Gathered {
			return ordercheck.NotifyResult{Gathered: admitted.Gathered}, err
		}
	}
	return ordercheck.NotifyResult{}, noticeError(a.Notifier.Send(ctx, target, notice))
}

func noticeError(err error) error {
	var failed *notify.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed) && failed.Permanent:
		return temporal.NewNonRetryableApplicationError(failed.Error(), errorNoticeRefused, nil)
	case errors.As(err, &failed):
		return temporal.NewApplicationErrorWithOptions(failed.Error(), errorNoticeNotSent,
			temporal.ApplicationErrorOptions{NextRetryDelay: min(failed.RetryAfter, maxRetryAfter)})
	default:
		return temporal.NewApplicationError(err.Error(), errorNoticeNotSent)
	}
}
