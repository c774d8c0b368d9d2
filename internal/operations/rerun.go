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
	// DryRun makes Rerun start nothing.
	DryRun bool
	// Progress is called for every failed run, with its number and the total. May be nil.
	Progress func(done, total int)
	// Each is called for every order that Rerun starts, or would start without DryRun. If it
	// returns an error, Rerun stops. May be nil.
	Each func(salesOrderID string) error
}

// RerunResult counts orders.
type RerunResult struct {
	// Rerun counts orders that Rerun started, or would have started without DryRun.
	Rerun int
	// Skipped counts orders that have had another run since the failed one.
	Skipped int
}

// Rerun starts a run of every order whose latest run failed, timed out or was terminated. The
// server refuses to start a run if the order has an open one or if its latest one did not fail.
// So Rerun never disturbs a run that somebody else starts meanwhile.
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
	done := 0
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
			if done++; o.Progress != nil {
				o.Progress(done, max(total, done))
			}
			id, ok := ordercheck.SalesOrderID(run.GetExecution().GetWorkflowId())
			if !ok || seen[id] {
				continue
			}
			seen[id] = true
			started, err := rerunOne(ctx, c, id, o.DryRun)
			if err != nil {
				return result, err
			}
			if !started {
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

// rerunOne starts a run of an order if its latest run failed. started reports whether it did, or
// would have without dryRun.
func rerunOne(
	ctx context.Context, c client.Client, salesOrderID string, dryRun bool,
) (started bool, err error) {
	// Temporal's reuse policy alone would also start an order whose run an operator cancelled.
	latest, err := c.DescribeWorkflowExecution(ctx, ordercheck.WorkflowID(salesOrderID), "")
	if err != nil {
		return false, fmt.Errorf("read the latest run of sales order %s: %w", salesOrderID, err)
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
	// Nobody waits for one order among many, so people's own checks go first.
	return ordersignal.Rerun(ctx, c, salesOrderID, ordercheck.PriorityWebhook)
}
