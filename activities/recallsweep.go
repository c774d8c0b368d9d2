package activities

import (
	"context"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/ordercheck"
)

// RecallSweep returns the marks of the last completed sweep. A sweep calls it if its schedule has
// no result of an earlier sweep. If the marks cannot be read, they are zero, and the sweep
// compares more orders.
func (a *Activities) RecallSweep(ctx context.Context) (ordercheck.SweepMarks, error) {
	if a.PastRuns == nil {
		return ordercheck.SweepMarks{}, nil
	}
	runs, err := a.PastRuns.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1,
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Completed'",
			ordercheck.SweepWorkflowType),
	})
	if err != nil {
		return ordercheck.SweepMarks{}, fmt.Errorf("list the last sweep: %w", err)
	}
	if len(runs.GetExecutions()) == 0 {
		return ordercheck.SweepMarks{}, nil
	}
	last := runs.GetExecutions()[0].GetExecution()
	var sweep ordercheck.Sweep
	run := a.PastRuns.GetWorkflow(ctx, last.GetWorkflowId(), last.GetRunId())
	if err := run.Get(ctx, &sweep); err != nil {
		activity.GetLogger(ctx).Warn("cannot read the result of the last sweep; comparing every order",
			"workflow", last.GetWorkflowId(), "error", err)
		return ordercheck.SweepMarks{}, nil
	}
	return sweep.Marks, nil
}
