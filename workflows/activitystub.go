package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// activityStub declares an activity once, with its name, queue and policies, so a call with the
// wrong input or output does not compile.
type activityStub[In, Out any] struct {
	name    string
	options workflow.ActivityOptions
}

// withSummary returns the stub with what the Web UI shows of a call.
func (a activityStub[In, Out]) withSummary(summary string) activityStub[In, Out] {
	a.options.Summary = summary
	return a
}

// withPriority returns the stub with the priority of a call in its queue.
func (a activityStub[In, Out]) withPriority(priority int) activityStub[In, Out] {
	a.options.Priority = temporal.Priority{PriorityKey: priority}
	return a
}

// onQueue returns the stub on another task queue.
func (a activityStub[In, Out]) onQueue(queue string) activityStub[In, Out] {
	a.options.TaskQueue = queue
	return a
}

// start schedules the activity.
func (a activityStub[In, Out]) start(ctx workflow.Context, in In) result[Out] {
	ctx = workflow.WithActivityOptions(ctx, a.options)
	if _, without := any(in).(none); without {
		return result[Out]{workflow.ExecuteActivity(ctx, a.name)}
	}
	return result[Out]{workflow.ExecuteActivity(ctx, a.name, in)}
}

// run schedules the activity and waits for its result.
func (a activityStub[In, Out]) run(ctx workflow.Context, in In) (Out, error) {
	return a.start(ctx, in).get(ctx)
}

// result is the result of an activity that was scheduled.
type result[Out any] struct{ future workflow.Future }

// get waits for the result. It is zero if the activity failed.
func (r result[Out]) get(ctx workflow.Context) (Out, error) {
	var out Out
	if _, without := any(out).(none); without {
		return out, r.future.Get(ctx, nil)
	}
	err := r.future.Get(ctx, &out)
	return out, err
}

// none stands for the input or output of an activity that has none.
type none struct{}
