package ingress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/reload"
	"error-check-gate/internal/watchdog"
)

const (
	firstSecret  = "first-secret-of-the-tests"
	secondSecret = "second-secret-of-the-tests"
	orderID      = "8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11"
)

// generous is how long a test waits for what must come. A busy machine may take its time: only
// a test that fails waits this long.
const generous = 5 * time.Minute

var errDown = errors.New("connection refused")

// edge is a server of the ingress on a real listener.
type edge struct {
	server   *Server
	url      string
	temporal *fakeTemporal
	client   *http.Client
	auditLog string
	log      *lockedBuffer
	stop     context.CancelFunc
	stopped  chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type setting func(*Options, *Server)

// startEdge serves until the test ends, and then looks for what was left behind: not
// for tests that run beside others.
func startEdge(t *testing.T, temporal *fakeTemporal, settings ...setting) *edge {
	t.Helper()
	t.Cleanup(func() { requireNoGoroutines(t) }) // runs last
	return startParallelEdge(t, temporal, settings...)
}

// startParallelEdge serves until the test ends. Settings are called twice: with the
// options, and with the server before it serves. The server's time limits are generous: a test of
// one sets it.
func startParallelEdge(t *testing.T, temporal *fakeTemporal, settings ...setting) *edge {
	t.Helper()
	e := &edge{
		temporal: temporal,
		auditLog: filepath.Join(t.TempDir(), "audit.jsonl"),
		log:      &lockedBuffer{},
		stopped:  make(chan error, 1),
	}
	logger := slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret, secondSecret))
	require.NoError(t, err)
	audit, err := OpenAuditLog(AuditOptions{Target: e.auditLog, Logger: logger})
	require.NoError(t, err)
	options := Options{Temporal: temporal, Secrets: secrets, Audit: audit, Logger: logger}
	for _, set := range settings {
		set(&options, nil)
	}
	e.server, err = New(options)
	require.NoError(t, err)
	e.server.timeouts = timeouts{generous, generous, generous, generous}
	e.server.drainWithin, e.server.handover.within = generous, generous
	for _, set := range settings {
		set(nil, e.server)
	}

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e.url = "http://" + listener.Addr().String()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	e.client = &http.Client{Transport: transport, Timeout: generous}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go func() { e.stopped <- e.server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		transport.CloseIdleConnections()
		select {
		case err := <-e.stopped:
			assert.NoError(t, err)
		case <-time.After(generous):
			t.Error("the server did not stop")
		}
		assert.NoError(t, audit.Close(context.Background()))
	})
	return e
}

// requireWaiting waits until so many deliveries wait for Temporal.
func (e *edge) requireWaiting(t testing.TB, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		e.server.handover.mu.Lock()
		defer e.server.handover.mu.Unlock()
		return e.server.handover.waiting == n
	}, generous, time.Millisecond, "%d deliveries", n)
}

func withOptions(set func(*Options)) setting {
	return func(options *Options, _ *Server) {
		if options != nil {
			set(options)
		}
	}
}

func withServer(set func(*Server)) setting {
	return func(_ *Options, server *Server) {
		if server != nil {
			set(server)
		}
	}
}

// commitTime sets how long a delivery waits for Temporal.
func commitTime(d time.Duration) setting {
	return withServer(func(s *Server) { s.handover.within = d })
}

// requireNoGoroutines fails where a goroutine of this package outlived its server.
func requireNoGoroutines(t *testing.T) {
	t.Helper()
	var left string
	assert.Eventually(t, func() bool {
		left = ""
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "error-check-gate/ingress.(*") {
				left += stack + "\n\n"
			}
		}
		return left == ""
	}, generous, 5*time.Millisecond)
	if left != "" {
		t.Errorf("goroutines were left behind:\n%s", left)
	}
}

func parseKeys(t testing.TB, texts ...string) []inflow.SigningKey {
	t.Helper()
	keys := make([]inflow.SigningKey, len(texts))
	for i, text := range texts {
		var err error
		keys[i], err = inflow.ParseSecret(text)
		require.NoError(t, err)
	}
	return keys
}

func sign(t testing.TB, secret, body string) string {
	t.Helper()
	return inflow.Sign(parseKeys(t, secret)[0], []byte(body))
}

func documentedBody(id string) string {
	return `{"event":"salesOrder.updated","data":{"salesOrderId":"` + id + `"},"timestamp":"2025-10-28T12:00:00Z"}`
}

func liveBody(id string) string {
	return `{"eventType":"SalesOrderUpdatedV2","salesOrderId":"` + id + `"}`
}

// webhookRequest is a rightly signed delivery, until a test makes it otherwise.
func (e *edge) webhookRequest(t testing.TB, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+webhookPath, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(inflow.SignatureHeader, sign(t, firstSecret, body))
	return r
}

type reply struct {
	status int
	header http.Header
	body   string
	parted bool // the server closed the connection after it
}

func (e *edge) do(t testing.TB, r *http.Request) reply {
	t.Helper()
	response, err := e.client.Do(r)
	require.NoError(t, err)
	defer func() { assert.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{response.StatusCode, response.Header, string(body), response.Close}
}

func (e *edge) get(t testing.TB, path string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.url+path, nil)
	require.NoError(t, err)
	return e.do(t, r)
}

// audited stops the server and reads its audit log.
func (e *edge) audited(t *testing.T) []map[string]any {
	t.Helper()
	e.stop()
	err := <-e.stopped
	require.NoError(t, err)
	e.stopped <- nil
	require.NoError(t, e.server.audit.Close(t.Context()))
	content, err := os.ReadFile(e.auditLog)
	require.NoError(t, err)
	var records []map[string]any
	for line := range strings.Lines(string(content)) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
		records = append(records, record)
	}
	return records
}

