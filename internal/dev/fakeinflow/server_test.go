package fakeinflow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

const (
	apiKey         = "fake-key-of-the-test"
	subscriptionID = "7c0e4a52-0000-4000-8000-000000000001"
)

// account is a fake InFlow behind a real listener.
type account struct {
	*fakeinflow.Server
	t      *testing.T
	url    string
	client *http.Client
}

func newAccount(t *testing.T, options fakeinflow.Options) *account {
	t.Helper()
	options.APIKey = apiKey
	server, err := fakeinflow.New(options)
	require.NoError(t, err)
	listener := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		server.Close()
		listener.Close()
	})
	return &account{Server: server, t: t, url: listener.URL, client: http.DefaultClient}
}

type response struct {
	status int
	header http.Header
	body   []byte
}

func (r response) object(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal(r.body, &object), "%s", r.body)
	return object
}

func (r response) list(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	require.NoError(t, json.Unmarshal(r.body, &list), "%s", r.body)
	return list
}

// api sends a request to a path below the company, with the headers that InFlow documents.
func (a *account) api(method, path, body string, change ...func(*http.Request)) response {
	a.t.Helper()
	return a.request(method, "/"+a.CompanyID()+path, body, change...)
}

func (a *account) request(method, path, body string, change ...func(*http.Request)) response {
	a.t.Helper()
	resp, err := a.try(method, path, body, change...)
	require.NoError(a.t, err)
	return resp
}

func (a *account) try(method, path, body string, change ...func(*http.Request)) (response, error) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	require.NoError(a.t, err)
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Accept", "application/json;version=2025-06-24")
	req.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(req)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	return response{status: resp.StatusCode, header: resp.Header, body: read}, err
}

func (a *account) add(document map[string]any) string {
	a.t.Helper()
	id, err := a.AddOrder(document)
	require.NoError(a.t, err)
	return id
}

func (a *account) addSamples() []fakeinflow.Sample {
	a.t.Helper()
	list := samples(a.t)
	for _, sample := range list {
		a.add(sample.Order)
	}
	return list
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestAdmission(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(nil)
	path := "/sales-orders/" + id
	tests := map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"right":                  {func(*http.Request) {}, 200},
		"no key":                 {func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		"wrong key":              {header("Authorization", "Bearer wrong"), 401},
		"key without its scheme": {header("Authorization", apiKey), 401},
		"another company": {
			func(r *http.Request) { r.URL.Path = "/5d3c9b1e-7a52-4b0f-9a39-0c5d1e2f3a4b" + path },
			403,
		},
		"company in upper case": {
			func(r *http.Request) { r.URL.Path = "/" + strings.ToUpper(a.CompanyID()) + path },
			200,
		},
		"id in upper case": {
			func(r *http.Request) { r.URL.Path = "/" + a.CompanyID() + "/sales-orders/" + strings.ToUpper(id) },
			200,
		},
		"no version":      {header("Accept", "application/json"), 406},
		"no Accept":       {func(r *http.Request) { r.Header.Del("Accept") }, 406},
		"version no date": {header("Accept", "application/json;version=2"), 406},
		"later version":   {header("Accept", "application/json;version=2026-09-29"), 200},
		"version among others": {
			header("Accept", "text/plain, application/json; version=2025-06-24"),
			200,
		},
		"unknown order": {func(r *http.Request) { r.URL.Path += "0" }, 404},
		"unknown route": {
			func(r *http.Request) { r.URL.Path = "/" + a.CompanyID() + "/vendors" },
			404,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, a.api(http.MethodGet, path, "", tt.change).status)
		})
	}

	a.SetAPIKey("another")
	assert.Equal(t, 401, a.api(http.MethodGet, path, "").status)
	assert.Equal(
		t,
		200,
		a.api(http.MethodGet, path, "", header("Authorization", "Bearer another")).status,
	)
	assert.Equal(t, "another", a.APIKey())
}

