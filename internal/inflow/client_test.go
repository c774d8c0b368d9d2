package inflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"error-check-gate/internal/inflow"
)

const (
	companyID = "5d3c9b1e-7a52-4b0f-9a39-0c5d1e2f3a4b"
	apiKey    = "key-4f1d9c0b7e-of-the-test"
	orderID   = "0b9a5c1e-1111-4222-8333-944455556666"
	// private stands for order data that must never show up in an error.
	private = "Jane-Private-555-0100"
)

// newClient returns a client of a real server with the given handler.
func newClient(
	t *testing.T, handler http.HandlerFunc, change ...func(*inflow.Options),
) *inflow.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	options := inflow.Options{BaseURL: server.URL, CompanyID: companyID, APIKey: apiKey,
		Timeout: time.Minute}
	for _, c := range change {
		c(&options)
	}
	client, err := inflow.NewClient(options)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func orderJSON(fields string) string {
	return `{"salesOrderId":"` + orderID +
		`","orderNumber":"SO-000123","timestamp":"0000000000310AB6"` + fields + `}`
}

// assertSilent checks that neither the error nor anything that it wraps shows private data.
func assertSilent(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err),
			fmt.Sprintf("%#v", err)} {
			assert.NotContains(t, text, apiKey)
			assert.NotContains(t, text, companyID)
			assert.NotContains(t, text, private)
		}
	}
}

func TestSalesOrderRequest(t *testing.T) {
	var got *http.Request
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		answer(http.StatusOK, orderJSON(""))(w, r)
	}, func(o *inflow.Options) { o.BaseURL += "/proxy/"; o.APIVersion = "2026-04-13" })

	_, err := client.SalesOrder(t.Context(), orderID,
		[]string{"lines.product", "customer", " ", "customer"})
	require.NoError(t, err)

	assert.Equal(t, http.MethodGet, got.Method)
	assert.Equal(t, "/proxy/"+companyID+"/sales-orders/"+orderID, got.URL.Path)
	assert.Equal(t, "customer,lines.product", got.URL.Query().Get("include"))
	assert.Equal(t, "Bearer "+apiKey, got.Header.Get("Authorization"))
	assert.Equal(t, "application/json;version=2026-04-13", got.Header.Get("Accept"))
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))

	_, err = client.SalesOrder(t.Context(), orderID, nil)
	require.NoError(t, err)
	assert.Empty(t, got.URL.RawQuery)
}

func TestSalesOrderIDIsOnePathSegment(t *testing.T) {
	var path string
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		answer(http.StatusNotFound, "")(w, r)
	})
	for id, want := range map[string]string{
		"../webhooks": "..%2Fwebhooks",
		"a b":         "a%20b",
		"a?b#c":       "a%3Fb%23c",
		"%2e%2e":      "%252e%252e",
	} {
		_, err := client.SalesOrder(t.Context(), id, nil)
		assertKind(t, err, inflow.KindNotFound)
		assert.Equal(t, "/"+companyID+"/sales-orders/"+want, path, id)
	}
	for _, id := range []string{"", ".", ".."} {
		path = ""
		_, err := client.SalesOrder(t.Context(), id, nil)
		assertKind(t, err, inflow.KindNotFound)
		assert.Empty(t, path, "no request for %q", id)
	}
}

func assertKind(t *testing.T, err error, want inflow.Kind) {
	t.Helper()
	_ = failure(t, err, want)
}

// failure returns err as an *inflow.Error and checks its kind.
func failure(t *testing.T, err error, want inflow.Kind) *inflow.Error {
	t.Helper()
	var failed *inflow.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, want, failed.Kind, "%v", err)
	assert.NotEmpty(t, failed.Op)
	assert.ErrorContains(t, err, want.String())
	assertSilent(t, err)
	return failed
}