func TestContract(t *testing.T) {
	big := strings.Repeat(" ", maxBodySize)
	set := func(key, value string) func(*testing.T, *http.Request) {
		return func(_ *testing.T, r *http.Request) { r.Header.Set(key, value) }
	}
	add := func(key, value string) func(*testing.T, *http.Request) {
		return func(_ *testing.T, r *http.Request) { r.Header.Add(key, value) }
	}
	remove := func(key string) func(*testing.T, *http.Request) {
		return func(_ *testing.T, r *http.Request) { r.Header.Del(key) }
	}
	signature := func(value string) func(*testing.T, *http.Request) {
		return set(inflow.SignatureHeader, value)
	}
	chunked := func(_ *testing.T, r *http.Request) { r.ContentLength = -1 }
	const invalidSignature = `{"error":"invalid signature"}`
	received := `{"salesOrderId":"` + orderID + `","status":"received"}`
	good := sign(t, firstSecret, documentedBody(orderID))

	for _, tc := range []struct {
		name   string
		body   string
		change func(*testing.T, *http.Request)
		status int
		want   string // the body; "…" in it is anything
		reason string // in the audit log
	}{
		{"documented form", documentedBody(orderID), nil, 200, received, "received"},
		{"live form", liveBody(orderID), nil, 200, received, "received"},
		{"signed with the second secret", documentedBody(orderID), signature(sign(t, secondSecret, documentedBody(orderID))), 200, received, "received"},
		{"chunked", documentedBody(orderID), chunked, 200, received, "received"},
		{"JSON in another charset's name", documentedBody(orderID), set("Content-Type", "Application/JSON; charset=utf-8"), 200, received, "received"},
		{"a kind of JSON", documentedBody(orderID), set("Content-Type", "application/vnd.inflow+json"), 200, received, "received"},
		{"no Content-Type", documentedBody(orderID), remove("Content-Type"), 200, received, "received"},
		{"empty Content-Type", documentedBody(orderID), set("Content-Type", ""), 200, received, "received"},
		{"exactly 256 KiB", documentedBody(orderID) + big[len(documentedBody(orderID)):], nil, 200, received, "received"},
		{"exactly 256 KiB, chunked", documentedBody(orderID) + big[len(documentedBody(orderID)):], chunked, 200, received, "received"},

		{"one byte over 256 KiB", big + " ", nil, 413, `{"error":"…"}`, "body-too-large"},
		{"one byte over 256 KiB, chunked", big + " ", chunked, 413, `{"error":"…"}`, "body-too-large"},
		{"8 MiB, chunked", strings.Repeat(big, 32), chunked, 413, `{"error":"…"}`, "body-too-large"},

		{"gzip", documentedBody(orderID), set("Content-Encoding", "gzip"), 415, `{"error":"…"}`, "content-encoding"},
		{"identity", documentedBody(orderID), set("Content-Encoding", "identity"), 415, `{"error":"…"}`, "content-encoding"},
		{"a form", documentedBody(orderID), set("Content-Type", "application/x-www-form-urlencoded"), 415, `{"error":"…"}`, "content-type"},
		{"text", documentedBody(orderID), set("Content-Type", "text/plain"), 415, `{"error":"…"}`, "content-type"},
		{"JSON Lines", documentedBody(orderID), set("Content-Type", "application/jsonl"), 415, `{"error":"…"}`, "content-type"},
		{"no subtype before +json", documentedBody(orderID), set("Content-Type", "application/+json"), 415, `{"error":"…"}`, "content-type"},
		{"two Content-Types", documentedBody(orderID), add("Content-Type", "text/plain"), 415, `{"error":"…"}`, "content-type"},

		{"no signature", documentedBody(orderID), remove(inflow.SignatureHeader), 401, invalidSignature, "signature-missing"},
		{"empty signature", documentedBody(orderID), signature(""), 401, invalidSignature, "signature-missing"},
		{"doubled signature", documentedBody(orderID), add(inflow.SignatureHeader, good), 401, invalidSignature, "signature-doubled"},
		{"joined signatures", documentedBody(orderID), signature(good + ", " + good), 401, invalidSignature, "signature-doubled"},
		{"malformed signature", documentedBody(orderID), signature("sha256=" + good), 401, invalidSignature, "signature-malformed"},
		{"wrong signature", documentedBody(orderID), signature(sign(t, "a secret of somebody else's", documentedBody(orderID))), 401, invalidSignature, "signature-mismatch"},
		{"signature of another body", documentedBody("another"), signature(good), 401, invalidSignature, "signature-mismatch"},

		{"empty body", "", nil, 400, `{"error":"the body is empty, and not a JSON object"}`, "payload-not-json"},
		{"not JSON", "event=x", nil, 400, `{"error":"the body is not valid JSON at byte …"}`, "payload-not-json"},
		{"an array", "[]", nil, 400, `{"error":"the body is not a JSON object"}`, "payload-not-an-object"},
		{"two objects", "{}{}", nil, 400, `{"error":"the body is not valid JSON …"}`, "payload-not-json"},
		{"no id", `{"event":"salesOrder.updated"}`, nil, 400, `{"error":"the sales order event has no id…"}`, "order-id-missing"},
		{"empty id", documentedBody(""), nil, 400, `{"error":"data.salesOrderId: the sales order id is empty"}`, "order-id-invalid"},
		{"id of 129 bytes", documentedBody(strings.Repeat("x", 129)), nil, 400, `{"error":"data.salesOrderId: the sales order id has 129 bytes, at most 128 are accepted"}`, "order-id-invalid"},
		{"id with a slash", liveBody("a/b"), nil, 400, `{"error":"salesOrderId: …"}`, "order-id-invalid"},
		{"two ids", `{"event":"salesOrder.updated","salesOrderId":"a","data":{"salesOrderId":"b"}}`, nil, 400, `{"error":"data.salesOrderId and salesOrderId name different orders"}`, "order-id-clash"},

		{"a customer's event", `{"event":"customer.updated","data":{"customerId":"1"}}`, nil, 200, `{"event":"customer.updated","status":"ignored"}`, "other-entity"},
		{"an unknown event", `{"event":"salesOrder.deleted"}`, nil, 200, `{"event":"salesOrder.deleted","status":"ignored"}`, "unknown-event"},
		{"no event", `{}`, nil, 200, `{"event":"","status":"ignored"}`, "unknown-event"},
		{"an event to break the page with", `{"event":"<script>\u001b[31m` + strings.Repeat("x", 1000) + `"}`, nil, 200, `{"event":"\u003cscript\u003e?[31m…x","status":"ignored"}`, "unknown-event"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			temporal := &fakeTemporal{}
			e := startParallelEdge(t, temporal)
			r := e.webhookRequest(t, tc.body)
			if tc.change != nil {
				tc.change(t, r)
			}
			got := e.do(t, r)
			assert.Equal(t, tc.status, got.status)
			assert.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"))
			assertAlike(t, tc.want, got.body)
			assert.Empty(t, got.header.Get("Retry-After"))

			wantCalls := 0
			if strings.Contains(tc.want, "received") {
				wantCalls = 1
			}
			assert.Len(t, temporal.committed(), wantCalls)

			records := e.audited(t)
			require.Len(t, records, 1)
			assert.Equal(t, tc.reason, records[0]["reason"])
			assert.EqualValues(t, tc.status, records[0]["status"])
		})
	}
}

