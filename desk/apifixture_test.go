package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

const (
	testOrderID     = "0f1c3a52-7c7f-4d0e-9d2e-7b8a1c2d3e4f"
	testOrderNumber = "SO-000123"
	readToken       = "read-0123456789abcdef0123456789abcdef"
	actToken        = "act-0123456789abcdef0123456789abcdef"
	testTokens      = "# who asks\n\nscanner:read:" + readToken + "\r\nclerk:act:" + actToken + "\n"
)

// fakeOrders stands in for Temporal: one order that is held, in memory.
type fakeOrders struct {
	mu       sync.Mutex
	order    Order
	fails    error // of every method
	notOpen  bool
	filters  []Filter
	names    []string
	checks   int
	checking chan struct{} // a check waits for it; nil checks at once
	checkErr error
	actErr   error // of Override and Comment
}

func newFakeOrders() *fakeOrders {
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	report := ordercheck.Report{
		SalesOrderID: testOrderID, OrderNumber: testOrderNumber, OrderVersion: "0000000000310AB6", Customer: "Küchen <&> Söhne",
		Status: ordercheck.StatusFailed, CheckedAt: at, RuleSet: ordercheck.RuleSet{Name: "cabinetry", Digest: "sha256:0"},
		Findings: []ordercheck.Finding{{
			ID: "price/1", RuleID: "price", Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeLine, LineID: "1", LineNumber: 1,
			Message: "too cheap", Expected: "15.00", Actual: "10.00", State: ordercheck.FindingConfirmed, FirstSeen: at, ConfirmAt: at,
		}},
		Skipped: []ordercheck.Skipped{}, RuleErrors: []ordercheck.RuleError{},
		Timeline: []ordercheck.TimelineEntry{{At: at, Kind: ordercheck.TimelineChecked, Text: "1 error"}},
	}
	return &fakeOrders{order: Order{Report: report, Release: ReleaseNo, Open: true}}
}

func (f *fakeOrders) List(_ context.Context, filter Filter) (Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, filter)
	if filter.After != "" && filter.After != "next" {
		return Page{}, ErrCursor
	}
	pending := Row{SalesOrderID: "2", OrderNumber: "SO-2", Status: ordercheck.StatusPending, Errors: 2}
	held := Row{
		SalesOrderID: f.order.SalesOrderID, OrderNumber: f.order.OrderNumber, Customer: f.order.Customer, Status: f.order.Status,
		HeldSince: f.order.CheckedAt.In(time.FixedZone("", 3600)), Errors: 1, FailedRules: []string{"price"},
	}
	if filter.After == "next" {
		return Page{Rows: []Row{pending}}, f.fails
	}
	return Page{Rows: []Row{held}, Next: "next"}, f.fails
}

func (f *fakeOrders) Get(_ context.Context, name string) (*Order, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names = append(f.names, name)
	if f.fails != nil {
		return nil, f.fails
	}
	if name != testOrderID && name != testOrderNumber {
		return nil, fmt.Errorf("look for %q: %w", name, ErrUnknownOrder)
	}
	order := f.order
	return &order, nil
}

func (f *fakeOrders) Check(ctx context.Context, id string) (*Order, error) {
	if f.checking != nil {
		select {
		case <-f.checking:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	f.mu.Lock()
	f.checks++
	f.mu.Unlock()
	if f.checkErr != nil {
		return nil, f.checkErr
	}
	return f.Get(ctx, id)
}

func (f *fakeOrders) Override(_ context.Context, _ string, request ordercheck.OverrideRequest) (*Order, error) {
	faults := request.Faults(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	return f.update(faults, func(o *Order) {
		o.Findings[0].State, o.Findings[0].Override = ordercheck.FindingOverridden, request.Override(o.CheckedAt)
		o.Status, o.Release = ordercheck.StatusOverridden, ReleaseYes
	})
}

func (f *fakeOrders) Comment(_ context.Context, _ string, comment ordercheck.Comment) (*Order, error) {
	var faults []error
	if err := comment.Validate(); err != nil {
		faults = append(faults, err)
	}
	return f.update(faults, func(o *Order) {
		o.AddToTimeline(ordercheck.TimelineEntry{
			At: o.CheckedAt, Kind: ordercheck.TimelineCommented, Text: comment.Text, By: comment.By,
		})
	})
}

func (f *fakeOrders) update(faults []error, do func(*Order)) (*Order, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.fails != nil:
		return nil, f.fails
	case f.actErr != nil:
		return nil, f.actErr
	case f.notOpen:
		return nil, fmt.Errorf("%w: workflow execution already completed", ErrNotOpen)
	case len(faults) > 0:
		return nil, fmt.Errorf("override findings: %w", temporal.NewApplicationError(joined(faults), "joinError"))
	}
	f.order.Report = f.order.Clone()
	do(&f.order)
	order := f.order
	return &order, nil
}

func joined(faults []error) string {
	texts := make([]string, len(faults))
	for i, fault := range faults {
		texts[i] = fault.Error()
	}
	return strings.Join(texts, "\n")
}

// lockedLog is a log that tests read meanwhile.
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

// testAPI is the API behind a real listener, with a clock that stands.
type testAPI struct {
	*api
	t      *testing.T
	orders *fakeOrders
	url    string
	tokens string // the path of the file
	log    *lockedLog
	mu     sync.Mutex
	time   time.Time
	from   netip.Addr
}

func startAPI(t *testing.T) *testAPI {
	t.Helper()
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte(testTokens), 0o600))
	return startAPIWith(t, tokens)
}

