package fakeinflow_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// everyInclude lists the related entities that the gate asks for.
var everyInclude = []string{
	inflow.IncludeCurrency, inflow.IncludeCustomer, inflow.IncludeLines,
	inflow.IncludeLinesProduct, inflow.IncludeLinesProductCategory, inflow.IncludeLinesProductCost,
	inflow.IncludeLinesProductInventoryLines, inflow.IncludeLinesProductPrices,
	inflow.IncludePackLines, inflow.IncludePaymentLines, inflow.IncludePaymentTerms,
	inflow.IncludePickLines, inflow.IncludePricingScheme, inflow.IncludeSalesRepTeamMember,
	inflow.IncludeShipLines, inflow.IncludeTaxingScheme, inflow.IncludeTaxingSchemeTaxCodes,
}

// wholeOrder returns an order with the fields that the sample orders lack.
func wholeOrder(t *testing.T) map[string]any {
	t.Helper()
	const (
		id      = "5b1d0000-0000-4000-8000-0000000000aa"
		version = "0000000000300001"
	)
	order := samples(t)[9].Order
	line := within[map[string]any](t, order, "lines", 0)
	product := within[map[string]any](t, line, "product")
	productID := product["productId"]
	quantity := map[string]any{
		"standardQuantity": "1.0000", "uomQuantity": "1.0000", "uom": "ea.", "serialNumbers": []any{"S1"},
	}
	product["cost"] = map[string]any{"productCostId": "c1", "productId": productID, "cost": "11.50000"}
	product["prices"] = []any{map[string]any{
		"productPriceId": id, "productId": productID, "pricingSchemeId": id,
		"priceType": "FixedPrice", "unitPrice": "20.00000", "fixedMarkup": nil, "timestamp": version,
	}}
	product["inventoryLines"] = []any{map[string]any{
		"inventoryLineId": "i1", "productId": productID, "locationId": id, "sublocation": "",
		"serial": "", "quantityOnHand": "3.0000", "timestamp": version,
	}}
	product["totalQuantityOnHand"] = "3.0000"
	product["salesUom"] = map[string]any{
		"name": "box", "conversionRatio": map[string]any{"standardQuantity": "10", "uomQuantity": "1"},
	}
	order["pickLines"] = []any{map[string]any{
		"salesOrderPickLineId": id, "productId": productID, "quantity": quantity, "locationId": id,
		"sublocation": "A1", "pickDate": "2025-03-01T00:00:00+00:00", "timestamp": version,
	}}
	order["packLines"] = []any{map[string]any{
		"salesOrderPackLineId": id, "productId": productID, "quantity": quantity,
		"containerNumber": "1", "timestamp": version,
	}}
	order["shipLines"] = []any{map[string]any{
		"salesOrderShipLineId": id, "carrier": "UPS", "containers": []any{"1"},
		"trackingNumber": "1Z", "shippedDate": nil, "easyPostShipmentStatus": "Manual",
		"timestamp": version,
	}}
	return order
}

// TestResponsesMatchTheDescription provokes every status that is described for every operation that
// the gate uses, and checks each response.
func TestResponsesMatchTheDescription(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	a.addSamples()
	order := wholeOrder(t)
	order["salesOrderId"], order["orderNumber"] = nil, nil
	id := a.add(order)
	a.add(nil)
	checked := newCheckingTransport(t, false)
	a.client = &http.Client{Transport: checked}

	provokeOrderResponses(t, a, id)
	provokeSubscriptionResponses(t, a)
	provokeRefusals(t, a, id)
	limited := newAccount(t, fakeinflow.Options{RequestsPerMinute: 1})
	limited.client = a.client
	limited.api(http.MethodGet, "/webhooks", "")
	assert.NotEmpty(t, limited.api(http.MethodGet, "/webhooks", "").header.Get("Retry-After"))

	for path, item := range checked.description.document.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				assert.True(t, checked.seen[operation.OperationID+" "+status],
					"%s %s never answers %s, which is described", method, path, status)
			}
		}
	}
}

