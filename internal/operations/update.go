package operations

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

// update sends an update to an open run and waits until it has ended. It is sent again where Temporal
// dropped it since a task of the run failed, which a run gets over by itself: nothing has come of it then.
func update(ctx context.Context, c client.Client, options client.UpdateWorkflowOptions, result any) error {
	options.WaitForStage = client.WorkflowUpdateStageCompleted
	for {
		handle, err := c.UpdateWorkflow(ctx, options)
		if err == nil {
			err = handle.Get(ctx, result)
		}
		if !wasDropped(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(tryAgainAfter):
		}
	}
}

// wasDropped: a task of the run failed before it took the update.
func wasDropped(err error) bool {
	var notReady *serviceerror.WorkflowNotReady
	return errors.As(err, &notReady)
}
