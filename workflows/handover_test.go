package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows"
	"error-check-gate/workflows/workflowtest"
)

// TestHandOverGoesOn checks that neither failures nor an operator's cancellation end a hand-over,
// since the senders of its deliveries have been answered.
func TestHandOverGoesOn(t *testing.T) {
	env := workflowtest.NewEnvironment()
	env.RegisterWorkflowWithOptions(workflows.HandOverDeliveries,
		workflow.RegisterOptions{Name: ordercheck.HandOverWorkflowType})
	in := ordercheck.DeliveryBatch{Orders: []ordercheck.OrderDeliveries{
		{
			SalesOrderID: "1",
			Deliveries: []ordercheck.Delivery{
				{Event: "salesOrder.updated", ReceivedAt: time.Now().UTC()},
			},
		},
	}}
	attempts := 0
	env.RegisterActivityWithOptions(func(ctx context.Context, got ordercheck.DeliveryBatch) error {
		assert.Equal(t, in, got)
		assert.Equal(t, ordercheck.HandOverTaskQueue, activity.GetInfo(ctx).TaskQueue)
		assert.Equal(t, 10*time.Second, activity.GetInfo(ctx).HeartbeatTimeout)
		if attempts++; attempts < 9 { // the test environment allows no more than ten
			return errors.New("Temporal is busy")
		}
		return nil
	}, activity.RegisterOptions{Name: ordercheck.ActivityHandOver})
	env.RegisterDelayedCallback(env.CancelWorkflow, 5*time.Second)
	env.ExecuteWorkflow(ordercheck.HandOverWorkflowType, in)
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	assert.Equal(t, 9, attempts)
}
