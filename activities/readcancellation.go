package activities

import (
	"context"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/ordercheck"
)

const (
	// cancellationPage, in events, and maxCancellationPages limit the search for the
	// cancellation. It is among the latest events, because only work that was accepted before it
	// may follow it.
	cancellationPage     = 100
	maxCancellationPages = 10
	// maxCancellationText limits an identity or reason, in characters.
	maxCancellationText = 200
)

// ReadCancellation returns who cancelled the calling run, and why. Both are empty if the history
// does not say.
func (a *Activities) ReadCancellation(ctx context.Context) (ordercheck.Cancellation, error) {
	if a.PastRuns == nil {
		return ordercheck.Cancellation{}, nil
	}
	info := activity.GetInfo(ctx)
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: info.Namespace,
		Execution: &commonpb.WorkflowExecution{
			WorkflowId: info.WorkflowExecution.ID,
			RunId:      info.WorkflowExecution.RunID,
		},
		MaximumPageSize: cancellationPage,
	}
	for range maxCancellationPages {
		page, err := a.PastRuns.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return ordercheck.Cancellation{}, fmt.Errorf("read the run's history: %w", err)
		}
		for _, event := range page.GetHistory().GetEvents() {
			if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED {
				cancelled := event.GetWorkflowExecutionCancelRequestedEventAttributes()
				return ordercheck.Cancellation{
					Identity: ordercheck.Cut(cancelled.GetIdentity(), maxCancellationText),
					Reason:   ordercheck.Cut(cancelled.GetCause(), maxCancellationText),
				}, nil
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	return ordercheck.Cancellation{}, nil
}
