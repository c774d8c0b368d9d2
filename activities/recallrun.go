package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// PastRuns is the part of Temporal's client that finds an order's earlier runs and reads their
// histories.
type PastRuns interface {
	ListWorkflow(ctx context.Context,
		request *workflowservice.ListWorkflowExecutionsRequest) (
		*workflowservice.ListWorkflowExecutionsResponse, error)
	GetWorkflow(ctx context.Context, workflowID string, runID string) client.WorkflowRun
	WorkflowService() workflowservice.WorkflowServiceClient
}

// maxPastRuns is the number of runs, latest first, among which RecallRun looks for one that
// checked the order.
const maxPastRuns = 100

// RecallRun finds the last run that checked the order, and returns the data that a new run needs:
// the overridden findings, the findings that people were notified of, and the failure of the
// latest run. It skips terminated runs, because they leave no report.
func (a *Activities) RecallRun(
	ctx context.Context, in ordercheck.RecallRunInput,
) (ordercheck.RecalledRun, error) {
	recalled := ordercheck.RecalledRun{Overridden: []ordercheck.Finding{}}
	if a.PastRuns == nil {
		return recalled, nil
	}
	id := ordercheck.WorkflowID(in.SalesOrderID)
	runs, err := a.PastRuns.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: maxPastRuns,
		Query: fmt.Sprintf("WorkflowId = '%s' AND ExecutionStatus IN ('Completed', 'Canceled', 'Failed')",
			id),
	})
	if err != nil {
		return recalled, fmt.Errorf("list the order's earlier runs: %w", err)
	}
	for i, run := range runs.GetExecutions() { // the latest one first
		report, failure, err := lastReport(ctx,
			a.PastRuns.GetWorkflow(ctx, id, run.GetExecution().GetRunId()))
		if err != nil {
			return recalled, err
		}
		if i == 0 {
			recalled.Failure = failure
		}
		if report.CheckedAt.IsZero() {
			continue // the run ended before its first check
		}
		for f := range report.All() {
			if f.State == ordercheck.FindingOverridden && f.Override != nil {
				recalled.Overridden = append(recalled.Overridden, *f)
			}
			if f.Notified {
				recalled.Notified = append(recalled.Notified, *f)
			}
		}
		break
	}
	return recalled, nil
}

// lastReport reads the report of a closed run, from its result or from the details of its failure
// or cancellation. The report is empty if the run left none. failure is the error type of a
// failed run, and "" otherwise.
func lastReport(
	ctx context.Context, run client.WorkflowRun,
) (report ordercheck.Report, failure string, err error) {
	err = run.Get(ctx, &report)
	var ended *temporal.WorkflowExecutionError
	if !errors.As(err, &ended) {
		if err != nil {
			err = fmt.Errorf("read the report of an earlier run: %w", err)
		}
		return report, "", err
	}
	var canceled *temporal.CanceledError
	var failed *temporal.ApplicationError
	err = nil
	if errors.As(ended, &failed) {
		failure = failed.Type()
	}
	switch {
	case errors.As(ended, &canceled) && canceled.HasDetails():
		err = canceled.Details(&report)
	case failed != nil && failed.HasDetails():
		err = failed.Details(&report)
	}
	if err != nil {
		err = fmt.Errorf("read the report of an earlier run: %w", err)
	}
	return report, failure, err
}
