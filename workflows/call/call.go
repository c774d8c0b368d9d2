// Package call lets workflows call activities with typed arguments, and reads the errors of these
// calls.
package call

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Activity declares an activity once, with its name, queue and policies. A call with the wrong
// input or output does not compile.
type Activity[In, Out any] struct {
	Name    string
	Options workflow.ActivityOptions
}

// WithSummary returns the activity with a summary for the Web UI.
func (a Activity[In, Out]) WithSummary(summary string) Activity[In, Out] {
	a.Options.Summary = summary
	return a
}

// WithPriority returns the activity with a priority in its queue.
func (a Activity[In, Out]) WithPriority(priority int) Activity[In, Out] {
	a.Options.Priority = temporal.Priority{PriorityKey: priority}
	return a
}

// OnQueue returns the activity on another task queue.
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

// Result is the future result of an activity.
type Result[Out any] struct{ future workflow.Future }

// IsReady reports whether Get returns at once.
func (r Result[Out]) IsReady() bool { return r.future.IsReady() }

// Get waits for the result. It is zero if the activity failed.
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

// Backoff doubles the delay between attempts, from first up to longest.
func Backoff(first, longest time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: first, BackoffCoefficient: 2, MaximumInterval: longest,
	}
}

// ErrorType returns the type of an activity's application error; empty for any other error.
func ErrorType(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Type()
	}
	return ""
}

// ErrorMessage returns an activity's own message, without the activity's name and worker.
func ErrorMessage(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}
