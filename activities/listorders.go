package activities

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// listTail is the number of entries at the end of a page that a sweep remembers. If all of them
// move, it must read the list again from the beginning.
const listTail = 10

// ListOrders makes one request to InFlow for a page of its sales orders: the orders since a day,
// or the orders saved since a mark. InFlow doesn't promise to sort by version, so ListOrders
// checks that it does.
//
// The request begins with the last entry of the previous page. If that entry comes first and has
// the same version, nothing can have moved in between, and every order that did not change is in
// one of the two pages. If it has moved or is gone, the result says so, and the page must be
// requested from an earlier entry.
func (a *Activities) ListOrders(
	ctx context.Context, in ordercheck.ListOrdersInput,
) (ordercheck.ListedOrders, error) {
	page := ordercheck.ListedOrders{
		Orders: []ordercheck.ListedOrder{},
		Tail:   []ordercheck.ListedOrder{},
	}
	query := inflow.ListQuery{From: in.From, Page: inflow.ListPage{Start: in.After.SalesOrderID}}
	if in.NewestFirst {
		query.From, query.NewestFirst = time.Time{}, true
	}
	if in.BySkip {
		query.Page = inflow.ListPage{Skip: in.AfterAt}
	}
	list, err := a.Orders.ListSalesOrders(ctx, query)
	entries := list.Orders
	var failed *inflow.Error
	if errors.As(err, &failed) && in.NewestFirst && in.After.SalesOrderID == "" &&
		failed.StatusCode == http.StatusBadRequest {
		page.Unsorted = "InFlow refused to sort them"
		return page, nil
	}
	if errors.As(err, &failed) && failed.Kind == inflow.KindNotFound && in.After.SalesOrderID != "" {
		page.Moved = true
		return page, nil
	}
	if err != nil {
		return page, applicationError(err)
	}
	if in.After.SalesOrderID != "" {
		if len(entries) == 0 || entries[0].SalesOrderID != in.After.SalesOrderID ||
			entries[0].Timestamp != in.After.OrderVersion {
			page.Moved = true
			page.StartIgnored = !in.BySkip && len(entries) > 0 && in.First != "" &&
				entries[0].SalesOrderID == in.First
			return page, nil
		}
		entries = entries[1:]
	} else if len(entries) > 0 {
		page.First = entries[0].SalesOrderID
	}
	if in.NewestFirst && !newestFirst(list.Orders) {
		page.Unsorted = "InFlow lists them in another order"
		return page, nil
	}
	page.Entries, page.Total = len(entries), list.Total
	older := 0
	for i := range entries {
		e := &entries[i]
		if e.Problem != "" {
			page.Unreadable++
			activity.GetLogger(ctx).Warn("cannot read an entry of InFlow's list; its order is not compared",
				"salesOrderId", ordercheck.Keyword(e.SalesOrderID),
				"orderNumber", ordercheck.Keyword(e.OrderNumber), "problem", e.Problem)
			continue
		}
		order := ordercheck.ListedOrder{
			SalesOrderID: e.SalesOrderID,
			OrderNumber:  ordercheck.Keyword(e.OrderNumber),
			OrderVersion: e.Timestamp,
		}
		if len(order.SalesOrderID) <= maxID { // an entry with a longer id is listed again
			page.Tail = append(page.Tail[max(0, len(page.Tail)+1-listTail):], order)
			page.TailAt = append(page.TailAt[max(0, len(page.TailAt)+1-listTail):], i)
		}
		if !in.NewestFirst && !e.OrderDate.IsZero() && e.OrderDate.Before(in.From) {
			older++
			continue
		}
		if in.NewestFirst && ordercheck.CompareVersions(e.Timestamp, in.Mark) <= 0 {
			page.Reached = true
			break
		}
		page.Listed++
		page.Highest = max(page.Highest, order.OrderVersion)
		switch err := ordercheck.ValidateSalesOrderID(order.SalesOrderID); {
		case err != nil:
			activity.GetLogger(ctx).Warn("InFlow lists an order that cannot be checked",
				"orderNumber", order.OrderNumber, "error", err)
		case ordercheck.CompareVersions(order.OrderVersion, in.Mark) > 0:
			page.Orders = append(page.Orders, order)
		}
	}
	// A page may have fewer entries than requested. Only an empty page is the last one.
	page.Last = len(entries) == 0
	if older > 0 {
		activity.GetLogger(ctx).Warn(
			"InFlow lists older orders than requested: does it still support filter[orderDate]?",
			"orders", older)
	}
	return page, nil
}

// newestFirst reports whether entries are sorted by version, the newest first. Entries that cannot
// be read don't count.
func newestFirst(entries []inflow.ListedOrder) bool {
	last := ""
	for i := range entries {
		version := entries[i].Timestamp
		if entries[i].Problem != "" {
			continue
		}
		if last != "" && ordercheck.CompareVersions(version, last) > 0 {
			return false
		}
		last = version
	}
	return true
}
