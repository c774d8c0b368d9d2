package operations

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// Override takes responsibility for findings of a pending or held order, and returns the updated
// report. If the validator refuses the request, the error is a [temporal.ApplicationError] that
// names every fault.
func Override(
	ctx context.Context, c client.Client, salesOrderID string, request ordercheck.OverrideRequest,
) (*ordercheck.Report, error) {
	return updateOrder(ctx, c, salesOrderID, ordercheck.UpdateOverride, request,
		"override findings of")
}

// Comment adds a comment to the timeline of an order with an open run, and returns the updated
// report. If the validator refuses the request, the error is a [temporal.ApplicationError] that
// names every fault.
func Comment(
	ctx context.Context, c client.Client, salesOrderID string, comment ordercheck.Comment,
) (*ordercheck.Report, error) {
	return updateOrder(ctx, c, salesOrderID, ordercheck.UpdateComment, comment, "comment on")
}

// updateOrder sends an update to an order's open run and returns the report. doing describes the
// update in errors.
func updateOrder(
	ctx context.Context, c client.Client, salesOrderID, name string, argument any, doing string,
) (*ordercheck.Report, error) {
	if err := ordercheck.ValidateSalesOrderID(salesOrderID); err != nil {
		return nil, err
	}
	salesOrderID = ordercheck.CanonicalID(salesOrderID)
	var report ordercheck.Report
	if err := update(ctx, c, client.UpdateWorkflowOptions{
		WorkflowID: ordercheck.WorkflowID(salesOrderID), UpdateName: name, Args: []any{argument},
	}, &report); err != nil {
		return nil, fmt.Errorf("%s sales order %s: %w", doing, salesOrderID, err)
	}
	return &report, nil
}
