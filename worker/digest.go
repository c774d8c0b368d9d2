package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// Digest says when to mail the list of all held orders. The zero value means never, and removes
// the schedule.
type Digest struct {
	// Days are the days of the week; without any, the digest is off.
	Days []time.Weekday
	// Hour and Minute are the time of day.
	Hour, Minute int
	// TimeZone is a zone that Temporal knows, such as Europe/Berlin.
	TimeZone string
}

// digestCatchUp is how late a digest may be after an outage of Temporal: less than a day, so that
// at most one digest is sent late.
const digestCatchUp = 23 * time.Hour

const digestNote = "kept by the gate's workers: DIGEST_AT, DIGEST_DAYS and TZ say when"

// reconcileSchedule brings the digest's schedule up to date with the settings. keyID is the payload
// key that it is written with.
func (d Digest) reconcileSchedule(
	ctx context.Context, c client.Client, keyID string, logger *slog.Logger,
) {
	schedule := managedSchedule{
		id: ordercheck.DigestScheduleID,
		ensure: func(ctx context.Context) (string, error) {
			return d.ensureSchedule(ctx, c.ScheduleClient(), keyID)
		},
		denied: "the worker may not write the digest's schedule in Temporal; " +
			"let it write to the namespace",
		logger: logger,
	}
	schedule.reconcile(ctx)
}

// ensureSchedule removes, creates or updates the schedule. done says what it changed, and is
// empty if there was nothing to change.
func (d Digest) ensureSchedule(
	ctx context.Context, schedules client.ScheduleClient, keyID string,
) (done string, err error) {
	if len(d.Days) > 0 {
		options := d.options()
		return createOrUpdate(ctx, schedules, options, func(schedule *client.Schedule) string {
			return d.apply(schedule, &options, keyID)
		})
	}
	err = schedules.GetHandle(ctx, ordercheck.DigestScheduleID).Delete(ctx)
	var unknown *serviceerror.NotFound
	switch {
	case err == nil:
		return "was removed: DIGEST_AT is not set", nil
	case errors.As(err, &unknown):
		return "", nil
	}
	return "", fmt.Errorf("remove the schedule %s: %w", ordercheck.DigestScheduleID, err)
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
		ID: ordercheck.DigestScheduleID,
		Spec: client.ScheduleSpec{
			Calendars:    []client.ScheduleCalendarSpec{calendar},
			TimeZoneName: d.TimeZone,
		},
		Action: &client.ScheduleWorkflowAction{
			ID:        ordercheck.DigestScheduleID,
			Workflow:  ordercheck.DigestWorkflowType,
			Args:      []any{ordercheck.DigestStart{TimeZone: d.TimeZone}},
			TaskQueue: ordercheck.TaskQueue,
			// The summary names every setting, so a difference means that the settings have changed.
			StaticSummary: fmt.Sprintf("Mail the list of held orders: %02d:%02d%s, %s",
				d.Hour, d.Minute, days, d.TimeZone),
		},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: digestCatchUp,
		Note:          digestNote,
	}
}

// apply rewrites the schedule if the settings or the payload key have changed, and says what it
// did. Otherwise a person's changes stay.
func (d Digest) apply(
	schedule *client.Schedule, want *client.ScheduleOptions, keyID string,
) string {
	have, ok := schedule.Action.(*client.ScheduleWorkflowAction)
	action, wanted := want.Action.(*client.ScheduleWorkflowAction)
	changed := !ok || !wanted || have.Workflow != action.Workflow ||
		have.TaskQueue != action.TaskQueue ||
		have.StaticSummary != action.StaticSummary
	if changed {
		schedule.Action, schedule.Spec = want.Action, &want.Spec
		schedule.Policy = &client.SchedulePolicies{
			Overlap: want.Overlap, CatchupWindow: want.CatchupWindow,
		}
		return "sends digests as set now"
	}
	if hasOtherKey(have, keyID) {
		schedule.Action = want.Action
		return "is written with another payload key"
	}
	return ""
}
