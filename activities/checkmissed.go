package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
)

// OrderRuns is the part of Temporal's client that looks at orders' runs and starts them.
type OrderRuns interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	ordersignal.Temporal
}

const (
	// webhookPatience is how long a webhook may be on its way, from the list that shows the
	// change, before the sweep takes it for missed.
	webhookPatience = 10 * time.Second
	// maxSweepWaiting bounds the checks of a sweep that wait for InFlow's allowance. There are
	// enough of them to leave none of it unused, and so few that the last one waits for
	// seconds: a fetch is given up after six hours, and where Temporal does not know priorities,
	// webhooks wait behind them.
	maxSweepWaiting = 20
	// waitingPoll is the time between two looks at the checks that wait.
	waitingPoll = 2 * time.Second
	// stalledAfter is how long not one of them may get on before the sweep fails: then InFlow
	// answers none of those orders, and more checks would only wait as well.
	stalledAfter = time.Hour

	errorSweepStalled = "SweepStalled"
)

// CheckMissed compares listed orders with their latest checks, and starts a check of each
// that no check has seen as it is now. An order that has an open run gets a signal, and its
// workflow decides: it alone knows what it is about to fetch.
//
// Temporal's list of runs lags behind, so each order's latest run is looked at itself.
func (a *Activities) CheckMissed(ctx context.Context, in ordercheck.CheckMissedInput) (ordercheck.CheckedMissed, error) {
	m := missedOrders{runs: a.Runs, result: ordercheck.CheckedMissed{Missed: []ordercheck.ListedOrder{}, Waiting: in.Waiting}}
	if a.Runs == nil {
		return m.result, errors.New("this worker has no client of Temporal to start checks with")
	}
	if activity.HasHeartbeatDetails(ctx) { // an attempt was interrupted
		if err := activity.GetHeartbeatDetails(ctx, &m.result); err != nil {
			return m.result, fmt.Errorf("go on from the attempt before: %w", err)
		}
	}
	var suspects []ordercheck.ListedOrder
	for _, order := range in.Orders {
		run, err := m.look(ctx, order)
		if err != nil {
			return m.result, err
		}
		if !run.saw(order) {
			suspects = append(suspects, order)
		}
	}
	if len(suspects) == 0 {
		return m.result, nil
	}
	patience := cmp.Or(a.WebhookPatience, webhookPatience)
	if err := m.pause(ctx, min(patience, patience-time.Since(activity.GetInfo(ctx).ScheduledTime))); err != nil {
		return m.result, err
	}
	m.result.UnderWay = 0
	for _, order := range suspects {
		if err := m.check(ctx, order); err != nil {
			return m.result, err
		}
	}
	return m.result, nil
}

// missedOrders is one attempt of [Activities.CheckMissed].
type missedOrders struct {
	runs   OrderRuns
	result ordercheck.CheckedMissed
}

// check starts a check of an order unless its latest run has seen it, or is about to.
func (m *missedOrders) check(ctx context.Context, order ordercheck.ListedOrder) error {
	if slices.Contains(m.result.Missed, order) {
		return nil // the attempt before has started it
	}
	run, err := m.look(ctx, order)
	if err != nil || run.saw(order) {
		return err
	}
	if run.willFetch() {
		m.result.UnderWay++
		m.wait(order)
		return nil
	}
	if err := m.room(ctx); err != nil {
		return err
	}
	delivery := ordercheck.Delivery{Event: ordercheck.EventMissedWebhook, ReceivedAt: time.Now().UTC(), OrderVersion: order.OrderVersion}
	err = ordersignal.Send(ctx, m.runs, order.SalesOrderID, ordercheck.PrioritySweep, []ordercheck.Delivery{delivery})
	if err != nil {
		return fmt.Errorf("start a check of sales order %s: %w", order.SalesOrderID, err)
	}
	m.result.Missed = append(m.result.Missed, order)
	m.wait(order)
	activity.RecordHeartbeat(ctx, m.result)
	return nil
}

