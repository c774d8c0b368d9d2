package holdmarks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/holdmarks"
	"error-check-gate/workflows/workflowtest"
)

func TestStopEndsWhenSomebodyResumesOrCancels(t *testing.T) {
	t.Parallel()
	for _, cancels := range []bool{false, true} {
		t.Run(fmt.Sprintf("cancels %t", cancels), func(t *testing.T) {
			env := workflowtest.NewEnvironment()
			notified := 0
			env.RegisterActivityWithOptions(
				func(context.Context, ordercheck.HoldMarksStop) error { notified++; return nil },
				activity.RegisterOptions{Name: ordercheck.ActivityNotifyHoldMarksStopped})
			env.RegisterDelayedCallback(func() {
				if cancels {
					env.CancelWorkflow()
					return
				}
				env.SignalWorkflow(ordercheck.SignalResumeHoldMarks, nil)
			}, time.Hour)
			env.ExecuteWorkflow(holdmarks.Stop, ordercheck.HoldMarksStop{SalesOrderID: "order-1"})
			require.True(t, env.IsWorkflowCompleted())
			if err := env.GetWorkflowError(); cancels {
				var cancelled *temporal.CanceledError
				require.ErrorAs(t, err, &cancelled)
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, 1, notified)
		})
	}
}
