package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// TestAWriteThatNoWorkerTookInTimeBeginsAnew checks that a write that no worker has begun starts
// over with a reading. There is nothing to compare, because InFlow certainly has no mark.
func TestAWriteThatNoWorkerTookInTimeBeginsAnew(t *testing.T) {
	l := newLife(t, settings, "total")
	field := ordercheck.HoldField{Name: "custom3"}
	version := 1
	fetch := l.fetch
	l.fetch = func(n int) (ordercheck.FetchedOrder, error) {
		fetched, err := fetch(n)
		held := field
		fetched.OrderVersion, fetched.HoldField = order(version).OrderVersion, &held
		return fetched, err
	}
	var toWrite []bool
	l.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.ReadHoldFieldInput) (ordercheck.HoldFieldImage, error) {
			toWrite = append(toWrite, in.ToWrite)
			image := ordercheck.HoldFieldImage{Field: field, Version: order(version).OrderVersion}
			if !in.Wanted.IsZero() {
				image.Text = "HOLD: " + in.Wanted.Error
			}
			return image, nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivityReadHoldField},
	)
	l.RegisterActivityWithOptions(
		func(context.Context, ordercheck.WriteHoldFieldInput) (ordercheck.WrittenHoldField, error) {
			return ordercheck.WrittenHoldField{}, nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivityWriteHoldField},
	)
	late := temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil)
	l.OnActivity(ordercheck.ActivityWriteHoldField, mock.Anything, mock.Anything).Once().
		Return(ordercheck.WrittenHoldField{}, late)
	l.OnActivity(ordercheck.ActivityWriteHoldField, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in ordercheck.WriteHoldFieldInput) (ordercheck.WrittenHoldField, error) {
			version++
			field.Text = in.Text
			return ordercheck.WrittenHoldField{Version: order(version).OrderVersion}, nil
		})
	l.deliverAt(0, 1)
	l.RegisterDelayedCallback(func() {
		assert.Equal(t, []bool{true, true, false}, toWrite)
		assert.Equal(t, "HOLD: total is broken", field.Text)
		version++
		l.broken = nil
		l.deliver(1)
	}, settings.GracePeriod+time.Hour)
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
	assert.Empty(t, field.Text)
}

// TestAnOpenOrderIsCheckedWhenMarksAreResumed checks that resuming marks makes a check due, and
// adds no delivery to the timeline.
func TestAnOpenOrderIsCheckedWhenMarksAreResumed(t *testing.T) {
	l := newLife(t, settings, "total")
	l.deliverAt(0, 1)
	l.RegisterDelayedCallback(func() {
		l.fetchedAt = nil
		l.SignalWorkflow(ordercheck.SignalWebhookDelivered,
			[]ordercheck.Delivery{{Event: ordercheck.EventMarksResumed}})
	}, settings.GracePeriod+time.Hour)
	l.RegisterDelayedCallback(func() {
		assert.Len(t, l.fetchedAt, 1)
		l.broken = nil
		l.saved++
		l.deliver(1)
	}, settings.GracePeriod+2*time.Hour)
	deliveries := 0
	for _, entry := range l.mustRun(t).Timeline {
		if entry.Kind == ordercheck.TimelineDelivery {
			deliveries++
		}
	}
	assert.Equal(t, 2, deliveries)
}
