package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

func TestAPIList(t *testing.T) {
	a := startAPI(t)
	got := a.get(ordersPath)
	require.Equal(t, 200, got.status)
	assert.JSONEq(t, `{"orders":[{"salesOrderId":"`+testOrderID+`","orderNumber":"SO-000123","customer":"Küchen <&> Söhne",
		"status":"failed","heldSince":"2026-11-20T09:00:00Z","errors":1,"failedRules":["price"]}],"next":"next"}`, string(got.body))
	got = a.get(ordersPath + "?cursor=next&limit=1&status=pending&rule=price")
	require.Equal(t, 200, got.status)
	assert.JSONEq(t, `{"orders":[{"salesOrderId":"2","orderNumber":"SO-2","customer":"","status":"pending","errors":2,
		"failedRules":[]}]}`, string(got.body))
	assert.Equal(t, []Filter{{Limit: 50}, {Status: "pending", Rule: "price", Limit: 1, After: "next"}}, a.orders.filters)

	a.orders.filters = nil
	for query, want := range map[string]Filter{
		"status=&rule=&limit=&cursor=": {Limit: 50}, "limit=200": {Limit: 200}, "status=held": {Status: StatusHeld, Limit: 50},
	} {
		assert.Equal(t, 200, a.get(ordersPath+"?"+query).status, query)
		assert.Equal(t, want, a.orders.filters[len(a.orders.filters)-1])
	}
	a.orders.filters = nil
	for _, query := range []string{
		"limit=0", "limit=201", "limit=-1", "limit=ten", "limit=1&limit=2", "status=sold", "status=failed&status=failed", "page=2",
		"Status=failed", "rule=" + strings.Repeat("x", 65), "rule=%ff", "cursor=" + strings.Repeat("x", 513), "a;b", "%zz",
		"limit=9999999999999999999999", "token=" + readToken,
	} {
		got := a.get(ordersPath + "?" + query)
		assert.Equal(t, 400, got.status, query)
		assert.NotEmpty(t, got.problem(t).Faults, query)
	}
	assert.Empty(t, a.orders.filters)
	assert.Equal(t, 400, a.get(ordersPath+"?cursor=forged").status)
	assert.Len(t, a.get(ordersPath+"?limit=0&status=sold&page=1").problem(t).Faults, 3, "all faults at once")
}

func TestAPIOrder(t *testing.T) {
	a := startAPI(t)
	for _, name := range []string{testOrderID, testOrderNumber} {
		got := a.get(ordersPath + "/" + name)
		require.Equal(t, 200, got.status)
		assert.Equal(t, ReleaseNo, got.order(t).Release)
		var report ordercheck.Report
		require.NoError(t, json.Unmarshal(got.body, &report))
		assert.Equal(t, a.orders.order.Report, report, "the report's own JSON")
	}
	got := a.ask(http.MethodHead, ordersPath+"/"+testOrderID, readToken, "")
	assert.Equal(t, 200, got.status)
	assert.Empty(t, got.body)
}

// TestAPINames: what stands in the place of an order's name is unknown or found, and breaks
// nothing.
func TestAPINames(t *testing.T) {
	a := startAPI(t)
	for sent, name := range map[string]string{
		"unknown": "unknown", "SO%2F1": "SO/1", "..": "..", "%2e%2e%2frules": "../rules", "a%20b": "a b", "%C3%A9": "é", "'": "'",
		"%22%20OR%201": `" OR 1`,
	} {
		a.orders.names = nil
		assert.Equal(t, 404, a.get(ordersPath+"/"+sent).status, sent)
		assert.Equal(t, []string{name}, a.orders.names)
	}
	a.orders.names = nil
	for _, sent := range []string{
		"", "a/b", "../orders", "%ff", "%00", "a%0ab", "%7f", strings.Repeat("x", 129), strings.Repeat("%C3%A9", 200), "/", "//x",
	} {
		got := a.get(ordersPath + "/" + sent)
		assert.Equal(t, 404, got.status, sent)
		assert.LessOrEqual(t, len(got.problem(t).Instance), maxInstance)
	}
	assert.Empty(t, a.orders.names, "not looked for")
}

// TestAPIPaths: nothing below /api is answered by the pages, whose ServeMux redirects with HTML.
func TestAPIPaths(t *testing.T) {
	a := startAPI(t)
	for _, path := range []string{
		"/api", "/api/", "/api//v1/orders", "/api/v1", "/api/v2/orders", "/api/v1/orders/", "/api/v1/./orders", "/api%2Fv1/orders",
		"/api/openapi.json/", "/api/openapi.yaml",
	} {
		assert.Equal(t, 404, a.get(path).status, path)
		assert.Equal(t, 404, a.ask(http.MethodGet, path, "", "").status, path)
	}
	for path, allow := range map[string]string{
		ordersPath: "GET, HEAD", ordersPath + "/x": "GET, HEAD", ordersPath + "/x/check": "POST", describePath: "GET, HEAD",
	} {
		got := a.ask(http.MethodDelete, path, actToken, "")
		assert.Equal(t, 405, got.status)
		assert.Equal(t, allow, got.header.Get("Allow"))
	}
	assert.Equal(t, 405, a.get(ordersPath+"/x/check").status, "a GET never acts")
}

