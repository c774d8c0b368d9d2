package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

// scheduledStart is the search attribute with the time that the schedule planned for a run. The run
// starts later than planned if the server was down. A run that a person starts has no such
// attribute.
var scheduledStart = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// SendDigest is the workflow [ordercheck.DigestWorkflowType]. The key of its mail is the workflow's
// id, which holds the planned time, so every attempt of a day sends the same mail.
func SendDigest(ctx workflow.Context, _ ordercheck.DigestStart) (ordercheck.SentDigest, error) {
	in := ordercheck.SendDigestInput{
		Key: workflow.GetInfo(ctx).WorkflowExecution.ID, At: workflow.Now(ctx).UTC(),
	}
	if at, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledStart); ok {
		in.At = at.UTC()
	}
	if workflow.HasLastCompletionResult(ctx) {
		var last ordercheck.SentDigest
		if err := workflow.GetLastCompletionResult(ctx, &last); err != nil {
			return last, fmt.Errorf("read the result of the last digest: %w", err)
		}
		in.Since = last.ListedAt
	}
	return sendDigest.Run(ctx, in)
}

// sendDigest lists the held orders and mails the list. It gives up before the next digest is due.
var sendDigest = call.Activity[ordercheck.SendDigestInput, ordercheck.SentDigest]{
	Name: ordercheck.ActivitySendDigest,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: 12 * time.Hour,
		StartToCloseTimeout:    30 * time.Minute,
		HeartbeatTimeout:       time.Minute,
		Summary:                "list the held orders, and mail the list",
		RetryPolicy:            call.Backoff(2*time.Second, 10*time.Minute),
	},
}
