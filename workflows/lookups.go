package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// lookUp brings what the rules need beyond the order. What cannot be had within a short
// time is left out: the rules that need it are skipped then, and the others are not kept waiting.
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
		default:
			lookups.RecentOrders = &recent
		}
	}
	switch {
	case fetched.Billed == nil: // not invoiced, or no longer
		lookups.Billed = nil
	case o.hold.Billed != nil:
		lookups.Billed = o.hold.Billed
	case lookups.Billed == nil:
		lookups.Billed = fetched.Billed
	}
	return lookups, nil
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
