package activities

import (
	"context"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/ordercheck"
)

// RecallSweep returns the marks of the last sweep that completed, for one that was not given
// them by its schedule. None are no harm: more orders are compared then.
func (a *Activities) RecallSweep(ctx context.Context) (ordercheck.SweepMarks, error) {
	if a.PastRuns == nil {
		return ordercheck.SweepMarks{}, nil
	}
	runs, err := a.PastRuns.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1,
		Query:    fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Completed'", ordercheck.SweepWorkflowType),
	})
	if err != nil {
		return ordercheck.SweepMarks{}, fmt.Errorf("look for the last sweep: %w", err)
	}
	if len(runs.GetExecutions()) == 0 {
		return ordercheck.SweepMarks{}, nil
	}
	last := runs.GetExecutions()[0].GetExecution()
	var sweep ordercheck.Sweep
	if err := a.PastRuns.GetWorkflow(ctx, last.GetWorkflowId(), last.GetRunId()).Get(ctx, &sweep); err != nil {
		activity.GetLogger(ctx).Warn("the result of the last sweep cannot be read: every order is compared", "workflow", last.GetWorkflowId(), "error", err)
		return ordercheck.SweepMarks{}, nil
	}
	return sweep.Marks, nil
}