func TestAllowance(t *testing.T) {
	var seconds atomic.Int64
	start := time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)
	a := newAccount(t, fakeinflow.Options{
		RequestsPerMinute: 3,
		Clock:             func() time.Time { return start.Add(time.Duration(seconds.Load()) * time.Second) },
	})
	get := func() response { return a.api(http.MethodGet, "/webhooks", "") }
	for _, at := range []int64{0, 10, 20} {
		seconds.Store(at)
		assert.Equal(t, 200, get().status)
	}
	seconds.Store(25)
	refused := get()
	assert.Equal(t, 429, refused.status)
	assert.Equal(t, "35", refused.header.Get("Retry-After"), "until the first is a minute old")
	assert.Equal(
		t,
		401,
		a.api(http.MethodGet, "/webhooks", "", header("Authorization", "")).status,
		"a stranger spends nothing",
	)

	seconds.Store(60)
	assert.Equal(t, 200, get().status, "any 60 seconds, not the clock's minute")
	assert.Equal(t, 429, get().status)
}

func TestInclude(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	sample := samples(t)[3] // with every relation, and Z_ items
	id := a.add(sample.Order)
	get := func(query string) response { return a.api(http.MethodGet, "/sales-orders/"+id+query, "") }

	bare := get("").object(t)
	for _, field := range []string{"lines", "customer", "paymentLines", "salesRepTeamMember", "location", "paymentTerms", "pricingScheme", "taxingScheme", "currency", "attachments"} {
		assert.NotContains(t, bare, field)
	}
	for _, field := range []string{"salesOrderId", "customerId", "locationId", "total", "billingAddress", "customFields", "timestamp", "requestedShipDate", "returnFee"} {
		assert.Contains(t, bare, field)
	}
	assert.Nil(t, bare["returnFee"])

	lines := within[[]any](t, get("?include=lines").object(t), "lines")
	assert.Len(t, lines, 3)
	assert.NotContains(t, lines[0], "product")
	assert.NotContains(t, lines[0], "taxCode")
	assert.Contains(t, lines[0], "productId")

	full := get(
		"?include=lines.product,customer,paymentLines,salesRepTeamMember,location,paymentTerms,pricingScheme,taxingScheme.taxCodes",
	).object(t)
	line := within[map[string]any](t, full, "lines", 0)
	assert.Equal(t, "SW-B24", within[string](t, line, "product", "sku"))
	assert.NotContains(t, line["product"], "category")
	assert.NotContains(t, line, "taxCode")
	assert.Equal(t, "Maison Boréale", within[string](t, full, "customer", "name"))
	assert.Equal(t, []any{}, full["paymentLines"])
	assert.Len(t, within[[]any](t, full, "taxingScheme", "taxCodes"), 2)

	deep := get("?Include=Lines.Product.Category").object(t)
	category := within[map[string]any](t, deep, "lines", 0, "product", "category")
	assert.Equal(t, "Base Cabinet", category["name"])

	missing := get("?include=assignedToTeamMember").object(t)
	assert.Contains(t, missing, "assignedToTeamMember")
	assert.Nil(t, missing["assignedToTeamMember"])

	assert.Equal(t, 400, get("?include=customer.lines").status)
	assert.Equal(t, 400, get("?include=total").status)
}

// TestListSortsHexVersions adds enough orders that some versions, such as 00000000003101E5, look
// like an amount.
func TestListSortsHexVersions(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	for range 1500 {
		a.add(nil)
	}
	last := ""
	for skip := 0; skip < 1500; skip += 100 {
		for _, order := range a.api(http.MethodGet,
			fmt.Sprintf("/sales-orders?sort=timestamp&count=100&skip=%d", skip), "").list(t) {
			version := within[string](t, order, "timestamp")
			require.Greater(t, version, last)
			last = version
		}
	}
}

// allNumbers has the last two digits of each sample's order number.
var allNumbers = strings.Fields("41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57")

