package activities

import (
	"context"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// PastRuns is the part of Temporal's client that finds an order's runs before this one.
type PastRuns interface {
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	GetWorkflow(ctx context.Context, workflowID string, runID string) client.WorkflowRun
}

// RecallRun finds the order's last completed run and returns what a new one has to know of
// it: the findings that somebody answers for.
func (a *Activities) RecallRun(ctx context.Context, in ordercheck.RecallRunInput) (ordercheck.RecalledRun, error) {
	recalled := ordercheck.RecalledRun{Overridden: []ordercheck.Finding{}}
	if a.PastRuns == nil {
		return recalled, nil
	}
	id := ordercheck.WorkflowID(in.SalesOrderID)
	runs, err := a.PastRuns.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1,
		Query:    fmt.Sprintf("WorkflowId = '%s' AND ExecutionStatus = 'Completed'", id),
	})
	if err != nil {
		return recalled, fmt.Errorf("look for the run before: %w", err)
	}
	if len(runs.GetExecutions()) == 0 {
		return recalled, nil
	}
	last := runs.GetExecutions()[0]
	var report ordercheck.Report
	if err := a.PastRuns.GetWorkflow(ctx, id, last.GetExecution().GetRunId()).Get(ctx, &report); err != nil {
		return recalled, fmt.Errorf("read the report of the run before: %w", err)
	}
	for _, f := range report.Findings {
		if f.State == ordercheck.FindingOverridden && f.Override != nil {
			recalled.Overridden = append(recalled.Overridden, f)
		}
	}
	return recalled, nil
}
