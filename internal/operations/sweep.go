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

// schedulePoll is the time between checks whether the sweep has begun.
const schedulePoll = 250 * time.Millisecond

// ErrNoSweepSchedule means that no worker has created the schedule of sweeps in this namespace.
var ErrNoSweepSchedule = errors.New("the schedule " + ordercheck.SweepScheduleID +
	" does not exist in this namespace: start a worker, which creates it even if SWEEP_EVERY is 0")

// SweepOptions holds callbacks that report the progress of [SweepNow]. Each may be nil.
type SweepOptions struct {
	// AlreadyRunning is called with the workflow id of a sweep that is already running.
	AlreadyRunning func(workflowID string)
	// Progress is called every few seconds while the sweep runs.
	Progress func(ordercheck.SweepProgress)
}

// progressPoll is the time between queries for the progress of a sweep.
const progressPoll = 2 * time.Second

// SweepNow looks for missed webhooks in a new sweep and returns its result. If another sweep is
// running, the new one begins after it. The schedule starts the sweep, even while it is paused.
// So two sweeps never overlap, and the new one begins at the marks of the last. If the sweep
// fails, the error is a [temporal.ApplicationError]. If ctx ends, SweepNow returns, and the
// sweep goes on.
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
		// The schedule notices the end of a workflow only when it has something else to do.
		run, err := c.DescribeWorkflowExecution(ctx, running.WorkflowID, "")
		if err == nil &&
			run.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING &&
			o.AlreadyRunning != nil {
			o.AlreadyRunning(running.WorkflowID)
		}
	}
	next := client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE}
	if err := handle.Trigger(ctx, next); err != nil {
		return nil, fmt.Errorf("start a sweep: %w", err)
	}
	started, err := nextSweep(ctx, handle, known)
	if err != nil {
		return nil, err
	}
	stop := o.follow(ctx, c, started)
	defer stop()
	var sweep ordercheck.Sweep
	run := c.GetWorkflow(ctx, started.WorkflowID, started.FirstExecutionRunID)
	if err := run.Get(ctx, &sweep); err != nil {
		return nil, fmt.Errorf("wait for the sweep %s: %w", started.WorkflowID, err)
	}
	return &sweep, nil
}

// follow reports the progress of the sweep until stop is called. It ignores failed queries.
func (o *SweepOptions) follow(
	ctx context.Context, c client.Client, sweep *client.ScheduleWorkflowExecution,
) (stop func()) {
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
			// Leave out the run id, because a long sweep continues as new.
			answer, err := c.QueryWorkflow(ctx, sweep.WorkflowID, "", ordercheck.QueryProgress)
			if err == nil && answer.Get(&progress) == nil {
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

func describeSchedule(
	ctx context.Context, handle client.ScheduleHandle,
) (*client.ScheduleDescription, error) {
	description, err := handle.Describe(ctx)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, ErrNoSweepSchedule
	}
	if err != nil {
		return nil, fmt.Errorf("read the schedule %s: %w", ordercheck.SweepScheduleID, err)
	}
	return description, nil
}

// nextSweep waits for a sweep whose run id is not in known. Somebody else may have started that
// sweep, but it began after the call of [SweepNow], so its result counts.
func nextSweep(
	ctx context.Context, handle client.ScheduleHandle, known map[string]bool,
) (*client.ScheduleWorkflowExecution, error) {
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