func TestAPICheck(t *testing.T) {
	a := startAPI(t)
	got := a.post("check", "")
	assert.Equal(t, 200, got.status)
	assert.Equal(t, ReleaseNo, got.order(t).Release)
	assert.Equal(t, 200, a.post("check", "{}").status)
	assert.Equal(t, 400, a.post("check", `{"by":"me"}`).status)
	assert.Equal(t, 400, a.post("check", `null`).status)
	assert.Equal(t, 413, a.post("check", strings.Repeat(" ", maxAPIBody+1)).status)
	assert.Equal(t, 415, a.send(http.MethodPost, ordersPath+"/x/check", http.Header{
		"Authorization": {"Bearer " + actToken}, "Content-Type": {"text/plain"}}, "{}").status)
	assert.Equal(t, 404, a.ask(http.MethodPost, ordersPath+"/unknown/check", actToken, "").status)

	a.orders.checkErr = temporal.NewNonRetryableApplicationError("InFlow refused the key", ordercheck.ErrorInflowUnauthorized, nil)
	got = a.post("check", "")
	assert.Equal(t, 502, got.status)
	assert.Equal(t, []string{"InFlow refused the key"}, got.problem(t).Faults)
	a.orders.checkErr = temporal.NewNonRetryableApplicationError("gone", ordercheck.ErrorOrderNotFound, nil)
	assert.Equal(t, 404, a.post("check", "").status)
	a.orders.checkErr = fmt.Errorf("%w: no worker", ErrUnavailable)
	assert.Equal(t, 503, a.post("check", "").status)
}

// TestAPICheckThatTakesLong: whoever does not wait for the end is told that nothing is known.
func TestAPICheckThatTakesLong(t *testing.T) {
	a := startAPI(t)
	a.checkWithin = time.Millisecond
	a.orders.checking = make(chan struct{})
	got := a.ask(http.MethodPost, ordersPath+"/"+testOrderNumber+"/check", actToken, "")
	require.Equal(t, 202, got.status)
	assert.Equal(t, ordersPath+"/"+testOrderID, got.header.Get("Location"))
	assert.Equal(t, ReleaseUnknown, got.order(t).Release)
	assert.Equal(t, 200, a.get(got.header.Get("Location")).status)
	assert.Equal(t, 30*time.Second, checkWithin)
}

func TestAPIOverride(t *testing.T) {
	a := startAPI(t)
	got := a.post("override", `{"findings":["all"],"reason":"agreed","until":"2026-12-31T00:00:00Z"}`)
	require.Equal(t, 200, got.status)
	order := got.order(t)
	assert.Equal(t, ReleaseYes, order.Release)
	assert.Equal(t, &ordercheck.Override{By: "api:clerk", Reason: "agreed", Until: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)},
		order.Findings[0].Override)
	assert.Equal(t, 200, a.post("override", `{"findings":["price/1"],"reason":"agreed","for":"72h"}`).status)

	got = a.post("override", `{"for":"never"}`)
	assert.Equal(t, 422, got.status)
	assert.Equal(t, []string{
		`"reason" is missing: say why`, `"for" is "never", which is no duration: give hours and minutes, such as 72h or 1h30m`,
		`"findings" is missing: give ids of findings, or ["all"]`,
	}, got.problem(t).Faults)

	a.orders.notOpen = true
	assert.Equal(t, 409, a.post("override", `{"findings":["all"],"reason":"x","for":"1h"}`).status)
	a.orders.notOpen = false
	a.orders.actErr = temporal.NewApplicationError("completed", acceptedAndCompleted)
	got = a.post("override", `{"findings":["all"],"reason":"x","for":"1h"}`)
	assert.Equal(t, 409, got.status, "what was accepted was not refused")
	assert.Contains(t, got.problem(t).Detail, "Read the order")
	a.orders.actErr = fmt.Errorf("%w: no worker", ErrUnavailable)
	got = a.post("comment", `{"text":"x"}`)
	assert.Equal(t, 503, got.status)
	assert.Contains(t, got.problem(t).Detail, "may still do")
	a.orders.actErr = nil
	assert.Equal(t, 404, a.ask(http.MethodPost, ordersPath+"/unknown/override", actToken, "{}").status)
}

