// Package ordersignal is the one call by which deliveries get to an order's run: the
// ingress makes it for one order, a worker for each order of many that were
// handed over together.
package ordersignal

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// Temporal is the part of Temporal's client that signals a run, and starts it where there is none.
type Temporal interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
}

// Send returns nil once Temporal has committed the deliveries to the order's run,
// and the error of Temporal's client otherwise: then they may have been committed or not.
func Send(ctx context.Context, t Temporal, salesOrderID string, deliveries []ordercheck.Delivery) error {
	_, err := t.SignalWithStartWorkflow(ctx,
		ordercheck.WorkflowID(salesOrderID), ordercheck.SignalWebhookDelivered, deliveries,
		client.StartWorkflowOptions{
			ID:                    ordercheck.WorkflowID(salesOrderID),
			TaskQueue:             ordercheck.TaskQueue,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         ordercheck.Summary(salesOrderID),
			Priority:              temporal.Priority{PriorityKey: ordercheck.PriorityWebhook},
		},
		ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: salesOrderID})
	return err
}
