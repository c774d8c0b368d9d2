package notify_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// receiver is a server that records requests. answer sets its response.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  []request
	next http.HandlerFunc // nil answers 200
}

type request struct {
	path   string
	header http.Header
	body   string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	return startReceiver(t, httptest.NewServer)
}

func startReceiver(t *testing.T, start func(http.Handler) *httptest.Server) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = start(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		r.mu.Lock()
		r.got = append(r.got, request{req.URL.RequestURI(), req.Header, string(body)})
		next := r.next
		r.mu.Unlock()
		if next != nil {
			next(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

func (r *receiver) answer(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = h
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "the server's text, hush-token")
	}
}

func TestWebhookGetsTheWholeNotice(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	options := notify.Options{Destinations: destinations(t, hook.URL+"/hook?token=hush"),
		TemporalUIURL: "http://ui.example", Namespace: "ns"}
	notice := failed()
	notice.HasSalesRep, notice.SalesRepEmail = true, "rep@example.com"
	require.NoError(t, send(t, options, notice))
	requests := hook.requests()
	require.Len(t, requests, 1)
	assert.Equal(t, "/hook?token=hush", requests[0].path)
	assert.Equal(t, "application/json", requests[0].header.Get("Content-Type"))
	assert.Equal(t, "run-1-set-1", requests[0].header.Get("Idempotency-Key"))
	var body struct {
		Kind    ordercheck.NoticeKind `json:"kind"`
		Key     string                `json:"key"`
		Subject string                `json:"subject"`
		Text    string                `json:"text"`
		Report  ordercheck.Report     `json:"report"`
		Links   map[string]string     `json:"links"`
	}
	require.NoError(t, json.Unmarshal([]byte(requests[0].body), &body))
	assert.Equal(t, ordercheck.NoticeFailed, body.Kind)
	assert.Equal(t, "run-1-set-1", body.Key)
	assert.Equal(t, "[FAILED] SO-000123: 2 errors", body.Subject)
	assert.Contains(t, body.Text, "The PO number is missing.")
	assert.Equal(t, notice.Report, body.Report)
	assert.Equal(t, map[string]string{
		"order": "https://app.inflowinventory.com/sales-orders/" + orderID,
		"run": "http://ui.example/namespaces/ns/workflows/sales-order-" + orderID +
			"/run-1/user-metadata",
	}, body.Links)
	assert.NotContains(t, requests[0].body, "rep@example.com")
}

func TestWebhookErrors(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	options := notify.Options{Destinations: destinations(t, hook.URL+"/hush-token")}
	for _, test := range []struct {
		name      string
		answer    http.HandlerFunc
		permanent bool
		code      int
		wait      time.Duration
		reason    string
	}{
		{"500", status(500), false, 500, 0, "it responded with 500 Internal Server Error"},
		{"503 with a delay", status(503, "Retry-After", "120"), false, 503, 2 * time.Minute,
			"it responded with 503 Service Unavailable"},
		{"400", status(400), true, 400, 0, "it responded with 400 Bad Request"},
		{"404", status(404, "Retry-After", "120"), true, 404, 0, "it responded with 404 Not Found"},
		{"408", status(408), false, 408, 0, "it responded with 408 Request Timeout"},
		{"429 for a day", status(429, "Retry-After", "86400"), false, 429, time.Hour,
			"it responded with 429 Too Many Requests"},
		{"429 with an invalid delay", status(429, "Retry-After", "soon"), false, 429, 0,
			"it responded with 429 Too Many Requests"},
		{"429 in the past", status(429, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), false, 429,
			0, "it responded with 429 Too Many Requests"},
		{"redirect", status(307, "Location", "/elsewhere"), true, 307, 0,
			"it responded with 307 Temporary Redirect, a redirect: use the URL that it points to"},
		{"cut connection", func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, false, 0, 0, "the connection broke"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hook.answer(test.answer)
			before := len(hook.requests())
			sent := sendError(t, options, failed())
			assert.Equal(t, test.permanent, sent.Permanent)
			assert.Equal(t, test.code, sent.Code)
			assert.Equal(t, test.wait, sent.RetryAfter)
			assert.Equal(t, test.reason, sent.Reason)
			assert.NotContains(t, sent.Error(), "hush-token")
			assert.Len(t, hook.requests(), before+1)
		})
	}
	for _, code := range []int{200, 201, 202, 204} {
		hook.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		require.NoError(t, send(t, options, failed()), code)
	}
}

func TestWebhookTimesOut(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	release := make(chan struct{})
	hook.answer(func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	options := notify.Options{Destinations: destinations(t, hook.URL+"/hush-token"),
		Timeout: 50 * time.Millisecond}
	sent := sendError(t, options, failed())
	assert.False(t, sent.Permanent)
	assert.Equal(t, "there was no response within 50ms", sent.Reason)

	options.Timeout = 0
	n := notifier(t, options)
	ctx, cancel := context.WithCancel(t.Context())
	hook.answer(func(http.ResponseWriter, *http.Request) { cancel(); <-release })
	sent = asError(t, n.Send(ctx, n.Targets(failed())[0], failed()))
	assert.False(t, sent.Permanent)
	assert.Equal(t, "it was interrupted", sent.Reason)
}

func TestUnreachableWebhook(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	hook.Close()
	sent := sendError(t, notify.Options{Destinations: destinations(t, hook.URL+"/hush-token")},
		failed())
	assert.False(t, sent.Permanent)
	assert.Equal(t, "connection refused", sent.Reason)
	assert.NotContains(t, sent.Error(), "hush-token")
}

func TestWebhookCertificateIsVerified(t *testing.T) {
	t.Parallel()
	hook := startReceiver(t, httptest.NewTLSServer)
	options := notify.Options{Destinations: destinations(t, hook.URL+"/hush-token")}
	sent := sendError(t, options, failed())
	assert.False(t, sent.Permanent)
	assert.True(t, strings.HasPrefix(sent.Reason, "its certificate is not trusted: x509:"),
		sent.Reason)
	assert.Empty(t, hook.requests())

	options.Transport = hook.Client().Transport
	require.NoError(t, send(t, options, failed()))
	assert.Len(t, hook.requests(), 1)
}
