package ingress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

// contractCase is a row of the HTTP contract's table, or a variation of one.
type contractCase struct {
	name   string
	body   string
	change func(*http.Request) // nil changes nothing
	status int
	want   string // the body; "…" stands for any text
	reason string // in the audit log
}

func setHeader(key, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

func addHeader(key, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(key, value) }
}

func removeHeader(key string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(key) }
}

func signature(value string) func(*http.Request) {
	return setHeader(inflow.SignatureHeader, value)
}

func chunked(r *http.Request) { r.ContentLength = -1 }

const (
	someError        = `{"error":"…"}`
	invalidSignature = `{"error":"invalid signature"}`
	foreignSecret    = "a secret of somebody else's"
)

// received returns the answer to a delivery that was committed.
func received(salesOrderID string) string {
	return `{"salesOrderId":"` + salesOrderID + `","status":"received"}`
}

func receivedCases(t *testing.T) []contractCase {
	body := documentedBody(orderID)
	padding := strings.Repeat(" ", maxBodySize-len(body))
	ok, committed := http.StatusOK, received(orderID)
	return []contractCase{
		{"documented form", body, nil, ok, committed, "received"},
		{"live form", liveBody(orderID), nil, ok, committed, "received"},
		{
			"signed with the second secret", body, signature(sign(t, secondSecret, body)),
			ok, committed, "received",
		},
		{"chunked", body, chunked, ok, committed, "received"},
		{
			"JSON with a charset", body, setHeader("Content-Type", "Application/JSON; charset=utf-8"),
			ok, committed, "received",
		},
		{
			"JSON suffix", body, setHeader("Content-Type", "application/vnd.inflow+json"),
			ok, committed, "received",
		},
		{"no Content-Type", body, removeHeader("Content-Type"), ok, committed, "received"},
		{"empty Content-Type", body, setHeader("Content-Type", ""), ok, committed, "received"},
		{"exactly 256 KiB", body + padding, nil, ok, committed, "received"},
		{"exactly 256 KiB, chunked", body + padding, chunked, ok, committed, "received"},
	}
}

func refusedCases(t *testing.T) []contractCase {
	body := documentedBody(orderID)
	limit := strings.Repeat(" ", maxBodySize)
	good := sign(t, firstSecret, body)
	encoding := func(value string) func(*http.Request) { return setHeader("Content-Encoding", value) }
	contentType := func(value string) func(*http.Request) { return setHeader("Content-Type", value) }
	const tooLarge, unsupported = http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType
	const unauthorized = http.StatusUnauthorized
	return []contractCase{
		{"1 byte over 256 KiB", limit + " ", nil, tooLarge, someError, "body-too-large"},
		{
			"1 byte over 256 KiB, chunked",
			limit + " ",
			chunked,
			tooLarge,
			someError,
			"body-too-large",
		},
		{
			"8 MiB, chunked",
			strings.Repeat(limit, 32),
			chunked,
			tooLarge,
			someError,
			"body-too-large",
		},

		{"gzip", body, encoding("gzip"), unsupported, someError, "content-encoding"},
		{"identity", body, encoding("identity"), unsupported, someError, "content-encoding"},
		{
			"a form", body, contentType("application/x-www-form-urlencoded"),
			unsupported, someError, "content-type",
		},
		{"text", body, contentType("text/plain"), unsupported, someError, "content-type"},
		{
			"JSON Lines",
			body,
			contentType("application/jsonl"),
			unsupported,
			someError,
			"content-type",
		},
		{
			"no subtype",
			body,
			contentType("application/+json"),
			unsupported,
			someError,
			"content-type",
		},
		{
			"two Content-Types", body, addHeader("Content-Type", "text/plain"),
			unsupported, someError, "content-type",
		},

		{
			"no signature", body, removeHeader(inflow.SignatureHeader),
			unauthorized, invalidSignature, "signature-missing",
		},
		{
			"empty signature", body, signature(""),
			unauthorized, invalidSignature, "signature-missing",
		},
		{
			"doubled signature", body, addHeader(inflow.SignatureHeader, good),
			unauthorized, invalidSignature, "signature-doubled",
		},
		{
			"joined signatures", body, signature(good + ", " + good),
			unauthorized, invalidSignature, "signature-doubled",
		},
		{
			"malformed signature", body, signature("sha256=" + good),
			unauthorized, invalidSignature, "signature-malformed",
		},
		{
			"wrong signature", body, signature(sign(t, foreignSecret, body)),
			unauthorized, invalidSignature, "signature-mismatch",
		},
		{
			"signature of another body", documentedBody("another"), signature(good),
			unauthorized, invalidSignature, "signature-mismatch",
		},
	}
}

