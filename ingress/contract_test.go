package ingress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

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

		{"empty body", "", nil, 400, `{"error":"the body is empty; expected a JSON object"}`, "payload-not-json"},
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
			ts := startParallelServer(t, temporal)
			r := ts.webhookRequest(t, tc.body)
			if tc.change != nil {
				tc.change(t, r)
			}
			got := ts.do(t, r)
			assert.Equal(t, tc.status, got.status)
			assert.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"))
			assertAlike(t, tc.want, got.body)
			assert.Empty(t, got.header.Get("Retry-After"))

			wantCalls := 0
			if strings.Contains(tc.want, "received") {
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
			ts := startParallelServer(t, temporal, settings...)
			if faults&overLimit != 0 {
				require.Equal(t, 200, ts.do(t, ts.webhookRequest(t, `{"event":"customer.updated"}`)).status)
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
			r := ts.webhookRequest(t, body)
			if faults&wrongType != 0 {
				r.Header.Set("Content-Type", "text/plain")
			}
			if faults&wrongSignature != 0 {
				r.Header.Set(inflow.SignatureHeader, sign(t, "a secret of somebody else's", body))
			}
			got := ts.do(t, r)
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

// TestKnownOversizeIsNotRead: the answer comes before a byte of the body.
func TestKnownOversizeIsNotRead(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
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
	ts := startServer(t, &fakeTemporal{})
	// The handler alone, behind a server that is quicker to lose patience.
	impatient := httptest.NewUnstartedServer(ts.server.Handler())
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
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) { o.Secrets = panickingSecrets{} }))
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
	for _, want := range []string{"no Temporal client", "no webhook secrets", "rate limit is negative", "drain notice", "both a certificate file and a key file"} {
		require.ErrorContains(t, err, want)
	}

	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret))
	require.NoError(t, err)
	_, err = New(Options{Temporal: &fakeTemporal{}, Secrets: secrets, TLSCertFile: "/no/such/cert", TLSKeyFile: "/no/such/key"})
	require.ErrorContains(t, err, "/no/such/cert")
	_, err = NewFixedSecrets(nil)
	require.ErrorContains(t, err, "no secret")
}
