package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

const (
	// fetchScheduleToClose is how long a fetch is retried before the run fails.
	// It outlasts an evening's outage of InFlow; deliveries wait meanwhile.
	fetchScheduleToClose = 6 * time.Hour
	// notFoundPatience is how long InFlow is given to know an order it has just announced.
	notFoundPatience = 3 * time.Second
	// notifyScheduleToClose is how long a notice is tried before it is given up.
	notifyScheduleToClose = 24 * time.Hour
	// listScheduleToClose is how long a page of InFlow's list is tried before the sweep fails.
	listScheduleToClose = time.Hour
)

// incompletePatience are the waits before an order is fetched again from which InFlow left something
// out: one just created may be incomplete for a second or two. After the last one the order is checked
// as it is.
var incompletePatience = []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}

// maxRefetches bounds the fetches of one check that are made because the worker that checks has other
// rules than the one that fetched.
const maxRefetches = 3

// fetchOptions: every attempt is one request to InFlow, which may wait long for its
// turn, so only the attempt itself is short. InFlow's Retry-After comes with the
// error and outweighs the backoff.
func fetchOptions(ctx workflow.Context, salesOrderID string, priority int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: fetchScheduleToClose,
		StartToCloseTimeout:    20 * time.Second,
		Summary:                "fetch sales order " + salesOrderID + " from InFlow",
		Priority:               temporal.Priority{PriorityKey: priority},
		WaitForCancellation:    true, // see salesOrder.request
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    2 * time.Minute,
		},
	})
}

// checkOptions: evaluation is local and takes milliseconds; what interrupts it is a worker that died.
func checkOptions(ctx workflow.Context, orderNumber string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "check " + ordercheck.SummaryName(orderNumber) + " against the rules",
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    time.Minute,
		},
	})
}

// recallOptions: a look at Temporal's own list of runs.
func recallOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "look at the run before",
	})
}

// cancellationOptions: who cancelled is worth a short wait, and no more.
func cancellationOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Minute,
		StartToCloseTimeout:    10 * time.Second,
		Summary:                "who cancelled the run",
	})
}

// notifyOptions: a mail server may be down for a night.
func notifyOptions(ctx workflow.Context, in ordercheck.NotifyInput) workflow.Context {
	summary := "who is told that the order is " + string(in.Notice.Kind)
	if in.Target != "" {
		summary = "tell " + in.Target + ": " + string(in.Notice.Kind)
	}
	queue := ordercheck.TaskQueue
	if in.Target == ordercheck.TargetSalesRep {
		queue = ordercheck.InflowTaskQueue // the address is asked for there
	}
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queue,
		ScheduleToCloseTimeout: notifyScheduleToClose,
		StartToCloseTimeout:    time.Minute,
		WaitForCancellation:    true, // see salesOrder.pauseSending
		Summary:                summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    2 * time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    10 * time.Minute,
		},
	})
}

// lookUpOptions: one request to InFlow for what some rules compare with. They are skipped
// rather than that the others wait for long.
func lookUpOptions(ctx workflow.Context, priority int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: 2 * time.Minute,
		StartToCloseTimeout:    20 * time.Second,
		Summary:                "look up the customer's recent orders at InFlow",
		Priority:               temporal.Priority{PriorityKey: priority},
		WaitForCancellation:    true, // see salesOrder.request
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumAttempts:    3,
		},
	})
}

// listOptions: one request to InFlow for a page of its list. A sweep that cannot be done now
// is followed by another one, so it does not wait for an evening's outage to pass.
func listOptions(ctx workflow.Context, page int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ordercheck.InflowTaskQueue,
		ScheduleToCloseTimeout: listScheduleToClose,
		StartToCloseTimeout:    20 * time.Second,
		Summary:                fmt.Sprintf("list orders at InFlow, page %d", page),
		Priority:               temporal.Priority{PriorityKey: ordercheck.PrioritySweep},
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    2 * time.Minute,
		},
	})
}

// checkMissedOptions: it waits while the checks of a page get their turns at InFlow, and says
// that it lives meanwhile.
func checkMissedOptions(ctx workflow.Context, orders int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           ordercheck.TaskQueue,
		StartToCloseTimeout: 12 * time.Hour,
		HeartbeatTimeout:    30 * time.Second,
		WaitForCancellation: true,
		Summary:             fmt.Sprintf("compare %s with their latest checks", count(orders, "changed order")),
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    time.Minute,
		},
	})
}