func startAPIWith(t *testing.T, tokens string) *testAPI {
	t.Helper()
	a := &testAPI{t: t, orders: newFakeOrders(), tokens: tokens, log: &lockedLog{}, time: time.Now(),
		from: netip.MustParseAddr("192.0.2.1")}
	var err error
	a.api, err = newAPI(apiOptions{
		Orders: a.orders, TokensFile: tokens, Logger: slog.New(slog.NewTextHandler(a.log, nil)),
		Now:  func() time.Time { a.mu.Lock(); defer a.mu.Unlock(); return a.time },
		Peer: func(*http.Request) netip.Addr { a.mu.Lock(); defer a.mu.Unlock(); return a.from },
	})
	require.NoError(t, err)
	if a.api.tokens != nil {
		a.api.tokens.tokens.WaitAtMost(time.Minute) // however busy this machine is
	}
	pages := http.NewServeMux()
	pages.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	server := httptest.NewServer(a.intercept(pages))
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *testAPI) step(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.time = a.time.Add(d)
}

// answered is an answer of the API.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func (r answered) problem(t *testing.T) problem {
	t.Helper()
	var p problem
	require.NoError(t, json.Unmarshal(r.body, &p), string(r.body))
	return p
}

func (r answered) order(t *testing.T) Order {
	t.Helper()
	var o Order
	require.NoError(t, json.Unmarshal(r.body, &o), string(r.body))
	return o
}

// ask sends a request with a token, and holds the answer against the description.
func (a *testAPI) ask(method, path, token, body string) answered {
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

func (a *testAPI) get(path string) answered {
	a.t.Helper()
	return a.ask(http.MethodGet, path, readToken, "")
}

func (a *testAPI) post(action, body string) answered {
	a.t.Helper()
	return a.ask(http.MethodPost, ordersPath+"/"+testOrderID+"/"+action, actToken, body)
}

func (a *testAPI) send(method, path string, header http.Header, body string) answered {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	require.NoError(a.t, err)
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	defer func() { assert.NoError(a.t, response.Body.Close()) }()
	content, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	got := answered{response.StatusCode, response.Header, content}
	a.holdAgainstDescription(request, got)
	return got
}

// readDescription reads openapi.json.
var readDescription = sync.OnceValues(func() (*openapi3.T, error) {
	// Clients take fields that are added. The tests do not.
	var document any
	if err := json.Unmarshal(openAPI, &document); err != nil {
		return nil, err
	}
	strict, err := json.Marshal(forbidOthers(document))
	if err != nil {
		return nil, err
	}
	description, err := openapi3.NewLoader().LoadFromData(strict)
	if err != nil {
		return nil, err
	}
	return description, description.Validate(context.Background())
})

func forbidOthers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for _, below := range value {
			forbidOthers(below)
		}
		if properties, ok := value["properties"].(map[string]any); ok && value["type"] == "object" && len(properties) > 0 {
			value["additionalProperties"] = false
		}
	case []any:
		for _, below := range value {
			forbidOthers(below)
		}
	}
	return value
}

func loadDescription(t testing.TB) *openapi3.T {
	t.Helper()
	d, err := readDescription()
	require.NoError(t, err)
	return d
}

// holdAgainstDescription checks what is true of every answer of the API.
func (a *testAPI) holdAgainstDescription(request *http.Request, got answered) {
	t := a.t
	t.Helper()
	assert.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
	assert.NotContains(t, string(got.body), "<html")
	public := request.URL.Path == describePath && got.status < 400
	if !public {
		assert.Equal(t, "no-store", got.header.Get("Cache-Control"))
	}
	for _, token := range []string{readToken, actToken} {
		assert.NotContains(t, string(got.body), token)
	}
	d := loadDescription(t)
	if got.status >= 400 && request.Method != http.MethodHead {
		assert.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
		p := got.problem(t)
		assert.Equal(t, got.status, p.Status)
		var value any
		require.NoError(t, json.Unmarshal(got.body, &value))
		schema := d.Components.Schemas["Problem"].Value
		assert.NoError(t, schema.VisitJSON(value, openapi3.EnableJSONSchema2020()), string(got.body))
	}
	sent, err := http.NewRequestWithContext(context.Background(), request.Method, request.URL.RequestURI(), http.NoBody)
	require.NoError(t, err)
	matched, _, err := findRoute(sent)
	if err != nil {
		assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, got.status)
		return
	}
	if request.Method == http.MethodHead {
		return
	}
	item := d.Paths.Value(matched.pattern)
	require.NotNil(t, item, "%s is not described", matched.pattern)
	operation := item.GetOperation(matched.method)
	require.NotNil(t, operation, "%s %s is not described", matched.method, matched.pattern)
	route := &routers.Route{
		Spec: d, Path: matched.pattern, PathItem: item, Method: matched.method, Operation: operation,
	}
	assert.NoError(t, openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: sent, Route: route},
		Status:                 got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}), "%s %s", request.Method, request.URL)
}
