package api

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

func TestDescriptionIsServed(t *testing.T) {
	a := startAPI(t)
	got := a.do(http.MethodGet, descriptionPath, "", "")
	require.Equal(t, 200, got.status)
	assert.Equal(t, description, got.body)
	assert.Equal(t, "application/json", got.header.Get("Content-Type"))
	assert.Equal(t, "no-cache", got.header.Get("Cache-Control"))
	ifNoneMatch := func(etag string) response {
		return a.send(http.MethodGet, descriptionPath, http.Header{"If-None-Match": {etag}}, "")
	}
	again := ifNoneMatch(got.header.Get("ETag"))
	assert.Equal(t, 304, again.status)
	assert.Empty(t, again.body)
	assert.Equal(t, 200, ifNoneMatch(`"older"`).status)
}

// TestDescriptionMatchesTheCode compares operations and values.
func TestDescriptionMatchesTheCode(t *testing.T) {
	parsed := loadDescription(t)
	assert.Regexp(t, `^3\.1\.`, parsed.OpenAPI)
	var described, served []string
	for path, operations := range parsed.Paths {
		for method, operation := range operations {
			described = append(described, strings.ToUpper(method)+" "+path)
			if operation.Security != nil {
				assert.Equal(t, descriptionPath, path, "only this needs no token")
			}
		}
	}
	for _, route := range routes() {
		served = append(served, route.method+" "+route.pattern)
	}
	assert.ElementsMatch(t, served, described)

	var statuses []string
	for _, status := range ordercheck.Statuses() {
		statuses = append(statuses, string(status))
	}
	assert.Equal(t, statuses, parsed.Components.Schemas["Status"].Enum)
	assert.Equal(t, []string{
		string(orders.ReleaseYes), string(orders.ReleaseNo), string(orders.ReleaseUnknown),
	}, parsed.Components.Schemas["Release"].Enum)
}

// TestDescriptionHasEveryStatus provokes each status that an operation can answer with, and checks
// that the description lists exactly these.
func TestDescriptionHasEveryStatus(t *testing.T) {
	parsed := loadDescription(t)
	for _, route := range routes() {
		if route.public {
			continue // TestDescriptionIsServed
		}
		t.Run(route.method+" "+route.pattern, func(t *testing.T) {
			operation := parsed.Paths[route.pattern][strings.ToLower(route.method)]
			assert.Equal(t, slices.Sorted(maps.Keys(operation.Responses)),
				slices.Sorted(maps.Keys(provokeStatuses(t, route))))
		})
	}
}

func provokeStatuses(t *testing.T, route route) map[string]bool {
	t.Helper()
	a := startAPI(t)
	path := strings.Replace(route.pattern, "{id}", orderstest.ID, 1)
	action := strings.TrimPrefix(strings.TrimPrefix(path, testOrderPath), "/")
	body := map[string]string{
		"override": `{"findings":["all"],"reason":"x","for":"1h"}`, "comment": `{"text":"x"}`,
	}[action]
	seen := map[string]bool{}
	do := func(path, token, body string) {
		seen[strconv.Itoa(a.do(route.method, path, token, body).status)] = true
	}
	do(path, actToken, body)
	do(path, "", body)
	do(strings.Replace(route.pattern, "{id}", "unknown", 1), actToken, body)
	do(path+"?limit=x", actToken, body)
	if route.acts {
		do(path, readToken, body)
		do(path, actToken, "null")
		do(path, actToken, strings.Repeat(" ", maxBody+1))
		noType := http.Header{"Authorization": {"Bearer " + actToken}}
		seen[strconv.Itoa(a.send(route.method, path, noType, "x").status)] = true
	}
	switch action {
	case "check":
		a.orders.CheckErr = temporal.NewApplicationError("no", ordercheck.ErrorInflowUnauthorized)
		do(path, actToken, body)
		a.orders.CheckErr, a.orders.Checking = nil, make(chan struct{})
		a.checkTimeout = time.Millisecond
		do(path, actToken, body)
	case "override", "comment":
		do(path, actToken, "{}")
		a.orders.NotOpen = true
		do(path, actToken, body)
	}
	a.orders.Err = orders.ErrUnavailable
	do(path, actToken, body)
	a.orders.Err = errors.New("something")
	do(path, actToken, body)
	limiter := a.tokens.tokens.Get().find(actToken).limiter
	limiter.AllowN(a.time, int(limiter.TokensAt(a.time)))
	do(path, actToken, body)
	return seen
}
