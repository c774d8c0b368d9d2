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

// RecallOverrides finds the order's last completed run; where that ended with
// overrides, it returns the findings that they cover.
func (a *Activities) RecallOverrides(ctx context.Context, in ordercheck.RecallOverridesInput) (ordercheck.RecalledOverrides, error) {
	recalled := ordercheck.RecalledOverrides{Findings: []ordercheck.Finding{}}
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
	var report ordercheck.Report
	run := a.PastRuns.GetWorkflow(ctx, id, runs.GetExecutions()[0].GetExecution().GetRunId())
	if err := run.Get(ctx, &report); err != nil {
		return recalled, fmt.Errorf("read the report of the run before: %w", err)
	}
	for _, f := range report.Findings {
		if f.State == ordercheck.FindingOverridden && f.Override != nil {
			recalled.Findings = append(recalled.Findings, f)
		}
	}
	return recalled, nil
}
