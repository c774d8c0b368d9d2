package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/testkit"
)

const (
	testOrderPath = ordersPath + "/" + orderstest.ID
	readToken     = "read-0123456789abcdef0123456789abcdef"
	actToken      = "act-0123456789abcdef0123456789abcdef"
	testTokens    = "# who asks\n\nscanner:read:" + readToken + "\r\nclerk:act:" + actToken + "\n"
)

// testAPI is the API behind a real listener, with a clock that only the test moves.
type testAPI struct {
	*Handler
	t          *testing.T
	orders     *orderstest.Fake
	url        string
	tokensPath string
	log        *testkit.Log

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
		t: t, orders: orderstest.New(), tokensPath: tokens, log: &testkit.Log{}, time: time.Now(),
		from: netip.MustParseAddr("192.0.2.1"),
	}
	var err error
	a.Handler, err = New(Options{
		Orders: a.orders, TokensFile: tokens, Logger: a.log.Logger(),
		Now:  func() time.Time { a.mu.Lock(); defer a.mu.Unlock(); return a.time },
		Peer: func(*http.Request) netip.Addr { a.mu.Lock(); defer a.mu.Unlock(); return a.from },
	})
	require.NoError(t, err)
	if a.tokens != nil {
		a.tokens.tokens.SetPollTimeout(time.Minute) // the machine may be busy
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

// response holds a response and its body.
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

// described holds the parts of openapi.json that these tests read. The tests in workshop/desk
// compare answers with the schemas.
type described struct {
	OpenAPI string `json:"openapi"`
	// Paths holds the operations by path and by method in lower case.
	Paths      map[string]map[string]describedOperation `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Enum []string `json:"enum"`
		} `json:"schemas"`
	} `json:"components"`
}

type describedOperation struct {
	// Security is nil if the operation needs a token, as most do.
	Security  *[]any                     `json:"security"`
	Responses map[string]json.RawMessage `json:"responses"` // by status
}

var readDescription = sync.OnceValues(func() (*described, error) {
	var d described
	return &d, json.Unmarshal(description, &d)
})

func loadDescription(t testing.TB) *described {
	t.Helper()
	d, err := readDescription()
	require.NoError(t, err)
	return d
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
		assert.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
		assert.Equal(t, got.status, got.problem(t).Status)
	}
	matched, _, err := findRoute(request)
	if err != nil {
		assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, got.status)
		return
	}
	operation := loadDescription(t).Paths[matched.pattern][strings.ToLower(matched.method)]
	assert.Contains(t, operation.Responses, strconv.Itoa(got.status),
		"%s %s", request.Method, request.URL)
}
