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

// OrderRuns is the part of Temporal's client that describes orders' runs and starts them.
type OrderRuns interface {
	DescribeWorkflowExecution(ctx context.Context,
		workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	ordersignal.Temporal
	ordersignal.Starter
}

const (
	// webhookWait is how long the sweep waits for a webhook, after InFlow lists a change, before
	// it counts as missed.
	webhookWait = 10 * time.Second
	// maxSweepWaiting limits the checks of a sweep that wait for their turn at InFlow. 20 are
	// enough to use the whole allowance, and the last one waits only for seconds. A long queue
	// would be bad: a fetch is given up after six hours, and webhooks would wait behind the sweep
	// if Temporal does not support priorities.
	maxSweepWaiting = 20
	// waitingPoll is the time between two looks at the waiting orders.
	waitingPoll = 2 * time.Second
	// stalledAfter is the time without progress of any waiting check after which the sweep fails.
	// InFlow then answers no request for these orders, and further checks would only wait too.
	stalledAfter = time.Hour

	errorSweepStalled = "SweepStalled"
)

// CheckMissed compares listed orders with their latest checks, and starts a check of each order
// whose listed version no check has seen. An order with an open run gets a signal, and its workflow
// decides, because only it knows what it is about to fetch.
//
// Temporal's list of runs lags behind, so CheckMissed describes each order's latest run.
func (a *Activities) CheckMissed(
	ctx context.Context, in ordercheck.CheckMissedInput,
) (ordercheck.CheckedMissed, error) {
	m := missedOrders{
		runs:   a.Runs,
		result: ordercheck.CheckedMissed{Missed: []ordercheck.ListedOrder{}, Waiting: in.Waiting},
	}
	if a.Runs == nil {
		return m.result, errors.New("this worker has no Temporal client to start checks with")
	}
	if activity.HasHeartbeatDetails(ctx) { // an attempt was interrupted
		if err := activity.GetHeartbeatDetails(ctx, &m.result); err != nil {
			return m.result, fmt.Errorf("resume from the last attempt: %w", err)
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
	wait := cmp.Or(a.WebhookWait, webhookWait)
	elapsed := time.Since(activity.GetInfo(ctx).ScheduledTime)
	if err := m.pause(ctx, min(wait, wait-elapsed)); err != nil {
		return m.result, err
	}
	m.result.AlreadyRunning = 0
	for _, order := range suspects {
		if err := m.check(ctx, order); err != nil {
			return m.result, err
		}
	}
	return m.result, nil
}

// missedOrders is the state of one attempt of [Activities.CheckMissed].
type missedOrders struct {
	runs   OrderRuns
	result ordercheck.CheckedMissed
}

// check starts a check of an order, unless its latest run has seen the listed version or will fetch
// it.
func (m *missedOrders) check(ctx context.Context, order ordercheck.ListedOrder) error {
	if slices.Contains(m.result.Missed, order) {
		return nil // an earlier attempt has started it
	}
	run, err := m.look(ctx, order)
	if err != nil || run.saw(order) {
		return err
	}
	if run.willFetch() {
		m.result.AlreadyRunning++
		m.wait(order)
		return nil
	}
	if err := m.room(ctx); err != nil {
		return err
	}
	delivery := ordercheck.Delivery{
		Event:        ordercheck.EventMissedWebhook,
		ReceivedAt:   time.Now().UTC(),
		OrderVersion: order.OrderVersion,
	}
	err = ordersignal.Send(ctx, m.runs, order.SalesOrderID, ordercheck.PrioritySweep,
		[]ordercheck.Delivery{delivery})
	if err != nil {
		return fmt.Errorf("start a check of sales order %s: %w", order.SalesOrderID, err)
	}
	m.result.Missed = append(m.result.Missed, order)
	m.wait(order)
	activity.RecordHeartbeat(ctx, m.result)
	return nil
}

// wait adds an order to the ones that wait for their turn at InFlow.
func (m *missedOrders) wait(order ordercheck.ListedOrder) {
	if !slices.Contains(m.result.Waiting, order) {
		m.result.Waiting = append(m.result.Waiting, order)
	}
}

// room waits until fewer than maxSweepWaiting orders wait for their turn.
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
				"%d checks of the sweep have waited for InFlow for %v without progress; "+
					"the next sweep continues when InFlow answers",
				len(still), stalledAfter), errorSweepStalled, nil)
		}
		if err := m.pause(ctx, waitingPoll); err != nil {
			return err
		}
	}
	return nil
}

var errWorkerStops = errors.New("the worker stops; another one continues")

// pause waits. It ends early if the activity is cancelled or its worker stops.
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

// latestRun describes an order's latest run. The zero value means that the order has no run.
type latestRun struct {
	open, terminated bool
	// version is the order version of its latest check; empty if there is none.
	version string
	// begun is true if its workflow has run at least once.
	begun bool
	// fetch is the state of its pending fetch, if any.
	fetch enumspb.PendingActivityState
	// moving is true if its workflow is about to run.
	moving bool
}

// saw reports whether a check has seen the listed version of the order, or a newer one.
func (r latestRun) saw(order ordercheck.ListedOrder) bool {
	return r.version != "" && ordercheck.CompareVersions(r.version, order.OrderVersion) >= 0
}

// willFetch reports whether a fetch will begin later, and so see the newest version. A fetch that
// has begun may have been answered before the order changed.
func (r latestRun) willFetch() bool {
	return r.open && (!r.begun || r.fetch == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED ||
		r.fetch == enumspb.PENDING_ACTIVITY_STATE_PAUSED)
}

// waits reports whether a check is in progress.
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
		return latestRun{}, fmt.Errorf("describe the latest run of sales order %s: %w",
			order.SalesOrderID, err)
	}
	info := answer.GetWorkflowExecutionInfo()
	run := latestRun{
		open:       info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		terminated: info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED,
		version:    keyword(info, ordercheck.SearchOrderVersion),
		begun:      keyword(info, ordercheck.SearchGateStatus) != "",
		moving:     answer.GetPendingWorkflowTask() != nil,
	}
	for _, pending := range answer.GetPendingActivities() {
		if pending.GetActivityType().GetName() == ordercheck.ActivityFetchOrder {
			run.fetch = pending.GetState()
		}
	}
	return run, nil
}

// keyword returns a search attribute of a run, or "" if the run doesn't have it.
func keyword(info *workflowpb.WorkflowExecutionInfo, name string) string {
	var value string
	payload := info.GetSearchAttributes().GetIndexedFields()[name]
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &value) != nil {
		return ""
	}
	return value
}
