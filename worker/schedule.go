package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"error-check-gate/internal/codec"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

const (
	// scheduleRetry is the delay between attempts to bring a schedule up to date.
	scheduleRetry = 5 * time.Second
	// maxScheduleUpdates limits the updates by one worker, because workers with different settings may
	// undo each other's.
	maxScheduleUpdates = 3

	created = "was created"
)

// managedSchedule is a schedule that workers bring up to date when they start.
type managedSchedule struct {
	id string
	// ensure tries once to bring the schedule up to date. done says what it changed, and is empty
	// if there was nothing to change.
	ensure func(ctx context.Context) (done string, err error)
	// denied is the text to log if the worker may not write schedules.
	denied string
	logger *slog.Logger
}

// reconcile retries until the schedule is up to date or ctx is done. Temporal drops an update
// without an error if the schedule changes at the same time, so reconcile looks again after an
// update. A worker that may not write schedules gives up.
func (m *managedSchedule) reconcile(ctx context.Context) {
	logger := m.logger.With("schedule", m.id)
	for updates := 0; ; {
		done, err := m.ensure(ctx)
		switch {
		case err == nil && done == "":
			return
		case err == nil:
			logger.InfoContext(ctx, "brought a schedule up to date", "done", done)
			if updates++; done == created || updates == maxScheduleUpdates {
				return
			}
		case ctx.Err() != nil:
			return
		case mayNotSchedule(err):
			logger.ErrorContext(ctx, m.denied, "error", err) //nolint:sloglint // a constant of each schedule
			return
		default:
			logger.WarnContext(ctx, "cannot bring a schedule up to date; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(scheduleRetry):
		}
	}
}

func mayNotSchedule(err error) bool {
	var denied *serviceerror.PermissionDenied
	var unimplemented *serviceerror.Unimplemented
	return errors.As(err, &denied) || errors.As(err, &unimplemented)
}

// createOrUpdate creates a schedule, or lets apply change it if it exists. apply and
// createOrUpdate return what they changed, or "" if there was nothing to change. Several workers
// may call createOrUpdate at once.
func createOrUpdate(
	ctx context.Context, schedules client.ScheduleClient, options client.ScheduleOptions,
	apply func(*client.Schedule) (done string),
) (done string, err error) {
	_, err = schedules.Create(ctx, options)
	if err == nil {
		return created, nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return "", fmt.Errorf("create the schedule %s: %w", options.ID, err)
	}
	err = schedules.GetHandle(ctx, options.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			if done = apply(&schedule); done == "" {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return "", fmt.Errorf("update the schedule %s: %w", options.ID, err)
	}
	return done, nil
}

// hasOtherKey reports whether an argument was written with another payload key. A schedule never
// ends, so it would need that key forever.
func hasOtherKey(action *client.ScheduleWorkflowAction, keyID string) bool {
	return slices.ContainsFunc(action.Args, func(arg any) bool {
		payload, raw := arg.(*commonpb.Payload)
		return raw && codec.KeyID(payload) != keyID
	})
}