// listQueries has queries for sales orders, and the order numbers that they list. id:55 stands for
// the id of order 55, ID:55 for the same id in capitals, and customer:55 for its customer's id.
var listQueries = map[string]struct {
	query url.Values
	want  []string
}{
	"all":            {url.Values{}, allNumbers},
	"count":          {url.Values{"count": {"2"}}, allNumbers[:2]},
	"count over 100": {url.Values{"count": {"5000"}}, allNumbers},
	"skip":           {url.Values{"count": {"2"}, "skip": {"3"}}, allNumbers[3:5]},
	"skip all":       {url.Values{"skip": {"300"}}, []string{}},
	"after":          {url.Values{"after": {"id:55"}}, allNumbers[15:]},
	"start":          {url.Values{"start": {"ID:55"}}, allNumbers[14:]},
	"before":         {url.Values{"before": {"id:46"}, "count": {"2"}}, allNumbers[3:5]},
	"sortDesc": {
		url.Values{"sort": {"orderNumber"}, "sortDesc": {"true"}, "count": {"2"}},
		[]string{"57", "56"},
	},
	"sort by version": {
		url.Values{"sort": {"timestamp"}, "sortDesc": {"true"}, "count": {"2"}},
		[]string{"57", "56"},
	},
	"sort by version from an order on": {
		url.Values{"sort": {"timestamp"}, "sortDesc": {"true"}, "count": {"2"}, "after": {"id:55"}},
		[]string{"54", "53"},
	},
	"sort by amount": {url.Values{"sort": {"Total"}, "count": {"3"}}, []string{"56", "47", "45"}},
	"number":         {url.Values{"filter[orderNumber]": {"so-001042"}}, []string{"42"}},
	"inventory status": {
		url.Values{"filter[inventoryStatus][]": {"Quote", "fulfilled"}},
		[]string{"46", "48", "50"},
	},
	"statuses as JSON": {
		url.Values{"filter[paymentStatus]": {`["Paid","Quote"]`}},
		[]string{"46", "48", "50"},
	},
	"payment status": {url.Values{"filter[paymentStatus]": {"Partial"}}, []string{"45", "54"}},
	"customer": {
		url.Values{"filter[customerId]": {"customer:44"}},
		[]string{"44", "53"},
	},
	"from a date": {
		url.Values{"filter[orderDate]": {`{"fromDate":"2025-10-07"}`}},
		[]string{"56", "57"},
	},
	"to a date": {
		url.Values{"filter[orderDate]": {`{"toDate":"2025-03-11"}`}},
		[]string{"41", "42"},
	},
	"between times": {
		url.Values{
			"filter[orderDate]": {`{"fromDate":"2025-03-05T00:00:00Z","toDate":"2025-03-31T00:00:00Z"}`},
		},
		[]string{"42", "43"},
	},
	"invoiced": {
		url.Values{"filter[invoicedDate]": {`{"fromDate":"2025-01-01","toDate":null}`}},
		[]string{"44", "48", "50"},
	},
	"total": {
		url.Values{"filter[total]": {`{"fromDate":"2900","toDate":3000}`}},
		[]string{"44"},
	},
	"purchase order":  {url.Values{"filter[poNumber]": {"MB-118"}}, []string{"44"}},
	"active":          {url.Values{"filter[isActive]": {"false"}}, []string{"48", "50"}},
	"smart, customer": {url.Values{"filter[smart]": {"boréale"}}, []string{"44", "53"}},
	"smart, number":   {url.Values{"filter[smart]": {"1050"}}, []string{"50"}},
	"two at once": {
		url.Values{
			"filter[smart]":         {"hartwell"},
			"filter[paymentStatus]": {"Uninvoiced"},
			"count":                 {"1"},
			"skip":                  {"1"},
		},
		[]string{"43"},
	},
	"nothing fits": {url.Values{"filter[orderNumber]": {"SO-9"}}, []string{}},
	"case of a filter": {
		url.Values{"Filter[OrderNumber]": {"SO-001042"}, "Count": {"5"}},
		[]string{"42"},
	},
}

func TestListSalesOrders(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	samples := a.addSamples()
	var placeholders []string
	for i, number := range allNumbers {
		id := within[string](t, samples[i].Order, "salesOrderId")
		placeholders = append(placeholders, "id:"+number, id, "ID:"+number, strings.ToUpper(id))
		if customer, ok := samples[i].Order["customerId"].(string); ok {
			placeholders = append(placeholders, "customer:"+number, customer)
		}
	}
	replacer := strings.NewReplacer(placeholders...)
	for name, tt := range listQueries {
		t.Run(name, func(t *testing.T) {
			query := url.Values{}
			for key, values := range tt.query {
				for _, value := range values {
					query.Add(key, replacer.Replace(value))
				}
			}
			resp := a.api(http.MethodGet, "/sales-orders?"+query.Encode(), "")
			require.Equal(t, 200, resp.status, "%s", resp.body)
			numbers := []string{}
			for _, order := range resp.list(t) {
				numbers = append(numbers,
					strings.TrimPrefix(within[string](t, order, "orderNumber"), "SO-0010"))
			}
			assert.Equal(t, tt.want, numbers)
		})
	}
}

