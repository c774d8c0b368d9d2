package sweep

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

// listScheduleToClose is how long a page of InFlow's list is retried before the sweep fails. The
// next sweep follows soon, so a sweep doesn't wait for the end of a long outage.
const listScheduleToClose = time.Hour

// listOrders makes one request to InFlow per attempt, for a page of its list.
var listOrders = call.Activity[ordercheck.ListOrdersInput, ordercheck.ListedOrders]{
	Name: ordercheck.ActivityListOrders,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: listScheduleToClose,
		StartToCloseTimeout:    20 * time.Second,
		Priority:               temporal.Priority{PriorityKey: ordercheck.PrioritySweep},
		RetryPolicy:            call.Backoff(time.Second, 2*time.Minute),
	},
}

// checkMissed takes as long as the checks that it starts wait for their turn at InFlow. It
// heartbeats meanwhile.
var checkMissed = call.Activity[ordercheck.CheckMissedInput, ordercheck.CheckedMissed]{
	Name: ordercheck.ActivityCheckMissed,
	Options: workflow.ActivityOptions{
		TaskQueue:           ordercheck.TaskQueue,
		StartToCloseTimeout: 12 * time.Hour,
		HeartbeatTimeout:    30 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         call.Backoff(time.Second, time.Minute),
	},
}

// checkTerminated waits and heartbeats like checkMissed.
var checkTerminated = call.Activity[ordercheck.CheckTerminatedInput, ordercheck.CheckedTerminated]{
	Name:    ordercheck.ActivityCheckTerminated,
	Options: checkMissed.Options,
}.WithSummary("check the orders whose run was terminated")

// recallMarks reads the marks of the last sweep from Temporal's list of runs.
var recallMarks = call.Activity[call.None, ordercheck.SweepMarks]{
	Name: ordercheck.ActivityRecallSweep,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "look up the marks of the last sweep",
	},
}
