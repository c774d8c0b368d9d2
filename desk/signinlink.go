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

// useLinkWithin limits the wait for Temporal when a link signs somebody in.
const useLinkWithin = 5 * time.Second

// useLinkOnce reports whether a sign-in link is used for the first time. Temporal knows: it refuses
// to start a workflow twice under one id for as long as it keeps ended runs, which is days, and a
// link is good for minutes.
func (s *Server) useLinkOnce(ctx context.Context, linkID string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, useLinkWithin)
	defer cancel()
	_, err := s.runs.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
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
		return false, fmt.Errorf("note that a link was used: %w", err)
	}
	return true, nil
}
