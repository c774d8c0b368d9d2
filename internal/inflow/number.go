package inflow

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"error-check-gate/internal/ordercheck"
)

// SalesOrdersByNumber lists the sales orders with a number, compared without case: none, one or, if a company
// numbers by hand, several. It is one request.
func (c *Client) SalesOrdersByNumber(ctx context.Context, number string) ([]ListedOrder, error) {
	query := url.Values{"filter[orderNumber]": {number}, "count": {recentCount}}
	var orders []ListedOrder
	if err := c.do(ctx, call{op: "look for an order number", route: "sales-orders", path: "sales-orders", query: query, into: &orders}); err != nil {
		return nil, err
	}
	// A server that does not know the filter lists other orders too.
	orders = slices.DeleteFunc(orders, func(o ListedOrder) bool {
		return o.SalesOrderID == "" || !strings.EqualFold(strings.TrimSpace(o.OrderNumber), number)
	})
	for i := range orders {
		orders[i].SalesOrderID = ordercheck.CanonicalID(orders[i].SalesOrderID)
	}
	return orders, nil
}