// wait counts an order among those that wait for InFlow's allowance.
func (m *missedOrders) wait(order ordercheck.ListedOrder) {
	if !slices.Contains(m.result.Waiting, order) {
		m.result.Waiting = append(m.result.Waiting, order)
	}
}

// room waits until fewer checks wait for the allowance than may.
func (m *missedOrders) room(ctx context.Context) error {
	moved := time.Now()
	for len(m.result.Waiting) >= maxSweepWaiting {
		still := make([]ordercheck.ListedOrder, 0, len(m.result.Waiting))
		for _, order := range m.result.Waiting {
			run, err := m.look(ctx, order)
			if err != nil {
				return err
			}
			if !run.saw(order) && run.waits() {
				still = append(still, order)
			}
		}
		if len(still) < len(m.result.Waiting) {
			moved = time.Now()
		}
		m.result.Waiting = still
		if len(still) < maxSweepWaiting {
			return nil
		}
		if time.Since(moved) > stalledAfter {
			return temporal.NewNonRetryableApplicationError(fmt.Sprintf(
				"%d checks that the sweep started have waited for InFlow for %v, and none has got on; the next sweep goes on when InFlow answers them",
				len(still), stalledAfter), errorSweepStalled, nil)
		}
		if err := m.pause(ctx, waitingPoll); err != nil {
			return err
		}
	}
	return nil
}

var errWorkerStops = errors.New("the worker stops: another one goes on")

// pause ends early where the activity is cancelled or its worker stops.
func (m *missedOrders) pause(ctx context.Context, wait time.Duration) error {
	activity.RecordHeartbeat(ctx, m.result)
	timer := time.NewTimer(max(wait, 0))
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

// latestRun is what an order's latest run shows of itself. The zero value is no run.
type latestRun struct {
	open bool
	// version of the order that its latest check saw; empty is none.
	version string
	// begun: its workflow has run.
	begun bool
	// fetch is the state of its fetch, where one is to be made or under way.
	fetch enumspb.PendingActivityState
	// moving: its workflow is about to run.
	moving bool
}

// saw says whether a check has seen the order as it was listed, or newer.
func (r latestRun) saw(order ordercheck.ListedOrder) bool {
	return r.version != "" && ordercheck.CompareVersions(r.version, order.OrderVersion) >= 0
}

// willFetch says whether a fetch will surely begin from now on, and so see what is newest.
// One that has begun may have been answered before the order changed.
func (r latestRun) willFetch() bool {
	return r.open && (!r.begun || r.fetch == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED || r.fetch == enumspb.PENDING_ACTIVITY_STATE_PAUSED)
}

// waits says whether a check is on its way.
func (r latestRun) waits() bool {
	return r.open && (!r.begun || r.moving || r.fetch != enumspb.PENDING_ACTIVITY_STATE_UNSPECIFIED)
}

func (m *missedOrders) look(ctx context.Context, order ordercheck.ListedOrder) (latestRun, error) {
	id := ordercheck.WorkflowID(order.SalesOrderID)
	answer, err := m.runs.DescribeWorkflowExecution(ctx, id, "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return latestRun{}, nil
	}
	if err != nil {
		return latestRun{}, fmt.Errorf("look at the latest run of sales order %s: %w", order.SalesOrderID, err)
	}
	info := answer.GetWorkflowExecutionInfo()
	run := latestRun{
		open:    info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		version: keyword(info, ordercheck.SearchOrderVersion),
		begun:   keyword(info, ordercheck.SearchGateStatus) != "",
		moving:  answer.GetPendingWorkflowTask() != nil,
	}
	for _, pending := range answer.GetPendingActivities() {
		if pending.GetActivityType().GetName() == ordercheck.ActivityFetchOrder {
			run.fetch = pending.GetState()
		}
	}
	return run, nil
}

// keyword is a search attribute of a run; empty where it has none.
func keyword(info *workflowpb.WorkflowExecutionInfo, name string) string {
	var value string
	payload := info.GetSearchAttributes().GetIndexedFields()[name]
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &value) != nil {
		return ""
	}
	return value
}
