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
	// InForce returns the record, at least as new as one that took over at a time. The set is nil if this
	// worker does not have it. The error is that the record could not be read.
	InForce(ctx context.Context, notBefore time.Time) (ordercheck.InForce, *rules.Set, error)
}

// retryElsewhere is the delay before an evaluation is tried again that this worker cannot do: short
// while another worker is likely to get it, longer if none seems to have the set.
func retryElsewhere(attempt int32) time.Duration {
	const shortest, longest = 250 * time.Millisecond, 15 * time.Second
	return min(longest, shortest*time.Duration(max(1, attempt-8)))
}

// setInForce returns the set to check an order with, and since when it is in force. It fails,
// to be retried by another worker, if this one does not have the set.
func (a *Activities) setInForce(ctx context.Context, notBefore time.Time) (*rules.Set, time.Time, error) {
	if a.Record == nil {
		return a.Rules(), time.Time{}, nil
	}
	inForce, set, err := a.Record.InForce(ctx, notBefore)
	if err == nil && set == nil {
		err = fmt.Errorf("this worker does not have the rule set in force, %s %s: another worker may, "+
			"or go back to a set that this one has: 'gate rules in-force' lists them", inForce.Name, inForce.Digest)
	}
	if err != nil {
		return nil, time.Time{}, temporal.NewApplicationErrorWithOptions(err.Error(), ordercheck.ErrorRulesNotInForce,
			temporal.ApplicationErrorOptions{NextRetryDelay: retryElsewhere(activity.GetInfo(ctx).Attempt)})
	}
	return set, inForce.Since, nil
}

// setForFetch returns the set whose needs are to be fetched, and which set is in force. A worker without
// the set in force fetches what its own needs: the worker that checks asks for the rest.
func (a *Activities) setForFetch(ctx context.Context) (*rules.Set, ordercheck.RuleSet) {
	own := a.Rules()
	if a.Record == nil {
		return own, own.RuleSet()
	}
	inForce, set, err := a.Record.InForce(ctx, time.Time{})
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		activity.GetLogger(ctx).Warn("it is not known which rule set is in force: what this worker's needs is fetched", "error", err)
		return own, ordercheck.RuleSet{}
	case set == nil:
		return own, inForce.RuleSet
	}
	return set, set.RuleSet()
}
