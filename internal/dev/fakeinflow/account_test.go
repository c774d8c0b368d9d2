package fakeinflow_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

const customerID, productID = "5b1d0000-0000-4000-8000-00000000000c", "5b1d0000-0000-4000-8000-00000000000d"

// orderOfBoth returns an order with the customer and, on two lines, the product.
func orderOfBoth() map[string]any {
	line := func() map[string]any {
		return map[string]any{"productId": productID,
			"product": map[string]any{"productId": productID, "name": "Base Cabinet", "isActive": true}}
	}
	return map[string]any{
		"customerId": customerID,
		"customer":   map[string]any{"customerId": customerID, "name": "Oak", "discount": "0.0"},
		"lines":      []any{line(), line()},
	}
}

func (a *account) included(id string) map[string]any {
	a.t.Helper()
	return a.api(http.MethodGet, "/sales-orders/"+id+"?include=customer,lines.product", "").object(a.t)
}

// TestCustomersAndProductsAreShared changes a customer and a product. All their orders have the
// change, and the subscribers of their events are notified.
func TestCustomersAndProductsAreShared(t *testing.T) {
	orders, customers := newReceiver(t), newReceiver(t)
	a := newAccount(t, fakeinflow.Options{Clock: fixedClock})
	one, two := a.add(orderOfBoth()), a.add(orderOfBoth())
	a.subscribe(orders.url, documentedEvents...)
	a.subscribe(customers.url, "customer.updated", "ProductUpdatedV1", "customer.created",
		"product.created")
	version := a.Orders()[0].Version

	require.NoError(t,
		a.EditCustomer(customerID, func(customer map[string]any) { customer["name"] = "Ash" }))
	require.NoError(t, a.EditProduct(strings.ToUpper(productID),
		func(product map[string]any) { product["isActive"] = false }))
	a.settle()
	for _, id := range []string{one, two} {
		assert.Equal(t, "Ash", within[string](t, a.included(id), "customer", "name"))
		for i := range 2 {
			assert.False(t, within[bool](t, a.included(id), "lines", i, "product", "isActive"))
		}
	}
	assert.Equal(t, "Ash", a.Orders()[1].Customer)
	assert.Equal(t, version, a.Orders()[0].Version, "the order has no new version")
	customer, err := a.Customer(customerID)
	require.NoError(t, err)
	assert.Greater(t, customer["timestamp"], a.Orders()[1].Version)
	assert.Len(t, a.api(http.MethodGet, "/sales-orders?filter[smart]=ash", "").list(t), 2)

	assert.Empty(t, orders.all())
	got := customers.all()
	require.Len(t, got, 2)
	bodies := []string{string(got[0].body), string(got[1].body)}
	assert.ElementsMatch(t, []string{
		`{"event":"customer.updated","data":{"customerId":"` + customerID + `"},"timestamp":"2025-10-28T12:00:00Z"}`,
		`{"eventType":"ProductUpdatedV1","productId":"` + productID + `"}`,
	}, bodies)
	assert.Empty(t, a.Deliveries()[0].SalesOrderID)
	assert.Equal(t, customerID, a.Deliveries()[0].EntityID)

	// An edit of an order that changes its product is an edit of the product.
	require.NoError(t, a.SetField(one, "lines.1.product.name", "Wall Cabinet"))
	assert.Equal(t, "Wall Cabinet", within[string](t, a.included(two), "lines", 0, "product", "name"))
	// Fields that a new order does not name stay as the account has them.
	third := a.add(map[string]any{"customerId": customerID,
		"customer": map[string]any{"customerId": customerID, "discount": "5.0"}})
	assert.Equal(t, "Ash", within[string](t, a.included(third), "customer", "name"))
	assert.Equal(t, "5.0", within[string](t, a.included(one), "customer", "discount"))
	a.settle()
	events := map[string]int{}
	for _, delivery := range a.Deliveries() {
		events[delivery.Event]++
	}
	assert.Equal(t, map[string]int{"customer.updated": 2, "ProductUpdatedV1": 2,
		"salesOrder.updated": 1, "salesOrder.created": 1}, events)
}

func TestAnOrderFollowsItsCustomerID(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	other, err := a.AddCustomer(map[string]any{"name": "Elm"})
	require.NoError(t, err)
	id := a.add(orderOfBoth())
	require.NoError(t, a.SetField(id, "customerId", other))
	assert.Equal(t, "Elm", within[string](t, a.included(id), "customer", "name"))
	require.NoError(t,
		a.EditOrder(id, func(order map[string]any) { order["customerId"], order["customer"] = nil, nil }))
	assert.Nil(t, a.included(id)["customer"])
	byID := a.add(map[string]any{"customerId": customerID})
	assert.Equal(t, "Oak", within[string](t, a.included(byID), "customer", "name"))
}

