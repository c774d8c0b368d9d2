package inflow

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
)

// MaxListCount is the most entities that one page of InFlow's lists has.
const MaxListCount = 100

// LatestOrders lists a customer's latest sales orders, newest first by order date, at most
// count (1 to [MaxListCount]) of them. It is one request.
func (c *Client) LatestOrders(ctx context.Context, customerID string, count int, include []string) ([]SalesOrder, error) {
	const op = "list sales orders of a customer"
	query := url.Values{
		"filter[customerId]": {customerID},
		"count":              {strconv.Itoa(min(max(count, 1), MaxListCount))},
		"sort":               {"orderDate"},
		"sortDesc":           {"true"},
	}
	if list := includeList(include); list != "" {
		query.Set("include", list)
	}
	var orders []SalesOrder
	if err := c.do(ctx, call{op: op, route: "sales-orders", path: "sales-orders", query: query, into: &orders}); err != nil {
		return nil, err
	}
	for i := range orders {
		if orders[i].SalesOrderID == "" {
			return nil, badResponse(op, http.StatusOK, errors.New("an order of the list has no salesOrderId"))
		}
	}
	return orders, nil
}
