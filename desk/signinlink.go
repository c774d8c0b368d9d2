package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// useLinkTimeout limits the wait for Temporal when somebody signs in with a link.
const useLinkTimeout = 5 * time.Second

// useLinkOnce reports whether a sign-in link is used for the first time. Temporal remembers that
// for all desks: while it keeps a closed run, it refuses to start a second workflow with the same
// id. It keeps runs for days, and a link is valid for minutes.
func useLinkOnce(
	ctx context.Context, temporal client.Client, linkID string,
) (first bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, useLinkTimeout)
	defer cancel()
	_, err = temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: ordercheck.UseSignInLinkWorkflowID(linkID), TaskQueue: ordercheck.TaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowExecutionTimeout:                 time.Hour,
		StaticSummary:                            "A link that signed somebody in at the order desk",
	}, ordercheck.UseSignInLinkType)
	var used *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &used):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("record that a sign-in link was used: %w", err)
	}
	return true, nil
}
