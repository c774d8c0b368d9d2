package checks

import (
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

const (
	// maxProductIDs is the maximum number of products in a look-up.
	maxProductIDs = 1000
	// MaxLookupID is the maximum length of an id in a look-up, in bytes.
	MaxLookupID = 128
)

// LookUpRecentOrders returns the input for a look-up of the customer's other orders. It returns nil
// if there is nothing to look up, because the order has no customer or is cancelled.
func LookUpRecentOrders(order *inflow.SalesOrder) *ordercheck.LookUpOrdersInput {
	if order.CustomerID == "" || order.IsCancelled {
		return nil
	}
	in := &ordercheck.LookUpOrdersInput{
		SalesOrderID: order.SalesOrderID,
		CustomerID:   order.CustomerID,
	}
	seen := map[string]bool{}
	for i := range order.Lines {
		id := order.Lines[i].ProductID
		if id == "" || seen[id] {
			continue
		}
		if len(in.ProductIDs) == maxProductIDs || len(id) > MaxLookupID {
			in.ProductsOmitted = true
			continue
		}
		seen[id] = true
		in.ProductIDs = append(in.ProductIDs, id)
	}
	return in
}

// RecentOrders returns the parts of a customer's orders that checks compare an order with. listed
// comes from InFlow, and must include the lines of the orders.
func RecentOrders(listed []inflow.SalesOrder) *ordercheck.RecentOrders {
	out := &ordercheck.RecentOrders{Orders: make([]ordercheck.RecentOrder, 0, len(listed))}
	for i := range listed {
		other := &listed[i]
		recent := ordercheck.RecentOrder{
			SalesOrderID: ordercheck.ShortID(other.SalesOrderID),
			OrderNumber:  ordercheck.Keyword(other.OrderNumber),
			OrderDate:    other.OrderDate.Time,
			PONumber:     poNumber(other.PONumber),
			IsQuote:      other.IsQuote,
			IsCancelled:  other.IsCancelled,
			Lines:        len(other.Lines),
		}
		for j := range other.Lines {
			if line := &other.Lines[j]; line.ProductID != "" {
				recent.Goods = append(recent.Goods, ordercheck.RecentGoods{
					ProductID: line.ProductID, Quantity: quantity(line),
					Uom: ordercheck.ShortText(line.Quantity.Uom), UnitPrice: line.UnitPrice.Decimal,
				})
			}
		}
		out.Orders = append(out.Orders, recent)
	}
	return out
}