func TestAPIComment(t *testing.T) {
	a := startAPI(t)
	got := a.post("comment", `{"text":"called the customer\n<b>twice</b>"}`)
	require.Equal(t, 200, got.status)
	timeline := got.order(t).Timeline
	last := timeline[len(timeline)-1]
	assert.Equal(t, "api:clerk", last.By)
	assert.Equal(t, "called the customer\n<b>twice</b>", last.Text)
	assert.Equal(t, 422, a.post("comment", `{"text":" "}`).status)
	assert.Equal(t, 422, a.post("comment", `{"text":"`+strings.Repeat("x", 2001)+`"}`).status)
	a.orders.notOpen = true
	assert.Equal(t, 409, a.post("comment", `{"text":"x"}`).status)
}

// TestAPIBodies: nothing is acted on that is not exactly what was meant.
func TestAPIBodies(t *testing.T) {
	a := startAPI(t)
	before := a.orders.order.Clone()
	for name, body := range map[string]string{
		"null": "null", "a list": "[]", "a text": `"x"`, "a number": "1", "broken": `{"text":`, "trailing": `{"text":"x"} {}`,
		"trailing comma": `{"text":"x",}`, "a field twice": `{"text":"x","text":"y"}`, "twice by an escape": `{"text":"x","te\u0078t":"y"}`,
		"in other letters": `{"Text":"x"}`, "unknown": `{"text":"x","id":"y"}`, "by": `{"text":"x","by":"boss"}`, "a null field": `{"text":null}`,
		"a list for a text": `{"text":["x"]}`, "not UTF-8": "{\"text\":\"\xff\"}", "a mark": "\ufeff{\"text\":\"x\"}", "NUL": "\x00", "spaces": "  ",
		"deep": `{"text":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`, "NaN": `{"text":NaN}`, "a comment": `{/**/"text":"x"}`,
		"thousands": `{"text":"x",` + strings.Repeat(`"a":1,`, 9000) + `"b":1}`, "two": `{"a":1,"b":2,"text":3}`,
	} {
		got := a.post("comment", body)
		assert.Equal(t, 400, got.status, name)
		assert.NotEmpty(t, got.problem(t).Faults, name)
		assert.LessOrEqual(t, len(got.problem(t).Faults), maxBodyFaults+1)
		assert.Less(t, len(got.body), 4000, name)
	}
	assert.Equal(t, []string{`"a" is no field of this request`, `"b" is no field of this request`, `"text" must be a text`},
		a.post("comment", `{"a":1,"b":2,"text":3}`).problem(t).Faults)
	for _, body := range []string{
		`{"findings":"all","reason":"x","for":"1h"}`, `{"findings":[1],"reason":"x"}`, `{"findings":["all"],"until":"tomorrow"}`,
		`{"findings":["all"],"until":1735689600}`, `{"findings":["all"],"by":"boss","reason":"x","for":"1h"}`,
		`{"findings":["all"],"by":"","reason":"x","for":"1h"}`,
	} {
		assert.Equal(t, 400, a.post("override", body).status, body)
	}
	assert.Contains(t, a.post("override", `{"by":"x"}`).problem(t).Faults[0], "the name of the token")
	assert.Equal(t, 413, a.post("comment", `{"text":"`+strings.Repeat("x", maxAPIBody)+`"}`).status)
	assert.Equal(t, 413, a.post("override", strings.Repeat(" ", maxAPIBody+1)).status)
	for _, header := range []http.Header{
		{}, {"Content-Type": {"application/x-www-form-urlencoded"}}, {"Content-Type": {"text/json"}}, {"Content-Type": {";"}},
		{"Content-Type": {"application/json; charset=utf-16"}}, {"Content-Type": {"application/json", "application/json"}},
		{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}},
	} {
		header.Set("Authorization", "Bearer "+actToken)
		for _, action := range []string{"comment", "override"} {
			assert.Equal(t, 415, a.send(http.MethodPost, ordersPath+"/"+testOrderID+"/"+action, header, `{"text":"x"}`).status, header)
		}
	}
	assert.Equal(t, before, a.orders.order.Report)
	header := http.Header{"Content-Type": {"Application/JSON; Charset=UTF-8"}, "Authorization": {"Bearer " + actToken}}
	assert.Equal(t, 200, a.send(http.MethodPost, ordersPath+"/"+testOrderID+"/comment", header, `{"text":"x"}`).status)
}

