package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

// RulesRecord knows the rule set in force in the namespace.
type RulesRecord interface {
	// InForce returns the record, which must not be older than notBefore. The set is nil if this
	// worker does not have it. It fails if the record cannot be read.
	InForce(ctx context.Context, notBefore time.Time) (ordercheck.InForce, *rules.Set, error)
}

// retryElsewhere returns the delay before an evaluation that this worker cannot do is retried:
// short while another worker is likely to get it, longer if none seems to have the set.
func retryElsewhere(attempt int32) time.Duration {
	const shortest, longest = 250 * time.Millisecond, 15 * time.Second
	return min(longest, shortest*time.Duration(max(1, attempt-8)))
}

// setInForce returns the rule set in force, and since when. It fails if this worker does not have
// the set; then another worker retries.
func (a *Activities) setInForce(
	ctx context.Context, notBefore time.Time,
) (*rules.Set, time.Time, error) {
	if a.Record == nil {
		return a.Rules(), time.Time{}, nil
	}
	inForce, set, err := a.Record.InForce(ctx, notBefore)
	if err == nil && set == nil {
		err = fmt.Errorf("this worker does not have the rule set in force, %s %s: another worker may, "+
			"or go back to a set that this one has: 'gate rules in-force' lists them",
			inForce.Name, inForce.Digest)
	}
	if err != nil {
		return nil, time.Time{}, temporal.NewApplicationErrorWithOptions(err.Error(),
			ordercheck.ErrorRulesNotInForce,
			temporal.ApplicationErrorOptions{NextRetryDelay: retryElsewhere(activity.GetInfo(ctx).Attempt)})
	}
	return set, inForce.Since, nil
}

// setForFetch returns the set whose needs are fetched, and the name of the set in force. A worker
// without the set in force fetches the needs of its own set, and the worker that checks asks for
// the rest.
func (a *Activities) setForFetch(ctx context.Context) (*rules.Set, ordercheck.RuleSet) {
	own := a.Rules()
	if a.Record == nil {
		return own, own.RuleSet()
	}
	inForce, set, err := a.Record.InForce(ctx, time.Time{})
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		activity.GetLogger(ctx).Warn(
			"cannot read which rule set is in force; fetching what this worker's set needs", "error", err)
		return own, ordercheck.RuleSet{}
	case set == nil:
		return own, inForce.RuleSet
	}
	return set, set.RuleSet()
}
