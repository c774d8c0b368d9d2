package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

const (
	// fetchScheduleToClose is how long a fetch is retried before the run fails. It outlasts an
	// evening's outage of InFlow; deliveries wait meanwhile.
	fetchScheduleToClose = 6 * time.Hour
	// notifyScheduleToClose is how long a notice is tried before it is given up. A mail server may
	// be down for a night.
	notifyScheduleToClose = 24 * time.Hour
	// listScheduleToClose is how long a page of InFlow's list is tried before the sweep fails.
	listScheduleToClose = time.Hour
)

// fetchOrder is one request to InFlow per attempt. It may wait long for its turn, so only the
// attempt itself is short. InFlow's Retry-After comes with the error and outweighs the backoff.
var fetchOrder = activityStub[ordercheck.FetchOrderInput, ordercheck.FetchedOrder]{
	name: ordercheck.ActivityFetchOrder,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: fetchScheduleToClose,
		StartToCloseTimeout:    20 * time.Second,
		WaitForCancellation:    true, // see request
		RetryPolicy:            backoff(time.Second, 2*time.Minute),
	},
}

// lookUpOrders is one request to InFlow per attempt, for what some rules compare with. They are
// skipped rather than keep the others waiting for long.
var lookUpOrders = activityStub[ordercheck.LookUpOrdersInput, ordercheck.RecentOrders]{
	name: ordercheck.ActivityLookUpOrders,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: 2 * time.Minute,
		StartToCloseTimeout:    20 * time.Second,
		Summary:                "look up the customer's recent orders at InFlow",
		WaitForCancellation:    true, // see request
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 3},
	},
}

// checkOrder evaluates the rules, which is local and takes milliseconds. Only a worker that dies
// interrupts it.
var checkOrder = activityStub[ordercheck.CheckOrderInput, *ordercheck.CheckedOrder]{
	name: ordercheck.ActivityCheckOrder,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    10 * time.Second,
		RetryPolicy:            backoff(time.Second, time.Minute),
	},
}

// recallRun looks at Temporal's list of runs.
var recallRun = activityStub[ordercheck.RecallRunInput, *ordercheck.RecalledRun]{
	name: ordercheck.ActivityRecallRun,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "look at the run before",
	},
}

// readCancellation finds out who cancelled the run, which is worth a short wait and no more.
var readCancellation = activityStub[none, ordercheck.Cancellation]{
	name: ordercheck.ActivityReadCancellation,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Minute,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "who cancelled the run",
	},
}

// notify sends a notice to one target, or asks for the targets.
var notify = activityStub[ordercheck.NotifyInput, ordercheck.NotifyResult]{
	name: ordercheck.ActivityNotify,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: notifyScheduleToClose,
		StartToCloseTimeout:    time.Minute,
		WaitForCancellation:    true, // see pauseSending
		RetryPolicy:            backoff(2*time.Second, 10*time.Minute),
	},
}

// recallSweep reads the marks of the last sweep from Temporal's list of runs.
var recallSweep = activityStub[none, ordercheck.SweepMarks]{
	name:    ordercheck.ActivityRecallSweep,
	options: recallRun.options,
}

// listOrders is one request to InFlow per attempt, for a page of its list. Another sweep follows one
// that fails, so it doesn't wait for an evening's outage to pass.
var listOrders = activityStub[ordercheck.ListOrdersInput, ordercheck.ListedOrders]{
	name: ordercheck.ActivityListOrders,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: listScheduleToClose,
		StartToCloseTimeout:    20 * time.Second,
		Priority:               temporal.Priority{PriorityKey: ordercheck.PrioritySweep},
		RetryPolicy:            backoff(time.Second, 2*time.Minute),
	},
}

// checkMissed waits while the checks of a page get their turns at InFlow, and heartbeats meanwhile.
var checkMissed = activityStub[ordercheck.CheckMissedInput, ordercheck.CheckedMissed]{
	name: ordercheck.ActivityCheckMissed,
	options: workflow.ActivityOptions{
		TaskQueue:           ordercheck.TaskQueue,
		StartToCloseTimeout: 12 * time.Hour,
		HeartbeatTimeout:    30 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         backoff(time.Second, time.Minute),
	},
}

// handOver is tried forever. Its heartbeat says what remains, and its absence that the worker died.
var handOver = activityStub[ordercheck.HandOver, none]{
	name: ordercheck.ActivityHandOver,
	options: workflow.ActivityOptions{
		TaskQueue:           ordercheck.HandOverTaskQueue,
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    10 * time.Second,
		Summary:             "hand each order its deliveries",
		RetryPolicy:         backoff(time.Second, time.Minute),
	},
}

// recheckOrders is tried until every open order was asked. Its heartbeat says how far it has come.
var recheckOrders = activityStub[ordercheck.RecheckOrders, ordercheck.RecheckedOrders]{
	name: ordercheck.ActivityRecheckOrders,
	options: workflow.ActivityOptions{
		TaskQueue:           ordercheck.TaskQueue,
		StartToCloseTimeout: 12 * time.Hour,
		HeartbeatTimeout:    15 * time.Second,
		Summary:             "have the open orders checked with the rule set in force",
		RetryPolicy:         backoff(time.Second, time.Minute),
	},
}

// backoff doubles the delay between attempts.
func backoff(first, longest time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: first, BackoffCoefficient: 2, MaximumInterval: longest}
}
