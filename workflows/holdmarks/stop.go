// Package holdmarks holds the workflow that stops hold marks: while its run is open, the gate
// marks no order in InFlow.
package holdmarks

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

// notifyStopped is retried for a day, like any other notice.
var notifyStopped = call.Activity[ordercheck.HoldMarksStop, call.None]{
	Name: ordercheck.ActivityNotifyHoldMarksStopped,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: 24 * time.Hour,
		StartToCloseTimeout:    5 * time.Minute,
		HeartbeatTimeout:       time.Minute,
		Summary:                "notify people that hold marks are stopped",
		RetryPolicy:            call.Backoff(2*time.Second, 10*time.Minute),
	},
}

// Stop is the workflow [ordercheck.HoldMarksStopType]. It notifies people once, and ends when
// somebody resumes hold marks or cancels the run. Workers write no mark while it is open.
func Stop(ctx workflow.Context, stop ordercheck.HoldMarksStop) error {
	err := workflow.SetQueryHandler(ctx, ordercheck.QueryHoldMarksStop,
		func() (ordercheck.HoldMarksStop, error) { return stop, nil })
	if err != nil {
		return err
	}
	resume := workflow.GetSignalChannel(ctx, ordercheck.SignalResumeHoldMarks)
	workflow.Go(ctx, func(ctx workflow.Context) {
		if _, err := notifyStopped.Run(ctx, stop); err != nil && ctx.Err() == nil {
			workflow.GetLogger(ctx).Error("gave up notifying people that hold marks are stopped",
				"error", err)
		}
	})
	err = workflow.Await(ctx, func() bool { return resume.Len() > 0 })
	if err != nil {
		return err // an operator cancelled the run
	}
	resume.ReceiveAsync(nil)
	return nil
}