func TestListCountsIfAsked(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	a.addSamples()
	resp := a.api(http.MethodGet, "/sales-orders?includeCount=true&count=1"+
		"&filter[paymentStatus]=Partial&include=customer", "")
	assert.Equal(t, "2", resp.header.Get("X-listCount"))
	assert.Contains(t, resp.list(t)[0], "customer")
	assert.NotContains(t, resp.list(t)[0], "lines")
	assert.Empty(t, a.api(http.MethodGet, "/sales-orders", "").header.Get("X-listCount"))
}

func TestListRefusesFaultyQueries(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	a.addSamples()
	encode := strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22")
	for _, query := range []string{
		"count=0",
		"count=x",
		"skip=-1",
		"sortDesc=perhaps",
		"sort=nothing",
		"after=unknown",
		"before=unknown",
		"start=unknown",
		"filter[nothing]=1",
		"filter[orderDate]=yesterday",
		`filter[orderDate]={"fromDate":"yesterday"}`,
		`filter[total]={"toDate":"much"}`,
		`filter[paymentStatus]=[1]`,
		"filter[isActive]=perhaps",
		"nothing=1",
		"include=nothing",
		"filter=1",
	} {
		resp := a.api(http.MethodGet, "/sales-orders?"+encode.Replace(query), "")
		assert.Equal(t, 400, resp.status, query)
	}
}

func TestListIsEmptyNotNull(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	assert.JSONEq(t, "[]", string(a.api(http.MethodGet, "/sales-orders?sort=total", "").body))
	assert.JSONEq(t, "[]", string(a.api(http.MethodGet, "/webhooks", "").body))
}

func TestVersionsGrowOverTheAccount(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	one, two := a.add(nil), a.add(nil)
	version := func(id string) string {
		order, err := a.Order(id)
		require.NoError(t, err)
		return within[string](t, order, "timestamp")
	}
	before := []string{version(one), version(two)}
	assert.Less(t, before[0], before[1])
	require.NoError(t, a.EditOrder(one, func(map[string]any) {}))
	assert.Greater(t, version(one), before[1], "a save without changes makes a version too")
	assert.Regexp(t, versionForm, version(one))
	assert.Equal(t, before[1], version(two))
}