func payloadCases() []contractCase {
	longEvent := `{"event":"<script>\u001b[31m` + strings.Repeat("x", 1000) + `"}`
	ok, bad := http.StatusOK, http.StatusBadRequest
	return []contractCase{
		{
			"empty body", "", nil,
			bad, `{"error":"the body is empty; expected a JSON object"}`, "payload-not-json",
		},
		{
			"not JSON", "event=x", nil,
			bad, `{"error":"the body is not valid JSON at byte …"}`, "payload-not-json",
		},
		{
			"an array", "[]", nil,
			bad, `{"error":"the body is not a JSON object"}`, "payload-not-an-object",
		},
		{
			"two objects", "{}{}", nil,
			bad, `{"error":"the body is not valid JSON …"}`, "payload-not-json",
		},
		{
			"no id", `{"event":"salesOrder.updated"}`, nil,
			bad, `{"error":"the sales order event has no id…"}`, "order-id-missing",
		},
		{
			"empty id", documentedBody(""), nil,
			bad, `{"error":"data.salesOrderId: the sales order id is empty"}`, "order-id-invalid",
		},
		{
			"id of 129 bytes", documentedBody(strings.Repeat("x", 129)), nil,
			bad, `{"error":"data.salesOrderId: the sales order id has 129 bytes…"}`, "order-id-invalid",
		},
		{
			"id with a slash", liveBody("a/b"), nil,
			bad, `{"error":"salesOrderId: …"}`, "order-id-invalid",
		},
		{
			"two ids",
			`{"event":"salesOrder.updated","salesOrderId":"a","data":{"salesOrderId":"b"}}`, nil,
			bad, `{"error":"data.salesOrderId and salesOrderId name different orders"}`, "order-id-clash",
		},
		{
			"a customer's event", `{"event":"customer.updated","data":{"customerId":"1"}}`, nil,
			ok, `{"event":"customer.updated","status":"ignored"}`, "other-entity",
		},
		{
			"an unknown event", `{"event":"salesOrder.deleted"}`, nil,
			ok, `{"event":"salesOrder.deleted","status":"ignored"}`, "unknown-event",
		},
		{"no event", `{}`, nil, ok, `{"event":"","status":"ignored"}`, "unknown-event"},
		{
			"an event with markup", longEvent, nil,
			ok, `{"event":"\u003cscript\u003e?[31m…x","status":"ignored"}`, "unknown-event",
		},
	}
}

func TestContract(t *testing.T) {
	for _, tc := range slices.Concat(receivedCases(t), refusedCases(t), payloadCases()) {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			temporal := &fakeTemporal{}
			ts := startParallelServer(t, temporal)
			r := ts.webhookRequest(t, tc.body)
			if tc.change != nil {
				tc.change(r)
			}
			got := ts.doOnce(t, r)
			assert.Equal(t, tc.status, got.status)
			assert.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"))
			assertAlike(t, tc.want, got.body)
			assert.Empty(t, got.header.Get("Retry-After"))

			wantCalls := 0
			if tc.reason == "received" {
				wantCalls = 1
			}
			assert.Len(t, temporal.committed(), wantCalls)

			records := ts.audited(t)
			require.Len(t, records, 1)
			assert.Equal(t, tc.reason, records[0]["reason"])
			assert.EqualValues(t, tc.status, records[0]["status"])
		})
	}
}

// fault is a bit set of the faults of one request.
type fault int

const (
	tooLarge fault = 1 << iota
	wrongType
	wrongSignature
	overLimit
	notObject
	otherEntity
	temporalDown
	allFaults = 1<<iota - 1
)

// faultStatuses holds the status that answers each fault, in the order of the HTTP contract.
var faultStatuses = []struct {
	fault  fault
	status int
}{
	{tooLarge, 413}, {wrongType, 415}, {wrongSignature, 401}, {overLimit, 429},
	{notObject, 400}, {otherEntity, 200}, {temporalDown, 503},
}

// faultCombinations returns the empty set, each fault, each pair, and the two largest sets that one
// request can have.
func faultCombinations() []fault {
	combinations := []fault{0, allFaults &^ otherEntity, allFaults &^ notObject}
	for i, first := range faultStatuses {
		for _, second := range faultStatuses[i:] {
			// No body has both: another entity's event is an object.
			if pair := first.fault | second.fault; pair != notObject|otherEntity {
				combinations = append(combinations, pair)
			}
		}
	}
	return combinations
}

// status returns the status that answers the first fault in f, and a name for the subtest.
func (f fault) status() (status int, name string) {
	status = http.StatusOK
	var names []string
	for _, single := range slices.Backward(faultStatuses) {
		if f&single.fault != 0 {
			status = single.status
			names = append(names, fmt.Sprint(single.status))
		}
	}
	slices.Reverse(names)
	return status, fmt.Sprintf("%s is %d", strings.Join(names, "+"), status)
}

// request returns a request with the faults in f, except overLimit and temporalDown, which depend
// on the server.
func (f fault) request(t *testing.T, ts *testServer) *http.Request {
	t.Helper()
	body := documentedBody(orderID)
	if f&notObject != 0 {
		body = "[]"
	}
	if f&otherEntity != 0 {
		body = `{"event":"customer.updated"}`
	}
	if f&tooLarge != 0 {
		body += strings.Repeat(" ", maxBodySize)
	}
	r := ts.webhookRequest(t, body)
	if f&wrongType != 0 {
		r.Header.Set("Content-Type", "text/plain")
	}
	if f&wrongSignature != 0 {
		r.Header.Set(inflow.SignatureHeader, sign(t, foreignSecret, body))
	}
	return r
}

