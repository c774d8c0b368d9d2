package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
)

// scheduleRetry is the delay between attempts to bring a schedule up to date.
const scheduleRetry = 5 * time.Second

// keptSchedule is a schedule that workers bring up to date when they start.
type keptSchedule struct {
	id string
	// ensure brings it up to date once. done says what it did; empty if nothing.
	ensure func(ctx context.Context) (done string, err error)
	// denied is logged if the worker may not write schedules.
	denied string
	logger *slog.Logger
}

// keep retries until the schedule is up to date or ctx is done. A worker that may not write
// schedules goes on without.
func (k *keptSchedule) keep(ctx context.Context) {
	logger := k.logger.With("schedule", k.id)
	for {
		done, err := k.ensure(ctx)
		switch {
		case err == nil:
			if done != "" {
				logger.InfoContext(ctx, "a schedule was brought up to date", "done", done)
			}
			return
		case ctx.Err() != nil:
			return
		case mayNotSchedule(err):
			logger.ErrorContext(ctx, k.denied, "error", err)
			return
		}
		logger.WarnContext(ctx, "a schedule could not be brought up to date and is tried again", "error", err)
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
