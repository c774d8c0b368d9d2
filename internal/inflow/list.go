package inflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"error-check-gate/internal/ordercheck"
)

// listCount is the most entities that InFlow puts into one answer.
const listCount = 100

// ListedOrder is the part of a sales order that tells whether it has changed.
type ListedOrder struct {
	SalesOrderID string `json:"salesOrderId"`
	OrderNumber  string `json:"orderNumber"`
	// Timestamp is the order's version, as [ordercheck.ParseVersion] writes it.
	Timestamp string `json:"timestamp"`
	OrderDate Time   `json:"orderDate"` // zero if InFlow gave none
	// Problem says why the entry cannot be used; empty if it can.
	Problem string `json:"-"`
}

// ListPage says where a page of the list begins. The zero value is the list's beginning.
type ListPage struct {
	// Start is the id of the entry that the page begins with.
	Start string
	// Skip is how many entries come before the page, for a server that ignores Start.
	Skip int
}

// SalesOrderList is a page of the list.
type SalesOrderList struct {
	Orders []ListedOrder
	// Total is how many entries the whole list has; only with its beginning, 0 if InFlow does not say.
	Total int
}

// ListSalesOrders lists sales orders by their number, at most a hundred, without related
// entities: those with an order date of from or later. It is one request.
//
// An entry that cannot be read has a Problem. If that is true of all entries, the answer is an error.
// A server that does not know the filter lists older orders too. A Start that is not, or no
// longer, in the list is an error of [KindNotFound].
func (c *Client) ListSalesOrders(ctx context.Context, from time.Time, page ListPage) (SalesOrderList, error) {
	const op = "list sales orders"
	dates, err := json.Marshal(map[string]string{"fromDate": from.UTC().Format(time.RFC3339)})
	if err != nil {
		return SalesOrderList{}, fmt.Errorf("inflow: %s: %w", op, err)
	}
	query := url.Values{
		"filter[orderDate]": {string(dates)},
		"count":             {strconv.Itoa(listCount)},
		// A number is one order's own and hardly ever changed, so that the list keeps its order.
		"sort": {"orderNumber"},
	}
	if page.Start != "" {
		query.Set("start", page.Start)
	}
	if page.Skip > 0 {
		query.Set("skip", strconv.Itoa(page.Skip))
	}
	if page == (ListPage{}) {
		query.Set("includeCount", "true")
	}
	var entries []json.RawMessage
	var list SalesOrderList
	err = c.do(ctx, call{op: op, route: "sales-orders", path: "sales-orders", query: query, into: &entries, total: &list.Total})
	var failed *Error
	if errors.As(err, &failed) && failed.StatusCode == http.StatusBadRequest && page.Start != "" {
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
		return SalesOrderList{}, badResponse(op, http.StatusOK, fmt.Errorf("entry 1 of %d %s, and none can be read; check INFLOW_API_URL and INFLOW_API_VERSION",
			len(orders), orders[0].Problem))
	}
	list.Orders = orders
	return list, nil
}

// readListed reads an entry of the list. What it could read of one with a problem is there.
func readListed(entry json.RawMessage) ListedOrder {
	var order ListedOrder
	// The decoder's words may quote the entry.
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
