package inflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// listCount is the page size of every list. InFlow returns at most 100 entities.
const listCount = "100"

// ListedOrder is an entry of a list: enough of a sales order to see whether it has changed.
type ListedOrder struct {
	SalesOrderID string `json:"salesOrderId"`
	OrderNumber  string `json:"orderNumber"`
	// Timestamp is the order's version, normalized by [ordercheck.ParseVersion].
	Timestamp string `json:"timestamp"`
	OrderDate Time   `json:"orderDate"` // zero if InFlow gave none
	// Problem says why the entry cannot be used. It is empty for a good entry.
	Problem string `json:"-"`
}

// ListQuery asks for a page of a list of sales orders.
type ListQuery struct {
	// From is the order date of the oldest orders; the zero time has no limit.
	From time.Time
	// NewestFirst sorts by version, the order that was saved last first. Otherwise the list is sorted
	// by number. InFlow's description does not promise that it sorts by version.
	NewestFirst bool
	Page        ListPage
}

// ListPage is the beginning of a page. The zero value is the first page.
type ListPage struct {
	// Start is the id of the page's first entry.
	Start string
	// Skip is the number of entries before the page, for servers that ignore Start.
	Skip int
}

// SalesOrderList is one page of a list.
type SalesOrderList struct {
	Orders []ListedOrder
	// Total is the length of the whole list. It is set on the first page only, and 0 if InFlow
	// does not send it.
	Total int
}

// ListSalesOrders makes one request for at most 100 sales orders, without related entities.
//
// Entries that cannot be read have a Problem. If no entry can be read, the result is an error. A
// server that does not know the filter lists older orders too. If Page.Start is not in the list
// (any more), the error is of [KindNotFound].
func (c *Client) ListSalesOrders(ctx context.Context, q ListQuery) (SalesOrderList, error) {
	const op = "list sales orders"
	query := url.Values{
		"count": {listCount},
		// Order numbers are unique and hardly ever change, so pages don't shift.
		"sort": {"orderNumber"},
	}
	if q.NewestFirst {
		query.Set("sort", "timestamp")
		query.Set("sortDesc", "true")
	}
	if !q.From.IsZero() {
		dates, err := orderDates(q.From, time.Time{})
		if err != nil {
			return SalesOrderList{}, fmt.Errorf("inflow: %s: %w", op, err)
		}
		query.Set("filter[orderDate]", dates)
	}
	if q.Page.Start != "" {
		query.Set("start", q.Page.Start)
	}
	if q.Page.Skip > 0 {
		query.Set("skip", strconv.Itoa(q.Page.Skip))
	}
	if q.Page == (ListPage{}) && !q.NewestFirst {
		query.Set("includeCount", "true")
	}
	var entries []json.RawMessage
	var list SalesOrderList
	err := c.do(ctx, call{op: op, route: "sales-orders", path: "sales-orders", query: query,
		into: &entries, total: &list.Total})
	var failed *Error
	if errors.As(err, &failed) && failed.StatusCode == http.StatusBadRequest && q.Page.Start != "" {
		failed.Kind = KindNotFound
	}
	if err != nil {
		return SalesOrderList{}, err
	}
	orders := make([]ListedOrder, len(entries))
	readable := 0
	for i, entry := range entries {
		if orders[i] = readListed(entry); orders[i].Problem == "" {
			readable++
		}
	}
	if readable == 0 && len(orders) > 0 {
		return SalesOrderList{}, badResponse(op, http.StatusOK,
			fmt.Errorf("entry 1 of %d %s, and none can be read; check INFLOW_API_URL and "+
				"INFLOW_API_VERSION",
				len(orders), orders[0].Problem))
	}
	list.Orders = orders
	return list, nil
}

// readListed decodes one entry. If the entry has a Problem, the fields that could be read are
// still set.
func readListed(entry json.RawMessage) ListedOrder {
	var order ListedOrder
	// The decoder's error may quote the entry, so it is dropped.
	unreadable := json.Unmarshal(entry, &order) != nil
	version, ok := ordercheck.ParseVersion(order.Timestamp)
	order.SalesOrderID, order.Timestamp = ordercheck.CanonicalID(order.SalesOrderID), version
	switch {
	case unreadable:
		order.Problem = "is not an order"
	case order.SalesOrderID == "":
		order.Problem = "has no salesOrderId"
	case !ok:
		order.Problem = "has no timestamp of at most 16 hex digits"
	}
	return order
}

// SalesOrdersByNumber makes one request for the sales orders with a number. Case is ignored. There
// is none, one or, if the company assigns numbers by hand, several.
func (c *Client) SalesOrdersByNumber(ctx context.Context, number string) ([]ListedOrder, error) {
	query := url.Values{"filter[orderNumber]": {number}, "count": {listCount}}
	var orders []ListedOrder
	if err := c.do(ctx, call{op: "look for an order number", route: "sales-orders",
		path: "sales-orders", query: query, into: &orders}); err != nil {
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

// RecentSalesOrders makes one request for at most 100 sales orders of a customer, latest order date
// first, with the related entities listed in include.
func (c *Client) RecentSalesOrders(
	ctx context.Context, customerID string, include []string,
) ([]SalesOrder, error) {
	query := url.Values{
		"filter[customerId]": {customerID},
		"count":              {listCount},
		"sort":               {"orderDate"},
		"sortDesc":           {"true"},
	}
	if list := includeList(include); list != "" {
		query.Set("include", list)
	}
	var orders []SalesOrder
	if err := c.do(ctx, call{op: "list the customer's sales orders", route: "sales-orders",
		path: "sales-orders", query: query, into: &orders}); err != nil {
		return nil, err
	}
	return orders, nil
}
