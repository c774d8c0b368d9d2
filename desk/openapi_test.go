package desk

import (
	"errors"
	"fmt"
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

	"error-check-gate/internal/ordercheck"
)

func TestOpenAPIIsServed(t *testing.T) {
	a := startAPI(t)
	const path = describePath
	got := a.ask(http.MethodGet, path, "", "")
	require.Equal(t, 200, got.status)
	assert.Equal(t, openAPI, got.body)
	assert.Equal(t, "application/json", got.header.Get("Content-Type"))
	assert.Equal(t, "no-cache", got.header.Get("Cache-Control"))
	again := a.send(http.MethodGet, path, http.Header{"If-None-Match": {got.header.Get("ETag")}}, "")
	assert.Equal(t, 304, again.status)
	assert.Empty(t, again.body)
	assert.Equal(t, 200, a.send(http.MethodGet, path, http.Header{"If-None-Match": {`"older"`}}, "").status)
}

// TestOpenAPIDescribesWhatIs: the code and the document have the same operations and values.
func TestOpenAPIDescribesWhatIs(t *testing.T) {
	d := loadDescription(t)
	assert.True(t, d.IsOpenAPI31OrLater())
	var described, served []string
	for path, item := range d.Paths.Map() {
		for method, operation := range item.Operations() {
			described = append(described, method+" "+path)
			if operation.Security != nil {
				assert.Equal(t, describePath, path, "only this needs no token")
			}
		}
	}
	for _, route := range apiRoutes() {
		served = append(served, route.method+" "+route.pattern)
	}
	assert.ElementsMatch(t, served, described)

	enum := func(schema string) []string {
		var values []string
		for _, value := range d.Components.Schemas[schema].Value.Enum {
			values = append(values, fmt.Sprint(value))
		}
		return values
	}
	var statuses []string
	for _, status := range ordercheck.Statuses() {
		statuses = append(statuses, string(status))
	}
	assert.Equal(t, statuses, enum("Status"))
	assert.Equal(t, []string{string(ReleaseYes), string(ReleaseNo), string(ReleaseUnknown)}, enum("Release"))
}

// TestOpenAPIDescribesEveryAnswer gets each status that an operation can answer with, and finds
// that the document has these and no others.
func TestOpenAPIDescribesEveryAnswer(t *testing.T) {
	d := loadDescription(t)
	const override = `{"findings":["all"],"reason":"x","for":"1h"}`
	for _, route := range apiRoutes() {
		if route.public {
			continue // TestOpenAPIIsServed
		}
		t.Run(route.method+" "+route.pattern, func(t *testing.T) {
			a := startAPI(t)
			path := strings.Replace(route.pattern, "{id}", testOrderID, 1)
			action := strings.TrimPrefix(strings.TrimPrefix(path, ordersPath+"/"+testOrderID), "/")
			body := map[string]string{"override": override, "comment": `{"text":"x"}`}[action]
			seen := map[string]bool{}
			ask := func(path, token, body string) {
				seen[strconv.Itoa(a.ask(route.method, path, token, body).status)] = true
			}
			ask(path, actToken, body)
			ask(path, "", body)
			ask(strings.Replace(route.pattern, "{id}", "unknown", 1), actToken, body)
			ask(path+"?limit=x", actToken, body)
			if route.acts {
				ask(path, readToken, body)
				ask(path, actToken, "null")
				ask(path, actToken, strings.Repeat(" ", maxAPIBody+1))
				header := http.Header{"Authorization": {"Bearer " + actToken}}
				seen[strconv.Itoa(a.send(route.method, path, header, "x").status)] = true
				if action == "check" {
					a.orders.checkErr = temporal.NewApplicationError("refused", ordercheck.ErrorInflowUnauthorized)
					ask(path, actToken, body)
					a.orders.checkErr, a.orders.checking, a.checkWithin = nil, make(chan struct{}), time.Millisecond
					ask(path, actToken, body)
				} else {
					ask(path, actToken, "{}")
					a.orders.notOpen = true
					ask(path, actToken, body)
				}
			}
			a.orders.fails = ErrUnavailable
			ask(path, actToken, body)
			a.orders.fails = errors.New("something")
			ask(path, actToken, body)
			limiter := a.api.tokens.tokens.Get().find(actToken).limiter
			limiter.AllowN(a.time, int(limiter.TokensAt(a.time)))
			ask(path, actToken, body)

			operation := d.Paths.Value(route.pattern).GetOperation(route.method)
			assert.Equal(t, slices.Sorted(maps.Keys(operation.Responses.Map())), slices.Sorted(maps.Keys(seen)))
		})
	}
}