func TestOrdersOfTheGoAPI(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	given := map[string]any{
		"salesOrderId": "11111111-1111-4111-8111-111111111111", "customer": map[string]any{"name": "Oak"},
		"lines": []any{map[string]any{"subTotal": "5.00"}}, "total": "5.00", "timestamp": "ignored",
	}
	id := a.add(given)
	assert.Equal(t, "11111111-1111-4111-8111-111111111111", id)
	assert.Equal(t, "ignored", given["timestamp"], "the caller's document stays as it is")
	assert.Len(t, within[map[string]any](t, given, "lines", 0), 1)

	order, err := a.Order(strings.ToUpper(id))
	require.NoError(t, err)
	assert.Equal(t, "SO-000001", order["orderNumber"])
	assert.Equal(t, "0.00000", order["balance"], "absent fields have InFlow's defaults")
	line := within[map[string]any](t, order, "lines", 0)
	assert.Equal(t, "5.00", line["subTotal"])
	assert.NotEmpty(t, line["salesOrderLineId"])
	order["total"] = "changed"
	assert.Equal(
		t,
		[]fakeinflow.OrderSummary{
			{ID: id, Number: "SO-000001", Version: "0000000000310AB7", Customer: "Oak", Total: "5.00"},
		},
		a.Orders(),
	)

	_, err = a.AddOrder(map[string]any{"salesOrderId": strings.ToUpper(id)})
	require.ErrorContains(t, err, "exists already")
	_, err = a.AddOrder(map[string]any{"salesOrderId": "a b"})
	require.Error(t, err)

	require.NoError(t, a.EditOrder(id, func(document map[string]any) {
		document["salesOrderId"], document["total"] = "another", "6.00"
	}))
	require.NoError(t, a.SetField(id, "lines.0.quantity.uomQuantity", "7.0000"))
	require.NoError(t, a.SetField(id, "lines.0", map[string]any{"subTotal": "8.00"}))
	order, err = a.Order(id)
	require.NoError(t, err)
	assert.Equal(t, id, order["salesOrderId"], "an order keeps its id")
	assert.Equal(t, "6.00", order["total"])
	assert.Equal(t, map[string]any{"subTotal": "8.00"}, within[map[string]any](t, order, "lines", 0))

	before := order["timestamp"]
	for _, path := range []string{"lines.1.subTotal", "lines.x", "total.x", "nothing.x"} {
		assert.ErrorContains(t, a.SetField(id, path, "1"), path)
	}
	order, err = a.Order(id)
	require.NoError(t, err)
	assert.Equal(t, before, order["timestamp"], "a refused edit makes no version")

	require.NoError(t, a.DeleteOrder(id))
	assert.Equal(t, 404, a.api(http.MethodGet, "/sales-orders/"+id, "").status)
	assert.Empty(t, a.Orders())
	require.ErrorIs(t, a.DeleteOrder(id), fakeinflow.ErrNoOrder)
	require.ErrorIs(t, a.EditOrder(id, func(map[string]any) {}), fakeinflow.ErrNoOrder)
	require.ErrorIs(t, a.SetField(id, "total", "1"), fakeinflow.ErrNoOrder)
	_, err = a.Order(id)
	require.ErrorIs(t, err, fakeinflow.ErrNoOrder)
}

func TestAnswersKeepTextsAndNumbers(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	sample := samples(t)[0]
	id := a.add(sample.Order)
	want, err := a.Order(id)
	require.NoError(t, err)
	names := []string{
		"assignedToTeamMember",
		"attachments",
		"currency",
		"customer",
		"lastModifiedBy",
		"lines.product.category",
		"lines.product.cost",
		"lines.product.inventoryLines",
		"lines.product.prices",
		"lines.taxCode",
		"location",
		"packLines",
		"paymentLines",
		"paymentTerms",
		"pickLines",
		"pricingScheme",
		"restockLines",
		"salesRepTeamMember",
		"shipLines",
		"taxingScheme.taxCodes",
	}
	got := a.api(http.MethodGet, "/sales-orders/"+id+"?include="+strings.Join(names, ","), "").body
	encoded, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(
		t,
		string(encoded),
		string(got),
		"with everything included, the whole document comes",
	)
	assert.True(t, bytes.Contains(got, []byte(`"subTotal":"1257.20000"`)))
}

func TestRequestsAreLogged(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(nil)
	started := time.Now()
	a.api(http.MethodGet, "/sales-orders/"+id, "")
	a.api(http.MethodGet, "/sales-orders/unknown", "")
	a.api(http.MethodDelete, "/webhooks/unknown", "")
	a.api(http.MethodGet, "/sales-orders", "", header("Authorization", "Bearer wrong"))
	a.api(http.MethodGet, "/nothing/of/that", "")

	requests := a.Requests()
	require.Len(t, requests, 5)
	for i, want := range []struct {
		method, route, id string
		status            int
		version           string
	}{
		{"GET", fakeinflow.RouteGetSalesOrder, id, 200, "0000000000310AB7"},
		{"GET", fakeinflow.RouteGetSalesOrder, "unknown", 404, ""},
		{"DELETE", fakeinflow.RouteDeleteWebhook, "", 404, ""},
		{"GET", fakeinflow.RouteListSalesOrders, "", 401, ""},
		{"GET", "", "", 404, ""},
	} {
		got := requests[i]
		assert.Equal(t, want.method, got.Method)
		assert.Equal(t, want.route, got.Route)
		assert.Equal(t, want.id, got.SalesOrderID)
		assert.Equal(t, want.status, got.Status)
		assert.Equal(t, want.version, got.OrderVersion)
		assert.False(t, got.Start.Before(started))
		assert.False(t, got.End.Before(got.Start))
	}
}

