package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// listTail is how many entries at the end of a page are remembered: as many of them
// may move before the list has to be read from its beginning again.
const listTail = 10

// ListOrders asks InFlow for a page of its sales orders, once.
//
// The page is asked for from the last entry of the page before, that entry included: if it
// comes first and has the version that it had, then nothing can have come between, and
// every order that was not changed meanwhile is in one of the two pages. If it has
// moved or is gone, the answer says so, and the page is to be asked for from an earlier one.
func (a *Activities) ListOrders(ctx context.Context, in ordercheck.ListOrdersInput) (ordercheck.ListedOrders, error) {
	page := ordercheck.ListedOrders{Orders: []ordercheck.ListedOrder{}, Tail: []ordercheck.ListedOrder{}}
	where := inflow.ListPage{Start: in.After.SalesOrderID}
	if in.BySkip {
		where = inflow.ListPage{Skip: in.AfterAt}
	}
	list, err := a.Orders.ListSalesOrders(ctx, in.From, where)
	entries := list.Orders
	var failed *inflow.Error
	if errors.As(err, &failed) && failed.Kind == inflow.KindNotFound && in.After.SalesOrderID != "" {
		page.Moved = true
		return page, nil
	}
	if err != nil {
		return page, applicationError(err)
	}
	if in.After.SalesOrderID != "" {
		if len(entries) == 0 || entries[0].SalesOrderID != in.After.SalesOrderID || entries[0].Timestamp != in.After.OrderVersion {
			page.Moved = true
			page.StartIgnored = !in.BySkip && len(entries) > 0 && in.First != "" && entries[0].SalesOrderID == in.First
			return page, nil
		}
		entries = entries[1:]
	} else if len(entries) > 0 {
		page.First = entries[0].SalesOrderID
	}
	page.Entries, page.Total = len(entries), list.Total
	older := 0
	for i := range entries {
		e := &entries[i]
		if e.Problem != "" {
			page.Unreadable++
			activity.GetLogger(ctx).Warn("an entry of InFlow's list cannot be read, and its order is not compared",
				"salesOrderId", ordercheck.Keyword(e.SalesOrderID), "orderNumber", ordercheck.Keyword(e.OrderNumber), "problem", e.Problem)
			continue
		}
		order := ordercheck.ListedOrder{SalesOrderID: e.SalesOrderID, OrderNumber: ordercheck.Keyword(e.OrderNumber), OrderVersion: e.Timestamp}
		if len(order.SalesOrderID) <= maxID { // else the next page has it once more
			page.Tail = append(page.Tail[max(0, len(page.Tail)+1-listTail):], order)
			page.TailAt = append(page.TailAt[max(0, len(page.TailAt)+1-listTail):], i)
		}
		if !e.OrderDate.IsZero() && e.OrderDate.Before(in.From) {
			older++
			continue
		}
		page.Listed++
		page.Highest = max(page.Highest, order.OrderVersion)
		switch err := ordercheck.ValidateSalesOrderID(order.SalesOrderID); {
		case err != nil:
			activity.GetLogger(ctx).Warn("InFlow lists an order that cannot be checked", "orderNumber", order.OrderNumber, "error", err)
		case ordercheck.CompareVersions(order.OrderVersion, in.Mark) > 0:
			page.Orders = append(page.Orders, order)
		}
	}
	// A server may put fewer entries into a page than were asked for: only an empty one is the last.
	page.Last = len(entries) == 0
	if older > 0 {
		activity.GetLogger(ctx).Warn("InFlow lists orders older than asked for: does it still know filter[orderDate]?", "orders", older)
	}
	return page, nil
}
