package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// FetchOrder asks InFlow for the order, once, with what the rules in force need
// included, and returns the part of it that rules may look at. Its errors have
// the types of package ordercheck; those that pass by themselves are retried.
func (a *Activities) FetchOrder(ctx context.Context, in ordercheck.FetchOrderInput) (ordercheck.FetchedOrder, error) {
	set := a.Rules()
	// The report names the customer, whatever the rules look at.
	include := append(slices.Clone(set.Includes()), "customer")
	if a.SalesRep {
		include = append(include, "salesRepTeamMember")
	}
	order, err := a.Orders.SalesOrder(ctx, in.SalesOrderID, include)
	if err != nil {
		return ordercheck.FetchedOrder{}, applicationError(err)
	}
	// Its address is not for the history: Notify asks for it when it is needed.
	hasSalesRep := order.SalesRepTeamMember != nil && order.SalesRepTeamMember.Email != ""
	order.SalesRepTeamMember = nil // no rule looks at it
	digest, err := json.Marshal(order)
	if err != nil {
		return ordercheck.FetchedOrder{}, fmt.Errorf("make the digest of sales order %s: %w", in.SalesOrderID, err)
	}
	fetched := ordercheck.FetchedOrder{
		OrderNumber:  order.OrderNumber,
		OrderVersion: order.Timestamp,
		IsCancelled:  order.IsCancelled,
		RuleSet:      set.RuleSet(),
		Order:        digest,
	}
	if order.Customer != nil {
		fetched.Customer = order.Customer.Name
	}
	if err := a.addLookups(ctx, set, order, in, &fetched); err != nil {
		return ordercheck.FetchedOrder{}, err
	}
	fetched.HasSalesRep = a.SalesRep && hasSalesRep
	if err := fetched.Order.CheckSize(); err != nil {
		return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("sales order %s with %d lines: %v", in.SalesOrderID, len(order.Lines), err),
			ordercheck.ErrorInflowBadResponse, nil)
	}
	return fetched, nil
}