// assertAlike takes … in want for any text.
func assertAlike(t *testing.T, want, got string) {
	t.Helper()
	before, after, open := strings.Cut(want, "…")
	if !open {
		assert.Equal(t, want, got)
		return
	}
	assert.True(t, strings.HasPrefix(got, before) && strings.HasSuffix(got, after) && len(got) > len(before)+len(after), "%s is not like %s", got, want)
	assert.LessOrEqual(t, len(got), 250)
	assert.True(t, json.Valid([]byte(got)), got)
}

// TestContractOrder: a request with several faults is answered for the first of
// them, in the order of the contract's table.
func TestContractOrder(t *testing.T) {
	// Each fault leaves room for those after it, so the body is changed and signed last.
	const (
		tooLarge = 1 << iota
		wrongType
		wrongSignature
		overLimit
		notObject
		otherEntity
		temporalDown
	)
	want := []struct{ fault, status int }{
		{tooLarge, 413}, {wrongType, 415}, {wrongSignature, 401}, {overLimit, 429}, {notObject, 400}, {otherEntity, 200}, {temporalDown, 503},
	}
	combinations := []int{0, 1<<len(want) - 1 - otherEntity, 1<<len(want) - 1 - notObject} // no body is both
	for i, first := range want {
		for _, second := range want[i:] {
			if pair := first.fault | second.fault; pair != notObject|otherEntity {
				combinations = append(combinations, pair)
			}
		}
	}
	for _, faults := range combinations {
		status := 200
		var names []string
		for _, w := range want {
			if faults&w.fault != 0 {
				names = append(names, fmt.Sprint(w.status))
			}
		}
		for _, w := range want {
			if faults&w.fault != 0 {
				status = w.status
				break
			}
		}
		t.Run(strings.Join(append(names, "is"), "+")+fmt.Sprint(status), func(t *testing.T) {
			t.Parallel() // net/http takes half a second to part from a sender of too much
			temporal := &fakeTemporal{}
			var settings []setting
			if faults&temporalDown != 0 {
				temporal.signal = hang
				settings = append(settings, commitTime(time.Millisecond))
			}
			if faults&overLimit != 0 {
				now := time.Now()
				settings = append(settings, withOptions(func(o *Options) {
					o.RateLimit = 0.5 // one delivery at once
					o.Now = func() time.Time { return now }
				}))
			}
			e := startParallelEdge(t, temporal, settings...)
			if faults&overLimit != 0 {
				require.Equal(t, 200, e.do(t, e.webhookRequest(t, `{"event":"customer.updated"}`)).status)
			}
			body := documentedBody(orderID)
			if faults&notObject != 0 {
				body = "[]"
			}
			if faults&otherEntity != 0 {
				body = `{"event":"customer.updated"}`
			}
			if faults&tooLarge != 0 {
				body += strings.Repeat(" ", maxBodySize)
			}
			r := e.webhookRequest(t, body)
			if faults&wrongType != 0 {
				r.Header.Set("Content-Type", "text/plain")
			}
			if faults&wrongSignature != 0 {
				r.Header.Set(inflow.SignatureHeader, sign(t, "a secret of somebody else's", body))
			}
			got := e.do(t, r)
			assert.Equal(t, status, got.status, got.body)
			wantRetry := map[int]string{429: "1", 503: "5"}[status]
			assert.Equal(t, wantRetry, got.header.Get("Retry-After"))
		})
	}
}

func TestOtherRoutes(t *testing.T) {
	e := startEdge(t, &fakeTemporal{})
	for _, tc := range []struct {
		method, path string
		status       int
		want, allow  string
	}{
		{"GET", "/webhook/inflow", 200, `{"status":"listening"}`, ""},
		{"HEAD", "/webhook/inflow", 200, "", ""},
		{"GET", "/livez", 200, `{"status":"alive"}`, ""},
		{"GET", "/readyz", 200, `{"status":"ready"}`, ""},
		{"HEAD", "/readyz", 200, "", ""},
		{"GET", "/", 404, `{"error":"…"}`, ""},
		{"GET", "/metrics", 404, `{"error":"…"}`, ""},
		{"POST", "/webhook/inflow/", 404, `{"error":"…"}`, ""},
		{"POST", "//webhook/inflow", 404, `{"error":"…"}`, ""},
		{"GET", "/debug/pprof/", 404, `{"error":"…"}`, ""},
		{"PUT", "/webhook/inflow", 405, `{"error":"…"}`, "GET, HEAD, POST"},
		{"DELETE", "/webhook/inflow", 405, `{"error":"…"}`, "GET, HEAD, POST"},
		{"OPTIONS", "/webhook/inflow", 405, `{"error":"…"}`, "GET, HEAD, POST"},
		{"BREW", "/webhook/inflow", 405, `{"error":"…"}`, "GET, HEAD, POST"},
		{"POST", "/livez", 405, `{"error":"…"}`, "GET, HEAD"},
		{"POST", "/readyz", 405, `{"error":"…"}`, "GET, HEAD"},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tc.method, e.url+tc.path, nil)
			require.NoError(t, err)
			got := e.do(t, r)
			assert.Equal(t, tc.status, got.status)
			assert.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"))
			assertAlike(t, tc.want, got.body)
			allowed := strings.Split(got.header.Get("Allow"), ", ")
			assert.ElementsMatch(t, strings.Split(tc.allow, ", "), allowed)
		})
	}
	assert.Empty(t, e.temporal.committed())
}

