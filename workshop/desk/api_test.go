// Package desk_test tests the desk with a browser and an OpenAPI validator, which the product
// itself does not need.
package desk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/desk/api"
	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

const (
	readToken = "read-0123456789abcdef0123456789abcdef"
	actToken  = "act-0123456789abcdef0123456789abcdef"
)

// testAPI is the desk's API with its description.
type testAPI struct {
	*api.Handler
	t           *testing.T
	orders      *orderstest.Fake
	description *openapi3.T
}

// operation is an operation of the API that needs a token.
type operation struct {
	*openapi3.Operation
	method, path string
	item         *openapi3.PathItem
	body         string // a valid body; empty if the operation needs none
}

func newAPI(t *testing.T) *testAPI {
	t.Helper()
	tokens := filepath.Join(t.TempDir(), "tokens")
	content := "scanner:read:" + readToken + "\nclerk:act:" + actToken + "\n"
	require.NoError(t, os.WriteFile(tokens, []byte(content), 0o600))
	a := &testAPI{t: t, orders: orderstest.New()}
	start := time.Now()
	var err error
	a.Handler, err = api.New(api.Options{
		Orders: a.orders, TokensFile: tokens, Logger: slog.New(slog.DiscardHandler),
		// A clock that stands still, so limits do not refill.
		Now: func() time.Time { return start },
		// The fake's check waits only if a test wants it to take too long.
		CheckTimeout: 10 * time.Millisecond,
	})
	require.NoError(t, err)
	a.description = a.describe()
	return a
}

// describe reads the description that the API serves. Real clients accept new fields; this test
// does not.
func (a *testAPI) describe() *openapi3.T {
	a.t.Helper()
	served := a.get("/api/openapi.json")
	require.Equal(a.t, http.StatusOK, served.Code)
	var document any
	require.NoError(a.t, json.Unmarshal(served.Body.Bytes(), &document))
	forbidUnknownFields(document)
	strict, err := json.Marshal(document)
	require.NoError(a.t, err)
	parsed, err := openapi3.NewLoader().LoadFromData(strict)
	require.NoError(a.t, err)
	require.NoError(a.t, parsed.Validate(context.Background()))
	require.True(a.t, parsed.IsOpenAPI31OrLater())
	return parsed
}

func forbidUnknownFields(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, child := range value {
			forbidUnknownFields(child)
		}
		properties, ok := value["properties"].(map[string]any)
		if ok && value["type"] == "object" && len(properties) > 0 {
			value["additionalProperties"] = false
		}
	case []any:
		for _, child := range value {
			forbidUnknownFields(child)
		}
	}
}

func (a *testAPI) get(path string) *httptest.ResponseRecorder {
	a.t.Helper()
	request := httptest.NewRequestWithContext(a.t.Context(), http.MethodGet, path, nil)
	request.Header.Set("Authorization", "Bearer "+actToken)
	recorder := httptest.NewRecorder()
	a.ServeHTTP(recorder, request)
	return recorder
}

// operations returns the operations that need a token.
func (a *testAPI) operations() (list []operation) {
	bodies := map[string]string{
		"override": `{"findings":["all"],"reason":"x","for":"1h"}`, "comment": `{"text":"x"}`,
	}
	for path, item := range a.description.Paths.Map() {
		for method, described := range item.Operations() {
			if described.Security == nil {
				list = append(list, operation{described, method, path, item, bodies[filepath.Base(path)]})
			}
		}
	}
	return list
}

// TestAPIMatchesItsDescription provokes every status that is described for every operation, and
// compares each response with its schema.
func TestAPIMatchesItsDescription(t *testing.T) {
	t.Parallel()
	operations := newAPI(t).operations()
	require.Len(t, operations, 5)
	for _, o := range operations {
		t.Run(o.OperationID, func(t *testing.T) {
			t.Parallel()
			seen := newAPI(t).provokeStatuses(o)
			for status := range o.Responses.Map() {
				assert.True(t, seen[status], "nothing provoked status %s", status)
			}
		})
	}
}

// provokeStatuses sends requests for every status of an operation, and returns the statuses that it
// saw.
func (a *testAPI) provokeStatuses(o operation) map[string]bool {
	seen := map[string]bool{}
	do := func(change func(*http.Request)) {
		a.t.Helper()
		request := httptest.NewRequestWithContext(a.t.Context(), o.method,
			strings.Replace(o.path, "{id}", orderstest.ID, 1), strings.NewReader(o.body))
		request.Header.Set("Authorization", "Bearer "+actToken)
		request.Header.Set("Content-Type", "application/json")
		change(request)
		recorder := httptest.NewRecorder()
		a.ServeHTTP(recorder, request)
		a.assertDescribed(o, request, recorder)
		seen[strconv.Itoa(recorder.Code)] = true
	}
	withBody := func(body string) func(*http.Request) {
		return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(body)) }
	}
	unchanged := func(*http.Request) {}
	do(unchanged)
	do(func(r *http.Request) { r.Header.Del("Authorization") })
	do(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+readToken) })
	do(func(r *http.Request) {
		r.URL.Path = strings.Replace(o.path, "{id}", "unknown", 1)
	})
	do(func(r *http.Request) { r.URL.RawQuery = "limit=x" })
	do(withBody("null"))
	do(withBody("{}"))
	do(withBody(strings.Repeat(" ", 1<<20)))
	do(func(r *http.Request) {
		r.Header.Del("Content-Type")
		withBody("x")(r)
	})

	if strings.HasSuffix(o.path, "/check") {
		a.orders.CheckErr = temporal.NewApplicationError("no", ordercheck.ErrorInflowUnauthorized)
		do(unchanged)
		a.orders.CheckErr, a.orders.Checking = nil, make(chan struct{})
		do(unchanged)
	}
	a.orders.NotOpen = true
	do(unchanged)
	a.orders.Err = orders.ErrUnavailable
	do(unchanged)
	a.orders.Err = errors.New("something")
	do(unchanged)
	a.exhaust()
	do(unchanged)
	return seen
}

// exhaust sends requests until the token has used up its limit.
func (a *testAPI) exhaust() {
	a.t.Helper()
	const attempts = 100_000 // more than any limit
	for range attempts {
		if a.get("/api/v1/orders/unknown").Code == http.StatusTooManyRequests {
			return
		}
	}
	require.Fail(a.t, "the token has no limit")
}

// assertDescribed compares a response with the schema for its status.
func (a *testAPI) assertDescribed(
	o operation, request *http.Request, got *httptest.ResponseRecorder,
) {
	a.t.Helper()
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: request,
			Route: &routers.Route{
				Spec: a.description, Path: o.path, PathItem: o.item,
				Method: o.method, Operation: o.Operation,
			},
		},
		Status: got.Code, Header: got.Header(),
		Body:    io.NopCloser(bytes.NewReader(got.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	assert.NoError(a.t, openapi3filter.ValidateResponse(context.Background(), input),
		"%s %s: %s", request.Method, request.URL, got.Body)
	if got.Code >= http.StatusBadRequest {
		var problem any
		require.NoError(a.t, json.Unmarshal(got.Body.Bytes(), &problem))
		schema := a.description.Components.Schemas["Problem"].Value
		assert.NoError(a.t, schema.VisitJSON(problem, openapi3.EnableJSONSchema2020()), got.Body)
	}
}
