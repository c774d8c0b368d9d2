package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// FetchOrder makes one request to InFlow for the order, including all that the rules in force need,
// and returns the part that rules may see. Its errors have the types of package ordercheck.
//
// If InFlow left something out, the result has no digest, unless in.AcceptMissing is true. The
// workflow then tries again for a while.
func (a *Activities) FetchOrder(
	ctx context.Context, in ordercheck.FetchOrderInput,
) (ordercheck.FetchedOrder, error) {
	set, inForce := a.setForFetch(ctx)
	asked := slices.Concat(set.Needs(nil), in.Also)
	// The report names the customer, whatever the rules need.
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
		// The desk shows the sales rep's name. A check without it is still complete.
		include = append(slices.Clone(needed), inflow.IncludeSalesRepTeamMember)
		slices.Sort(include)
		include = slices.Compact(include)
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
	// The e-mail address must not be in the history. Notify looks it up when needed.
	if rep := order.SalesRepTeamMember; rep != nil {
		fetched.HasSalesRep = a.SalesRep && rep.Email != ""
		fetched.SalesRep = ordercheck.Keyword(rep.Name)
	}
	fetched.HoldField = a.HoldMarks.takeFrom(order, in.HoldMarks)
	if len(fetched.Missing) > 0 && !in.AcceptMissing {
		return fetched, nil
	}
	order.SalesRepTeamMember = nil // no rule needs it
	if fetched.Order, err = json.Marshal(order); err != nil {
		return ordercheck.FetchedOrder{}, fmt.Errorf("make the digest of sales order %s: %w",
			in.SalesOrderID, err)
	}
	if fetched.HoldField != nil {
		fetched.Content = contentHash(*order)
	}
	if err := a.addLookups(ctx, order, in, &fetched); err != nil {
		return ordercheck.FetchedOrder{}, err
	}
	if err := fetched.Order.CheckSize(); err != nil {
		return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("sales order %s with %d lines: %v", in.SalesOrderID, len(order.Lines), err),
			ordercheck.ErrorOrderTooLarge, nil)
	}
	if a.PastRuns != nil {
		info := activity.GetInfo(ctx)
		fetched.FetchID = fetchID(&info)
		a.fetched.put(info.WorkflowExecution.RunID, fetched)
	}
	return fetched, nil
}

// contentHash returns a hash of an order without its version. A write of the hold mark doesn't
// change the hash, because the mark has been removed from the order.
func contentHash(order inflow.SalesOrder) string {
	order.Timestamp = ""
	order.CustomFields = maps.Clone(order.CustomFields)
	maps.DeleteFunc(order.CustomFields, func(_, value string) bool { return value == "" })
	if len(order.CustomFields) == 0 {
		order.CustomFields = nil
	}
	encoded, _ := json.Marshal(&order) // FetchOrder has encoded it already
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}