func TestAdminCustomersAndProducts(t *testing.T) {
	hook := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{})
	a.subscribe(hook.url, "customer.created", "customer.updated", "product.created", "product.updated")
	for path, field := range map[string]string{"customers": "customerId", "products": "productId"} {
		assert.JSONEq(t, "[]", string(a.fake(http.MethodGet, path, "").body))
		added := a.fake(http.MethodPost, path, `{"name":"Oak"}`)
		require.Equal(t, 201, added.status, "%s", added.body)
		id := within[string](t, added.object(t), field)
		patched := a.fake(http.MethodPatch, path+"/"+id, `{"isActive":false}`)
		require.Equal(t, 200, patched.status, "%s", patched.body)
		assert.Equal(t, map[string]any{field: id, "name": "Oak", "isActive": false,
			"timestamp": patched.object(t)["timestamp"]}, patched.object(t))
		assert.Equal(t, patched.object(t), a.fake(http.MethodGet, path+"/"+id, "").object(t))
		assert.Equal(t, []map[string]any{patched.object(t)}, a.fake(http.MethodGet, path, "").list(t))
		for _, method := range []string{http.MethodGet, http.MethodPatch} {
			assert.Equal(t, 404, a.fake(method, path+"/unknown", "{}").status)
		}
		assert.Equal(t, 400, a.fake(http.MethodPost, path, `{"`+field+`":"`+id+`"}`).status, "it exists")
	}
	a.settle()
	assert.Len(t, hook.all(), 4)
	require.ErrorIs(t, a.EditCustomer("unknown", func(map[string]any) {}), fakeinflow.ErrNoCustomer)
	require.ErrorIs(t, a.EditProduct("unknown", func(map[string]any) {}), fakeinflow.ErrNoProduct)
	_, err := a.Product("unknown")
	require.ErrorIs(t, err, fakeinflow.ErrNoProduct)
}

func TestStaleReads(t *testing.T) {
	var seconds atomic.Int64
	a := newAccount(t, fakeinflow.Options{Clock: func() time.Time { return eventTime.Add(time.Duration(seconds.Load()) * time.Second) }})
	get := func(id string) response { return a.api(http.MethodGet, "/sales-orders/"+id+"?include=customer", "") }
	listed := func() []map[string]any { return a.api(http.MethodGet, "/sales-orders", "").list(t) }
	order := orderOfBoth()
	order["total"] = "1.00"
	id := a.add(order)
	seconds.Store(20)
	require.NoError(t, a.SetField(id, "total", "2.00"))
	require.NoError(t,
		a.EditCustomer(customerID, func(customer map[string]any) { customer["name"] = "Ash" }))
	younger := a.add(nil)
	newest := a.Orders()[0].Version
	require.NoError(t, a.SetFault(fakeinflow.Fault{Stale: 2 * time.Second}))

	seconds.Store(21)
	stale := get(id).object(t)
	assert.Equal(t, "1.00", stale["total"])
	assert.Less(t, stale["timestamp"], newest)
	assert.Equal(t, "Oak", within[string](t, stale, "customer", "name"))
	assert.Equal(t, stale["timestamp"], a.Requests()[0].OrderVersion,
		"the log has the version in the answer")
	assert.Equal(t, 404, get(younger).status)
	require.Len(t, listed(), 1)
	assert.Equal(t, "1.00", listed()[0]["total"])

	seconds.Store(23)
	assert.Equal(t, "2.00", get(id).object(t)["total"])
	assert.Equal(t, "Ash", within[string](t, get(id).object(t), "customer", "name"))
	assert.Equal(t, 200, get(younger).status)
	assert.Len(t, listed(), 2)

	seconds.Store(200)
	require.NoError(t, a.SetField(id, "total", "3.00"))
	require.NoError(t, a.SetField(id, "total", "4.00"))
	seconds.Store(201)
	assert.Equal(t, "2.00", get(id).object(t)["total"])
	a.ClearFaults()
	assert.Equal(t, "4.00", get(id).object(t)["total"])
}

