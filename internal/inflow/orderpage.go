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
)

// MaxPageSize is the maximum number of orders that InFlow returns with one request.
const MaxPageSize = 100

// PageQuery asks for a page of whole sales orders.
type PageQuery struct {
	// From and To limit the order dates. If To is zero, the dates have no end.
	From, To time.Time
	// NewestFirst sorts by version, the last saved order first. Otherwise the list is sorted by
	// number.
	NewestFirst bool
	// Page is the beginning of the page, Size its length, at most [MaxPageSize].
	Page ListPage
	Size int
	// Include lists the related entities.
	Include []string
}

// PageEntry is one order of a page. If it cannot be used, Listed.Problem says why, and Order has
// only the fields that could be read.
type PageEntry struct {
	Listed ListedOrder
	Order  SalesOrder
}

// SalesOrderPage is one page of a list of whole sales orders.
type SalesOrderPage struct {
	Entries []PageEntry
	// Total is the length of the whole list, and 0 if InFlow does not send it.
	Total int
}

// SalesOrderPage makes one request for at most query.Size sales orders. Errors are of type
// [*Error]. If query.Page.Start is not in the list (any more), the error is of [KindNotFound]. If
// no entry can be read, the result is an error.
func (c *Client) SalesOrderPage(ctx context.Context, query PageQuery) (SalesOrderPage, error) {
	const op = "list whole sales orders"
	dates, err := orderDates(query.From, query.To)
	if err != nil {
		return SalesOrderPage{}, fmt.Errorf("inflow: %s: %w", op, err)
	}
	values := url.Values{
		"filter[orderDate]": {dates},
		"count":             {strconv.Itoa(query.Size)},
		"sort":              {"orderNumber"},
		"includeCount":      {"true"},
	}
	if query.NewestFirst {
		values.Set("sort", "timestamp")
		values.Set("sortDesc", "true")
	}
	if query.Page.Start != "" {
		values.Set("start", query.Page.Start)
	}
	if query.Page.Skip > 0 {
		values.Set("skip", strconv.Itoa(query.Page.Skip))
	}
	if list := includeList(query.Include); list != "" {
		values.Set("include", list)
	}
	var entries []json.RawMessage
	var page SalesOrderPage
	err = c.do(ctx, call{op: op, route: "sales-orders", path: "sales-orders", query: values,
		into: &entries, total: &page.Total})
	var failed *Error
	if errors.As(err, &failed) && failed.StatusCode == http.StatusBadRequest &&
		query.Page.Start != "" {
		failed.Kind = KindNotFound
	}
	if err != nil {
		return SalesOrderPage{}, err
	}
	page.Entries = make([]PageEntry, len(entries))
	readable := 0
	for i, entry := range entries {
		page.Entries[i] = readEntry(entry)
		if page.Entries[i].Listed.Problem == "" {
			readable++
		}
	}
	if readable == 0 && len(entries) > 0 {
		return SalesOrderPage{}, badResponse(op, http.StatusOK,
			fmt.Errorf("entry 1 of %d %s, and none can be read; check INFLOW_API_URL and "+
				"INFLOW_API_VERSION", len(entries), page.Entries[0].Listed.Problem))
	}
	return page, nil
}

func readEntry(encoded json.RawMessage) PageEntry {
	entry := PageEntry{Listed: readListed(encoded)}
	// If the entry is not an order at all, readListed has said so in Problem.
	if err := decodeJSON(encoded, &entry.Order); err != nil && entry.Listed.SalesOrderID != "" {
		entry.Listed.Problem = "cannot be read: " + err.Error()
	}
	return entry
}

// orderDates returns the JSON of a filter for order dates. If to is zero, the dates have no end.
func orderDates(from, to time.Time) (string, error) {
	dates := map[string]string{"fromDate": from.UTC().Format(time.RFC3339)}
	if !to.IsZero() {
		dates["toDate"] = to.UTC().Format(time.RFC3339)
	}
	encoded, err := json.Marshal(dates)
	return string(encoded), err
}
