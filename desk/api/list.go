package api

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

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

// Bounds of a list's parameters.
const (
	defaultLimit = 50
	maxLimit     = 200
	maxRule      = 64  // bytes, as in rule files
	maxCursor    = 512 // bytes
)

// orderList is the answer to a list.
type orderList struct {
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

func (h *Handler) list(w http.ResponseWriter, r *request) error {
	filter, faults := parseFilter(r.URL.RawQuery)
	if len(faults) > 0 {
		return &problem{Status: http.StatusBadRequest, Faults: faults,
			Detail: "The parameters are not valid. Send status, rule, limit and cursor, each at most once."}
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	page, err := h.orders.List(ctx, filter)
	if err != nil {
		return err
	}
	out := orderList{Orders: make([]listedOrder, len(page.Rows)), Next: page.Next}
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

// parseFilter parses a list's parameters. An empty parameter counts as absent.
func parseFilter(query string) (filter orders.Filter, faults []string) {
	filter.Limit = defaultLimit
	values, err := url.ParseQuery(query)
	if err != nil {
		return filter, []string{"the query string is not encoded correctly"}
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
		add("%s unknown; use only %s", ordercheck.Plural(unknown, "parameter"), strings.Join(known, ", "))
	}
	for _, name := range known {
		if len(values[name]) > 1 {
			add("%s is given more than once", name)
		}
	}
	if status := ordercheck.Status(values.Get("status")); status != "" {
		filter.Status = status
		if statuses := listStatuses(); !slices.Contains(statuses, status) {
			add("status must be one of %v", statuses)
		}
	}
	if filter.Rule = values.Get("rule"); len(filter.Rule) > maxRule || !utf8.ValidString(filter.Rule) {
		add("rule must be the id of a rule, with at most %d bytes", maxRule)
	}
	if text := values.Get("limit"); text != "" {
		filter.Limit, err = strconv.Atoi(text)
		if err != nil || filter.Limit < 1 || filter.Limit > maxLimit {
			add("limit must be a number from 1 to %d", maxLimit)
		}
	}
	if filter.After = values.Get("cursor"); len(filter.After) > maxCursor {
		add("cursor must be the value of next from the previous page")
	}
	return filter, faults
}

// listStatuses returns the values of the parameter status.
func listStatuses() []ordercheck.Status {
	return append(ordercheck.Statuses(), orders.StatusHeld)
}

func (h *Handler) get(w http.ResponseWriter, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	order, err := h.find(ctx, r.name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, order)
}

// find returns the order that a request names. It asks Temporal only about names that an order can
// have.
func (h *Handler) find(ctx context.Context, name string) (*orders.Order, error) {
	if len(name) > ordercheck.MaxSalesOrderIDLength || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, unicode.IsControl) {
		return nil, orders.ErrUnknownOrder
	}
	return h.orders.Get(ctx, name)
}
