package workflows

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows/call"
)

const (
	// markScheduleToClose limits a request for a mark, which may wait long for its turn at InFlow.
	markScheduleToClose = 24 * time.Hour
	// maxWriteAttempts is 1 because only a reading shows whether a write without an answer has
	// arrived, and which mark is wanted now.
	maxWriteAttempts = 1
)

var markOptions = workflow.ActivityOptions{
	TaskQueue:              ordercheck.InflowTaskQueue,
	ScheduleToCloseTimeout: markScheduleToClose,
	StartToCloseTimeout:    20 * time.Second,
	WaitForCancellation:    true, // see runMarkStep
	Priority:               temporal.Priority{PriorityKey: ordercheck.PriorityMark},
	RetryPolicy:            call.Backoff(time.Second, 2*time.Minute),
}

// readHoldField makes one request to InFlow per attempt.
var readHoldField = call.Activity[ordercheck.ReadHoldFieldInput, ordercheck.HoldFieldImage]{
	Name: ordercheck.ActivityReadHoldField, Options: markOptions,
}

// writeHoldField makes one request to InFlow, soon after the reading.
var writeHoldField = call.Activity[ordercheck.WriteHoldFieldInput, ordercheck.WrittenHoldField]{
	Name: ordercheck.ActivityWriteHoldField, Options: writeMarkOptions(),
}.WithPriority(ordercheck.PriorityMarkBegun)

func writeMarkOptions() workflow.ActivityOptions {
	options := markOptions
	options.RetryPolicy = &temporal.RetryPolicy{MaximumAttempts: maxWriteAttempts}
	options.ScheduleToStartTimeout = ordercheck.MaxReadingAge
	return options
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

// markJob keeps the hold mark in InFlow up to date. Package orderlife decides on each step; see
// holdmarksteps.go there.
func (o *salesOrder) markJob(ctx workflow.Context) *job {
	return &job{
		due: func() bool {
			return o.state.NextMark(workflow.Now(ctx)).Do != orderlife.MarkNothing
		},
		do: o.writeMark,
	}
}

// writeMark takes steps until none is due. If the next run takes over meanwhile, it finds the
// latest step in the state.
func (o *salesOrder) writeMark(ctx workflow.Context) {
	for ctx.Err() == nil {
		step := o.state.BeginMark(workflow.Now(ctx))
		switch step.Do {
		case orderlife.MarkRead:
			o.readMark(ctx, step)
		case orderlife.MarkStop:
			_, err := stopHoldMarks.Run(ctx, step.Stop)
			if err == nil {
				o.markResult(ctx, o.state.MarksStopped(workflow.Now(ctx)), nil)
			} else {
				o.markFailed(ctx, err)
			}
		default:
			return
		}
		o.changed = true
	}
}

// readMark reads the order, and writes its mark if the state says so.
func (o *salesOrder) readMark(ctx workflow.Context, step orderlife.MarkStep) {
	read := readHoldField.WithSummary("read the hold mark in InFlow")
	if !step.Read.ToWrite {
		read = readHoldField.WithSummary("compare the order with its content before the mark").
			WithPriority(ordercheck.PriorityMarkBegun)
	}
	image, err := runMarkStep(ctx, o, step, read, step.Read)
	if err != nil {
		o.markFailed(ctx, err)
		return
	}
	result := o.state.MarkRead(workflow.Now(ctx), step, &image)
	o.markResult(ctx, result, nil)
	if !result.Write {
		return
	}
	attempt := o.state.Mark.Attempt
	write := writeHoldField.WithSummary("write the hold mark in InFlow")
	if attempt.Text == "" {
		write = writeHoldField.WithSummary("remove the hold mark in InFlow")
	}
	written, err := runMarkStep(ctx, o, step, write, ordercheck.WriteHoldFieldInput{
		SalesOrderID: o.id, Field: attempt.Field, Text: attempt.Text,
		Version: image.Version, CustomFields: image.CustomFields,
	})
	if err != nil {
		o.markFailed(ctx, err)
		return
	}
	o.state.MarkWritten(workflow.Now(ctx), &written)
}

// runMarkStep runs the activity of a step. It cancels the activity if the mark is no longer
// wanted, or if the next run is about to take over. A request that has begun goes on.
func runMarkStep[In, Out any](
	ctx workflow.Context, o *salesOrder, step orderlife.MarkStep, a call.Activity[In, Out], in In,
) (Out, error) {
	callCtx, cancel := workflow.WithCancel(ctx)
	called := a.Start(callCtx, in)
	err := workflow.Await(ctx, func() bool {
		return called.IsReady() || o.state.MarkIsOutdated(step)
	})
	if err != nil || !called.IsReady() {
		cancel()
	}
	return called.Get(ctx)
}

func (o *salesOrder) markFailed(ctx workflow.Context, err error) {
	failure := orderlife.MarkFailure{
		Failure:   orderlife.Failure{Type: call.ErrorType(err), Message: call.ErrorMessage(err)},
		TakenBack: temporal.IsCanceledError(err),
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		failure.NotWritten = timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		failure.RetryAfter = application.NextRetryDelay()
		if application.HasDetails() {
			_ = application.Details(&failure.NotWritten) // stays false if the details are missing
		}
	}
	o.markResult(ctx, o.state.MarkFailed(workflow.Now(ctx), failure), err)
}

// markResult counts and logs the result of a step. err is the step's error, if any.
func (o *salesOrder) markResult(ctx workflow.Context, result orderlife.MarkResult, err error) {
	logger := workflow.GetLogger(ctx)
	switch result.Outcome {
	case "":
		if err != nil && !temporal.IsCanceledError(err) {
			logger.Info("a step of a hold mark failed; trying again soon", "error", err)
		}
		return
	case orderlife.MarkUnverified:
		logger.Warn("somebody saved the order together with its hold mark: "+
			"nobody knows whether the mark changed more than its field", "changed", result.Changed)
	case orderlife.MarkDamaged:
		logger.Error("a hold mark changed more than its field", "changed", result.Changed)
	case orderlife.MarkRefused:
		logger.Error("InFlow refused to write a hold mark: the API key may not write orders",
			"error", err)
	case orderlife.MarkDelayed:
		logger.Warn("a hold mark could not be written; trying again later", "error", err)
	case orderlife.MarkGivenUp:
		logger.Error("gave up a hold mark: it could not be written", "error", err)
	}
	o.observe(ctx, func(observer Observer) { observer.MarkWritten(result.Outcome) })
}