// TestKnownOversizeIsNotRead: the answer comes before a byte of the body.
func TestKnownOversizeIsNotRead(t *testing.T) {
	e := startEdge(t, &fakeTemporal{})
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	_, err = io.WriteString(conn, "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 10737418240\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	assert.True(t, response.Close, "the connection cannot be used again")
}

func TestBodyThatDoesNotCome(t *testing.T) {
	e := startEdge(t, &fakeTemporal{})
	// The handler alone, behind a server that is quicker to lose patience.
	impatient := httptest.NewUnstartedServer(e.server.Handler())
	impatient.Config.ReadHeaderTimeout, impatient.Config.ReadTimeout = generous, time.Millisecond
	impatient.Start()
	defer impatient.Close()

	begin := func(listener net.Addr) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 100\r\n\r\n{")
		require.NoError(t, err)
		return conn
	}
	answer := func(conn net.Conn) *http.Response {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}

	slow := begin(impatient.Listener.Addr())
	defer func() { assert.NoError(t, slow.Close()) }()
	assert.Equal(t, http.StatusRequestTimeout, answer(slow).StatusCode)

	patient := httptest.NewServer(e.server.Handler())
	defer patient.Close()
	broken := begin(patient.Listener.Addr())
	defer func() { assert.NoError(t, broken.Close()) }()
	require.NoError(t, broken.(*net.TCPConn).CloseWrite())
	assert.Equal(t, http.StatusBadRequest, answer(broken).StatusCode)

	records := e.audited(t)
	require.Len(t, records, 2)
	assert.Equal(t, "body-too-slow", records[0]["reason"])
	assert.Equal(t, "body-incomplete", records[1]["reason"])
	assert.NotContains(t, records[0], "bodySha256")
}

// TestBurstOverHTTP: 200 deliveries for one order at once are all taken, with few calls,
// and none is answered before its call was committed. The first call waits for all of them.
func TestBurstOverHTTP(t *testing.T) {
	const deliveries = 200
	release := make(chan struct{})
	temporal := &fakeTemporal{signal: func(context.Context, int) error { <-release; return nil }}
	e := startEdge(t, temporal)
	answered := make([]time.Time, deliveries)
	var group sync.WaitGroup
	for i := range deliveries {
		body := fmt.Sprintf(`{"event":"salesOrder.updated","data":{"salesOrderId":%q},"timestamp":"%d"}`, orderID, i)
		r := e.webhookRequest(t, body)
		group.Go(func() {
			response, err := e.client.Do(r)
			if !assert.NoError(t, err) {
				return
			}
			answered[i] = time.Now()
			assert.Equal(t, 200, response.StatusCode)
			assert.NoError(t, response.Body.Close())
		})
	}
	e.requireWaiting(t, deliveries)
	close(release)
	group.Wait()

	calls := temporal.committed()
	assert.Len(t, calls, 2)
	carried := map[string]time.Time{}
	for _, call := range calls {
		assert.Equal(t, ordercheck.WorkflowID(orderID), call.workflowID)
		for _, delivery := range call.deliveries {
			require.NotContains(t, carried, delivery.OccurredAt)
			carried[delivery.OccurredAt] = call.committedAt
		}
	}
	require.Len(t, carried, deliveries)
	for i, at := range answered {
		assert.False(t, at.Before(carried[fmt.Sprint(i)]), "delivery %d was answered before its commit", i)
	}
}

func TestIdenticalBodiesAreAllCarried(t *testing.T) {
	temporal := &fakeTemporal{}
	e := startEdge(t, temporal)
	for range 3 {
		require.Equal(t, 200, e.do(t, e.webhookRequest(t, documentedBody(orderID))).status)
	}
	total := 0
	for _, call := range temporal.committed() {
		total += len(call.deliveries)
	}
	assert.Equal(t, 3, total)
}

func TestTemporalDownAndBack(t *testing.T) {
	down := make(chan struct{})
	temporal := &fakeTemporal{
		signal: func(ctx context.Context, n int) error {
			select {
			case <-down:
				return nil
			default:
				return hang(ctx, n)
			}
		},
	}
	e := startEdge(t, temporal, commitTime(time.Millisecond))
	got := e.do(t, e.webhookRequest(t, documentedBody(orderID)))
	assert.Equal(t, 503, got.status)
	assert.Equal(t, "5", got.header.Get("Retry-After"))
	assertAlike(t, `{"error":"…"}`, got.body)
	close(down)
	require.Eventually(t, func() bool {
		return e.do(t, e.webhookRequest(t, documentedBody(orderID))).status == http.StatusOK
	}, generous, time.Millisecond)
}

// TestClientHangsUp: its delivery goes on, and so do those that share the call.
func TestClientHangsUp(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 10)
	temporal := &fakeTemporal{signal: func(ctx context.Context, _ int) error {
		began <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	e := startEdge(t, temporal)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	request := e.webhookRequest(t, documentedBody(orderID)).WithContext(ctx)
	go func() {
		response, err := e.client.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		gone <- err
	}()
	<-began
	hangUp()
	require.ErrorIs(t, <-gone, context.Canceled)

	var group sync.WaitGroup
	for range 5 {
		r := e.webhookRequest(t, documentedBody(orderID))
		group.Go(func() {
			response, err := e.client.Do(r)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
				assert.NoError(t, response.Body.Close())
			}
		})
	}
	e.requireWaiting(t, 6)
	close(release)
	group.Wait()
	total := 0
	for _, call := range temporal.committed() {
		total += len(call.deliveries)
	}
	assert.Equal(t, 6, total)
}

// TestDrain: every request that was accepted before the stop is answered, and
// committed; /readyz says 503 meanwhile.
func TestDrain(t *testing.T) {
	const requests = 30
	release := make(chan struct{})
	temporal := &fakeTemporal{signal: func(ctx context.Context, _ int) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	e := startEdge(t, temporal, withServer(func(s *Server) { s.drainNotice = 50 * time.Millisecond }))
	statuses := make(chan int, requests)
	for i := range requests {
		r := e.webhookRequest(t, documentedBody(fmt.Sprintf("order-%d", i%7)))
		go func() {
			response, err := e.client.Do(r)
			if !assert.NoError(t, err) {
				statuses <- 0
				return
			}
			assert.NoError(t, response.Body.Close())
			statuses <- response.StatusCode
		}()
	}
	e.requireWaiting(t, requests)

	e.stop()
	require.Eventually(t, e.server.draining.Load, generous, time.Millisecond)
	recorder := httptest.NewRecorder()
	e.server.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, readyPath, nil))
	assert.Equal(t, http.StatusServiceUnavailable, recorder.Code)
	assert.JSONEq(t, `{"error":"shutting down"}`, recorder.Body.String())
	assert.Equal(t, "close", recorder.Header().Get("Connection"))

	close(release)
	for range requests {
		assert.Equal(t, 200, <-statuses)
	}
	total := 0
	for _, call := range temporal.committed() {
		total += len(call.deliveries)
	}
	assert.Equal(t, requests, total)
	require.NoError(t, <-e.stopped)
	e.stopped <- nil
	_, err := e.client.Get(e.url + livePath) //nolint:noctx,bodyclose // nobody answers
	require.Error(t, err)
}

