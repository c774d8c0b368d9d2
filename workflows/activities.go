package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

const (
	// fetchScheduleToClose is how long a fetch is retried before the run fails. It is longer than
	// an outage of InFlow that lasts an evening. Deliveries wait meanwhile.
	fetchScheduleToClose = 6 * time.Hour
	// notifyScheduleToClose is how long a notice is retried before we give it up. It is longer than
	// a night, because nobody may repair a mail server before the morning.
	notifyScheduleToClose = 24 * time.Hour
)

// fetchOrder makes one request to InFlow per attempt. An attempt is short, but it may wait long for
// its turn. If InFlow sends a Retry-After, the error carries it and it overrides the backoff.
var fetchOrder = call.Activity[ordercheck.FetchOrderInput, ordercheck.FetchedOrder]{
	Name: ordercheck.ActivityFetchOrder,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: fetchScheduleToClose,
		StartToCloseTimeout:    20 * time.Second,
		WaitForCancellation:    true, // see request
		RetryPolicy:            call.Backoff(time.Second, 2*time.Minute),
	},
}

// lookUpOrders makes one request to InFlow per attempt, for data that only some rules need. It
// gives up soon: skipping these rules is better than making the other rules wait.
var lookUpOrders = call.Activity[ordercheck.LookUpOrdersInput, ordercheck.RecentOrders]{
	Name: ordercheck.ActivityLookUpOrders,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: 2 * time.Minute,
		StartToCloseTimeout:    20 * time.Second,
		Summary:                "look up the customer's recent orders at InFlow",
		WaitForCancellation:    true, // see request
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 3,
		},
	},
}

// checkOrder evaluates the rules, which takes milliseconds. It times out only if its worker dies.
var checkOrder = call.Activity[ordercheck.CheckOrderInput, *ordercheck.CheckedOrder]{
	Name: ordercheck.ActivityCheckOrder,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    10 * time.Second,
		RetryPolicy:            call.Backoff(time.Second, time.Minute),
	},
}

// recallRun finds the order's last run in Temporal's list.
var recallRun = call.Activity[ordercheck.RecallRunInput, *ordercheck.RecalledRun]{
	Name: ordercheck.ActivityRecallRun,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "look up the order's previous run",
	},
}

// readCancellation finds out who cancelled the run. It gives up soon, because the run can end
// without knowing that.
var readCancellation = call.Activity[call.None, ordercheck.Cancellation]{
	Name: ordercheck.ActivityReadCancellation,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Minute,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "find out who cancelled the run",
	},
}

// notify sends a notice to one target, or asks for the targets.
var notify = call.Activity[ordercheck.NotifyInput, ordercheck.NotifyResult]{
	Name: ordercheck.ActivityNotify,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: notifyScheduleToClose,
		StartToCloseTimeout:    time.Minute,
		WaitForCancellation:    true, // see background.pause
		RetryPolicy:            call.Backoff(2*time.Second, 10*time.Minute),
	},
}

// handOver is retried forever. An attempt resumes where the last heartbeat left off.
var handOver = call.Activity[ordercheck.DeliveryBatch, call.None]{
	Name: ordercheck.ActivityHandOver,
	Options: workflow.ActivityOptions{
		TaskQueue:           ordercheck.HandOverTaskQueue,
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    10 * time.Second,
		Summary:             "hand each order its deliveries",
		RetryPolicy:         call.Backoff(time.Second, time.Minute),
	},
}