func TestAPIAuthentication(t *testing.T) {
	a := startAPI(t)
	path := ordersPath + "/" + testOrderID
	for name, headers := range map[string][]string{
		"none": nil, "empty": {""}, "no token": {"Bearer"}, "a space": {"Bearer "}, "basic": {"Basic " + readToken}, "bare": {readToken},
		"twice": {"Bearer " + readToken, "Bearer " + readToken}, "two in one": {"Bearer " + readToken + ", Bearer " + actToken},
		"a prefix": {"Bearer " + readToken[:36]}, "more": {"Bearer " + readToken + "0"}, "in other letters": {"Bearer " + strings.ToUpper(readToken)},
		"the name": {"Bearer scanner"}, "the line": {"Bearer scanner:read:" + readToken}, "huge": {"Bearer " + strings.Repeat("x", 10_000)},
		"a tab": {"Bearer\t" + readToken},
	} {
		a.step(time.Second)
		got := a.send(http.MethodGet, path, http.Header{"Authorization": headers}, "")
		assert.Equal(t, 401, got.status, name)
		assert.Equal(t, "Bearer", got.header.Get("WWW-Authenticate"))
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer   "} {
		assert.Equal(t, 200, a.send(http.MethodGet, path, http.Header{"Authorization": {scheme + readToken}}, "").status)
	}
	assert.Equal(t, 200, a.ask(http.MethodGet, path, actToken, "").status)
	for _, action := range []string{"check", "override", "comment"} {
		got := a.ask(http.MethodPost, path+"/"+action, readToken, `{"text":"x"}`)
		assert.Equal(t, 403, got.status, "a token with read that acts")
		a.step(time.Second)
		assert.Equal(t, 401, a.ask(http.MethodPost, path+"/"+action, "", "{}").status)
	}
	assert.Len(t, a.orders.order.Timeline, 1)
	a.step(time.Second)
	assert.Equal(t, 401, a.ask(http.MethodGet, ordersPath, "", "").status)
	assert.NotContains(t, a.log.String(), readToken)
}

func TestAPIThatIsOff(t *testing.T) {
	a := startAPIWith(t, "")
	got := a.get(ordersPath)
	assert.Equal(t, 401, got.status)
	assert.Contains(t, got.problem(t).Detail, "The API is off")
	assert.Equal(t, 200, a.ask(http.MethodGet, describePath, "", "").status)
}

func TestAPILimits(t *testing.T) {
	a := startAPI(t)
	path := ordersPath + "/" + testOrderID
	failed := func() answered { return a.ask(http.MethodGet, path, "wrong", "") }
	for range failureBurst {
		require.Equal(t, 401, failed().status)
	}
	got := failed()
	require.Equal(t, 429, got.status)
	assert.Equal(t, "1", got.header.Get("Retry-After"))
	assert.Equal(t, 200, a.get(path).status, "a right token gets in from the same address")
	a.from = netip.MustParseAddr("192.0.2.2")
	assert.Equal(t, 401, failed().status, "another address")
	a.from = netip.MustParseAddr("192.0.2.1")
	a.step(time.Second)
	assert.Equal(t, 401, failed().status)

	limiter := a.api.tokens.tokens.Get().find(readToken).limiter
	require.True(t, limiter.AllowN(a.time, limiter.Burst()))
	got = a.get(path)
	assert.Equal(t, 429, got.status)
	assert.Equal(t, "1", got.header.Get("Retry-After"))
	assert.Equal(t, 429, a.get(ordersPath).status)
	assert.Equal(t, 200, a.ask(http.MethodGet, path, actToken, "").status, "another token")
	act := a.api.tokens.tokens.Get().find(actToken).limiter
	require.True(t, act.AllowN(a.time, act.Burst()-1))
	for _, action := range []string{"check", "override", "comment"} {
		assert.Equal(t, 429, a.post(action, "").status)
	}
	a.step(time.Second)
	assert.Equal(t, 200, a.get(path).status)
}

// TestAPIWithoutTemporal: 503 says when to come back, and no other fault tells what it is.
func TestAPIWithoutTemporal(t *testing.T) {
	a := startAPI(t)
	all := func() []answered {
		return []answered{
			a.get(ordersPath), a.get(ordersPath + "/" + testOrderID), a.post("check", ""), a.post("comment", `{"text":"x"}`),
			a.post("override", `{"findings":["all"],"reason":"x","for":"1h"}`),
		}
	}
	a.orders.fails = fmt.Errorf("%w: connection refused by temporal.internal", ErrUnavailable)
	for _, got := range all() {
		assert.Equal(t, 503, got.status)
		assert.Equal(t, "5", got.header.Get("Retry-After"))
		assert.NotContains(t, string(got.body), "temporal.internal")
	}
	a.orders.fails = errors.New("something with temporal.internal")
	for _, got := range all() {
		assert.Equal(t, 500, got.status)
		assert.NotContains(t, string(got.body), "temporal.internal")
	}
	assert.Contains(t, a.log.String(), "temporal.internal")
}

// panickingOrders panics with what must not be shown.
type panickingOrders struct{ Orders }

func TestAPIPanics(t *testing.T) {
	a := startAPI(t)
	a.api.orders = panickingOrders{}
	assert.Equal(t, 500, a.get(ordersPath).status)
}
