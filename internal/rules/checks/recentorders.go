package checks

import (
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// RecentOrders reduces a customer's orders, as InFlow lists them, to what checks compare an order
// with. The list must include the lines of the orders.
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
					ProductID: line.ProductID, Quantity: quantity(line), Uom: ordercheck.ShortText(line.Quantity.Uom), UnitPrice: line.UnitPrice.Decimal,
				})
			}
		}
		out.Orders = append(out.Orders, recent)
	}
	return out
}
