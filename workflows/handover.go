package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// HandOverDeliveries is the workflow [ordercheck.HandOverWorkflowType]. The ingress has accepted
// the deliveries, so the workflow goes on until every order has received its own, even if an
// operator cancels the run.
func HandOverDeliveries(ctx workflow.Context, in ordercheck.DeliveryBatch) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_, err := handOver.Run(ctx, in)
	return err
}
