package operations

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// Override takes responsibility for findings of an order that is pending or held,
// and returns the report as it is then. What the validator refuses is a
// [temporal.ApplicationError] that says every fault.
func Override(ctx context.Context, c client.Client, salesOrderID string, request ordercheck.OverrideRequest) (*ordercheck.Report, error) {
	if err := ordercheck.ValidateSalesOrderID(salesOrderID); err != nil {
		return nil, err
	}
	salesOrderID = ordercheck.CanonicalID(salesOrderID)
	var report ordercheck.Report
	err := update(ctx, c, client.UpdateWorkflowOptions{
		WorkflowID: ordercheck.WorkflowID(salesOrderID),
		UpdateName: ordercheck.UpdateOverride,
		Args:       []any{request},
	}, &report)
	if err != nil {
		return nil, fmt.Errorf("override findings of sales order %s: %w", salesOrderID, err)
	}
	return &report, nil
}

// Comment writes a comment into the timeline of an order with an open run, and returns the report as
// it is then. What the validator refuses is a [temporal.ApplicationError] that says every fault.
func Comment(
	ctx context.Context, c client.Client, salesOrderID string, comment ordercheck.Comment,
) (*ordercheck.Report, error) {
	if err := ordercheck.ValidateSalesOrderID(salesOrderID); err != nil {
		return nil, err
	}
	salesOrderID = ordercheck.CanonicalID(salesOrderID)
	var report ordercheck.Report
	err := update(ctx, c, client.UpdateWorkflowOptions{
		WorkflowID: ordercheck.WorkflowID(salesOrderID),
		UpdateName: ordercheck.UpdateComment,
		Args:       []any{comment},
	}, &report)
	if err != nil {
		return nil, fmt.Errorf("comment on sales order %s: %w", salesOrderID, err)
	}
	return &report, nil
}
