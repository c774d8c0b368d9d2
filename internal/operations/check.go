// Package operations implements what people can do at the command line and the desk. It acts
// through Temporal.
package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// tryAgainAfter is the delay before a call is repeated, if a run was closing or one of its tasks
// failed.
const tryAgainAfter = 100 * time.Millisecond

// CheckNow asks for a check of an order, in its open run or in a new one, and waits for the
// report. If the check could not be done, the error is a [temporal.ApplicationError] with a type
// of package ordercheck. If ctx ends, CheckNow returns, and the check goes on.
func CheckNow(
	ctx context.Context, c client.Client, salesOrderID string,
) (*ordercheck.Report, error) {
	if err := ordercheck.ValidateSalesOrderID(salesOrderID); err != nil {
		return nil, err
	}
	salesOrderID = ordercheck.CanonicalID(salesOrderID)
	for {
		report, err := checkOnce(ctx, c, salesOrderID)
		if !wasClosing(err) && !wasDropped(err) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(tryAgainAfter):
		}
	}
}

func checkOnce(
	ctx context.Context, c client.Client, salesOrderID string,
) (*ordercheck.Report, error) {
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID:                       ordercheck.WorkflowID(salesOrderID),
		TaskQueue:                ordercheck.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            ordercheck.Summary(salesOrderID),
		Priority:                 temporal.Priority{PriorityKey: ordercheck.PriorityPerson},
	}, ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: salesOrderID})
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateName:   ordercheck.UpdateCheck,
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("ask for a check of sales order %s: %w", salesOrderID, err)
	}
	var report ordercheck.Report
	if err := handle.Get(ctx, &report); err != nil {
		return nil, fmt.Errorf("wait for the check of sales order %s: %w", salesOrderID, err)
	}
	return &report, nil
}

// wasClosing reports whether the run ended before it had the update. Another try starts a new run.
func wasClosing(err error) bool {
	var application *temporal.ApplicationError
	if err == nil ||
		errors.As(err, &application) && application.Type() != "AcceptedUpdateCompletedWorkflow" {
		return false
	}
	var notFound *serviceerror.NotFound
	var exhausted *serviceerror.ResourceExhausted
	return application != nil || errors.As(err, &notFound) || errors.As(err, &exhausted)
}
