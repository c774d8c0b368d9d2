package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// HandOverDeliveries is the workflow [ordercheck.HandOverWorkflowType]. The deliveries have been
// accepted, so it goes on until every order has its own, even if an operator cancels it.
func HandOverDeliveries(ctx workflow.Context, in ordercheck.DeliveryBatch) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_, err := handOver.Run(ctx, in)
	return err
}
