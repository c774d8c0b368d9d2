package fakeinflow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// description is testdata/openapi.yaml: what the gate uses of InFlow's API.
type description struct {
	document *openapi3.T
	router   routers.Router
}

var readDescription = sync.OnceValues(func() (*description, error) {
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC4122))
	document, err := openapi3.NewLoader().LoadFromFile("testdata/openapi.yaml")
	if err != nil {
		return nil, err
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, err
	}
	router, err := legacy.NewRouter(document)
	return &description{document, router}, err
})

func loadDescription(t *testing.T) *description {
	t.Helper()
	d, err := readDescription()
	require.NoError(t, err)
	return d
}

// find gives the request as it was sent, and what is described for it.
func (d *description) find(req *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	req = req.Clone(context.WithoutCancel(req.Context()))
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	req.URL.Scheme, req.URL.Host = "", "" // the description's server is "/"
	route, params, err := d.router.FindRoute(req)
	if err != nil {
		return nil, err
	}
	return &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true, AuthenticationFunc: hasKey},
	}, nil
}

// checkRequest finds what is not as described, and what the library leaves open: parameters
// that are not described, and the version.
func (d *description) checkRequest(asked *openapi3filter.RequestValidationInput) error {
	for name := range asked.Request.URL.Query() {
		if asked.Route.Operation.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("the query parameter %q is not described", name)
		}
	}
	accept := asked.Request.Header.Get("Accept")
	if want := "application/json;version=" + d.document.Info.Version; accept != want {
		return fmt.Errorf("the Accept header is %q, and not %q", accept, want)
	}
	return openapi3filter.ValidateRequest(asked.Request.Context(), asked)
}

func checkAnswer(asked *openapi3filter.RequestValidationInput, answered response) error {
	return openapi3filter.ValidateResponse(asked.Request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: asked, Status: answered.status, Header: answered.header,
		Body: io.NopCloser(bytes.NewReader(answered.body)), Options: asked.Options,
	})
}

func hasKey(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	if key, ok := strings.CutPrefix(input.RequestValidationInput.Request.Header.Get("Authorization"), "Bearer "); !ok || key == "" {
		return errors.New("there is no key")
	}
	return nil
}

// witness is a transport that checks what passes through it.
type witness struct {
	t            *testing.T
	description  *description
	rightRequest bool

	mu   sync.Mutex
	seen map[string]bool // "getSalesOrder 200"
}

func newWitness(t *testing.T, rightRequest bool) *witness {
	return &witness{t: t, description: loadDescription(t), rightRequest: rightRequest, seen: map[string]bool{}}
}

func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	asked, err := w.description.find(req, sent)
	if err != nil {
		return nil, err
	}
	if w.rightRequest {
		assert.NoError(w.t, w.description.checkRequest(asked), "%s %s", req.Method, req.URL.RequestURI())
	}
	answered := response{status: resp.StatusCode, header: resp.Header, body: body}
	assert.NoError(w.t, checkAnswer(asked, answered), "%s %s", req.Method, req.URL.RequestURI())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[fmt.Sprintf("%s %d", asked.Route.Operation.OperationID, resp.StatusCode)] = true
	return resp, nil
}

// everyInclude are the related entities that the gate asks for.
var everyInclude = []string{
	inflow.IncludeCurrency, inflow.IncludeCustomer, inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludeLinesProductCategory,
	inflow.IncludeLinesProductCost, inflow.IncludeLinesProductInventoryLines, inflow.IncludeLinesProductPrices, inflow.IncludePackLines,
	inflow.IncludePaymentLines, inflow.IncludePaymentTerms, inflow.IncludePickLines, inflow.IncludePricingScheme,
	inflow.IncludeSalesRepTeamMember, inflow.IncludeShipLines, inflow.IncludeTaxingScheme, inflow.IncludeTaxingSchemeTaxCodes,
}