// TestDrainUnderLoad: with a notice, clients that keep their connections and go
// on sending see no broken one: they are answered, or find the door shut. A
// connection that the kernel had queued and nobody accepted when the door shut is reset; it was never in.
func TestDrainUnderLoad(t *testing.T) {
	const workers = 8
	temporal := &fakeTemporal{signal: waitFor(time.Millisecond)}
	noticed := make(chan struct{})
	e := startEdge(t, temporal, withServer(func(s *Server) { s.drainNotice, s.endNotice = generous, noticed }))
	var taken, broken sync.Map
	var group, unaware sync.WaitGroup
	unaware.Add(workers)
	for worker := range workers {
		aware := sync.OnceFunc(unaware.Done)
		var requests []*http.Request
		for i := range 2000 {
			requests = append(requests, e.webhookRequest(t, fmt.Sprintf(`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"order-%d","timestamp":"%d-%d"}`, i%50, worker, i)))
		}
		group.Go(func() {
			defer aware()
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i, r := range requests {
				var reused bool
				trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
				response, err := client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
				if err != nil {
					var dial *net.OpError
					shut := errors.As(err, &dial) && dial.Op == "dial"
					neverIn := !reused && errors.Is(err, syscall.ECONNRESET)
					if !shut && !neverIn {
						broken.Store(fmt.Sprintf("%d-%d", worker, i), fmt.Errorf("reused %v: %w", reused, err))
					}
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.Close {
					aware()
				}
				if response.StatusCode == http.StatusOK {
					taken.Store(fmt.Sprintf("%d-%d", worker, i), true)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return len(temporal.committed()) > 50 }, generous, time.Millisecond)
	e.stop()
	unaware.Wait()
	close(noticed) // the door shuts once each client has been told
	require.NoError(t, <-e.stopped)
	e.stopped <- nil
	group.Wait()

	broken.Range(func(key, err any) bool { t.Errorf("request %v was cut off: %v", key, err); return true })
	carried := map[string]bool{}
	for _, call := range temporal.committed() {
		for _, delivery := range call.deliveries {
			carried[delivery.OccurredAt] = true
		}
	}
	taken.Range(func(key, _ any) bool {
		assert.True(t, carried[key.(string)], "%v was answered 200 and not committed", key)
		return true
	})
}

// TestDrainHearsOutAcceptedConnections: net/http's own Shutdown drops what they send after it began.
func TestDrainHearsOutAcceptedConnections(t *testing.T) {
	e := startEdge(t, &fakeTemporal{})
	dial := func() net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
		require.NoError(t, err)
		return conn
	}
	request := func(conn net.Conn, part string) {
		_, err := io.WriteString(conn, part)
		require.NoError(t, err)
	}
	body := documentedBody(orderID)
	head := "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n" +
		inflow.SignatureHeader + ": " + sign(t, firstSecret, body) + "\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n"

	silent, halfway, bodiless := dial(), dial(), dial()
	request(halfway, head[:40])
	request(bodiless, head)
	// Answered once, so that the server has accepted all that were made before it.
	require.Equal(t, 200, e.get(t, livePath).status)
	e.client.CloseIdleConnections()

	e.stop()
	require.Eventually(t, func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, generous, time.Millisecond, "the door is shut")
	request(silent, head+body)
	request(halfway, head[40:]+body)
	request(bodiless, body)
	for _, conn := range []net.Conn{silent, halfway, bodiless} {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, 200, response.StatusCode)
		assert.True(t, response.Close)
		require.NoError(t, response.Body.Close())
		require.NoError(t, conn.Close())
	}
	require.NoError(t, <-e.stopped)
	e.stopped <- nil
}

func TestDrainThatTakesTooLong(t *testing.T) {
	temporal := &fakeTemporal{signal: hang}
	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret))
	require.NoError(t, err)
	server, err := New(Options{Temporal: temporal, Secrets: secrets, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	server.drainWithin = 50 * time.Millisecond
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(ctx, listener) }()
	e := &edge{url: "http://" + listener.Addr().String(), client: &http.Client{Transport: &http.Transport{}}}
	request := e.webhookRequest(t, documentedBody(orderID))
	answered := make(chan error, 1)
	go func() {
		response, err := e.client.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		answered <- err
	}()
	require.Eventually(t, func() bool { return temporal.attempted() == 1 }, generous, time.Millisecond)
	stop()
	require.ErrorContains(t, <-stopped, "requests were cut off: not drained within 50ms")
	<-answered
	requireNoGoroutines(t)
}

func TestServeOnABrokenListener(t *testing.T) {
	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret))
	require.NoError(t, err)
	server, err := New(Options{Temporal: &fakeTemporal{}, Secrets: secrets})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorContains(t, server.Serve(t.Context(), listener), "serve on 127.0.0.1:")
}

