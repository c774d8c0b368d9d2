package worker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// Sweep says when to look for orders whose webhook never came. The zero value leaves the schedule
// alone.
type Sweep struct {
	// Every is the time between sweeps; 0 pauses the schedule.
	Every time.Duration
	// Days limits the sweep to orders with an order date in the last days; 0 leaves the schedule
	// alone.
	Days int
	// Account names the company's account at InFlow.
	Account string
	// HoldMarks is true if the company uses hold marks. The sweep then checks orders whose run
	// was terminated, because these runs may have left a mark in InFlow.
	HoldMarks bool
}

const (
	// sweepOffNote distinguishes the gate's pause of the schedule from a person's.
	sweepOffNote = "paused by the gate: SWEEP_EVERY is 0"
	sweepNote    = "kept by the gate's workers: SWEEP_EVERY and SWEEP_DAYS say when and what"
)

// reconcileSchedule brings the sweep's schedule up to date with the settings. keyID is the payload
// key that it is written with.
func (s Sweep) reconcileSchedule(
	ctx context.Context, c client.Client, keyID string, logger *slog.Logger,
) {
	if s.Days == 0 {
		return
	}
	schedule := managedSchedule{
		id: ordercheck.SweepScheduleID,
		ensure: func(ctx context.Context) (string, error) {
			return s.ensureSchedule(ctx, c.ScheduleClient(), keyID)
		},
		denied: "nobody looks for missed webhooks: the worker may not write the schedule in Temporal; " +
			"let it write to the namespace, or set SWEEP_EVERY=0 and start sweeps another way",
		logger: logger.With("every", s.Every.String(), "days", s.Days),
	}
	schedule.reconcile(ctx)
}

// ensureSchedule creates or updates the schedule. done says what it changed, and is empty if
// there was nothing to change.
func (s Sweep) ensureSchedule(
	ctx context.Context, schedules client.ScheduleClient, keyID string,
) (done string, err error) {
	options := s.options()
	return createOrUpdate(ctx, schedules, options, func(schedule *client.Schedule) string {
		return s.apply(schedule, options, keyID)
	})
}

// pausedEvery is the interval of a schedule that begins paused.
const pausedEvery = 15 * time.Minute

func (s Sweep) options() client.ScheduleOptions {
	every, note := s.Every, sweepNote
	if every == 0 {
		every, note = pausedEvery, sweepOffNote
	}
	summary := fmt.Sprintf("Look for missed webhooks: orders of the last %d days, company %s",
		s.Days, s.Account)
	if s.HoldMarks {
		summary += "; and for terminated runs"
	}
	return client.ScheduleOptions{
		ID:   ordercheck.SweepScheduleID,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}},
		Action: &client.ScheduleWorkflowAction{
			ID:       ordercheck.SweepScheduleID,
			Workflow: ordercheck.SweepWorkflowType,
			Args: []any{ordercheck.SweepStart{
				Days: s.Days, Account: s.Account, HoldMarks: s.HoldMarks,
			}},
			TaskQueue: ordercheck.TaskQueue,
			// The summary names every argument, so a difference means that the settings have
			// changed.
			StaticSummary: summary,
			Priority:      temporal.Priority{PriorityKey: ordercheck.PrioritySweep},
		},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// After an outage of Temporal, one sweep makes up for all that were missed.
		CatchupWindow: every,
		Note:          note,
		Paused:        s.Every == 0,
	}
}

// apply changes what differs from the settings, and says what it changed. It keeps a person's
// changes, such as a pause, a note, or excluded times.
func (s Sweep) apply(schedule *client.Schedule, want client.ScheduleOptions, keyID string) string {
	schedule.Spec = cmp.Or(schedule.Spec, &client.ScheduleSpec{})
	schedule.Policy = cmp.Or(schedule.Policy, &client.SchedulePolicies{})
	schedule.State = cmp.Or(schedule.State, &client.ScheduleState{})
	var done []string
	have, ok := schedule.Action.(*client.ScheduleWorkflowAction)
	action, wanted := want.Action.(*client.ScheduleWorkflowAction)
	switch {
	case !ok || !wanted || have.Workflow != action.Workflow || have.TaskQueue != action.TaskQueue ||
		have.StaticSummary != action.StaticSummary || have.Priority != action.Priority:
		schedule.Action = action
		done = append(done, "starts sweeps as set now")
	case hasOtherKey(have, keyID):
		schedule.Action = action
		done = append(done, "is written with another payload key")
	}
	spec, policy := schedule.Spec, schedule.Policy
	if s.Every > 0 && (!slices.Equal(spec.Intervals, want.Spec.Intervals) ||
		policy.Overlap != want.Overlap || policy.CatchupWindow != want.CatchupWindow) {
		spec.Intervals = want.Spec.Intervals
		policy.Overlap, policy.CatchupWindow = want.Overlap, want.CatchupWindow
		done = append(done, "has other times")
	}
	switch state := schedule.State; {
	case s.Every == 0 && !state.Paused:
		state.Paused, state.Note = true, sweepOffNote
		done = append(done, "was paused: SWEEP_EVERY is 0")
	case s.Every > 0 && state.Paused && state.Note == sweepOffNote:
		state.Paused, state.Note = false, want.Note
		done = append(done, "goes on")
	}
	return strings.Join(done, ", ")
}