// TestContractOrder checks that a request with several faults gets the answer to the first of them,
// in the order of the contract's table.
func TestContractOrder(t *testing.T) {
	for _, faults := range faultCombinations() {
		status, name := faults.status()
		t.Run(name, func(t *testing.T) {
			t.Parallel() // net/http waits half a second before it resets a connection with unread data
			temporal := &fakeTemporal{}
			var settings []setting
			if faults&temporalDown != 0 {
				temporal.signal = hang
				settings = append(settings, commitTime(time.Millisecond))
			}
			if faults&overLimit != 0 {
				now := time.Now()
				settings = append(settings, withOptions(func(o *Options) {
					o.RateLimit = 0.5 // a burst of one
					o.Now = func() time.Time { return now }
				}))
			}
			ts := startParallelServer(t, temporal, settings...)
			if faults&overLimit != 0 {
				first := ts.webhookRequest(t, `{"event":"customer.updated"}`)
				require.Equal(t, http.StatusOK, ts.do(t, first).status)
			}
			got := ts.doOnce(t, faults.request(t, ts))
			assert.Equal(t, status, got.status, got.body)
			wantRetry := map[int]string{429: "1", 503: "5"}[status]
			assert.Equal(t, wantRetry, got.header.Get("Retry-After"))
		})
	}
}

func TestOtherRoutes(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
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
			r, err := http.NewRequestWithContext(t.Context(), tc.method, ts.url+tc.path, nil)
			require.NoError(t, err)
			got := ts.do(t, r)
			assert.Equal(t, tc.status, got.status)
			assert.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"))
			assertAlike(t, tc.want, got.body)
			allowed := strings.Split(got.header.Get("Allow"), ", ")
			assert.ElementsMatch(t, strings.Split(tc.allow, ", "), allowed)
		})
	}
	assert.Empty(t, ts.temporal.committed())
}

// TestKnownOversizeIsNotRead checks that a request whose Content-Length is over the limit gets its
// answer before it has sent any byte of its body.
func TestKnownOversizeIsNotRead(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	conn, err := new(
		net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	_, err = io.WriteString(conn, "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\n"+
		"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 10737418240\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	assert.True(t, response.Close, "the connection cannot be used again")
}

// TestBodyThatDoesNotCome sends only the first byte of a body and then waits or hangs up.
func TestBodyThatDoesNotCome(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	// impatient allows 1 ms for reading a request.
	impatient := httptest.NewUnstartedServer(ts.server.Handler())
	impatient.Config.ReadHeaderTimeout, impatient.Config.ReadTimeout = generous, time.Millisecond
	impatient.Start()
	defer impatient.Close()

	begin := func(listener net.Addr) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.String())
		require.NoError(t, err)
		_, err = io.WriteString(conn,
			"POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 100\r\n\r\n{")
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

	patient := httptest.NewServer(ts.server.Handler())
	defer patient.Close()
	broken := begin(patient.Listener.Addr())
	defer func() { assert.NoError(t, broken.Close()) }()
	require.NoError(t, broken.(*net.TCPConn).CloseWrite())
	assert.Equal(t, http.StatusBadRequest, answer(broken).StatusCode)

	records := ts.audited(t)
	require.Len(t, records, 2)
	assert.Equal(t, "body-too-slow", records[0]["reason"])
	assert.Equal(t, "body-incomplete", records[1]["reason"])
	assert.NotContains(t, records[0], "bodySha256")
}

func TestPanicIsAnswered(t *testing.T) {
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.Secrets = panickingSecrets{}
	}))
	got := ts.do(t, ts.webhookRequest(t, documentedBody(orderID)))
	assert.Equal(t, 500, got.status)
	assert.JSONEq(t, `{"error":"internal error"}`, got.body)
	assert.NotContains(t, ts.log.String(), "quoting a body")
	assert.Equal(t, "panic", ts.audited(t)[0]["reason"])
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Options{
		RateLimit:   -1,
		DrainNotice: time.Minute,
		TLSCertFile: "cert.pem",
	})
	for _, want := range []string{
		"no Temporal client", "no webhook secrets", "rate limit is negative", "drain notice",
		"both a certificate file and a key file",
	} {
		require.ErrorContains(t, err, want)
	}

	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret))
	require.NoError(t, err)
	_, err = New(
		Options{
			Temporal:    &fakeTemporal{},
			Secrets:     secrets,
			TLSCertFile: "/no/such/cert",
			TLSKeyFile:  "/no/such/key",
		},
	)
	require.ErrorContains(t, err, "/no/such/cert")
	_, err = NewFixedSecrets(nil)
	require.ErrorContains(t, err, "no secret")
}
