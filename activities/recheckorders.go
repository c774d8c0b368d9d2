package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/ordercheck"
)

const (
	// recheckEvery is the minimum time between two signals, so there are at most 100 per second.
	// recheckJitter is the maximum of the random time that is added to it.
	recheckEvery  = 10 * time.Millisecond
	recheckJitter = 4 * time.Millisecond
	// recheckPage is the number of open orders per page.
	recheckPage = 200
	// recheckCallTimeout limits the signal to one order. If it fails, Temporal retries the
	// activity.
	recheckCallTimeout = 10 * time.Second
)

// OpenRuns is the part of Temporal's client that lists orders' open runs and signals them.
type OpenRuns interface {
	ListWorkflow(ctx context.Context,
		request *workflowservice.ListWorkflowExecutionsRequest) (
		*workflowservice.ListWorkflowExecutionsResponse, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
}

// RecheckOrders is the activity [ordercheck.ActivityRecheckOrders].
type RecheckOrders struct {
	Temporal OpenRuns
}

// Register registers the activity of [ordercheck.TaskQueue].
func (r *RecheckOrders) Register(registry Registry) {
	registry.RegisterActivityWithOptions(r.RecheckOrders,
		activity.RegisterOptions{Name: ordercheck.ActivityRecheckOrders})
}

// RecheckOrders asks every open order to check itself with a rule set that took over, at most 100
// per second. An order that was checked with that set ignores it. An interrupted attempt resumes at
// the same page.
func (r *RecheckOrders) RecheckOrders(
	ctx context.Context, in ordercheck.RecheckOrders,
) (ordercheck.RecheckedOrders, error) {
	var done ordercheck.RecheckedOrders
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &done); err != nil {
			return done, fmt.Errorf("resume from the last attempt: %w", err)
		}
	}
	for {
		page, err := r.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: recheckPage, NextPageToken: done.NextPage,
			Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'",
				ordercheck.WorkflowType),
		})
		var invalid *serviceerror.InvalidArgument
		if errors.As(err, &invalid) && len(done.NextPage) > 0 {
			done = ordercheck.RecheckedOrders{} // another server issued the token: start again
			activity.RecordHeartbeat(ctx, done)
			continue
		}
		if err != nil {
			return done, fmt.Errorf("list the open orders: %w", err)
		}
		for _, run := range page.GetExecutions() {
			if run.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				continue
			}
			if err := r.ask(ctx, run.GetExecution().GetWorkflowId(), in.RuleSet); err != nil {
				return done, err
			}
			done.Orders++
			// The page stays the same until all of it is done. At worst, another attempt asks its orders
			// again.
			activity.RecordHeartbeat(ctx,
				ordercheck.RecheckedOrders{Orders: done.Orders, NextPage: done.NextPage})
			jitter := rand.N(recheckJitter) //nolint:gosec // no secret
			if err := pause(ctx, recheckEvery+jitter); err != nil {
				return done, err
			}
		}
		done.NextPage = page.GetNextPageToken()
		activity.RecordHeartbeat(ctx, done)
		if len(done.NextPage) == 0 {
			return done, nil
		}
	}
}

func (r *RecheckOrders) ask(ctx context.Context, workflowID string, set ordercheck.RuleSet) error {
	ctx, cancel := context.WithTimeout(ctx, recheckCallTimeout)
	defer cancel()
	err := r.Temporal.SignalWorkflow(
		ctx,
		workflowID,
		"",
		ordercheck.SignalWebhookDelivered,
		[]ordercheck.Delivery{{
			Event: ordercheck.EventRulesChanged, ReceivedAt: time.Now().UTC(), RulesDigest: set.Digest,
		}},
	)
	var ended *serviceerror.NotFound
	if err == nil || errors.As(err, &ended) {
		return nil
	}
	return fmt.Errorf("ask %s to check itself again: %w", workflowID, err)
}

// pause waits. It ends early if the activity is cancelled or its worker stops.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-activity.GetWorkerStopChannel(ctx):
		return errWorkerStops
	}
}