// wholeOrder has what the sample orders have none of.
func wholeOrder(t *testing.T) map[string]any {
	t.Helper()
	order := samples(t)[9].Order
	line := within[map[string]any](t, order, "lines", 0)
	product := within[map[string]any](t, line, "product")
	productID, id := product["productId"], "5b1d0000-0000-4000-8000-0000000000aa"
	quantity := map[string]any{"standardQuantity": "1.0000", "uomQuantity": "1.0000", "uom": "ea.", "serialNumbers": []any{"S1"}}
	version := "0000000000300001"
	product["cost"] = map[string]any{"productCostId": "c1", "productId": productID, "cost": "11.50000"}
	product["prices"] = []any{map[string]any{"productPriceId": id, "productId": productID, "pricingSchemeId": id, "priceType": "FixedPrice", "unitPrice": "20.00000", "fixedMarkup": nil, "timestamp": version}}
	product["inventoryLines"] = []any{map[string]any{"inventoryLineId": "i1", "productId": productID, "locationId": id, "sublocation": "", "serial": "", "quantityOnHand": "3.0000", "timestamp": version}}
	product["totalQuantityOnHand"] = "3.0000"
	product["salesUom"] = map[string]any{"name": "box", "conversionRatio": map[string]any{"standardQuantity": "10", "uomQuantity": "1"}}
	order["pickLines"] = []any{map[string]any{"salesOrderPickLineId": id, "productId": productID, "quantity": quantity, "locationId": id, "sublocation": "A1", "pickDate": "2025-03-01T00:00:00+00:00", "timestamp": version}}
	order["packLines"] = []any{map[string]any{"salesOrderPackLineId": id, "productId": productID, "quantity": quantity, "containerNumber": "1", "timestamp": version}}
	order["shipLines"] = []any{map[string]any{"salesOrderShipLineId": id, "carrier": "UPS", "containers": []any{"1"}, "trackingNumber": "1Z", "shippedDate": nil, "easyPostShipmentStatus": "Manual", "timestamp": version}}
	return order
}

// Every answer of every route that the gate uses, each status that it can have, is as described.
func TestAnswersAgreeWithTheDescription(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	a.addSamples()
	order := wholeOrder(t)
	order["salesOrderId"], order["orderNumber"] = nil, nil
	id := a.add(order)
	a.add(nil)
	w := newWitness(t, false)
	a.client = &http.Client{Transport: w}

	const unknown = "5b1d0000-0000-4000-8000-0000000000ff"
	subscribe := func(events string) response {
		return a.api(http.MethodPut, "/webhooks", `{"url":"http://127.0.0.1:1/","events":`+events+`,"webHookSubscriptionId":"`+subscriptionID+`","webHookSubscriptionRequestId":"`+unknown+`"}`)
	}
	include := "?include=" + strings.Join(everyInclude, ",")
	for _, order := range a.Orders() {
		assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders/"+order.ID, "").status)
		assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders/"+order.ID+include, "").status)
	}
	for _, query := range []string{include, "?includeCount=true&count=100", "?filter[orderNumber]=none&includeCount=true", "?sort=orderDate&sortDesc=true&skip=1&after=" + id} {
		assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders"+query, "").status)
	}
	assert.Equal(t, 400, a.api(http.MethodGet, "/sales-orders?count=0", "").status)
	assert.Equal(t, 400, a.api(http.MethodGet, "/sales-orders/"+id+"?include=none", "").status)
	assert.Equal(t, 404, a.api(http.MethodGet, "/sales-orders/"+unknown, "").status)

	assert.Equal(t, 200, a.api(http.MethodGet, "/webhooks", "").status)
	assert.Contains(t, subscribe(`["salesOrder.created","SalesOrderUpdatedV2"]`).object(t), "secret")
	assert.NotContains(t, subscribe(`["salesOrder.created"]`).object(t), "secret")
	assert.Equal(t, 400, subscribe(`[]`).status)
	assert.Equal(t, 415, a.api(http.MethodPut, "/webhooks", "{}", header("Content-Type", "text/plain")).status)
	assert.Equal(t, 200, a.api(http.MethodGet, "/webhooks", "").status)
	assert.Equal(t, 200, a.api(http.MethodGet, "/webhooks/"+subscriptionID, "").status)
	assert.Equal(t, 404, a.api(http.MethodGet, "/webhooks/"+unknown, "").status)
	assert.Equal(t, 200, a.api(http.MethodDelete, "/webhooks/"+subscriptionID, "").status)
	assert.Equal(t, 404, a.api(http.MethodDelete, "/webhooks/"+subscriptionID, "").status)

	routes := []struct{ method, path string }{
		{http.MethodGet, "/sales-orders"}, {http.MethodGet, "/sales-orders/" + id}, {http.MethodGet, "/webhooks"},
		{http.MethodPut, "/webhooks"}, {http.MethodGet, "/webhooks/" + subscriptionID}, {http.MethodDelete, "/webhooks/" + subscriptionID},
	}
	for _, route := range routes {
		assert.Equal(t, 401, a.api(route.method, route.path, "", header("Authorization", "Bearer wrong")).status)
		assert.Equal(t, 403, a.request(route.method, "/"+unknown+route.path, "").status)
		assert.Equal(t, 406, a.api(route.method, route.path, "", header("Accept", "*/*")).status)
		for status, fault := range map[int]fakeinflow.Fault{429: {Status: 429, Times: 1}, 500: {Status: 500, Times: 1}} {
			require.NoError(t, a.SetFault(fault))
			assert.Equal(t, status, a.api(route.method, route.path, "").status)
		}
	}
	limited := newAccount(t, fakeinflow.Options{RequestsPerMinute: 1})
	limited.client = a.client
	limited.api(http.MethodGet, "/webhooks", "")
	assert.NotEmpty(t, limited.api(http.MethodGet, "/webhooks", "").header.Get("Retry-After"))

	for path, item := range w.description.document.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				assert.True(t, w.seen[operation.OperationID+" "+status], "%s %s is described with %s, which nothing here answers", method, path, status)
			}
		}
	}
}

