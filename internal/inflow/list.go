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
	OrderDate Time   `json:"orderDate"` // zero where InFlow gave none
}

// ListSalesOrders lists sales orders by their number, at most a hundred, without related
// entities: those with an order date of from or later, beginning with the order of the id
// start, or with the first one where that is empty. It is one request.
//
// A server that does not know the filter lists older orders too. An id that is not, or no
// longer, in the list is an error of [KindNotFound].
func (c *Client) ListSalesOrders(ctx context.Context, from time.Time, start string) ([]ListedOrder, error) {
	const op = "list sales orders"
	dates, err := json.Marshal(map[string]string{"fromDate": from.UTC().Format(time.RFC3339)})
	if err != nil {
		return nil, fmt.Errorf("inflow: %s: %w", op, err)
	}
	query := url.Values{
		"filter[orderDate]": {string(dates)},
		"count":             {strconv.Itoa(listCount)},
		// A number is one order's own and hardly ever changed, so that the list keeps its order.
		"sort": {"orderNumber"},
	}
	if start != "" {
		query.Set("start", start)
	}
	var orders []ListedOrder
	err = c.do(ctx, call{op: op, route: "sales-orders", path: "sales-orders", query: query, into: &orders})
	var failed *Error
	if errors.As(err, &failed) && failed.StatusCode == http.StatusBadRequest && start != "" {
		failed.Kind = KindNotFound
	}
	if err != nil {
		return nil, err
	}
	for i := range orders {
		o := &orders[i]
		version, ok := ordercheck.ParseVersion(o.Timestamp)
		switch {
		case o.SalesOrderID == "":
			return nil, badResponse(op, http.StatusOK, fmt.Errorf("entry %d has no salesOrderId; check INFLOW_API_URL and INFLOW_API_VERSION", i+1))
		case !ok:
			return nil, badResponse(op, http.StatusOK,
				fmt.Errorf("entry %d has no timestamp of at most 16 hex digits; check INFLOW_API_VERSION", i+1))
		}
		o.SalesOrderID, o.Timestamp = ordercheck.CanonicalID(o.SalesOrderID), version
	}
	return orders, nil
}