func TestFaults(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	faulty, sound := a.add(nil), a.add(nil)
	get := func(id string) response { return a.api(http.MethodGet, "/sales-orders/"+id, "") }
	set := func(fault fakeinflow.Fault) {
		t.Helper()
		require.NoError(t, a.SetFault(fault))
	}

	set(
		fakeinflow.Fault{
			Route:        fakeinflow.RouteGetSalesOrder,
			SalesOrderID: faulty,
			Status:       500,
			Times:        1,
		},
	)
	set(
		fakeinflow.Fault{
			SalesOrderID: faulty,
			Status:       429,
			RetryAfter:   1500 * time.Millisecond,
			Times:        1,
		},
	)
	set(fakeinflow.Fault{SalesOrderID: faulty, Body: "<html>", Times: 1})
	assert.Equal(t, 200, get(sound).status, "another order does not meet the fault")
	assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders", "").status,
		"another route does not meet the fault")
	assert.Equal(t, 500, get(faulty).status)
	limited := get(faulty)
	assert.Equal(t, 429, limited.status)
	assert.Equal(t, "2", limited.header.Get("Retry-After"), "in whole seconds, rounded up")
	garbage := get(faulty)
	assert.Equal(t, 200, garbage.status)
	assert.Equal(t, "<html>", string(garbage.body))
	assert.Equal(t, 200, get(faulty).status, "each once")

	set(fakeinflow.Fault{Status: 503})
	for range 3 {
		assert.Equal(t, 503, get(sound).status, "until they are cleared")
	}
	assert.Equal(t, 503, a.api(http.MethodGet, "/webhooks", "").status)
	a.ClearFaults()
	assert.Equal(t, 200, get(sound).status)

	set(fakeinflow.Fault{Cut: true, Times: 1})
	_, err := a.try(http.MethodGet, "/"+a.CompanyID()+"/sales-orders/"+sound, "")
	require.Error(t, err)
	assert.Zero(t, a.Requests()[len(a.Requests())-1].Status)

	for name, fault := range map[string]fakeinflow.Fault{
		"latency":   {Latency: 60 * time.Millisecond, Times: 1},
		"slow body": {SlowBody: 60 * time.Millisecond, Times: 1},
	} {
		set(fault)
		start := time.Now()
		slow := get(sound)
		assert.Equal(t, 200, slow.status, name)
		assert.Equal(t, sound, slow.object(t)["salesOrderId"], name)
		assert.GreaterOrEqual(t, time.Since(start), 60*time.Millisecond, name)
	}

	for name, fault := range map[string]fakeinflow.Fault{
		"nothing": {}, "times only": {Times: 1}, "status": {Status: 99},
		"negative": {Status: 500, Times: -1}, "retry after alone": {RetryAfter: 1, Latency: 1},
		"dropped and answered": {Dropped: true, Status: 500},
		"lost and cut":         {AnswerLost: true, Cut: true}, "dropped and lost": {Dropped: true, AnswerLost: true},
	} {
		assert.Error(t, a.SetFault(fault), name)
	}
}

// TestConnectionsBreak breaks connections before the request is applied, and after it.
func TestConnectionsBreak(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	body := `{"url":"http://127.0.0.1:1/hook","events":["salesOrder.created"],"webHookSubscriptionId":"` + subscriptionID + `","webHookSubscriptionRequestId":"` + subscriptionID + `"}`
	put := func() (response, error) { return a.try(http.MethodPut, "/"+a.CompanyID()+"/webhooks", body) }
	subscribed := func() int { return a.api(http.MethodGet, "/webhooks/"+subscriptionID, "").status }

	require.NoError(
		t,
		a.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook, Dropped: true, Times: 1}),
	)
	_, err := put()
	require.Error(t, err)
	assert.Equal(t, 404, subscribed())

	require.NoError(
		t,
		a.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook, AnswerLost: true, Times: 1}),
	)
	_, err = put()
	require.Error(t, err)
	assert.Equal(t, 200, subscribed())
	changed, err := put()
	require.NoError(t, err)
	assert.NotContains(t, changed.object(t), "secret", "the lost answer had the secret")
	assert.Zero(t, a.Requests()[0].Status)
}

