package inflow

import (
	"context"
	"net/url"
)

// recentCount is the most entities that InFlow puts into one answer.
const recentCount = "100"

// RecentSalesOrders lists the latest sales orders of a customer, at most a hundred, by
// order date, with the related entities that include names. It is one request.
func (c *Client) RecentSalesOrders(ctx context.Context, customerID string, include []string) ([]SalesOrder, error) {
	query := url.Values{
		"filter[customerId]": {customerID},
		"count":              {recentCount},
		"sort":               {"orderDate"},
		"sortDesc":           {"true"},
	}
	if list := includeList(include); list != "" {
		query.Set("include", list)
	}
	var orders []SalesOrder
	if err := c.do(ctx, call{op: "list the customer's sales orders", route: "sales-orders", path: "sales-orders", query: query, into: &orders}); err != nil {
		return nil, err
	}
	return orders, nil
}
