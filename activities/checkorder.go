package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// errorBadDigest is the error type for a digest that cannot be read. Not retried.
const errorBadDigest = "BadDigest"

// CheckOrder evaluates the rules in force on a fetched order, with days counted in the zone of
// TZ. A rule that cannot be evaluated is part of the result. CheckOrder fails if it cannot read
// the digest, or if this worker does not have the rule set in force; Temporal then retries, maybe
// on another worker.
//
// The order may have been fetched by a worker with another rule set. If this worker's rules need
// more data than was fetched, CheckOrder says so and evaluates nothing.
func (a *Activities) CheckOrder(
	ctx context.Context, in ordercheck.CheckOrderInput,
) (ordercheck.CheckedOrder, error) {
	if in.FetchID != "" {
		fetched, err := a.fetchedOrder(ctx, in.FetchID)
		if err != nil {
			return ordercheck.CheckedOrder{}, err
		}
		in.Take(&fetched)
	}
	var order inflow.SalesOrder
	if err := json.Unmarshal(in.Order, &order); err != nil {
		return ordercheck.CheckedOrder{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("the digest of sales order %s cannot be read", in.SalesOrderID), errorBadDigest, err)
	}
	set, since, err := a.setInForce(ctx, in.RulesSince)
	if err != nil {
		return ordercheck.CheckedOrder{}, err
	}
	if notAsked := set.Needs(in.Asked); len(notAsked) > 0 && !in.Final {
		return ordercheck.CheckedOrder{RuleSet: set.RuleSet(), NotAsked: notAsked}, nil
	}
	checked := set.EvaluateFetched(ctx, &order, in.At.Local(), in.Lookups, in.Asked)
	checked.RulesSince = since
	checked.NotInForce = set.NotInForce(in.Notified)
	if a.Count != nil {
		a.Count(ctx, checked)
	}
	return checked, nil
}
