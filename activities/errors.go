package activities

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

const (
	// rateLimitedDelay is used after a 429 without Retry-After; InFlow's quota is per minute.
	rateLimitedDelay = 20 * time.Second
	// maxRetryAfter limits the delay that InFlow may ask for, so that a faulty header does not delay
	// an order for days.
	maxRetryAfter = 15 * time.Minute
)

// failures maps each kind of InFlow failure to the error type for the run, and says whether a retry
// can help.
var failures = map[inflow.Kind]struct {
	errorType string
	retryable bool
	delay     time.Duration // before a retry, if InFlow gives none; 0 is the policy's backoff
}{
	inflow.KindNotFound:     {errorType: ordercheck.ErrorOrderNotFound},
	inflow.KindUnauthorized: {errorType: ordercheck.ErrorInflowUnauthorized},
	inflow.KindBadResponse:  {errorType: ordercheck.ErrorInflowBadResponse},
	inflow.KindTooLarge:     {errorType: ordercheck.ErrorOrderTooLarge},
	inflow.KindConflict:     {errorType: ordercheck.ErrorHoldFieldConflict},
	inflow.KindUnavailable:  {errorType: ordercheck.ErrorInflowUnavailable, retryable: true},
	inflow.KindRateLimited: {
		errorType: ordercheck.ErrorInflowRateLimited,
		retryable: true,
		delay:     rateLimitedDelay,
	},
}

// applicationError turns an error of InFlow's client into the application error that Temporal and
// operators know, with details.
func applicationError(err error, details ...any) error {
	var failed *inflow.Error
	if !errors.As(err, &failed) {
		return err
	}
	failure, ok := failures[failed.Kind]
	if !ok {
		return err
	}
	delay := failure.delay
	if failure.retryable && failed.RetryAfter > 0 {
		delay = min(failed.RetryAfter, maxRetryAfter)
	}
	return temporal.NewApplicationErrorWithOptions(failed.Error(), failure.errorType,
		temporal.ApplicationErrorOptions{
			NonRetryable: !failure.retryable, NextRetryDelay: delay, Details: details,
		})
}
