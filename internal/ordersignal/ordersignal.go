// Package ordersignal is the one call by which deliveries get to an order's run: the
// ingress makes it for one order, a worker for each order of many that were
// handed over together, and the sweep for what it found missed.
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

// Temporal is the part of Temporal's client that signals a run, and starts it where there is none.
type Temporal interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
}

// shownAtStart is what a run would show first of all by itself.
var shownAtStart = temporal.NewSearchAttributes(
	temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchGateStatus).ValueSet(string(ordercheck.StatusChecking)),
	temporal.NewSearchAttributeKeyInt64(ordercheck.SearchErrorCount).ValueSet(0),
	temporal.NewSearchAttributeKeyKeywordList(ordercheck.SearchFailedRules).ValueSet([]string{}),
)

// Send returns nil once Temporal has committed the deliveries to the order's run,
// and the error of Temporal's client otherwise: then they may have been committed or not. The
// priority, such as [ordercheck.PriorityWebhook], is that of a run that is started.
//
// A run that is started shows from its first moment that it is being checked. The server refuses that
// while its namespace does not know the search attributes: then the run is left to show it.
func Send(ctx context.Context, t Temporal, salesOrderID string, priority int, deliveries []ordercheck.Delivery) error {
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
		_, err := t.SignalWithStartWorkflow(ctx, options.ID, ordercheck.SignalWebhookDelivered, deliveries,
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
