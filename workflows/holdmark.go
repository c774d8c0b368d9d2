package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

const (
	// markScheduleToClose is how long a mark is retried before it is given up: longer than InFlow
	// is down for a night.
	markScheduleToClose = 24 * time.Hour
	// maxMarkConflicts limits how often a mark is tried again because somebody saved the order
	// meanwhile. The webhook of that save brings the next check.
	maxMarkConflicts = 5
	// markConflictWait lets people finish what they are typing.
	markConflictWait = 5 * time.Second
)

var markOptions = workflow.ActivityOptions{
	TaskQueue:              ordercheck.InflowTaskQueue,
	ScheduleToCloseTimeout: markScheduleToClose,
	StartToCloseTimeout:    20 * time.Second,
	WaitForCancellation:    true, // see sender.pause
	Priority:               temporal.Priority{PriorityKey: ordercheck.PriorityMark},
	RetryPolicy:            call.Backoff(time.Second, 2*time.Minute),
}

// readHoldField makes one request to InFlow per attempt.
var readHoldField = call.Activity[ordercheck.ReadHoldFieldInput, ordercheck.HoldFieldImage]{
	Name: ordercheck.ActivityReadHoldField, Options: markOptions,
}

// writeHoldField makes one request to InFlow per attempt. A repeated one is refused if the first
// succeeded, because the order has another version then.
var writeHoldField = call.Activity[ordercheck.WriteHoldFieldInput, ordercheck.WrittenHoldField]{
	Name: ordercheck.ActivityWriteHoldField, Options: markOptions,
}

// stopHoldMarks is retried until marks are stopped.
var stopHoldMarks = call.Activity[ordercheck.HoldMarksStop, call.None]{
	Name: ordercheck.ActivityStopHoldMarks,
	Options: workflow.ActivityOptions{
		TaskQueue:           ordercheck.TaskQueue,
		StartToCloseTimeout: 10 * time.Second,
		Summary:             "stop hold marks for the whole account",
		RetryPolicy:         call.Backoff(time.Second, time.Minute),
	},
}

// keepMark writes the order's hold mark whenever it isn't what it should be.
func (o *salesOrder) keepMark(ctx workflow.Context) {
	o.marker.loop(ctx, o.state.MarkDue, func(markCtx workflow.Context) {
		o.writeMark(markCtx)
		o.state.EndMark()
		o.changed = true
	})
}

// writeMark reads the order, writes its mark, and reads it again to see that nothing else changed.
func (o *salesOrder) writeMark(ctx workflow.Context) {
	wanted := o.state.BeginMark()
	for conflicts := 0; ; conflicts++ {
		before, err := readHoldField.WithSummary("read the hold mark in InFlow").Run(ctx,
			ordercheck.ReadHoldFieldInput{SalesOrderID: o.id, Known: o.state.Mark.Text, Wanted: wanted})
		switch {
		case err != nil:
			o.markFailed(ctx, err)
			return
		case before.Field.Foreign:
			o.state.MarkForeign(workflow.Now(ctx))
			return
		case before.Done:
			o.state.MarkWritten(
				workflow.Now(ctx),
				wanted,
				ordercheck.WrittenHoldField{Text: before.Field.Text},
				"",
			)
			return
		}
		written, err := o.markWriter(wanted).Run(ctx, ordercheck.WriteHoldFieldInput{
			SalesOrderID: o.id, Version: before.Version, CustomFields: before.CustomFields, Wanted: wanted,
		})
		switch {
		case err == nil:
			o.state.MarkWritten(workflow.Now(ctx), wanted, written, before.Version)
			// What was written is looked at even if the next run is about to take over.
			after, _ := workflow.NewDisconnectedContext(ctx)
			o.verifyMark(after, &before, &written)
			return
		case call.ErrorType(err) == ordercheck.ErrorHoldFieldConflict && conflicts < maxMarkConflicts:
			if workflow.Sleep(ctx, markConflictWait) != nil {
				o.markFailed(ctx, ctx.Err())
				return
			}
		case call.ErrorType(err) == ordercheck.ErrorInflowUnauthorized:
			o.stopMarks(ctx, nil)
			return
		default:
			o.markFailed(ctx, err)
			return
		}
	}
}

func (o *salesOrder) markWriter(
	wanted ordercheck.HoldMark,
) call.Activity[ordercheck.WriteHoldFieldInput, ordercheck.WrittenHoldField] {
	if wanted.IsZero() {
		return writeHoldField.WithSummary("take the hold mark away in InFlow")
	}
	return writeHoldField.WithSummary("write the hold mark in InFlow")
}

// verifyMark compares the order with what it was before the write. If somebody saved the order since,
// nobody can tell who changed what.
func (o *salesOrder) verifyMark(
	ctx workflow.Context, before *ordercheck.HoldFieldImage, written *ordercheck.WrittenHoldField,
) {
	after, err := readHoldField.WithSummary("compare the order with what it was").Run(ctx,
		ordercheck.ReadHoldFieldInput{SalesOrderID: o.id, Known: written.Text})
	outcome := MarkVerified
	switch damaged := before.Differences(&after); {
	case err != nil, len(damaged) > 0 && after.Version != written.Version:
		outcome = MarkUnverified
		workflow.GetLogger(ctx).Warn("nobody knows whether a hold mark changed more than its field",
			"changed", damaged, "error", err)
	case len(damaged) > 0:
		o.stopMarks(ctx, damaged)
		return
	}
	o.observe(ctx, func(observer Observer) { observer.MarkWritten(outcome) })
}

// stopMarks stops marks for the whole account, because this order's write did damage or was refused.
func (o *salesOrder) stopMarks(ctx workflow.Context, damaged []string) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	outcome, reason := MarkRefused, "InFlow refused it: the API key may not write orders."
	if len(damaged) > 0 {
		outcome, reason = MarkDamaged, "InFlow changed more than its field, so the gate has stopped."
	}
	o.observe(ctx, func(observer Observer) { observer.MarkWritten(outcome) })
	_, err := stopHoldMarks.Run(ctx, ordercheck.HoldMarksStop{
		SalesOrderID: o.id, OrderNumber: o.state.Report.OrderNumber, Damaged: damaged,
	})
	if err != nil {
		workflow.GetLogger(ctx).Error("hold marks could not be stopped", "error", err)
	}
	o.state.MarkFailed(workflow.Now(ctx), reason)
}

// markFailed gives a mark up until the next check.
func (o *salesOrder) markFailed(ctx workflow.Context, err error) {
	if ctx.Err() != nil {
		return // the next run finds out how it went
	}
	switch call.ErrorType(err) {
	case ordercheck.ErrorHoldMarksOff, ordercheck.ErrorHoldMarksStopped:
		o.state.MarkFailed(workflow.Now(ctx), "")
	default:
		workflow.GetLogger(ctx).Error("gave up a hold mark: it could not be written", "error", err)
		o.observe(ctx, func(observer Observer) { observer.MarkWritten(MarkGivenUp) })
		o.state.MarkFailed(workflow.Now(ctx), call.ErrorMessage(err))
	}
}
