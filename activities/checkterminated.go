package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
)

const (
	// maxTerminated is the number of orders after which CheckTerminated leaves the others to the
	// next sweep. Each order takes a request to InFlow, and somebody may have terminated
	// thousands of runs at once.
	maxTerminated = 500
	// terminatedPage is the number of terminated runs per page.
	terminatedPage = 200
)

// CheckTerminated starts a check of each order whose latest run was terminated, because that run
// may have left a hold mark in InFlow. An operator can do the same with 'gate rerun'.
//
// Once an order has a new run, it isn't found again. So after an interrupted attempt, the next
// one looks at all terminated runs again.
func (a *Activities) CheckTerminated(
	ctx context.Context, in ordercheck.CheckTerminatedInput,
) (ordercheck.CheckedTerminated, error) {
	m := missedOrders{
		runs:   a.Runs,
		result: ordercheck.CheckedMissed{Missed: []ordercheck.ListedOrder{}, Waiting: in.Waiting},
	}
	if a.Runs == nil || a.PastRuns == nil {
		return ordercheck.CheckedTerminated{}, errors.New(
			"this worker has no Temporal client to start checks with")
	}
	if activity.HasHeartbeatDetails(ctx) { // an attempt was interrupted
		if err := activity.GetHeartbeatDetails(ctx, &m.result); err != nil {
			return ordercheck.CheckedTerminated{}, fmt.Errorf("resume from the last attempt: %w", err)
		}
	}
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Terminated'",
		ordercheck.WorkflowType)
	if !in.Since.IsZero() {
		query += fmt.Sprintf(" AND CloseTime >= '%s'", in.Since.UTC().Format(time.RFC3339))
	}
	var token []byte
	for {
		page, err := a.PastRuns.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: terminatedPage, NextPageToken: token,
		})
		if err != nil {
			return ordercheck.CheckedTerminated{}, fmt.Errorf("list the terminated runs: %w", err)
		}
		for _, run := range page.GetExecutions() {
			if err := m.checkTerminated(ctx, run); err != nil {
				return ordercheck.CheckedTerminated{}, err
			}
			if len(m.result.Missed) >= maxTerminated {
				return m.checkedTerminated(true), nil
			}
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return m.checkedTerminated(false), nil
		}
	}
}

func (m *missedOrders) checkedTerminated(more bool) ordercheck.CheckedTerminated {
	return ordercheck.CheckedTerminated{
		Checked: len(m.result.Missed), More: more, Waiting: m.result.Waiting,
	}
}

// checkTerminated starts a check of an order with a terminated run, unless it has had another run
// since.
func (m *missedOrders) checkTerminated(
	ctx context.Context, run *workflowpb.WorkflowExecutionInfo,
) error {
	id, ok := ordercheck.SalesOrderID(run.GetExecution().GetWorkflowId())
	if !ok {
		return nil
	}
	activity.RecordHeartbeat(ctx, m.result)
	order := ordercheck.ListedOrder{
		SalesOrderID: id, OrderVersion: keyword(run, ordercheck.SearchOrderVersion),
	}
	latest, err := m.look(ctx, order)
	if err != nil || !latest.terminated {
		return err
	}
	if err := m.room(ctx); err != nil {
		return err
	}
	started, err := ordersignal.Rerun(ctx, m.runs, id, ordercheck.PrioritySweep)
	if err != nil || !started {
		return err
	}
	m.result.Missed = append(m.result.Missed, order)
	m.wait(order)
	activity.RecordHeartbeat(ctx, m.result)
	return nil
}
