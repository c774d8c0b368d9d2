// Package call lets workflows call activities with typed inputs and outputs, and reads the errors
// that activities return.
package call

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Activity declares an activity: its name, task queue, timeouts and retry policy. A call with the
// wrong type of input or output does not compile.
type Activity[In, Out any] struct {
	Name    string
	Options workflow.ActivityOptions
}

// WithSummary returns a copy of the activity whose calls have this summary in the Web UI.
func (a Activity[In, Out]) WithSummary(summary string) Activity[In, Out] {
	a.Options.Summary = summary
	return a
}

// WithPriority returns a copy of the activity whose calls have this priority in the task queue.
// 1 is the highest.
func (a Activity[In, Out]) WithPriority(priority int) Activity[In, Out] {
	a.Options.Priority = temporal.Priority{PriorityKey: priority}
	return a
}

// OnQueue returns a copy of the activity whose calls go to this task queue.
func (a Activity[In, Out]) OnQueue(queue string) Activity[In, Out] {
	a.Options.TaskQueue = queue
	return a
}

// Start schedules the activity.
func (a Activity[In, Out]) Start(ctx workflow.Context, in In) Result[Out] {
	ctx = workflow.WithActivityOptions(ctx, a.Options)
	if _, without := any(in).(None); without {
		return Result[Out]{workflow.ExecuteActivity(ctx, a.Name)}
	}
	return Result[Out]{workflow.ExecuteActivity(ctx, a.Name, in)}
}

// Run schedules the activity and waits for its result.
func (a Activity[In, Out]) Run(ctx workflow.Context, in In) (Out, error) {
	return a.Start(ctx, in).Get(ctx)
}

// Result is the result of a scheduled activity, which may not have ended yet.
type Result[Out any] struct{ future workflow.Future }

// IsReady reports whether Get returns at once.
func (r Result[Out]) IsReady() bool { return r.future.IsReady() }

// Get waits for the activity and returns its output, or the zero value and an error if the
// activity failed.
func (r Result[Out]) Get(ctx workflow.Context) (Out, error) {
	var out Out
	if _, without := any(out).(None); without {
		return out, r.future.Get(ctx, nil)
	}
	err := r.future.Get(ctx, &out)
	return out, err
}

// None stands for the input or output of an activity that has none.
type None struct{}

// Backoff returns a retry policy that doubles the delay between attempts, from first up to
// longest, and limits neither the number of attempts nor their time.
func Backoff(first, longest time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: first, BackoffCoefficient: 2, MaximumInterval: longest,
	}
}

// ErrorType returns the type of an activity's application error, or "" for any other error.
func ErrorType(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Type()
	}
	return ""
}

// ErrorMessage returns the message of an activity's application error, without the name of the
// activity and of its worker. For any other error it returns the whole text.
func ErrorMessage(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}
