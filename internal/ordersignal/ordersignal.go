// Package ordersignal signals deliveries to an order's workflow. The ingress does this for one
// order, a worker for each order of a batch, and the sweep for deliveries that never came.
package ordersignal

import (
	"context"
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// Temporal is the part of Temporal's client that signals a run, and starts it if there is none.
type Temporal interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun,
		error)
}

// shownAtStart holds the search attributes of a new run. The run's first task would set the same
// values, but only once a worker takes it.
var shownAtStart = temporal.NewSearchAttributes(
	temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchGateStatus).
		ValueSet(string(ordercheck.StatusChecking)),
	temporal.NewSearchAttributeKeyInt64(ordercheck.SearchErrorCount).ValueSet(0),
	temporal.NewSearchAttributeKeyKeywordList(ordercheck.SearchFailedRules).ValueSet([]string{}),
)

// Send returns nil once Temporal has committed the deliveries to the order's run. If it returns an
// error, they may or may not have been committed. priority, such as [ordercheck.PriorityWebhook],
// applies if a run is started.
//
// A new run shows from its start that its order is being checked. If the namespace doesn't know
// the search attributes yet, the server refuses them, and Send starts the run without them.
func Send(
	ctx context.Context, t Temporal, salesOrderID string, priority int,
	deliveries []ordercheck.Delivery,
) error {
	salesOrderID = ordercheck.CanonicalID(salesOrderID)
	options := client.StartWorkflowOptions{
		ID:                    ordercheck.WorkflowID(salesOrderID),
		TaskQueue:             ordercheck.TaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         ordercheck.Summary(salesOrderID),
		Priority:              temporal.Priority{PriorityKey: priority},
		TypedSearchAttributes: shownAtStart,
	}
	send := func() error {
		_, err := t.SignalWithStartWorkflow(ctx, options.ID,
			ordercheck.SignalWebhookDelivered, deliveries,
			options, ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: salesOrderID})
		return err
	}
	err := send()
	var refused *serviceerror.InvalidArgument
	if errors.As(err, &refused) {
		options.TypedSearchAttributes = temporal.SearchAttributes{}
		err = send()
	}
	return err
}
