package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

const (
	// recentOrders is how many of a customer's latest orders rules compare with: one page of InFlow's list.
	recentOrders = 50
	// recentOrdersFor is how long a customer's list is used again: an afternoon's edits
	// of one customer's orders cost one request, not one each.
	recentOrdersFor = 5 * time.Minute
	// maxCustomers bounds what is kept.
	maxCustomers = 1000
)

// ListOrders asks InFlow, once, for the latest orders of the order's customer, reduced
// to what rules compare. A list of the last five minutes is used again.
func (a *Activities) ListOrders(ctx context.Context, in ordercheck.ListOrdersInput) (ordercheck.RecentOrders, error) {
	var order inflow.SalesOrder
	if err := json.Unmarshal(in.Order, &order); err != nil {
		return ordercheck.RecentOrders{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("the digest of sales order %s cannot be read", in.SalesOrderID), errorBadDigest, err)
	}
	if order.CustomerID == "" {
		return ordercheck.RecentOrders{Orders: []ordercheck.RecentOrder{}}, nil
	}
	listed, ok := a.lists.get(order.CustomerID, time.Now())
	if !ok {
		var err error
		listed, err = a.Orders.LatestOrders(ctx, order.CustomerID, recentOrders, []string{inflow.IncludeLines})
		if err != nil {
			return ordercheck.RecentOrders{}, applicationError(err)
		}
		a.lists.put(order.CustomerID, listed, time.Now())
	}
	return *rules.RecentOrdersOf(&order, listed), nil
}

// customerLists keeps the lists of customers for a while.
type customerLists struct {
	mu    sync.Mutex
	lists map[string]customerList
}

type customerList struct {
	orders []inflow.SalesOrder
	until  time.Time
}

func (l *customerLists) get(customerID string, now time.Time) ([]inflow.SalesOrder, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, ok := l.lists[customerID]
	return list.orders, ok && now.Before(list.until)
}

func (l *customerLists) put(customerID string, orders []inflow.SalesOrder, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lists == nil || len(l.lists) >= maxCustomers {
		l.lists = map[string]customerList{} // begun anew: what is lost costs a request
	}
	l.lists[customerID] = customerList{orders: orders, until: now.Add(recentOrdersFor)}
}
