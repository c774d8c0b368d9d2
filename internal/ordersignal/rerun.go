package ordersignal

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// Starter is the part of Temporal's client that starts a run.
type Starter interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any,
		args ...any) (client.WorkflowRun, error)
}

// Rerun starts a run of an order whose latest run failed or was terminated. started is false if the
// order has another run by now: the server refuses to start a second one.
func Rerun(
	ctx context.Context, t Starter, salesOrderID string, priority int,
) (started bool, err error) {
	salesOrderID = ordercheck.CanonicalID(salesOrderID)
	_, err = t.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       ordercheck.WorkflowID(salesOrderID),
		TaskQueue:                                ordercheck.TaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            ordercheck.Summary(salesOrderID),
		Priority:                                 temporal.Priority{PriorityKey: priority},
	}, ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: salesOrderID})
	var other *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &other) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("start sales order %s again: %w", salesOrderID, err)
	}
	return true, nil
}
