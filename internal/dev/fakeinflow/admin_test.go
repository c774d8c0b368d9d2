package fakeinflow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

// fake makes a request under /_fake/, as curl would.
func (a *account) fake(method, path, body string, change ...func(*http.Request)) response {
	a.t.Helper()
	return a.request(method, "/_fake/"+path, body, change...)
}

func TestAdminOrders(t *testing.T) {
	hook := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{})
	a.subscribe(hook.url, documentedEvents...)
	assert.JSONEq(t, "[]", string(a.fake(http.MethodGet, "orders", "").body))

	created := a.fake(http.MethodPost, "orders", `{"customer":{"name":"Oak"},"total":"12.50","exchangeRate":1.24,"lines":[{"subTotal":"12.50"}]}`)
	require.Equal(t, 201, created.status, "%s", created.body)
	id, _ := created.object(t)["salesOrderId"].(string)
	assert.Equal(t, "12.50", created.object(t)["total"])
	assert.Equal(t, created.object(t), a.fake(http.MethodGet, "orders", "").list(t)[0])
	assert.Contains(t, string(a.fake(http.MethodGet, "orders/"+id, "").body), `"exchangeRate":1.24`, "a number stays as it was written")

	patched := a.fake(http.MethodPatch, "orders/"+id,
		`{"total":"13.00","salesOrderId":"another","timestamp":"0","billingAddress":{"city":"Galway","state":null},"customer":null,"lines":[{"subTotal":"13.00"}],"new":{"a":{"b":1,"c":null}}}`,
		header("Content-Type", "application/merge-patch+json"))
	require.Equal(t, 200, patched.status, "%s", patched.body)
	assert.Greater(t, patched.object(t)["timestamp"], created.object(t)["timestamp"])
	document := a.fake(http.MethodGet, "orders/"+id, "").object(t)
	assert.Equal(t, id, document["salesOrderId"])
	assert.Equal(t, "13.00", document["total"])
	assert.NotContains(t, document, "customer", "null removes")
	assert.Equal(t, []any{map[string]any{"subTotal": "13.00"}}, document["lines"],
		"a list is replaced")
	address, _ := document["billingAddress"].(map[string]any)
	assert.Equal(t, "Galway", address["city"])
	assert.NotContains(t, address, "state")
	assert.Contains(t, address, "country", "an object is merged")
	assert.Equal(t, map[string]any{"a": map[string]any{"b": 1.0}}, document["new"])

	a.settle()
	deliveries := a.fake(http.MethodGet, "deliveries", "").list(t)
	require.Len(t, deliveries, 2)
	assert.Equal(t, "salesOrder.created", deliveries[0]["event"])
	assert.Equal(t, "salesOrder.updated", deliveries[1]["event"])
	assert.Equal(t, "delivered", deliveries[1]["state"])
	assert.Len(t, a.fake(http.MethodGet, "deliveries?last=1", "").list(t), 1)
	assert.Equal(t, 400, a.fake(http.MethodGet, "deliveries?last=x", "").status)

	assert.Equal(t, 204, a.fake(http.MethodDelete, "orders/"+id, "").status)
	for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodDelete} {
		assert.Equal(t, 404, a.fake(method, "orders/"+id, "{}").status, method)
	}
	for name, body := range map[string]string{"not JSON": "{", "list": "[]", "null": "null", "two": "{}{}", "id": `{"salesOrderId":"a b"}`} {
		assert.Equal(t, 400, a.fake(http.MethodPost, "orders", body).status, name)
	}
	assert.Equal(t, 415,
		a.fake(http.MethodPost, "orders", "{}", header("Content-Type", "text/plain")).status)
	assert.Equal(t, 413, a.fake(http.MethodPost, "orders", `{"a":"`+strings.Repeat("x", 5<<20)+`"}`).status)
	assert.Equal(t, 405, a.fake(http.MethodPut, "orders", "{}").status)
}