// The check itself: what is not as described is found.
func TestTheDescriptionIsStrict(t *testing.T) {
	d := loadDescription(t)
	for name, tt := range map[string]struct {
		path string
		to   any
		says string
	}{
		"an invented field":             {"invented", "x", "invented"},
		"an invented field of a line":   {"lines.0.invented", "x", "invented"},
		"an invented field inside":      {"lines.0.product.invented", "x", "invented"},
		"an amount as a number":         {"total", 5, "total"},
		"an amount in words":            {"lines.0.subTotal", "much", "subTotal"},
		"null where none may be":        {"total", nil, "total"},
		"a text where true or false is": {"isQuote", "true", "isQuote"},
		"a status that there is not":    {"inventoryStatus", "Lost", "inventoryStatus"},
		"an id that is none":            {"customerId", "5", "customerId"},
		"a date that is none":           {"orderDate", "yesterday", "orderDate"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, fakeinflow.Options{})
			id := a.add(samples(t)[0].Order)
			path := "/" + a.CompanyID() + "/sales-orders/" + id + "?include=lines.product"
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+path, nil)
			require.NoError(t, err)
			asked, err := d.find(req, nil)
			require.NoError(t, err)
			check := func() error { return checkAnswer(asked, a.request(http.MethodGet, path, "")) }
			require.NoError(t, check())
			require.NoError(t, a.SetField(id, tt.path, tt.to))
			require.ErrorContains(t, check(), tt.says)
		})
	}
}

// The same of requests: a client that misspells or invents is found.
func TestTheDescriptionIsStrictOfRequests(t *testing.T) {
	d := loadDescription(t)
	for name, tt := range map[string]struct {
		query, says string
		change      func(*http.Request)
	}{
		"an unknown parameter": {"modifiedSince=2025-01-01", "modifiedSince", nil},
		"an unknown filter":    {"filter[name]=x", "filter[name]", nil},
		"an unknown include":   {"include=customers", "include", nil},
		"too many":             {"count=101", "count", nil},
		"no date range":        {"filter[orderDate]=2025-01-01", "orderDate", nil},
		"an unknown status":    {"filter[paymentStatus][]=Free", "paymentStatus", nil},
		"no key":               {"", "no key", func(r *http.Request) { r.Header.Del("Authorization") }},
		"no version":           {"", "Accept", func(r *http.Request) { r.Header.Set("Accept", "application/json") }},
		"right": {"count=100&skip=20&sort=orderDate&sortDesc=true&includeCount=true&include=lines,customer" +
			"&filter[orderDate]=%7B%22fromDate%22:%222025-01-01%22%7D&filter[total]=%7B%22toDate%22:5%7D&filter[paymentStatus][]=Paid", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/"+fakeinflow.DefaultCompanyID+"/sales-orders?"+tt.query, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+apiKey)
			req.Header.Set("Accept", "application/json;version=2025-06-24")
			if tt.change != nil {
				tt.change(req)
			}
			asked, err := d.find(req, nil)
			require.NoError(t, err)
			if err := d.checkRequest(asked); tt.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.says)
			}
		})
	}
}

// What the gate's own client asks for is described, and so is what it is answered.
func TestTheClientKeepsToTheDescription(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	a.addSamples()
	w := newWitness(t, true)
	client, err := inflow.NewClient(inflow.Options{BaseURL: a.url, CompanyID: a.CompanyID(), APIKey: apiKey, Transport: w})
	require.NoError(t, err)
	ctx := t.Context()
	for _, order := range a.Orders() {
		_, err := client.SalesOrder(ctx, order.ID, everyInclude)
		require.NoError(t, err)
	}
	orders, err := client.RecentSalesOrders(ctx, within[string](t, samples(t)[0].Order, "customerId"), everyInclude)
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

	for path, item := range w.description.document.Paths.Map() {
		for method, operation := range item.Operations() {
			assert.True(t, w.seen[operation.OperationID+" 200"], "%s %s is described, and the client has no use for it", method, path)
		}
	}
}
