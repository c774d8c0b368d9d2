package desk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"error-check-gate/internal/ordercheck"
)

// Bounds of a list's parameters.
const (
	defaultAPILimit = 50
	maxAPILimit     = 200
	maxRule         = 64  // bytes, as in rule files
	maxCursor       = 512 // bytes
)

// listedOrders is the answer to a list.
type listedOrders struct {
	Orders []listedOrder `json:"orders"`
	Next   string        `json:"next,omitempty"`
}

type listedOrder struct {
	SalesOrderID string            `json:"salesOrderId"`
	OrderNumber  string            `json:"orderNumber"`
	Customer     string            `json:"customer"`
	Status       ordercheck.Status `json:"status"`
	HeldSince    time.Time         `json:"heldSince,omitzero"`
	Errors       int               `json:"errors"`
	FailedRules  []string          `json:"failedRules"`
}

func (a *api) list(w http.ResponseWriter, r *apiRequest) error {
	filter, faults := parseFilter(r.URL.RawQuery)
	if len(faults) > 0 {
		return &problem{Status: http.StatusBadRequest, Faults: faults,
			Detail: "The parameters are not as expected. " +
				"Send status, rule, limit and cursor, each at most once."}
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiReadWithin)
	defer cancel()
	page, err := a.orders.List(ctx, filter)
	if err != nil {
		return err
	}
	out := listedOrders{Orders: make([]listedOrder, len(page.Rows)), Next: page.Next}
	for i := range page.Rows {
		row := &page.Rows[i]
		out.Orders[i] = listedOrder{
			SalesOrderID: row.SalesOrderID, OrderNumber: row.OrderNumber, Customer: row.Customer,
			Status: row.Status, HeldSince: row.HeldSince.UTC(),
			Errors: row.Errors, FailedRules: row.FailedRules,
		}
		if row.FailedRules == nil {
			out.Orders[i].FailedRules = []string{}
		}
	}
	return answer(w, http.StatusOK, out)
}

// parseFilter reads a list's parameters. An empty one counts as left out.
func parseFilter(query string) (filter Filter, faults []string) {
	filter.Limit = defaultAPILimit
	values, err := url.ParseQuery(query)
	if err != nil {
		return filter, []string{"the parameters are not encoded as a query"}
	}
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	known := []string{"status", "rule", "limit", "cursor"}
	unknown := 0
	for name := range values {
		if !slices.Contains(known, name) {
			unknown++
		}
	}
	if unknown > 0 {
		add("%d parameters are none of %s", unknown, strings.Join(known, ", "))
	}
	for _, name := range known {
		if len(values[name]) > 1 {
			add("%s is given several times", name)
		}
	}
	if status := ordercheck.Status(values.Get("status")); status != "" {
		filter.Status = status
		if statuses := listedStatuses(); !slices.Contains(statuses, status) {
			add("status must be one of %v", statuses)
		}
	}
	if filter.Rule = values.Get("rule"); len(filter.Rule) > maxRule || !utf8.ValidString(filter.Rule) {
		add("rule must be the id of a rule, of at most %d bytes", maxRule)
	}
	if text := values.Get("limit"); text != "" {
		filter.Limit, err = strconv.Atoi(text)
		if err != nil || filter.Limit < 1 || filter.Limit > maxAPILimit {
			add("limit must be a number from 1 to %d", maxAPILimit)
		}
	}
	if filter.After = values.Get("cursor"); len(filter.After) > maxCursor {
		add("cursor must be the next of the page before")
	}
	return filter, faults
}

// listedStatuses returns what a list can be asked for.
func listedStatuses() []ordercheck.Status { return append(ordercheck.Statuses(), StatusHeld) }

func (a *api) get(w http.ResponseWriter, r *apiRequest) error {
	ctx, cancel := context.WithTimeout(r.Context(), apiReadWithin)
	defer cancel()
	order, err := a.find(ctx, r.name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, order)
}

// find returns the order that a request names. What can be no name is not looked for.
func (a *api) find(ctx context.Context, name string) (*Order, error) {
	if len(name) > ordercheck.MaxSalesOrderIDLength || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, unicode.IsControl) {
		return nil, ErrUnknownOrder
	}
	return a.orders.Get(ctx, name)
}