func TestStatusKinds(t *testing.T) {
	tests := []struct {
		status int
		kind   inflow.Kind
		says   string
	}{
		{300, inflow.KindBadResponse, "INFLOW_API_URL"},
		{304, inflow.KindBadResponse, "INFLOW_API_URL"},
		{400, inflow.KindBadResponse, "INFLOW_API_VERSION"},
		{401, inflow.KindUnauthorized, "check INFLOW_API_KEY and INFLOW_COMPANY_ID"},
		{402, inflow.KindBadResponse, "INFLOW_API_VERSION"},
		{403, inflow.KindUnauthorized, "check INFLOW_API_KEY and INFLOW_COMPANY_ID"},
		{404, inflow.KindNotFound, "INFLOW_COMPANY_ID"},
		{405, inflow.KindBadResponse, "INFLOW_API_VERSION"},
		{406, inflow.KindBadResponse, "INFLOW_API_VERSION"},
		{408, inflow.KindUnavailable, "timed out"},
		{409, inflow.KindConflict, "somebody saved it after"},
		{422, inflow.KindBadResponse, "INFLOW_API_VERSION"},
		{429, inflow.KindRateLimited, "INFLOW_REQUESTS_PER_MINUTE"},
		{499, inflow.KindBadResponse, "INFLOW_API_VERSION"},
		{500, inflow.KindUnavailable, "internal error"},
		{502, inflow.KindUnavailable, "internal error"},
		{503, inflow.KindUnavailable, "internal error"},
		{599, inflow.KindUnavailable, "internal error"},
		{600, inflow.KindBadResponse, "INFLOW_API_VERSION"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			client := newClient(t, answer(tt.status, `{"message":"`+private+`"}`))
			_, err := client.SalesOrder(t.Context(), orderID, nil)
			failed := failure(t, err, tt.kind)
			assert.Equal(t, tt.status, failed.StatusCode)
			assert.Zero(t, failed.RetryAfter)
			assert.ErrorContains(t, err, tt.says)
			assert.ErrorContains(t, err, "get sales order")
			assert.ErrorContains(t, err, fmt.Sprint("HTTP ", tt.status))
		})
	}
}

func TestRetryAfter(t *testing.T) {
	const now = "Tue, 28 Oct 2025 12:00:00 GMT"
	tests := map[string]struct {
		status int
		value  string
		want   time.Duration
	}{
		"seconds":              {429, "17", 17 * time.Second},
		"zero":                 {429, "0", 0},
		"blanks around":        {429, " 5 ", 5 * time.Second},
		"date":                 {429, "Tue, 28 Oct 2025 12:01:30 GMT", 90 * time.Second},
		"date, RFC 850":        {429, "Tuesday, 28-Oct-25 12:00:45 GMT", 45 * time.Second},
		"date in the past":     {429, "Tue, 28 Oct 2025 11:00:00 GMT", 0},
		"absent":               {429, "", 0},
		"nonsense":             {429, "soon", 0},
		"negative":             {429, "-5", 0},
		"fraction":             {429, "1.5", 0},
		"over a day":           {429, "864000", 24 * time.Hour},
		"over every number":    {429, strings.Repeat("9", 40), 24 * time.Hour},
		"date over a day away": {429, "Tue, 28 Oct 2035 12:00:00 GMT", 24 * time.Hour},
		"maintenance":          {503, "120", 2 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header := []string{"Date", now}
			if tt.value != "" {
				header = append(header, "Retry-After", tt.value)
			}
			client := newClient(t, answer(tt.status, "", header...))
			_, err := client.SalesOrder(t.Context(), orderID, nil)
			var failed *inflow.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, tt.want, failed.RetryAfter)
		})
	}
}

func TestRetryAfterDateWithoutDateHeader(t *testing.T) {
	until := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil // keeps net/http from adding one
		w.Header().Set("Retry-After", until)
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	failed := failure(t, err, inflow.KindRateLimited)
	assert.InDelta(t, time.Hour.Seconds(), failed.RetryAfter.Seconds(), 60)
}

