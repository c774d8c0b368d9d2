package operations

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

// update sends an update to an open run and waits for its result. It sends the update again if
// Temporal dropped it because a task of the run failed. The run recovers by itself, and a dropped
// update has no effect.
func update(
	ctx context.Context, c client.Client, options client.UpdateWorkflowOptions, result any,
) error {
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

// wasDropped reports whether a task of the run failed before it took the update.
func wasDropped(err error) bool {
	var notReady *serviceerror.WorkflowNotReady
	return errors.As(err, &notReady)
}
