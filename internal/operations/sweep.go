package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// schedulePoll is the time between two looks at the schedule for a sweep that is to begin.
const schedulePoll = 250 * time.Millisecond

// ErrNoSweepSchedule says that no worker has made the schedule of sweeps in this namespace.
var ErrNoSweepSchedule = errors.New("the schedule " + ordercheck.SweepScheduleID +
	" does not exist in this namespace: a worker makes it when it starts, whatever SWEEP_EVERY is")

// SweepOptions say who follows a sweep. The zero value is nobody.
type SweepOptions struct {
	// UnderWay is called with the workflow id of a sweep that runs already.
	UnderWay func(workflowID string)
	// Progress is called every few seconds while the sweep runs.
	Progress func(ordercheck.SweepProgress)
}

// progressPoll is the time between two questions how far a sweep has come.
const progressPoll = 2 * time.Second

// SweepNow looks for missed webhooks now and returns what was found. The sweep begins after the
// call: if one is under way, the next one follows it.
// It is the schedule's own, so that two never overlap and marks are kept; a pause of the
// schedule does not prevent it. The error of a sweep that failed is a [temporal.ApplicationError].
// ctx bounds the wait, not the sweep, which goes on.
func SweepNow(ctx context.Context, c client.Client, o SweepOptions) (*ordercheck.Sweep, error) {
	handle := c.ScheduleClient().GetHandle(ctx, ordercheck.SweepScheduleID)
	before, err := describeSchedule(ctx, handle)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, action := range before.Info.RecentActions {
		if started := action.StartWorkflowResult; started != nil {
			known[started.FirstExecutionRunID] = true
		}
	}
	for _, running := range before.Info.RunningWorkflows {
		known[running.FirstExecutionRunID] = true
		// The schedule notes the end of a workflow only when it has something else to do.
		run, err := c.DescribeWorkflowExecution(ctx, running.WorkflowID, "")
		if err == nil && run.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING && o.UnderWay != nil {
			o.UnderWay(running.WorkflowID)
		}
	}
	if err := handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE}); err != nil {
		return nil, fmt.Errorf("start a sweep: %w", err)
	}
	started, err := nextSweep(ctx, handle, known)
	if err != nil {
		return nil, err
	}
	stop := o.follow(ctx, c, started)
	defer stop()
	var sweep ordercheck.Sweep
	if err := c.GetWorkflow(ctx, started.WorkflowID, started.FirstExecutionRunID).Get(ctx, &sweep); err != nil {
		return nil, fmt.Errorf("wait for the sweep %s: %w", started.WorkflowID, err)
	}
	return &sweep, nil
}

// follow asks how far the sweep has come, until stop. A question that fails is asked again.
func (o *SweepOptions) follow(ctx context.Context, c client.Client, sweep *client.ScheduleWorkflowExecution) (stop func()) {
	if o.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(progressPoll)
		defer ticker.Stop()
		for {
			var progress ordercheck.SweepProgress
			// Without a run id: a long sweep continues as new.
			if answer, err := c.QueryWorkflow(ctx, sweep.WorkflowID, "", ordercheck.QueryProgress); err == nil && answer.Get(&progress) == nil {
				o.Progress(progress)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}

func describeSchedule(ctx context.Context, handle client.ScheduleHandle) (*client.ScheduleDescription, error) {
	description, err := handle.Describe(ctx)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, ErrNoSweepSchedule
	}
	if err != nil {
		return nil, fmt.Errorf("look at the schedule %s: %w", ordercheck.SweepScheduleID, err)
	}
	return description, nil
}

// nextSweep waits for a sweep that is not known: whoever asked for it, it began after.
func nextSweep(ctx context.Context, handle client.ScheduleHandle, known map[string]bool) (*client.ScheduleWorkflowExecution, error) {
	ticker := time.NewTicker(schedulePoll)
	defer ticker.Stop()
	for {
		now, err := describeSchedule(ctx, handle)
		if err != nil {
			return nil, err
		}
		for _, action := range now.Info.RecentActions {
			if started := action.StartWorkflowResult; started != nil && !known[started.FirstExecutionRunID] {
				return started, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the sweep to begin: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}
