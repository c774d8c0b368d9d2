package workflows

import (
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// HandOverDeliveries is the workflow [ordercheck.HandOverType]. The senders have their answers, so it
// goes on until every order has its deliveries, even if an operator cancels it.
func HandOverDeliveries(ctx workflow.Context, in ordercheck.HandOver) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_, err := handOver.Run(ctx, in)
	return err
}