func TestOrderIsNotFoundAtFirst(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	const id = "22222222-2222-4222-8222-222222222222"
	require.NoError(t, a.SetFault(fakeinflow.Fault{SalesOrderID: id, Status: 404, Times: 1}))
	a.add(map[string]any{"salesOrderId": id})
	assert.Equal(t, 404, a.api(http.MethodGet, "/sales-orders/"+id, "").status)
	assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders/"+id, "").status)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := fakeinflow.New(fakeinflow.Options{
		CompanyID: "a/b", RequestsPerMinute: -1, DeliveryTimeout: -1, RetryDelays: []time.Duration{-1}, PayloadForm: "new",
	})
	for _, want := range []string{"company", "requests per minute", "delivery timeout", "retry delay", "payload form"} {
		assert.ErrorContains(t, err, want)
	}
	server, err := fakeinflow.New(fakeinflow.Options{})
	require.NoError(t, err)
	defer server.Close()
	assert.Equal(t, fakeinflow.DefaultCompanyID, server.CompanyID())
	assert.NotEmpty(t, server.APIKey())
}

func TestWebhookSubscriptions(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	body := func(url string, events string) string {
		return fmt.Sprintf(
			`{"url":%q,"events":%s,"webHookSubscriptionId":%q,"webHookSubscriptionRequestId":"7c0e4a52-0000-4000-8000-0000000000ff"}`,
			url,
			events,
			subscriptionID,
		)
	}
	created := a.api(
		http.MethodPut,
		"/webhooks",
		body("http://127.0.0.1:1/hook", `["salesOrder.created"]`),
	)
	require.Equal(t, 200, created.status)
	secret, _ := created.object(t)["secret"].(string)
	assert.Len(t, secret, 44, "base64 of 32 bytes")

	want := map[string]any{
		"webHookSubscriptionId": subscriptionID,
		"url":                   "http://127.0.0.1:1/hook",
		"events":                []any{"salesOrder.created"},
	}
	assert.Equal(
		t,
		want,
		a.api(http.MethodGet, "/webhooks/"+subscriptionID, "").object(t),
		"the secret comes once only",
	)
	assert.Equal(t, []map[string]any{want}, a.api(http.MethodGet, "/webhooks", "").list(t))

	changed := a.api(
		http.MethodPut,
		"/webhooks",
		body("http://127.0.0.1:2/hook", `["SalesOrderUpdatedV1"]`),
	)
	assert.Equal(t, 200, changed.status)
	assert.NotContains(t, changed.object(t), "secret")
	assert.Equal(
		t,
		"http://127.0.0.1:2/hook",
		a.api(http.MethodGet, "/webhooks/"+subscriptionID, "").object(t)["url"],
	)

	assert.Equal(t, 200, a.api(http.MethodDelete, "/webhooks/"+subscriptionID, "").status)
	assert.Equal(t, 404, a.api(http.MethodDelete, "/webhooks/"+subscriptionID, "").status)
	assert.Equal(t, 404, a.api(http.MethodGet, "/webhooks/"+subscriptionID, "").status)

	for name, wrong := range map[string]string{
		"not JSON":   "{",
		"list":       "[]",
		"relative":   body("hook", `["salesOrder.created"]`),
		"no events":  body("http://h/", `[]`),
		"unknown":    body("http://h/", `["salesOrder.deleted"]`),
		"no text":    body("http://h/", `[1]`),
		"no ids":     `{"url":"http://h/","events":["salesOrder.created"]}`,
		"request id": `{"url":"http://h/","events":["salesOrder.created"],"webHookSubscriptionId":"` + subscriptionID + `"}`,
	} {
		assert.Equal(t, 400, a.api(http.MethodPut, "/webhooks", wrong).status, name)
	}
	assert.Equal(
		t,
		415,
		a.api(
			http.MethodPut,
			"/webhooks",
			body("http://h/", `["salesOrder.created"]`),
			header("Content-Type", "text/plain"),
		).status,
	)
}