func TestReadiness(t *testing.T) {
	var down atomic.Bool
	temporal := &fakeTemporal{health: func(ctx context.Context) error {
		_, ok := ctx.Deadline()
		assert.True(t, ok)
		if down.Load() {
			return errDown
		}
		return nil
	}}
	e := startEdge(t, temporal)
	becomes := func(status int) {
		t.Helper()
		require.Eventually(t, func() bool { return e.get(t, readyPath).status == status }, 30*time.Second, 10*time.Millisecond)
	}
	assert.Equal(t, 200, e.get(t, readyPath).status, "the first probe waits for the first answer")

	down.Store(true)
	becomes(503)
	got := e.get(t, readyPath)
	assert.JSONEq(t, `{"error":"Temporal cannot be reached"}`, got.body)
	assert.Equal(t, 200, e.get(t, livePath).status, "a restart would not bring Temporal back")
	down.Store(false)
	becomes(200)
	assert.Contains(t, e.log.String(), "Temporal cannot be reached")
	assert.Contains(t, e.log.String(), errDown.Error(), "the log says why, the answer does not")
}

// TestHungHealthQuestion: a question to Temporal never returns, not even when its time is over. No probe,
// scrape or delivery waits for it, and after a minute /livez says that the process hangs.
func TestHungHealthQuestion(t *testing.T) {
	var questions atomic.Int32
	hang := make(chan struct{})
	temporal := &fakeTemporal{health: func(context.Context) error {
		if questions.Add(1) > 1 {
			<-hang
		}
		return nil
	}}
	clock, log, reader := newClock(), &lockedBuffer{}, sdkmetric.NewManualReader()
	dog := watchdog.New(slog.New(slog.NewTextHandler(log, nil)), clock.now)
	e := startEdge(t, temporal, withOptions(func(o *Options) {
		o.Now, o.Watchdog = clock.now, dog
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	defer close(hang)
	require.Equal(t, 200, e.get(t, readyPath).status)
	require.Eventually(t, func() bool { return questions.Load() == 2 }, 30*time.Second, time.Millisecond)

	clock.step(watchdog.Limit)
	assert.Equal(t, 200, e.get(t, livePath).status)
	clock.step(time.Second)
	for range 3 {
		assert.Equal(t, 503, e.get(t, readyPath).status, "the answer is old")
		assert.Equal(t, 200, e.do(t, e.webhookRequest(t, documentedBody(orderID))).status)
		assert.Zero(t, gauge(t, reader, "gate.temporal.reachable"))
		got := e.get(t, livePath)
		assert.Equal(t, 503, got.status)
		assert.JSONEq(t, `{"error":"the question to Temporal how it is has been hanging for 1m1s"}`, got.body)
	}
	assert.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
	assert.EqualValues(t, 2, questions.Load(), "none is asked beside it")
}

// TestHungCall: a call to Temporal never returns. Its deliveries are answered in time, and after a
// minute /livez says that the process hangs.
func TestHungCall(t *testing.T) {
	hang := make(chan struct{})
	temporal := &fakeTemporal{signal: func(context.Context, int) error {
		<-hang
		return nil
	}}
	clock := newClock()
	dog := watchdog.New(slog.New(slog.DiscardHandler), clock.now)
	e := startEdge(t, temporal, withOptions(func(o *Options) { o.Now, o.Watchdog = clock.now, dog }), commitTime(10*time.Millisecond))
	assert.Equal(t, 503, e.do(t, e.webhookRequest(t, documentedBody(orderID))).status)
	assert.Equal(t, 200, e.get(t, livePath).status)
	clock.step(watchdog.Limit + time.Second)
	got := e.get(t, livePath)
	assert.Equal(t, 503, got.status)
	assert.Contains(t, got.body, "a call that hands deliveries to Temporal has been hanging for 1m1s")
	close(hang)
	require.Eventually(t, func() bool { return e.get(t, livePath).status == 200 }, 30*time.Second, time.Millisecond)
}

// gauge is the sum of a gauge's values.
func gauge(t *testing.T, reader *sdkmetric.ManualReader, name string) (total int64) {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	found := false
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Gauge[int64]); ok && m.Name == name {
				for _, point := range data.DataPoints {
					found, total = true, total+point.Value
				}
			}
		}
	}
	require.True(t, found, "no gauge %s", name)
	return total
}

