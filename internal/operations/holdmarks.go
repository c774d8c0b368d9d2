package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// HoldMarksStopped returns why hold marks are stopped; nil if they are not.
func HoldMarksStopped(ctx context.Context, c client.Client) (*ordercheck.HoldMarksStop, error) {
	run, err := c.DescribeWorkflowExecution(ctx, ordercheck.HoldMarksStopID, "")
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find out whether hold marks are stopped: %w", err)
	case run.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return nil, nil
	}
	answer, err := c.QueryWorkflow(ctx, ordercheck.HoldMarksStopID, "", ordercheck.QueryHoldMarksStop)
	if err != nil {
		return nil, fmt.Errorf("hold marks are stopped, but no worker says why; "+
			"start 'gate worker', then try again: %w", err)
	}
	var stop ordercheck.HoldMarksStop
	if err := answer.Get(&stop); err != nil {
		return nil, fmt.Errorf("read why hold marks are stopped: %w", err)
	}
	return &stop, nil
}

// ResumeHoldMarks lets the gate write hold marks again. It waits for a worker, because without one
// nothing would happen.
func ResumeHoldMarks(ctx context.Context, c client.Client) error {
	if err := waitForWorker(ctx, c); err != nil {
		return err
	}
	err := c.SignalWorkflow(ctx, ordercheck.HoldMarksStopID, "", ordercheck.SignalResumeHoldMarks, nil)
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none): // nothing is stopped
		return nil
	case err != nil:
		return fmt.Errorf("resume hold marks: %w", err)
	}
	// An order that is checked before the stop has ended would not be marked.
	if err := c.GetWorkflow(ctx, ordercheck.HoldMarksStopID, "").Get(ctx, nil); err != nil {
		return fmt.Errorf("wait for the end of the stop of hold marks: %w", err)
	}
	return nil
}

// CheckForHoldMarks asks for a check of every open order, which corrects the order's mark. An
// order without errors that still has its mark is open too. CheckForHoldMarks returns the number
// of orders that it asked for, even if it fails.
func CheckForHoldMarks(ctx context.Context, c client.Client) (orders int, err error) {
	query := fmt.Sprintf(
		"WorkflowType = '%s' AND ExecutionStatus = 'Running'",
		ordercheck.WorkflowType,
	)
	var token []byte
	for {
		page, err := c.ListWorkflow(
			ctx,
			&workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: token},
		)
		if err != nil {
			return orders, fmt.Errorf("list the open orders: %w", err)
		}
		for _, run := range page.GetExecutions() {
			id := run.GetExecution().GetWorkflowId()
			err := c.SignalWorkflow(ctx, id, "", ordercheck.SignalWebhookDelivered,
				[]ordercheck.Delivery{{Event: ordercheck.EventMarksResumed, ReceivedAt: time.Now().UTC()}})
			var none *serviceerror.NotFound
			switch {
			case errors.As(err, &none): // it has ended since
			case err != nil:
				return orders, fmt.Errorf("ask for a check of %s: %w", id, err)
			default:
				orders++
			}
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return orders, nil
		}
	}
}

const (
	// workerPoll is the time between checks whether a worker is there.
	workerPoll = 250 * time.Millisecond
	// workerSilence is longer than a worker's poll takes, which is a minute.
	workerSilence = 2 * time.Minute
)

// waitForWorker waits until a worker polls for workflows.
func waitForWorker(ctx context.Context, c client.Client) error {
	for {
		queue, err := c.DescribeTaskQueue(ctx, ordercheck.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("look for a worker: %w", err)
		}
		for _, poller := range queue.GetPollers() {
			if time.Since(poller.GetLastAccessTime().AsTime()) < workerSilence {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no worker is running: start 'gate worker', then try again: %w", ctx.Err())
		case <-time.After(workerPoll):
		}
	}
}
