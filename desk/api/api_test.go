package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

func TestOrder(t *testing.T) {
	a := startAPI(t)
	for _, name := range []string{orderstest.ID, orderstest.Number} {
		got := a.get(ordersPath + "/" + name)
		require.Equal(t, 200, got.status)
		assert.Equal(t, orders.ReleaseNo, got.order(t).Release)
		var report ordercheck.Report
		require.NoError(t, json.Unmarshal(got.body, &report))
		assert.Equal(t, a.orders.Order.Report, report, "the report's own JSON")
	}
}

// TestNames asks for orders with unusual names. The API must look up each name unchanged, or
// refuse it.
func TestNames(t *testing.T) {
	a := startAPI(t)
	for sent, name := range map[string]string{
		"unknown": "unknown", "SO%2F1": "SO/1", "..": "..", "%2e%2e%2frules": "../rules",
		"a%20b": "a b", "%C3%A9": "é", "'": "'", "%22%20OR%201": `" OR 1`,
	} {
		a.orders.Names = nil
		assert.Equal(t, 404, a.get(ordersPath+"/"+sent).status, sent)
		assert.Equal(t, []string{name}, a.orders.Names)
	}
	a.orders.Names = nil
	for _, sent := range []string{
		"", "a/b", "../orders", "%ff", "%00", "a%0ab", "%7f", "/", "//x",
		strings.Repeat("x", 129), strings.Repeat("%C3%A9", 200),
	} {
		got := a.get(ordersPath + "/" + sent)
		assert.Equal(t, 404, got.status, sent)
		assert.LessOrEqual(t, len(got.problem(t).Instance), maxInstance)
	}
	assert.Empty(t, a.orders.Names, "no order can have these names")
}

func TestPathsOfTheAPI(t *testing.T) {
	for path, owned := range map[string]bool{
		"/api": true, "/api/": true, "/api//v1": true, "/api/v1/../../orders": true,
		"/": false, "/apis": false, "/orders/api": false, "/API/v1": false,
	} {
		assert.Equal(t, owned, Owns(path), path)
	}
	a := startAPI(t)
	for _, path := range []string{
		"/api", "/api/", "/api//v1/orders", "/api/v1", "/api/v2/orders", "/api/v1/orders/",
		"/api/v1/./orders", "/api%2Fv1/orders", "/api/openapi.json/", "/api/openapi.yaml",
	} {
		assert.Equal(t, 404, a.get(path).status, path)
		assert.Equal(t, 404, a.do(http.MethodGet, path, "", "").status, path)
	}
}

func TestMethods(t *testing.T) {
	a := startAPI(t)
	for path, allow := range map[string]string{
		ordersPath: "GET, HEAD", testOrderPath: "GET, HEAD", descriptionPath: "GET, HEAD",
		testOrderPath + "/check": "POST",
	} {
		for _, method := range []string{"OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"} {
			got := a.do(method, path, actToken, "")
			assert.Equal(t, 405, got.status, "%s %s", method, path)
			assert.Equal(t, allow, got.header.Get("Allow"))
		}
	}
	assert.Equal(t, 405, a.get(testOrderPath+"/check").status, "a GET never acts")
}

func TestTemporalIsDown(t *testing.T) {
	a := startAPI(t)
	all := func() []response {
		return []response{
			a.get(ordersPath), a.get(testOrderPath), a.post("check", ""),
			a.post("comment", `{"text":"x"}`),
			a.post("override", `{"findings":["all"],"reason":"x","for":"1h"}`),
		}
	}
	a.orders.Err = fmt.Errorf("%w: temporal.internal refused the connection", orders.ErrUnavailable)
	for _, got := range all() {
		assert.Equal(t, 503, got.status)
		assert.Equal(t, "5", got.header.Get("Retry-After"))
		assert.NotContains(t, string(got.body), "temporal.internal")
	}
	a.orders.Err = errors.New("temporal.internal said something unexpected")
	for _, got := range all() {
		assert.Equal(t, 500, got.status)
		assert.NotContains(t, string(got.body), "temporal.internal")
	}
	assert.Contains(t, a.log.String(), "temporal.internal")
}

func TestPanicIsAProblem(t *testing.T) {
	a := startAPI(t)
	a.Handler.orders = struct{ orders.Service }{} // panics
	assert.Equal(t, 500, a.get(ordersPath).status)
}
