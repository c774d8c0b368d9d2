package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/ordercheck"
)

// Digest says when the list of all held orders is mailed. The zero value is never, and removes the
// schedule.
type Digest struct {
	// Days are the days of the week; none is never.
	Days []time.Weekday
	// Hour and Minute are the time of day.
	Hour, Minute int
	// TimeZone is the time's zone, such as Europe/Berlin. Temporal must know it.
	TimeZone string
}

// digestCatchUp is how late a digest may be after an outage of Temporal. It is less than a day, so
// one digest at most is made up for.
const digestCatchUp = 23 * time.Hour

const digestNote = "kept by the gate's workers: DIGEST_AT, DIGEST_DAYS and TZ say when"

// keepSchedule makes the digest's schedule as the settings have it. keyID is the payload key that it
// is written with.
func (d Digest) keepSchedule(ctx context.Context, c client.Client, keyID string, logger *slog.Logger) {
	kept := keptSchedule{
		id:     ordercheck.DigestScheduleID,
		ensure: func(ctx context.Context) (string, error) { return d.ensureSchedule(ctx, c.ScheduleClient(), keyID) },
		denied: "the worker may not write the digest's schedule at Temporal; let it write to the namespace",
		logger: logger,
	}
	kept.keep(ctx)
}

func (d Digest) ensureSchedule(ctx context.Context, schedules client.ScheduleClient, keyID string) (done string, err error) {
	handle := schedules.GetHandle(ctx, ordercheck.DigestScheduleID)
	if len(d.Days) == 0 {
		err = handle.Delete(ctx)
		var unknown *serviceerror.NotFound
		switch {
		case err == nil:
			return "was removed: DIGEST_AT is not set", nil
		case errors.As(err, &unknown):
			return "", nil
		}
		return "", fmt.Errorf("remove the schedule %s: %w", ordercheck.DigestScheduleID, err)
	}
	options := d.options()
	_, err = schedules.Create(ctx, options)
	if err == nil {
		return "was made", nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return "", fmt.Errorf("make the schedule %s: %w", ordercheck.DigestScheduleID, err)
	}
	err = handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			if done = d.apply(&schedule, &options, keyID); done == "" {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return "", fmt.Errorf("bring the schedule %s up to date: %w", ordercheck.DigestScheduleID, err)
	}
	return done, nil
}

func (d Digest) options() client.ScheduleOptions {
	calendar := client.ScheduleCalendarSpec{
		Hour:   []client.ScheduleRange{{Start: d.Hour}},
		Minute: []client.ScheduleRange{{Start: d.Minute}},
	}
	days := ""
	for _, day := range d.Days {
		calendar.DayOfWeek = append(calendar.DayOfWeek, client.ScheduleRange{Start: int(day)})
		days += " " + day.String()[:3]
	}
	return client.ScheduleOptions{
		ID:   ordercheck.DigestScheduleID,
		Spec: client.ScheduleSpec{Calendars: []client.ScheduleCalendarSpec{calendar}, TimeZoneName: d.TimeZone},
		Action: &client.ScheduleWorkflowAction{
			ID:        ordercheck.DigestScheduleID,
			Workflow:  ordercheck.DigestWorkflowType,
			Args:      []any{ordercheck.DigestStart{TimeZone: d.TimeZone}},
			TaskQueue: ordercheck.TaskQueue,
			// It names every setting, so it tells whether they have changed.
			StaticSummary: fmt.Sprintf("Mail the list of held orders: %02d:%02d%s, %s", d.Hour, d.Minute, days, d.TimeZone),
		},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: digestCatchUp,
		Note:          digestNote,
	}
}

// apply writes the schedule anew if the settings or the payload key have changed. Until then, what a
// person did to it stays.
func (d Digest) apply(schedule *client.Schedule, want *client.ScheduleOptions, keyID string) string {
	have, ok := schedule.Action.(*client.ScheduleWorkflowAction)
	action, wanted := want.Action.(*client.ScheduleWorkflowAction)
	changed := !ok || !wanted || have.Workflow != action.Workflow || have.TaskQueue != action.TaskQueue ||
		have.StaticSummary != action.StaticSummary
	if changed {
		schedule.Action, schedule.Spec = want.Action, &want.Spec
		schedule.Policy = &client.SchedulePolicies{Overlap: want.Overlap, CatchupWindow: want.CatchupWindow}
		return "sends digests as the settings have them now"
	}
	for _, arg := range have.Args {
		// A schedule never ends: without this it would need the payload key of the day that it was made.
		if payload, raw := arg.(*commonpb.Payload); raw && codec.KeyID(payload) != keyID {
			schedule.Action = want.Action
			return "is written with another payload key"
		}
	}
	return ""
}
