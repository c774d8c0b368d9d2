package activities

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

const (
	// rateLimitedDelay is for a 429 without Retry-After: InFlow's allowance is per minute.
	rateLimitedDelay = 20 * time.Second
	// maxRetryAfter bounds what InFlow may ask for, so that a mistaken header does not park an order for days.
	maxRetryAfter = 15 * time.Minute
)

// failures says, for each way InFlow can fail, what the run is told and whether trying again can help.
var failures = map[inflow.Kind]struct {
	errorType string
	retried   bool
	delay     time.Duration // before the next attempt, where InFlow names none; 0 is the policy's backoff
}{
	inflow.KindNotFound:     {errorType: ordercheck.ErrorOrderNotFound},
	inflow.KindUnauthorized: {errorType: ordercheck.ErrorInflowUnauthorized},
	inflow.KindBadResponse:  {errorType: ordercheck.ErrorInflowBadResponse},
	inflow.KindTooLarge:     {errorType: ordercheck.ErrorOrderTooLarge},
	inflow.KindUnavailable:  {errorType: ordercheck.ErrorInflowUnavailable, retried: true},
	inflow.KindRateLimited:  {errorType: ordercheck.ErrorInflowRateLimited, retried: true, delay: rateLimitedDelay},
}

// applicationError gives an error of InFlow's client the type that Temporal and operators know it by.
func applicationError(err error) error {
	var failed *inflow.Error
	if !errors.As(err, &failed) {
		return err
	}
	failure, ok := failures[failed.Kind]
	if !ok {
		return err
	}
	delay := failure.delay
	if failure.retried && failed.RetryAfter > 0 {
		delay = min(failed.RetryAfter, maxRetryAfter)
	}
	return temporal.NewApplicationErrorWithOptions(failed.Error(), failure.errorType, temporal.ApplicationErrorOptions{
		NonRetryable:   !failure.retried,
		NextRetryDelay: delay,
	})
}
