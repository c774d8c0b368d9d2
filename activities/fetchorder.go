package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// FetchOrder asks InFlow for the order, once, with what the rules in force need
// included, and returns the part of it that rules may look at. Its errors have
// the types of package ordercheck; those that pass by themselves are retried.
//
// An order from which InFlow left something out has no digest unless it is to be accepted as it is:
// the workflow asks again for a while.
func (a *Activities) FetchOrder(ctx context.Context, in ordercheck.FetchOrderInput) (ordercheck.FetchedOrder, error) {
	set, inForce := a.setForFetch(ctx)
	asked := slices.Concat(set.Needs(nil), in.Also)
	// The report names the customer, whatever the rules look at.
	asked = append(asked, inflow.IncludeCustomer)
	if a.SalesRep {
		asked = append(asked, inflow.IncludeSalesRepTeamMember)
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	needed := slices.DeleteFunc(slices.Clone(asked), func(name string) bool {
		return name == ordercheck.LookupRecentOrders || name == ordercheck.LookupBilled
	})
	include := needed
	if !a.SalesRep {
		// The desk shows the sales rep's name. A check that lacks it is complete all the same.
		include = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(needed), inflow.IncludeSalesRepTeamMember))))
	}
	order, err := a.Orders.SalesOrder(ctx, in.SalesOrderID, include)
	if err != nil {
		return ordercheck.FetchedOrder{}, applicationError(err)
	}
	fetched := ordercheck.FetchedOrder{
		OrderNumber:  ordercheck.Keyword(order.OrderNumber),
		OrderVersion: ordercheck.ShortID(order.Timestamp),
		IsCancelled:  order.IsCancelled,
		RuleSet:      inForce,
		Asked:        asked,
		Missing:      order.Missing(needed),
	}
	if order.Customer != nil {
		fetched.Customer = ordercheck.Keyword(order.Customer.Name)
	}
	// The address is not for the history: Notify asks for it when it is needed.
	if rep := order.SalesRepTeamMember; rep != nil {
		fetched.HasSalesRep = a.SalesRep && rep.Email != ""
		fetched.SalesRep = ordercheck.Keyword(rep.Name)
	}
	if len(fetched.Missing) > 0 && !in.AcceptMissing {
		return fetched, nil
	}
	order.SalesRepTeamMember = nil // no rule looks at it
	if fetched.Order, err = json.Marshal(order); err != nil {
		return ordercheck.FetchedOrder{}, fmt.Errorf("make the digest of sales order %s: %w", in.SalesOrderID, err)
	}
	if err := a.addLookups(ctx, order, in, &fetched); err != nil {
		return ordercheck.FetchedOrder{}, err
	}
	if err := fetched.Order.CheckSize(); err != nil {
		return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("sales order %s with %d lines: %v", in.SalesOrderID, len(order.Lines), err),
			ordercheck.ErrorOrderTooLarge, nil)
	}
	return fetched, nil
}