func TestSalesOrderRejectsBadResponses(t *testing.T) {
	tests := map[string]struct {
		body string
		says string
	}{
		"empty":      {"", "it is empty"},
		"HTML":       {"<html>" + private + "</html>", "not JSON: syntax error at byte 1"},
		"cut":        {`{"salesOrderId":"` + private, "not JSON"},
		"two values": {orderJSON("") + `{}`, "not JSON"},
		"list": {`[{"salesOrderId":"` + private + `"}]`,
			"expected an object, got a list"},
		"string":     {`"` + private + `"`, "expected an object, got a string"},
		"number":     {`5550100`, "expected an object, got a number"},
		"null":       {`null`, "expected an object, got null"},
		"no id":      {`{"orderNumber":"` + private + `"}`, "has no salesOrderId"},
		"another id": {`{"salesOrderId":"` + private + `"}`, "another salesOrderId"},
		"id a number": {`{"salesOrderId":5550100}`, "field salesOrderId: expected a string, " +
			"got a number"},
		"amount no text": {orderJSON(`,"total":"` + private + `"`),
			"field total: expected a decimal number of at most 19 digits, got a string"},
		"amount too long": {orderJSON(`,"total":"55501005550100555010055501"`), "field total"},
		"amount a bool": {orderJSON(`,"total":true`), "field total: expected a decimal number " +
			"of at most 19 digits, got true or false"},
		"amount a list": {orderJSON(`,"total":["` + private + `"]`),
			"field total: expected a decimal number of at most 19 digits, got a list"},
		"line's amount": {orderJSON(`,"lines":[{"quantity":{"uomQuantity":"` + private + `"}}]`),
			"field lines.quantity.uomQuantity: expected a decimal number of at most 19 digits, " +
				"got a string"},
		"date": {orderJSON(`,"orderDate":"` + private + `"`),
			"field orderDate: expected a date in RFC 3339, got a string"},
		"date number": {orderJSON(`,"orderDate":5550100`),
			"field orderDate: expected a date in RFC 3339, got a number"},
		"flag": {orderJSON(`,"isQuote":"` + private + `"`),
			"field isQuote: expected true or false, got a string"},
		"lines": {orderJSON(`,"lines":{"a":"` + private + `"}`),
			"field lines: expected a list, got an object"},
		"private text": {orderJSON(`,"email":{"a":"` + private + `"}`),
			"field email: expected a string, got an object"},
		"key of a custom field": {orderJSON(`,"customFields":{"` + private + `":5550100}`),
			"field customFields: expected a string, got a number"},
		"private number": {orderJSON(`,"phone":5550100`),
			"field phone: expected a string, got a number"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, answer(http.StatusOK, tt.body, "Content-Type",
				"application/json; charset=utf-8"))
			order, err := client.SalesOrder(t.Context(), orderID, nil)
			failed := failure(t, err, inflow.KindBadResponse)
			assert.Nil(t, order)
			assert.Equal(t, http.StatusOK, failed.StatusCode)
			assert.ErrorContains(t, err, tt.says)
			assert.NotContains(t, err.Error(), "5550100")
		})
	}
}

func TestBadResponseErrorNamesItsMediaType(t *testing.T) {
	client := newClient(t, answer(http.StatusOK, "<html>", "Content-Type",
		"text/html; charset=utf-8"))
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindBadResponse)
	assert.ErrorContains(t, err, "(text/html)")
}

func TestSalesOrderIgnoresCaseOfID(t *testing.T) {
	client := newClient(t, answer(http.StatusOK, orderJSON("")))
	order, err := client.SalesOrder(t.Context(), strings.ToUpper(orderID), nil)
	require.NoError(t, err)
	assert.Equal(t, orderID, order.SalesOrderID)
}

func TestHugeResponseIsRejected(t *testing.T) {
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		for range inflow.MaxResponseSize>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindTooLarge)
	assert.ErrorContains(t, err, "larger than 16 MiB")
}

