package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/ordercheck"
)

// Sweep says when the gate looks for orders whose webhook never came. The zero value
// leaves the schedule alone.
type Sweep struct {
	// Every is the time between two sweeps; 0 pauses the schedule.
	Every time.Duration
	// Days is how old, by their order date, the orders are at most; 0 leaves the schedule alone.
	Days int
	// Account names the company's account at InFlow.
	Account string
}

const (
	// sweepOffNote tells the gate's own pause of the schedule from a person's.
	sweepOffNote = "paused by the gate: SWEEP_EVERY is 0"
	sweepNote    = "kept by the gate's workers: SWEEP_EVERY and SWEEP_DAYS say when and what"
)

// keepSchedule makes the sweep's schedule as the settings have it. keyID is the payload key that it is
// written with.
func (s Sweep) keepSchedule(ctx context.Context, c client.Client, keyID string, logger *slog.Logger) {
	if s.Days == 0 {
		return
	}
	kept := keptSchedule{
		id:     ordercheck.SweepScheduleID,
		ensure: func(ctx context.Context) (string, error) { return s.ensureSchedule(ctx, c.ScheduleClient(), keyID) },
		denied: "nobody looks for missed webhooks: the worker may not have the schedule at Temporal; " +
			"let it write to the namespace, or set SWEEP_EVERY=0 and start sweeps from elsewhere",
		logger: logger.With("every", s.Every.String(), "days", s.Days),
	}
	kept.keep(ctx)
}

// ensureSchedule makes the schedule, or changes what differs from the settings. Several workers
// may do so at once. done says what was done; empty is nothing.
func (s Sweep) ensureSchedule(ctx context.Context, schedules client.ScheduleClient, keyID string) (done string, err error) {
	options := s.options()
	_, err = schedules.Create(ctx, options)
	if err == nil {
		if s.Every == 0 {
			return "was made, paused: SWEEP_EVERY is 0", nil
		}
		return "was made", nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return "", fmt.Errorf("make the schedule %s: %w", ordercheck.SweepScheduleID, err)
	}
	err = schedules.GetHandle(ctx, ordercheck.SweepScheduleID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			if done = s.apply(&schedule, options, keyID); done == "" {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return "", fmt.Errorf("bring the schedule %s up to date: %w", ordercheck.SweepScheduleID, err)
	}
	return done, nil
}

// pausedEvery is the interval of a schedule that begins paused.
const pausedEvery = 15 * time.Minute

func (s Sweep) options() client.ScheduleOptions {
	every, note := s.Every, sweepNote
	if every == 0 {
		every, note = pausedEvery, sweepOffNote
	}
	return client.ScheduleOptions{
		ID:   ordercheck.SweepScheduleID,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}},
		Action: &client.ScheduleWorkflowAction{
			ID:        ordercheck.SweepScheduleID,
			Workflow:  ordercheck.SweepWorkflowType,
			Args:      []any{ordercheck.SweepStart{Days: s.Days, Account: s.Account}},
			TaskQueue: ordercheck.TaskQueue,
			// It names every argument, so that it tells whether they have changed.
			StaticSummary: fmt.Sprintf("Look for missed webhooks: orders of the last %d days, company %s", s.Days, s.Account),
			Priority:      temporal.Priority{PriorityKey: ordercheck.PrioritySweep},
		},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// One sweep makes up for all that an outage of Temporal prevented.
		CatchupWindow: every,
		Note:          note,
		Paused:        s.Every == 0,
	}
}

// apply changes what differs, and says what. What a person did to the schedule stays: a
// pause, a note, times that are left out.
func (s Sweep) apply(schedule *client.Schedule, want client.ScheduleOptions, keyID string) string {
	done := ""
	note := func(what string) {
		if done != "" {
			done += ", "
		}
		done += what
	}
	have, ok := schedule.Action.(*client.ScheduleWorkflowAction)
	action, wanted := want.Action.(*client.ScheduleWorkflowAction)
	if !ok || !wanted || have.Workflow != action.Workflow || have.TaskQueue != action.TaskQueue || have.StaticSummary != action.StaticSummary || have.Priority != action.Priority {
		schedule.Action = action
		note("starts sweeps as the settings have them now")
	}
	if schedule.Spec == nil {
		schedule.Spec = &client.ScheduleSpec{}
	}
	if schedule.Policy == nil {
		schedule.Policy = &client.SchedulePolicies{}
	}
	for i := 0; ok && done == "" && i < len(have.Args); i++ {
		// A schedule never ends: without this it would need the payload key of the day that it was made.
		if payload, raw := have.Args[i].(*commonpb.Payload); raw && codec.KeyID(payload) != keyID {
			schedule.Action = action
			note("is written with another payload key")
		}
	}
	if s.Every > 0 && (!slices.Equal(schedule.Spec.Intervals, want.Spec.Intervals) ||
		schedule.Policy.Overlap != want.Overlap || schedule.Policy.CatchupWindow != want.CatchupWindow) {
		schedule.Spec.Intervals = want.Spec.Intervals
		schedule.Policy.Overlap, schedule.Policy.CatchupWindow = want.Overlap, want.CatchupWindow
		note("has other times")
	}
	if schedule.State == nil {
		schedule.State = &client.ScheduleState{}
	}
	switch {
	case s.Every == 0 && !schedule.State.Paused:
		schedule.State.Paused, schedule.State.Note = true, sweepOffNote
		note("was paused: SWEEP_EVERY is 0")
	case s.Every > 0 && schedule.State.Paused && schedule.State.Note == sweepOffNote:
		schedule.State.Paused, schedule.State.Note = false, want.Note
		note("goes on")
	}
	return done
}