func TestAdminFaultsAndRequests(t *testing.T) {
	hook := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{})
	a.subscribe(hook.url, documentedEvents...)
	id := a.add(nil)
	get := func() response { return a.api(http.MethodGet, "/sales-orders/"+id, "") }

	set := a.fake(http.MethodPost, "faults", `{"route":"GET /{companyId}/sales-orders/{salesOrderId}","salesOrderId":"`+id+`","times":1,"status":429,"retryAfter":"7s","latency":"1ms"}`)
	require.Equal(t, 204, set.status, "%s", set.body)
	limited := get()
	assert.Equal(t, 429, limited.status)
	assert.Equal(t, "7", limited.header.Get("Retry-After"))

	require.Equal(t, 204, a.fake(http.MethodPost, "faults", `{"body":"garbage","slowBody":"1ms"}`).status)
	assert.Equal(t, "garbage", string(get().body))
	require.Equal(t, 204, a.fake(http.MethodPost, "delivery-faults", `{"lost":true}`).status)
	require.NoError(t, a.EditOrder(id, func(map[string]any) {}))
	deliveries := a.settle()
	assert.Equal(t, fakeinflow.DeliveryLost, deliveries[len(deliveries)-1].State)

	assert.Equal(t, 204, a.fake(http.MethodDelete, "faults", "").status)
	assert.Equal(t, 200, get().status)
	requests := a.fake(http.MethodGet, "requests?last=2", "").list(t)
	require.Len(t, requests, 2)
	assert.Equal(t, fakeinflow.RouteGetSalesOrder, requests[1]["route"])
	assert.InDelta(t, 200, requests[1]["status"], 0)

	for path, bodies := range map[string][]string{
		"faults":          {`{}`, `{"status":1}`, `{"status":500,"when":"now"}`, `{"route":"GET /","status":500}`, `{"latency":"soon"}`, `{"answerLost":true,"dropped":true}`, `[`},
		"delivery-faults": {`{}`, `{"delay":"-1s"}`, `{"lose":true}`},
	} {
		for _, body := range bodies {
			assert.Equal(t, 400, a.fake(http.MethodPost, path, body).status, body)
		}
	}
}

func TestAdminIsLocal(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, want := range map[string]int{
		"localhost": 200, "LOCALHOST:5010": 200, "127.0.0.1": 200, "127.8.9.1:80": 200, "[::1]": 200, "[::1]:5010": 200,
		"attacker.example": 403, "attacker.example:5010": 403, "localhost.attacker.example": 403, "10.0.0.1": 403, "127.0.0.1.example": 403,
	} {
		assert.Equal(t, want, a.fake(http.MethodGet, "orders", "", host(name)).status, name)
	}
	for name, change := range map[string]func(*http.Request){
		"fetch metadata": header("Sec-Fetch-Site", "cross-site"),
		"origin":         header("Origin", "https://attacker.example"),
	} {
		assert.Equal(t, 403, a.fake(http.MethodPost, "orders", "{}", change).status, name)
	}
	assert.Empty(t, a.Orders())
	assert.Equal(t, 201,
		a.fake(http.MethodPost, "orders", "{}", header("Sec-Fetch-Site", "same-origin")).status)
	assert.Equal(t, 200, a.fake(http.MethodGet, "orders", "", header("Authorization", "")).status,
		"it needs no key")
}

func TestPage(t *testing.T) {
	hook := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{})
	sample := samples(t)[10]
	sample.Order["orderRemarks"] = `"><script>alert(1)</script>`
	sample.Order["customer"] = map[string]any{"name": "<b>Oak & Co</b>"}
	id := a.add(sample.Order)
	a.subscribe(hook.url, documentedEvents...)

	list := a.fake(http.MethodGet, "", "")
	assert.Equal(t, 200, list.status)
	assert.Contains(t, string(list.body), "SO-001051")
	assert.NotContains(t, string(list.body), `method="post"`, "there is nothing to save yet")

	page := a.fake(http.MethodGet, "?order="+id, "")
	require.Equal(t, 200, page.status)
	html := string(page.body)
	assert.Contains(t, html, `name="lines.0.subTotal" value="845.00000"`)
	assert.Contains(t, html, `name="orderFreight" value="150.0000"`)
	assert.NotContains(t, html, "<script>alert", "texts of an order are escaped")
	assert.NotContains(t, html, "<b>Oak")
	nonce := regexp.MustCompile(`script-src 'nonce-(\w+)'`).FindStringSubmatch(page.header.Get("Content-Security-Policy"))
	require.Len(t, nonce, 2)
	assert.Equal(t, 2, strings.Count(html, `nonce="`+nonce[1]+`"`))
	assert.NotContains(t, html, "http://", "there are no outside assets")
	assert.NotContains(t, html, "https://")
	assert.Equal(t, 404, a.fake(http.MethodGet, "?order=unknown", "").status)
	assert.Equal(t, 404, a.fake(http.MethodGet, "nothing", "").status)

	edit := func(form url.Values, change ...func(*http.Request)) response {
		return a.fake(http.MethodPost, "orders/"+id+"/edit", form.Encode(), append([]func(*http.Request){header("Content-Type", "application/x-www-form-urlencoded")}, change...)...)
	}
	before, err := a.Order(id)
	require.NoError(t, err)
	form := url.Values{
		"version": {fmt.Sprint(before["timestamp"])}, "lines.0.subTotal": {"945.00"}, "subTotal": {"1262.50"}, "isQuote": {"true"},
		"tax2": {fmt.Sprint(before["tax2"])}, "salesOrderId": {"another"}, "lines.9.subTotal": {"1"}, "customer.name": {"another"},
	}
	saved := edit(form)
	assert.Equal(t, 200, saved.status, "after the redirect")
	assert.Contains(t, string(saved.body), "Saved as version")
	after, err := a.Order(id)
	require.NoError(t, err)
	want := before
	want["timestamp"] = after["timestamp"]
	want["subTotal"], want["isQuote"] = "1262.50", true
	within[map[string]any](t, want, "lines", 0)["subTotal"] = "945.00"
	assert.Equal(t, want, after, "the page cannot change fields that it does not show")

	a.settle()
	assert.Len(t, hook.all(), 1, "one save is one edit")
	assert.Equal(t, 409, edit(form).status, "the page was loaded before the last edit")
	form.Set("version", fmt.Sprint(after["timestamp"]))
	form.Set("isQuote", "perhaps")
	assert.Equal(t, 400, edit(form).status)
	assert.Equal(t, 403, edit(form, header("Origin", "https://attacker.example")).status)
	assert.Equal(t, 415, edit(form, header("Content-Type", "application/json")).status)
	again, err := a.Order(id)
	require.NoError(t, err)
	assert.Equal(t, after, again)
}

