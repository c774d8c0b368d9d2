package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// HandOverDeliveries is the workflow [ordercheck.HandOverType]. Its senders have
// been answered, so it goes on until every order has its deliveries, also where
// an operator cancels it.
func HandOverDeliveries(ctx workflow.Context, in ordercheck.HandOver) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return workflow.ExecuteActivity(handOverOptions(ctx), ordercheck.ActivityHandOver, in).Get(ctx, nil)
}

// handOverOptions: tried for ever. An attempt tells by its heartbeat what is left,
// and a worker that died is noticed by its absence.
func handOverOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           ordercheck.HandOverTaskQueue,
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    10 * time.Second,
		Summary:             "hand each order its deliveries",
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    time.Minute,
		},
	})
}
