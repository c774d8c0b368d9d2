package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
)

const (
	testOrderPath = ordersPath + "/" + orderstest.ID
	readToken     = "read-0123456789abcdef0123456789abcdef"
	actToken      = "act-0123456789abcdef0123456789abcdef"
	testTokens    = "# who asks\n\nscanner:read:" + readToken + "\r\nclerk:act:" + actToken + "\n"
)

// lockedLog is a log that tests can read while requests run.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// testAPI is the API behind a real listener, with a clock that only the test moves.
type testAPI struct {
	*Handler
	t          *testing.T
	orders     *orderstest.Fake
	url        string
	tokensPath string
	log        *lockedLog

	mu   sync.Mutex
	time time.Time
	from netip.Addr // the client's address
}

func startAPI(t *testing.T) *testAPI {
	t.Helper()
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte(testTokens), 0o600))
	return startAPIWith(t, tokens)
}

func startAPIWith(t *testing.T, tokens string) *testAPI {
	t.Helper()
	a := &testAPI{
		t: t, orders: orderstest.New(), tokensPath: tokens, log: &lockedLog{}, time: time.Now(),
		from: netip.MustParseAddr("192.0.2.1"),
	}
	var err error
	a.Handler, err = New(Options{
		Orders: a.orders, TokensFile: tokens, Logger: slog.New(slog.NewTextHandler(a.log, nil)),
		Now:  func() time.Time { a.mu.Lock(); defer a.mu.Unlock(); return a.time },
		Peer: func(*http.Request) netip.Addr { a.mu.Lock(); defer a.mu.Unlock(); return a.from },
	})
	require.NoError(t, err)
	if a.tokens != nil {
		a.tokens.tokens.WaitAtMost(time.Minute) // however busy this machine is
	}
	server := httptest.NewServer(a.Handler)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// advance moves the clock.
func (a *testAPI) advance(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.time = a.time.Add(d)
}

// response is a response that was read.
type response struct {
	status int
	header http.Header
	body   []byte
}

func (r response) problem(t *testing.T) problem {
	t.Helper()
	var p problem
	require.NoError(t, json.Unmarshal(r.body, &p), string(r.body))
	return p
}

func (r response) order(t *testing.T) orders.Order {
	t.Helper()
	var o orders.Order
	require.NoError(t, json.Unmarshal(r.body, &o), string(r.body))
	return o
}

// get sends a GET request with the token that may read.
func (a *testAPI) get(path string) response {
	a.t.Helper()
	return a.do(http.MethodGet, path, readToken, "")
}

// post acts on the test's order with the token that may act.
func (a *testAPI) post(action, body string) response {
	a.t.Helper()
	return a.do(http.MethodPost, testOrderPath+"/"+action, actToken, body)
}

// do sends a request. An empty token or body is left out.
func (a *testAPI) do(method, path, token, body string) response {
	a.t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	return a.send(method, path, header, body)
}

// send sends a request and checks that openapi.json describes the response.
func (a *testAPI) send(method, path string, header http.Header, body string) response {
	a.t.Helper()
	request, err := http.NewRequestWithContext(
		a.t.Context(), method, a.url+path, strings.NewReader(body))
	require.NoError(a.t, err)
	request.Header = header
	received, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	defer func() { assert.NoError(a.t, received.Body.Close()) }()
	content, err := io.ReadAll(received.Body)
	require.NoError(a.t, err)
	got := response{received.StatusCode, received.Header, content}
	a.assertDescribed(request, got)
	return got
}

// readDescription parses openapi.json. Real clients accept new fields; these tests do not.
var readDescription = sync.OnceValues(func() (*openapi3.T, error) {
	var document any
	if err := json.Unmarshal(description, &document); err != nil {
		return nil, err
	}
	strict, err := json.Marshal(forbidUnknownFields(document))
	if err != nil {
		return nil, err
	}
	parsed, err := openapi3.NewLoader().LoadFromData(strict)
	if err != nil {
		return nil, err
	}
	return parsed, parsed.Validate(context.Background())
})

func forbidUnknownFields(value any) any {
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
	return value
}

func loadDescription(t testing.TB) *openapi3.T {
	t.Helper()
	parsed, err := readDescription()
	require.NoError(t, err)
	return parsed
}

// assertDescribed checks what must hold for every response of the API.
func (a *testAPI) assertDescribed(request *http.Request, got response) {
	t := a.t
	t.Helper()
	assert.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
	assert.NotContains(t, string(got.body), "<html")
	if request.URL.Path != descriptionPath || got.status >= 400 {
		assert.Equal(t, "no-store", got.header.Get("Cache-Control"))
	}
	for _, token := range []string{readToken, actToken} {
		assert.NotContains(t, string(got.body), token)
	}
	if got.status >= 400 && request.Method != http.MethodHead {
		assertProblem(t, got)
	}
	sent, err := http.NewRequestWithContext(
		context.Background(), request.Method, request.URL.RequestURI(), http.NoBody)
	require.NoError(t, err)
	matched, _, err := findRoute(sent)
	if err != nil {
		assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, got.status)
		return
	}
	if request.Method != http.MethodHead {
		assertMatchesOperation(t, sent, &matched, got)
	}
}

func assertProblem(t *testing.T, got response) {
	t.Helper()
	assert.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
	assert.Equal(t, got.status, got.problem(t).Status)
	var value any
	require.NoError(t, json.Unmarshal(got.body, &value))
	schema := loadDescription(t).Components.Schemas["Problem"].Value
	assert.NoError(t, schema.VisitJSON(value, openapi3.EnableJSONSchema2020()), string(got.body))
}

func assertMatchesOperation(t *testing.T, sent *http.Request, matched *route, got response) {
	t.Helper()
	parsed := loadDescription(t)
	item := parsed.Paths.Value(matched.pattern)
	require.NotNil(t, item, "%s is not described", matched.pattern)
	operation := item.GetOperation(matched.method)
	require.NotNil(t, operation, "%s %s is not described", matched.method, matched.pattern)
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: sent,
			Route: &routers.Route{
				Spec: parsed, Path: matched.pattern, PathItem: item,
				Method: matched.method, Operation: operation,
			},
		},
		Status: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	assert.NoError(t, openapi3filter.ValidateResponse(context.Background(), input),
		"%s %s", sent.Method, sent.URL)
}