// TestPageKeepsNulls saves a form in which nulls are blank fields. They stay null.
func TestPageKeepsNulls(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(map[string]any{"lines": []any{map[string]any{"discount": nil}}})
	order, err := a.Order(id)
	require.NoError(t, err)
	html := string(a.fake(http.MethodGet, "?order="+id, "").body)
	assert.Contains(t, html, `name="orderFreight" value=""`)
	assert.NotContains(t, html, `lines.0.discount`, "there is no discount to edit")
	form := url.Values{"version": {fmt.Sprint(order["timestamp"])}, "orderFreight": {""},
		"total": {"5.00"}}
	saved := a.fake(http.MethodPost, "orders/"+id+"/edit", form.Encode(),
		header("Content-Type", "application/x-www-form-urlencoded"))
	require.Equal(t, 200, saved.status)
	order, err = a.Order(id)
	require.NoError(t, err)
	assert.Nil(t, order["orderFreight"])
	assert.Equal(t, "5.00", order["total"])
}

func TestServe(t *testing.T) {
	server, err := fakeinflow.New(fakeinflow.Options{APIKey: apiKey})
	require.NoError(t, err)
	defer server.Close()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := &account{Server: server, t: t, url: "http://" + listener.Addr().String(),
		client: http.DefaultClient}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders", "").status)
	stop()
	select {
	case err := <-served:
		require.NoError(t, err)
	case <-time.After(generous):
		t.Fatal("it did not stop")
	}
	_, err = a.try(http.MethodGet, "/_fake/orders", "")
	require.Error(t, err, "the listener is closed")

	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	require.Error(t, server.Serve(t.Context(), closed))
}

func TestDeliveriesAsJSON(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{}})
	a.subscribe("http://127.0.0.1:1/", documentedEvents...)
	require.NoError(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
	a.add(nil)
	var deliveries []struct {
		Attempts json.RawMessage `json:"attempts"`
	}
	require.NoError(t, json.Unmarshal(a.fake(http.MethodGet, "deliveries", "").body, &deliveries))
	assert.Equal(t, "[]", string(deliveries[0].Attempts))
}

func TestPageFindsAmongManyOrders(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	a.addSamples()
	for range 120 {
		a.add(nil)
	}
	page := func(query string) string { return string(a.fake(http.MethodGet, "?"+query, "").body) }
	assert.Contains(t, page(""), "100 of 137")
	assert.Contains(t, page("q=hartwell"), "SO-001043")
	assert.NotContains(t, page("q=hartwell"), "SO-001042")
	assert.NotContains(t, page("q=hartwell"), "find fewer")
	assert.Contains(t, page("q=sO-001042"), "SO-001042")
	assert.Contains(t, page("q=nobody"), "No order has that number or customer")
	assert.Contains(t, page("q=%22%3E%3Cscript%3E"), "&gt;&lt;script&gt;")
}

func TestPageCopiesAnOrder(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(samples(t)[0].Order)
	copied := a.fake(http.MethodPost, "orders/"+id+"/copy", "",
		header("Content-Type", "application/x-www-form-urlencoded"))
	require.Equal(t, 200, copied.status)
	require.Len(t, a.Orders(), 2)
	one, err := a.Order(id)
	require.NoError(t, err)
	two, err := a.Order(a.Orders()[1].ID)
	require.NoError(t, err)
	lineOfOne, lineOfTwo := within[map[string]any](t, one, "lines", 0), within[map[string]any](t, two, "lines", 0)
	assert.NotEqual(t, lineOfOne["salesOrderLineId"], lineOfTwo["salesOrderLineId"])
	assert.Equal(t, lineOfOne["subTotal"], lineOfTwo["subTotal"])
	assert.Equal(t, one["customer"], two["customer"])
	assert.NotEqual(t, one["orderNumber"], two["orderNumber"])
	assert.Equal(t, 404, a.fake(http.MethodPost, "orders/unknown/copy", "").status)
}