func TestNewOrdersAreIncomplete(t *testing.T) {
	var seconds atomic.Int64
	a := newAccount(t, fakeinflow.Options{Clock: func() time.Time { return eventTime.Add(time.Duration(seconds.Load()) * time.Second) }})
	require.NoError(t,
		a.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder, Incomplete: 2 * time.Second}))
	id := a.add(orderOfBoth())
	assert.Equal(t, []any{}, a.included(id)["lines"])
	assert.Len(t, within[[]any](t, a.api(http.MethodGet, "/sales-orders?include=lines", "").list(t)[0],
		"lines"), 2, "another route")
	seconds.Store(2)
	assert.Len(t, within[[]any](t, a.included(id), "lines"), 2)
	require.NoError(t, a.EditOrder(id, func(map[string]any) {}))
	assert.Len(t, within[[]any](t, a.included(id), "lines"), 2,
		"an edit does not change when the order was created")
}

func TestIncludesAreLeftOut(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(samples(t)[0].Order)
	order := func() map[string]any {
		return a.api(http.MethodGet,
			"/sales-orders/"+id+"?include=customer,lines.product.category,paymentLines", "").object(t)
	}
	whole := order()
	require.NoError(t,
		a.SetFault(fakeinflow.Fault{LeftOut: []string{"lines.product", "Customer"}, Times: 1}))
	got := order()
	assert.NotContains(t, got, "customer")
	assert.Contains(t, got, "customerId")
	assert.NotContains(t, within[map[string]any](t, got, "lines", 0), "product")
	assert.Equal(t, []any{}, got["paymentLines"])
	assert.Equal(t, whole, order(), "once")
	require.NoError(t, a.SetFault(fakeinflow.Fault{LeftOut: []string{"lines"}, Times: 1}))
	assert.NotContains(t, order(), "lines")
	require.Error(t, a.SetFault(fakeinflow.Fault{LeftOut: []string{"goods"}}))
}

func TestFaultsOfSomeRequests(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(nil)
	require.NoError(t, a.SetFault(fakeinflow.Fault{Status: 503, Every: 3, Times: 2}))
	var statuses []int
	for range 9 {
		statuses = append(statuses, a.api(http.MethodGet, "/sales-orders/"+id, "").status)
	}
	assert.Equal(t, []int{200, 200, 503, 200, 200, 503, 200, 200, 200}, statuses)

	hook := newReceiver(t)
	a.subscribe(hook.url, documentedEvents...)
	require.NoError(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true, Every: 2}))
	for range 4 {
		require.NoError(t, a.EditOrder(id, func(map[string]any) {}))
	}
	a.settle()
	assert.Len(t, hook.all(), 2)
}

func TestFaultsAreRefusedInWords(t *testing.T) {
	for text, want := range map[string]string{
		``:                                     "cannot be read",
		`{"status":500} {}`:                    "more after its end",
		`{"when":"now"}`:                       "when",
		`{"status":500,"every":-1}`:            "every",
		`{"stale":"2m"}`:                       "1m0s",
		`{"stale":"2s","status":500}`:          "set either",
		`{"dropped":true,"incomplete":"1s"}`:   "leave no answer",
		`{"route":"GET /nothing","cut":true}`:  fakeinflow.RouteGetSalesOrder,
		`{"status":700,"times":-1,"body":"x"}`: "status 700 is not from 200 to 599\nevery, times",
	} {
		_, err := fakeinflow.ParseFault([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	for text, want := range map[string]string{
		`{"every":2}`:                  "set lost, doubled, delay or reordered",
		`{"lost":true,"doubled":true}`: "never sent",
		`{"delay":"-1s"}`:              "negative",
		`{"delay":5}`:                  "cannot be read",
	} {
		_, err := fakeinflow.ParseDeliveryFault([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	a := newAccount(t, fakeinflow.Options{})
	given := `{"route":"GET /{companyId}/sales-orders","every":2,"times":3,"latency":"1s","stale":"2s"}`
	require.Equal(t, 204, a.fake(http.MethodPost, "faults", given).status)
	require.Equal(t, 204, a.fake(http.MethodPost, "delivery-faults", `{"delay":"1m0s","times":1}`).status)
	assert.JSONEq(t, `{"faults":[`+given+`],"deliveryFaults":[{"delay":"1m0s","times":1}]}`, string(a.fake(http.MethodGet, "faults", "").body))
}

func TestRetryAfterComesSometimes(t *testing.T) {
	for when, want := range map[fakeinflow.RetryAfter][]string{
		"": {"60", "60", "60"}, fakeinflow.RetryAfterNever: {"", "",
			""}, fakeinflow.RetryAfterSometimes: {"60", "", "60"},
	} {
		a := newAccount(t, fakeinflow.Options{RequestsPerMinute: 1, RetryAfter: when, Clock: fixedClock})
		a.api(http.MethodGet, "/webhooks", "")
		var got []string
		for range want {
			got = append(got, a.api(http.MethodGet, "/webhooks", "").header.Get("Retry-After"))
		}
		assert.Equal(t, want, got, when)
	}
}
