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
	// InForce returns the record, which it read at notBefore or later, and the set in force. The
	// set is nil if this worker does not have it. InForce fails if it cannot read the record.
	InForce(ctx context.Context, notBefore time.Time) (ordercheck.InForce, *rules.Set, error)
}

// retryElsewhere returns the delay before the retry of an evaluation for which this worker lacks
// the rule set. The first delays are short, because another worker may get the retry. They grow
// to 15 s if no worker seems to have the set.
func retryElsewhere(attempt int32) time.Duration {
	const shortest, longest = 250 * time.Millisecond, 15 * time.Second
	return min(longest, shortest*time.Duration(max(1, attempt-8)))
}

// setInForce returns the rule set in force, and since when it is in force. It fails if this
// worker does not have the set. Temporal then retries, maybe on another worker.
func (a *Activities) setInForce(
	ctx context.Context, notBefore time.Time,
) (*rules.Set, time.Time, error) {
	if a.Record == nil {
		return a.Rules(), time.Time{}, nil
	}
	inForce, set, err := a.Record.InForce(ctx, notBefore)
	if err == nil && set == nil {
		err = fmt.Errorf("this worker does not have the rule set in force, %s %s; "+
			"if no worker has it, go back to another set: 'gate rules in-force' lists them",
			inForce.Name, inForce.Digest)
	}
	if err != nil {
		return nil, time.Time{}, temporal.NewApplicationErrorWithOptions(err.Error(),
			ordercheck.ErrorRulesNotInForce,
			temporal.ApplicationErrorOptions{NextRetryDelay: retryElsewhere(activity.GetInfo(ctx).Attempt)})
	}
	return set, inForce.Since, nil
}

// setForFetch returns the rule set that decides what to fetch, and the name of the set in force.
// If this worker doesn't have the set in force, its own set decides, and the worker that checks
// the order asks for the rest.
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