func TestLimits(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	post := func(t *testing.T, e *edge, forwardedFor string) reply {
		r := e.webhookRequest(t, `{"event":"customer.updated"}`)
		r.Header.Set("X-Forwarded-For", forwardedFor)
		r.Header.Set("X-Real-Ip", forwardedFor)
		return e.do(t, r)
	}
	address := func(i int) string { return fmt.Sprintf("203.0.113.%d", i) }

	t.Run("a peer, whatever it says it is", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) { o.PeerRateLimit, o.Now = 2, clock }))
		for i := range 4 { // twice the rate
			assert.Equal(t, 200, post(t, e, address(i)).status)
		}
		got := post(t, e, address(9))
		assert.Equal(t, 429, got.status)
		assert.Equal(t, "1", got.header.Get("Retry-After"))
		assertAlike(t, `{"error":"…"}`, got.body)
		mu.Lock()
		now = now.Add(time.Second)
		mu.Unlock()
		assert.Equal(t, 200, post(t, e, address(9)).status)

		for _, record := range e.audited(t) {
			assert.Equal(t, "127.0.0.1", record["peer"], "X-Forwarded-For of a stranger is not believed")
		}
	})
	t.Run("peers behind a trusted proxy", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.PeerRateLimit, o.Now, o.TrustedProxies = 0.5, clock, []string{"127.0.0.0/8"}
		}))
		assert.Equal(t, 200, post(t, e, address(1)).status)
		assert.Equal(t, 429, post(t, e, address(1)).status)
		assert.Equal(t, 200, post(t, e, address(2)).status)
		assert.Equal(t, 429, post(t, e, address(7)+", "+address(2)).status, "what stands before the proxy's word is the client's own")
		records := e.audited(t)
		require.Len(t, records, 4)
		assert.Equal(t, address(1), records[0]["peer"])
		assert.Equal(t, "peer-rate-limit", records[1]["reason"])
		assert.Equal(t, address(2), records[3]["peer"])
	})
	t.Run("overall", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.RateLimit, o.PeerRateLimit, o.Now = 1, 100, clock
		}))
		assert.Equal(t, 200, post(t, e, "").status)
		assert.Equal(t, 200, post(t, e, "").status)
		assert.Equal(t, 429, post(t, e, "").status)
		assert.Equal(t, "rate-limit", e.audited(t)[2]["reason"])
	})
	t.Run("not for the unverified", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.RateLimit, o.PeerRateLimit, o.Now = 0.5, 0.5, clock
		}))
		for range 20 {
			r := e.webhookRequest(t, documentedBody(orderID))
			r.Header.Set(inflow.SignatureHeader, sign(t, "a secret of somebody else's", documentedBody(orderID)))
			assert.Equal(t, 401, e.do(t, r).status)
		}
		assert.Equal(t, 200, post(t, e, "").status, "a forger has not spent the allowance")
	})
	t.Run("none", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) { o.Now = clock }))
		for range 20 {
			assert.Equal(t, 200, post(t, e, "").status)
		}
	})
}

func TestAuditLog(t *testing.T) {
	const marker = "Marker-Of-The-Body"
	fixed := time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(tracetest.NewSpanRecorder()))
	e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.TracerProvider = tracers
		o.Now = func() time.Time { return fixed }
	}))
	body := `{"event":"salesOrder.updated","data":{"salesOrderId":"` + orderID + `","remarks":"` + marker + `"}}`
	r := e.webhookRequest(t, body)
	r.Header.Set(inflow.SignatureHeader, sign(t, secondSecret, body))
	require.Equal(t, 200, e.do(t, r).status)

	forged := e.webhookRequest(t, body)
	forged.Header.Set(inflow.SignatureHeader, sign(t, "a secret of somebody else's", body))
	require.Equal(t, 401, e.do(t, forged).status)
	require.Equal(t, 400, e.do(t, e.webhookRequest(t, marker)).status)
	deleted, err := http.NewRequestWithContext(t.Context(), "A-Method-Made-Up-To-Fill-The-Disk", e.url+webhookPath, strings.NewReader(body))
	require.NoError(t, err)
	require.Equal(t, 405, e.do(t, deleted).status)

	records := e.audited(t)
	require.Len(t, records, 4)
	first := records[0]
	assert.ElementsMatch(t, []string{
		"time", "peer", "route", "method", "status", "reason", "event", "salesOrderId", "bodySize", "bodySha256", "secretIndex", "durationMs", "traceId",
	}, slices.Collect(maps.Keys(first)))
	assert.Equal(t, "2025-10-28T12:00:00Z", first["time"])
	assert.Equal(t, "127.0.0.1", first["peer"])
	assert.Equal(t, "/webhook/inflow", first["route"])
	assert.Equal(t, "POST", first["method"])
	assert.EqualValues(t, 200, first["status"])
	assert.Equal(t, "received", first["reason"])
	assert.Equal(t, "salesOrder.updated", first["event"])
	assert.Equal(t, orderID, first["salesOrderId"])
	assert.EqualValues(t, len(body), first["bodySize"])
	assert.Len(t, first["bodySha256"], 64)
	assert.EqualValues(t, 1, first["secretIndex"])
	assert.Positive(t, first["durationMs"])
	assert.Len(t, first["traceId"], 32)

	assert.Equal(t, "signature-mismatch", records[1]["reason"])
	assert.NotContains(t, records[1], "secretIndex")
	assert.NotContains(t, records[1], "event", "nothing of an unverified body is looked at")
	assert.Equal(t, first["bodySha256"], records[1]["bodySha256"])
	assert.EqualValues(t, 0, records[2]["secretIndex"])
	assert.Equal(t, "method-not-allowed", records[3]["reason"])
	assert.Equal(t, "A-Metho…", records[3]["method"])

	info, err := os.Stat(e.auditLog)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(e.auditLog)
	require.NoError(t, err)
	for _, shown := range []string{string(content), e.log.String()} {
		assert.NotContains(t, shown, marker)
		assert.NotContains(t, shown, firstSecret)
		assert.NotContains(t, shown, secondSecret)
		assert.NotContains(t, shown, sign(t, firstSecret, body))
		assert.NotContains(t, shown, sign(t, secondSecret, body))
	}
}

func TestPanicIsAnswered(t *testing.T) {
	e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) { o.Secrets = panickingSecrets{} }))
	got := e.do(t, e.webhookRequest(t, documentedBody(orderID)))
	assert.Equal(t, 500, got.status)
	assert.JSONEq(t, `{"error":"internal error"}`, got.body)
	assert.NotContains(t, e.log.String(), "quoting a body")
	assert.Equal(t, "panic", e.audited(t)[0]["reason"])
}

type panickingSecrets struct{}

func (panickingSecrets) Verifier() *inflow.Verifier { panic("quoting a body") }

