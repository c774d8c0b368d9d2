package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// lookUp brings what the rules need beyond the order. What cannot be had within a short
// time is left out, and the others are not kept waiting: the rules that need it are skipped then, and
// the report is incomplete.
func (o *salesOrder) lookUp(ctx workflow.Context, fetched *ordercheck.FetchedOrder) (ordercheck.Lookups, error) {
	lookups := fetched.Lookups
	if fetched.LookUp != nil {
		var recent ordercheck.RecentOrders
		err := o.request(lookUpOptions(ctx, o.priority), ordercheck.ActivityLookUpOrders, *fetched.LookUp, &recent)
		switch {
		case errors.Is(err, errOvertaken):
			return lookups, err
		case err != nil:
			workflow.GetLogger(ctx).Warn("the customer's recent orders could not be looked up: rules that need them are skipped", "error", err)
			lookups.Failed = append(lookups.Failed, ordercheck.LookupRecentOrders)
		default:
			lookups.RecentOrders = &recent
		}
	}
	lookups.Billed = o.billed(fetched, lookups)
	return lookups, nil
}

// billed returns the order as it was first seen invoiced; nil if it is not invoiced, or no longer. What
// was known before stands if the order does not tell.
func (o *salesOrder) billed(fetched *ordercheck.FetchedOrder, lookups ordercheck.Lookups) *ordercheck.Billed {
	unknown := !slices.Contains(fetched.Asked, ordercheck.LookupBilled) || slices.Contains(fetched.Missing, ordercheck.IncludeLines) ||
		slices.Contains(lookups.Failed, ordercheck.LookupBilled)
	switch {
	case unknown, fetched.Billed != nil && o.hold.Billed != nil:
		return o.hold.Billed
	case fetched.Billed == nil:
		return nil
	case lookups.Billed != nil:
		return lookups.Billed
	}
	return fetched.Billed
}

// rememberBilled keeps the order as it was first seen invoiced, in this run and, as a
// memo, for those after it.
func (o *salesOrder) rememberBilled(ctx workflow.Context, billed *ordercheck.Billed) error {
	if (billed == nil) == (o.hold.Billed == nil) {
		return nil
	}
	if err := workflow.UpsertMemo(ctx, map[string]any{ordercheck.MemoBilled: billed}); err != nil {
		return fmt.Errorf("keep what the order was billed for: %w", err)
	}
	o.hold.Billed = billed
	return nil
}