func provokeOrderResponses(t *testing.T, a *account, id string) {
	t.Helper()
	status := func(path string) int {
		t.Helper()
		return a.api(http.MethodGet, "/sales-orders"+path, "").status
	}
	include := "?include=" + strings.Join(everyInclude, ",")
	for _, order := range a.Orders() {
		assert.Equal(t, 200, status("/"+order.ID))
		assert.Equal(t, 200, status("/"+order.ID+include))
	}
	for _, query := range []string{
		include, "?includeCount=true&count=100", "?filter[orderNumber]=none&includeCount=true",
		"?sort=orderDate&sortDesc=true&skip=1&after=" + id,
	} {
		assert.Equal(t, 200, status(query), query)
	}
	assert.Equal(t, 400, status("?count=0"))
	assert.Equal(t, 400, status("/"+id+"?include=none"))
	assert.Equal(t, 404, status("/"+unknownID))
}

func provokeSubscriptionResponses(t *testing.T, a *account) {
	t.Helper()
	subscribe := func(events ...string) response {
		return a.subscribe("http://127.0.0.1:1/",
			events...)
	}
	status := func(method, path string) int {
		t.Helper()
		return a.api(method, "/webhooks"+path, "").status
	}
	assert.Equal(t, 200, status(http.MethodGet, ""))
	assert.Contains(t, subscribe("salesOrder.created", "SalesOrderUpdatedV2").object(t), "secret")
	assert.NotContains(t, subscribe("salesOrder.created").object(t), "secret")
	assert.Equal(t, 400, subscribe([]string{}...).status)
	plain := header("Content-Type", "text/plain")
	assert.Equal(t, 415, a.api(http.MethodPut, "/webhooks", "{}", plain).status)
	assert.Equal(t, 200, status(http.MethodGet, ""))
	assert.Equal(t, 200, status(http.MethodGet, "/"+subscriptionID))
	assert.Equal(t, 404, status(http.MethodGet, "/"+unknownID))
	assert.Equal(t, 200, status(http.MethodDelete, "/"+subscriptionID))
	assert.Equal(t, 404, status(http.MethodDelete, "/"+subscriptionID))
}

// provokeRefusals provokes the statuses that every operation has.
func provokeRefusals(t *testing.T, a *account, id string) {
	t.Helper()
	for _, route := range []struct{ method, path string }{
		{http.MethodGet, "/sales-orders"},
		{http.MethodGet, "/sales-orders/" + id},
		{http.MethodGet, "/webhooks"},
		{http.MethodPut, "/webhooks"},
		{http.MethodGet, "/webhooks/" + subscriptionID},
		{http.MethodDelete, "/webhooks/" + subscriptionID},
	} {
		wrongKey, noVersion := header("Authorization", "Bearer wrong"), header("Accept", "*/*")
		assert.Equal(t, 401, a.api(route.method, route.path, "", wrongKey).status)
		assert.Equal(t, 403, a.request(route.method, "/"+unknownID+route.path, "").status)
		assert.Equal(t, 406, a.api(route.method, route.path, "", noVersion).status)
		for _, status := range []int{429, 500} {
			require.NoError(t, a.SetFault(fakeinflow.Fault{Status: status, Times: 1}))
			assert.Equal(t, status, a.api(route.method, route.path, "").status)
		}
	}
}

// TestDescriptionIsStrictAboutResponses checks that a wrong response does not pass.
func TestDescriptionIsStrictAboutResponses(t *testing.T) {
	d := loadDescription(t)
	for name, tt := range map[string]struct {
		path  string
		value any
		want  string // in the error
	}{
		"an unknown field":              {"unknown", "x", "unknown"},
		"an unknown field of a line":    {"lines.0.unknown", "x", "unknown"},
		"an unknown field of a product": {"lines.0.product.unknown", "x", "unknown"},
		"an amount as a number":         {"total", 5, "total"},
		"an amount in words":            {"lines.0.subTotal", "much", "subTotal"},
		"null for an amount":            {"total", nil, "total"},
		"a string for a boolean":        {"isQuote", "true", "isQuote"},
		"an unknown status":             {"inventoryStatus", "Lost", "inventoryStatus"},
		"an invalid id":                 {"customerId", "5", "customerId"},
		"an invalid date":               {"orderDate", "yesterday", "orderDate"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, fakeinflow.Options{})
			id := a.add(samples(t)[0].Order)
			path := "/" + a.CompanyID() + "/sales-orders/" + id + "?include=lines.product"
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+path, nil)
			require.NoError(t, err)
			input, err := d.find(request, nil)
			require.NoError(t, err)
			check := func() error { return checkResponse(input, a.request(http.MethodGet, path, "")) }
			require.NoError(t, check())
			require.NoError(t, a.SetField(id, tt.path, tt.value))
			require.ErrorContains(t, check(), tt.want)
		})
	}
}