func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	remote := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	post := func(t *testing.T, e *edge) {
		r := e.webhookRequest(t, documentedBody(orderID))
		propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(t.Context(), remote), propagation.HeaderCarrier(r.Header))
		require.Equal(t, 200, e.do(t, r).status)
	}
	setGlobalPropagator(t)

	t.Run("from a stranger", func(t *testing.T) {
		recorder.Reset()
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) { o.TracerProvider = tracers }))
		post(t, e)
		e.get(t, "/no-such-"+strings.Repeat("x", 100))
		e.get(t, readyPath)
		records := e.audited(t)

		spans := map[string]sdktrace.ReadOnlySpan{}
		for _, span := range recorder.Ended() {
			spans[span.Name()] = span
		}
		require.Len(t, spans, 3, "one for the delivery, one for its call, one for the stray request, none for the probe")
		request, call := spans["POST /webhook/inflow"], spans["hand deliveries to Temporal"]
		require.NotNil(t, request)
		require.NotNil(t, call)
		require.Contains(t, spans, "GET")
		assert.Equal(t, request.SpanContext().SpanID(), call.Parent().SpanID())
		assert.NotEqual(t, remote.TraceID(), request.SpanContext().TraceID(), "a stranger's trace context is not believed")
		require.Len(t, request.Links(), 1)
		assert.Equal(t, remote.TraceID(), request.Links()[0].SpanContext.TraceID())
		assert.Equal(t, request.SpanContext().TraceID().String(), records[0]["traceId"])
	})
	t.Run("from a trusted proxy", func(t *testing.T) {
		recorder.Reset()
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.TracerProvider = tracers
			o.TrustedProxies = []string{"127.0.0.1"}
		}))
		post(t, e)
		e.audited(t)
		for _, span := range recorder.Ended() {
			assert.Equal(t, remote.TraceID(), span.SpanContext().TraceID())
		}
	})
}

func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	require.Equal(t, 200, e.do(t, e.webhookRequest(t, documentedBody(orderID))).status)
	require.Equal(t, 200, e.do(t, e.webhookRequest(t, `{"event":"made-up-by-the-sender"}`)).status)
	second := e.webhookRequest(t, liveBody(orderID))
	second.Header.Set(inflow.SignatureHeader, sign(t, secondSecret, liveBody(orderID)))
	require.Equal(t, 200, e.do(t, second).status)
	unsigned := e.webhookRequest(t, liveBody(orderID))
	unsigned.Header.Del(inflow.SignatureHeader)
	require.Equal(t, 401, e.do(t, unsigned).status)
	e.audited(t)

	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	got := map[string]any{}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
				}
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Count
				}
			case metricdata.Histogram[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Sum
				}
			}
		}
	}
	assert.EqualValues(t, 2, got["gate.webhook.requests outcome=received,reason=received"])
	assert.EqualValues(t, 1, got["gate.webhook.requests outcome=ignored,reason=unknown-event"])
	assert.EqualValues(t, 1, got["gate.webhook.requests outcome=refused,reason=signature-missing"])
	assert.EqualValues(t, 0, got["gate.webhook.requests outcome=failed,reason=not-committed"], "is there before the first case")
	assert.EqualValues(t, 1, got["gate.temporal.reachable "])
	assert.EqualValues(t, 2, got["gate.webhook.verified secret_index=0"])
	assert.EqualValues(t, 1, got["gate.webhook.verified secret_index=1"])
	assert.EqualValues(t, 2, got["gate.webhook.commit.duration committed=true"])
	assert.EqualValues(t, 2, got["gate.webhook.batch.size committed=true,several_orders=false"])
	assert.EqualValues(t, 0, got["gate.webhook.waiting "])
	for name := range got {
		assert.NotContains(t, name, "made-up-by-the-sender")
		assert.NotContains(t, name, orderID)
	}
	found := false
	for name := range got {
		found = found || (strings.HasPrefix(name, "http.server.request.duration ") && strings.Contains(name, "http.route=/webhook/inflow"))
	}
	assert.True(t, found, "HTTP metrics by route: %v", got)
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Options{
		TrustedProxies: []string{"10.0.0.0/8", "proxy.example", "10.0.0.0/99"},
		AllowedPeers:   []string{"inflow.example"},
		RateLimit:      -1,
		DrainNotice:    time.Minute,
		TLSCertFile:    "cert.pem",
	})
	for _, want := range []string{"no Temporal client", "no webhook secrets", `trusted proxy "proxy.example"`, `allowed peer "inflow.example"`, `"10.0.0.0/99"`, "rate limit is negative", "drain notice", "both a certificate file and a key file"} {
		require.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), `"10.0.0.0/8"`)

	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret))
	require.NoError(t, err)
	_, err = New(Options{Temporal: &fakeTemporal{}, Secrets: secrets, TLSCertFile: "/no/such/cert", TLSKeyFile: "/no/such/key"})
	require.ErrorContains(t, err, "/no/such/cert")
	_, err = NewFixedSecrets(nil)
	require.ErrorContains(t, err, "no secret")
}

// TestTLSReload: a certificate that is replaced serves the connections after it; one
// that cannot be used does not.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeCertificate(t, certFile, keyFile, "first.example")
	clock := newClock()
	e := startEdge(t, &fakeTemporal{},
		withOptions(func(o *Options) { o.TLSCertFile, o.TLSKeyFile = certFile, keyFile }),
		withServer(func(s *Server) {
			var err error
			s.certificate, err = openCertificate(certFile, keyFile, s.logger, clock.now)
			require.NoError(t, err)
		}))
	serving := func() string {
		dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}} //nolint:gosec // the certificate is looked at below
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
		require.NoError(t, err)
		defer func() { assert.NoError(t, conn.Close()) }()
		state := conn.(*tls.Conn).ConnectionState()
		assert.Equal(t, "h2", state.NegotiatedProtocol)
		return state.PeerCertificates[0].Subject.CommonName
	}
	require.Equal(t, "first.example", serving())

	writeCertificate(t, certFile, keyFile, "second.example")
	clock.step(reload.Interval)
	require.Equal(t, "second.example", serving())

	writeCertificate(t, certFile, filepath.Join(dir, "other.key"), "third.example")
	clock.step(reload.Interval)
	require.Equal(t, "second.example", serving(), "a certificate without its key")
	assert.Contains(t, e.log.String(), "cannot be used")
	require.NoError(t, os.Rename(filepath.Join(dir, "other.key"), keyFile))
	clock.step(reload.Interval)
	require.Equal(t, "third.example", serving())

	old := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}} //nolint:gosec // to be refused
	_, err := old.DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
	require.Error(t, err)
}