func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := newClient(t, answer(status, "", "Location", elsewhere.URL+"/"+private))
		_, err := client.SalesOrder(t.Context(), orderID, nil)
		failed := failure(t, err, inflow.KindBadResponse)
		assert.Equal(t, status, failed.StatusCode)
		assert.ErrorContains(t, err, "redirect")
	}
}

// stall answers nothing until the client is gone.
func stall(r *http.Request) { <-r.Context().Done() }

func TestSlowResponsesTimeOut(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"headers": func(_ http.ResponseWriter, r *http.Request) { stall(r) },
		"body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"salesOrderId":"` + private))
			_ = http.NewResponseController(w).Flush()
			stall(r)
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, handler, func(o *inflow.Options) {
				o.Timeout = 50 * time.Millisecond
			})
			_, err := client.SalesOrder(t.Context(), orderID, nil)
			assertKind(t, err, inflow.KindUnavailable)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "no complete response within 50ms")
		})
	}
}

func TestSlowErrorBodyDoesNotDelay(t *testing.T) {
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_ = http.NewResponseController(w).Flush()
		stall(r)
	}, func(o *inflow.Options) { o.Timeout = time.Minute })
	start := time.Now()
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindUnavailable)
	assert.Less(t, time.Since(start), time.Minute)
}

func TestCallerCanCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := newClient(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		stall(r)
	})
	_, err := client.SalesOrder(ctx, orderID, nil)
	assertKind(t, err, inflow.KindUnavailable)
	require.ErrorIs(t, err, context.Canceled)
}

func TestBrokenConnections(t *testing.T) {
	tests := map[string]string{
		"before an answer":  "",
		"within the header": "HTTP/1.1 200 OK\r\nContent-Len",
		"within the body": "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"salesOrderId\":\"" +
			private,
		"within a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " +
			"chunked\r\n\r\nff\r\n{\"email\":\"" + private,
		"not HTTP": private + "\r\n\r\n",
		"broken chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + private +
			"\r\n",
		"broken header": "HTTP/1.1 200 OK\r\n" + private + "\r\n\r\n",
		"broken status": "HTTP/1.1 " + private + "\r\n\r\n",
	}
	for name, sent := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if !assert.NoError(t, err) {
					return
				}
				_, _ = conn.Write([]byte(sent))
				_ = conn.Close()
			})
			_, err := client.SalesOrder(t.Context(), orderID, nil)
			assertKind(t, err, inflow.KindUnavailable)
		})
	}
}

func TestNoListener(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	client, err := inflow.NewClient(inflow.Options{BaseURL: "http://" + address,
		CompanyID: companyID, APIKey: apiKey})
	require.NoError(t, err)
	_, err = client.SalesOrder(t.Context(), orderID, nil)
	failed := failure(t, err, inflow.KindUnavailable)
	assert.Zero(t, failed.StatusCode)
	assert.ErrorContains(t, err, "connection refused")
	assert.ErrorContains(t, err, address)
}

func TestTransportErrorIsNotQuoted(t *testing.T) {
	client := newClient(t, nil, func(o *inflow.Options) {
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("refused %s with %s", r.URL, r.Header.Get("Authorization"))
		})
	})
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindUnavailable)
}

func TestHTTPSToPlainHTTPServer(t *testing.T) {
	client := newClient(t, answer(http.StatusOK, ""), func(o *inflow.Options) {
		o.BaseURL = strings.Replace(o.BaseURL, "http://", "https://", 1)
	})
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindUnavailable)
	assert.ErrorContains(t, err, "HTTP response to HTTPS client")
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(answer(http.StatusOK, orderJSON("")))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	client, err := inflow.NewClient(inflow.Options{BaseURL: server.URL, CompanyID: companyID,
		APIKey: apiKey})
	require.NoError(t, err)
	_, err = client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindUnavailable)
	assert.ErrorContains(t, err, "certificate")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNewClientReportsAllFaults(t *testing.T) {
	_, err := inflow.NewClient(inflow.Options{BaseURL: "ftp://x", APIVersion: "a\r\nb",
		Timeout: -1})
	for _, want := range []string{"BaseURL", "CompanyID", "APIKey", "APIVersion", "Timeout"} {
		assert.ErrorContains(t, err, want)
	}
	valid := inflow.Options{CompanyID: companyID, APIKey: apiKey}
	_, err = inflow.NewClient(valid)
	require.NoError(t, err, "all other options have defaults")

	tests := map[string]func(*inflow.Options){
		"host":     func(o *inflow.Options) { o.BaseURL = "https://" },
		"relative": func(o *inflow.Options) { o.BaseURL = "cloudapi.inflowinventory.com" },
		"user": func(o *inflow.Options) {
			o.BaseURL = "https://user:" + private + "@host"
		},
		"query":             func(o *inflow.Options) { o.BaseURL = "https://host?key=" + private },
		"unreadable":        func(o *inflow.Options) { o.BaseURL = "https://host/%zz" + private },
		"company in a path": func(o *inflow.Options) { o.CompanyID = "a/" + private },
		"company dots":      func(o *inflow.Options) { o.CompanyID = ".." },
		"key's line break":  func(o *inflow.Options) { o.APIKey = apiKey + "\n" },
		"key's blank":       func(o *inflow.Options) { o.APIKey = " " + apiKey },
		"key not ASCII":     func(o *inflow.Options) { o.APIKey = apiKey + "é" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			options := valid
			change(&options)
			_, err := inflow.NewClient(options)
			require.Error(t, err)
			assertSilent(t, err)
		})
	}
}

func TestAPIKeyIsMasked(t *testing.T) {
	options := inflow.Options{BaseURL: "https://inflow.example", CompanyID: companyID,
		APIKey: apiKey}
	client, err := inflow.NewClient(options)
	require.NoError(t, err)
	subscription := inflow.Subscription{ID: "1", Secret: apiKey}
	type holder struct{ client *inflow.Client }

	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&logged, nil),
		slog.NewTextHandler(&logged, nil)} {
		slog.New(handler).Info("masked", "options", options, "client", client, "subscription",
			subscription, "secret", subscription.Secret)
	}
	for _, value := range []any{options, &options, client, *client, holder{client}, subscription,
		&subscription, subscription.Secret} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&logged, verb, value)
		}
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		logged.Write(encoded)
	}
	assert.NotContains(t, logged.String(), apiKey)
	assert.NotContains(t, logged.String(), fmt.Sprintf("%x", apiKey))
	assert.Contains(t, logged.String(), "***")
	assert.Contains(t, logged.String(), companyID, "the log shows values that are not secret")
}

func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "activity")

	var traceparent, baggage string
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		traceparent, baggage = r.Header.Get("Traceparent"), r.Header.Get("Baggage")
		answer(http.StatusOK, orderJSON(`,"orderRemarks":"`+private+`"`))(w, r)
	})
	_, err := client.SalesOrder(ctx, orderID, []string{inflow.IncludeLines})
	require.NoError(t, err)
	parent.End()

	spans := recorder.Ended()
	require.Len(t, spans, 2)
	assert.Equal(t, "inflow GET sales-order", spans[0].Name())
	assert.Equal(t, trace.SpanKindClient, spans[0].SpanKind())
	assert.Equal(t, parent.SpanContext().SpanID(), spans[0].Parent().SpanID())
	assert.Contains(t, traceparent, parent.SpanContext().TraceID().String())
	assert.Empty(t, baggage)
	for _, attribute := range spans[0].Attributes() {
		assert.NotContains(t, attribute.Value.String(), apiKey)
		assert.NotContains(t, attribute.Value.String(), private)
	}
}
