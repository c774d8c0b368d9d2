package operations

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
)

const rerunPage = 200

// RerunOptions selects the orders for [Rerun].
type RerunOptions struct {
	// Query narrows the failed runs further, as a Temporal list filter; empty selects all.
	Query string
	// DryRun starts nothing.
	DryRun bool
	// Progress is called for every run, with the number of runs done and in total; may be nil.
	Progress func(done, total int)
	// Each is called for every order that is run again, or would be; may be nil.
	Each func(salesOrderID string) error
}

// RerunResult counts orders.
type RerunResult struct {
	Rerun int
	// Skipped counts orders that had another run since, or have one now.
	Skipped int
}

// Rerun checks again every order whose latest run failed. The server refuses to start an order that
// has an open run, or whose latest run did not fail, so Rerun never disturbs another order,
// whatever happens meanwhile.
func Rerun(ctx context.Context, c client.Client, o RerunOptions) (RerunResult, error) {
	query := fmt.Sprintf(
		"WorkflowType = '%s' AND ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')",
		ordercheck.WorkflowType)
	if o.Query != "" {
		query += " AND (" + o.Query + ")"
	}
	total := 0
	if o.Progress != nil {
		count, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil {
			return RerunResult{}, fmt.Errorf("count the failed runs (%s): %w", query, err)
		}
		total = int(count.GetCount())
	}
	var result RerunResult
	looked := 0
	seen := map[string]bool{}
	var page []byte
	for {
		runs, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: rerunPage, NextPageToken: page,
		})
		if err != nil {
			return result, fmt.Errorf("list the failed runs (%s): %w", query, err)
		}
		for _, run := range runs.GetExecutions() {
			if looked++; o.Progress != nil {
				o.Progress(looked, max(total, looked))
			}
			id, ok := ordercheck.SalesOrderID(run.GetExecution().GetWorkflowId())
			if !ok || seen[id] {
				continue
			}
			seen[id] = true
			again, err := rerunOne(ctx, c, id, o.DryRun)
			if err != nil {
				return result, err
			}
			if !again {
				result.Skipped++
				continue
			}
			result.Rerun++
			if o.Each != nil {
				if err := o.Each(id); err != nil {
					return result, err
				}
			}
		}
		if page = runs.GetNextPageToken(); len(page) == 0 {
			return result, nil
		}
	}
}

// rerunOne reports whether the order was started, or would have been.
func rerunOne(
	ctx context.Context, c client.Client, salesOrderID string, dryRun bool,
) (bool, error) {
	// Temporal's reuse policy alone would also start an order whose run an operator cancelled.
	latest, err := c.DescribeWorkflowExecution(ctx, ordercheck.WorkflowID(salesOrderID), "")
	if err != nil {
		return false, fmt.Errorf("look at the latest run of sales order %s: %w", salesOrderID, err)
	}
	switch latest.GetWorkflowExecutionInfo().GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED,
		enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
		enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
	default:
		return false, nil
	}
	if dryRun {
		return true, nil
	}
	// No single person waits for a rerun of many orders.
	return ordersignal.Rerun(ctx, c, salesOrderID, ordercheck.PriorityWebhook)
}