// TestDescriptionIsStrictAboutRequests checks that a wrong request does not pass.
func TestDescriptionIsStrictAboutRequests(t *testing.T) {
	d := loadDescription(t)
	const valid = "count=100&skip=20&sort=orderDate&sortDesc=true&includeCount=true" +
		"&include=lines,customer&filter[orderDate]=%7B%22fromDate%22:%222025-01-01%22%7D" +
		"&filter[total]=%7B%22toDate%22:5%7D&filter[paymentStatus][]=Paid"
	for name, tt := range map[string]struct {
		query, want string // want is in the error; empty means that there is none
		change      func(*http.Request)
	}{
		"an unknown parameter": {"modifiedSince=2025-01-01", "modifiedSince", nil},
		"an unknown filter":    {"filter[name]=x", "filter[name]", nil},
		"an unknown include":   {"include=customers", "include", nil},
		"too many":             {"count=101", "count", nil},
		"no date range":        {"filter[orderDate]=2025-01-01", "orderDate", nil},
		"an unknown status":    {"filter[paymentStatus][]=Free", "paymentStatus", nil},
		"no key":               {"", "no key", func(r *http.Request) { r.Header.Del("Authorization") }},
		"no version":           {"", "Accept", header("Accept", "application/json")},
		"valid":                {valid, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
				"http://127.0.0.1/"+fakeinflow.DefaultCompanyID+"/sales-orders?"+tt.query, nil)
			require.NoError(t, err)
			request.Header.Set("Authorization", "Bearer "+apiKey)
			request.Header.Set("Accept", "application/json;version=2025-06-24")
			if tt.change != nil {
				tt.change(request)
			}
			input, err := d.find(request, nil)
			require.NoError(t, err)
			if err := d.checkRequest(input); tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
}

// TestClientMatchesTheDescription checks the requests of the gate's own client and the responses to
// them, and that the client uses every operation that is described.
func TestClientMatchesTheDescription(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	a.addSamples()
	checked := newCheckingTransport(t, true)
	client, err := inflow.NewClient(inflow.Options{
		BaseURL: a.url, CompanyID: a.CompanyID(), APIKey: apiKey, Transport: checked,
	})
	require.NoError(t, err)
	ctx := t.Context()
	for _, order := range a.Orders() {
		_, err := client.SalesOrder(ctx, order.ID, everyInclude)
		require.NoError(t, err)
	}
	customerID := within[string](t, samples(t)[0].Order, "customerId")
	orders, err := client.RecentSalesOrders(ctx, customerID, everyInclude)
	require.NoError(t, err)
	assert.NotEmpty(t, orders)
	request := inflow.SubscriptionRequest{
		ID: subscriptionID, RequestID: subscriptionID, URL: "https://example.com/webhook/inflow",
		Events: []string{inflow.EventSalesOrderCreated, inflow.EventSalesOrderUpdated},
	}
	created, err := client.Subscribe(ctx, request)
	require.NoError(t, err)
	assert.NotEmpty(t, created.Secret)
	_, err = client.Subscribe(ctx, request)
	require.NoError(t, err)
	_, err = client.Subscription(ctx, subscriptionID)
	require.NoError(t, err)
	listed, err := client.Subscriptions(ctx)
	require.NoError(t, err)
	assert.Len(t, listed, 1)
	require.NoError(t, client.Unsubscribe(ctx, subscriptionID))

	for path, item := range checked.description.document.Paths.Map() {
		for method, operation := range item.Operations() {
			assert.True(t, checked.seen[operation.OperationID+" 200"],
				"%s %s is described, but the client never uses it", method, path)
		}
	}
}
