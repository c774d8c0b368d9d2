package inflow_test

import (
	"bytes"
	"compress/gzip"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// TestFakeInflowFaults runs the client against every fault of the fake InFlow.
func TestFakeInflowFaults(t *testing.T) {
	t.Parallel()
	const whole = 0 // an answer that can be used
	tests := map[string]struct {
		fault fakeinflow.Fault
		kind  inflow.Kind
	}{
		"late": {fakeinflow.Fault{Latency: time.Millisecond}, whole},
		"latency over the timeout": {fakeinflow.Fault{Latency: time.Minute},
			inflow.KindUnavailable},
		"stalls within the body": {fakeinflow.Fault{SlowBody: time.Minute},
			inflow.KindUnavailable},
		"500": {fakeinflow.Fault{Status: 500}, inflow.KindUnavailable},
		"502": {fakeinflow.Fault{Status: 502, Body: "<html>"},
			inflow.KindUnavailable},
		"503": {fakeinflow.Fault{Status: 503, RetryAfter: time.Minute},
			inflow.KindUnavailable},
		"429": {fakeinflow.Fault{Status: 429}, inflow.KindRateLimited},
		"429 with a wait": {fakeinflow.Fault{Status: 429, RetryAfter: time.Minute},
			inflow.KindRateLimited},
		"401":     {fakeinflow.Fault{Status: 401}, inflow.KindUnauthorized},
		"403":     {fakeinflow.Fault{Status: 403}, inflow.KindUnauthorized},
		"404":     {fakeinflow.Fault{Status: 404}, inflow.KindNotFound},
		"409":     {fakeinflow.Fault{Status: 409}, inflow.KindConflict},
		"422":     {fakeinflow.Fault{Status: 422}, inflow.KindBadResponse},
		"garbage": {fakeinflow.Fault{Body: private}, inflow.KindBadResponse},
		"half an order": {fakeinflow.Fault{Body: orderJSON("")[:40]},
			inflow.KindBadResponse},
		"cut within the body": {fakeinflow.Fault{Cut: true}, inflow.KindUnavailable},
		"dropped":             {fakeinflow.Fault{Dropped: true}, inflow.KindUnavailable},
		"the answer lost":     {fakeinflow.Fault{AnswerLost: true}, inflow.KindUnavailable},
		"not there yet":       {fakeinflow.Fault{Stale: time.Minute}, inflow.KindNotFound},
		"incomplete":          {fakeinflow.Fault{Incomplete: time.Minute}, whole},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, err := fakeinflow.New(fakeinflow.Options{})
			require.NoError(t, err)
			defer fake.Close()
			server := httptest.NewServer(fake.Handler())
			defer server.Close()
			samples, err := fakeinflow.Samples()
			require.NoError(t, err)
			id, err := fake.AddOrder(samples[0].Order)
			require.NoError(t, err)
			timeout := 30 * time.Second
			if tt.fault.Latency+tt.fault.SlowBody > time.Second {
				timeout = 200 * time.Millisecond
			}
			client, err := inflow.NewClient(inflow.Options{BaseURL: server.URL,
				CompanyID: fake.CompanyID(), APIKey: fake.APIKey(), Timeout: timeout})
			require.NoError(t, err)
			require.NoError(t, fake.SetFault(tt.fault))

			order, err := client.SalesOrder(t.Context(), id, []string{inflow.IncludeLines})
			if tt.kind == whole {
				require.NoError(t, err)
				assert.Equal(t, id, order.SalesOrderID)
				return
			}
			failed := failure(t, err, tt.kind)
			assert.Equal(t, tt.fault.RetryAfter, failed.RetryAfter)
			assert.NotContains(t, err.Error(), fake.APIKey())

			fake.ClearFaults()
			if timeout > time.Second {
				_, err = client.SalesOrder(t.Context(), id, nil)
				require.NoError(t, err, "the client works again")
			}
			assert.LessOrEqual(t, len(fake.Requests()), 2, "the client does not retry")
		})
	}
}

// allocated returns the number of bytes that all goroutines allocate during do.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestEndlessResponsesAreCutOff is not parallel because it measures the process's allocations.
func TestEndlessResponsesAreCutOff(t *testing.T) {
	const size, chunk = 100 << 20, 1 << 20
	var compressed bytes.Buffer
	zip := gzip.NewWriter(&compressed)
	blank := bytes.Repeat([]byte(" "), chunk)
	for range size / chunk {
		_, err := zip.Write(blank)
		require.NoError(t, err)
	}
	require.NoError(t, zip.Close())
	var sent atomic.Int64
	send := func(w http.ResponseWriter, body []byte) bool {
		n, err := w.Write(body)
		sent.Add(int64(n))
		return err == nil
	}
	tests := map[string]http.HandlerFunc{
		"100 MiB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			for range size / chunk {
				if !send(w, blank) {
					return
				}
			}
		},
		"without an end": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil && send(w, blank) {
			}
		},
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			send(w, compressed.Bytes())
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, handler, func(o *inflow.Options) { o.Timeout = time.Minute })
			sent.Store(0)
			bytes := allocated(func() {
				_, err := client.SalesOrder(t.Context(), orderID, nil)
				assertKind(t, err, inflow.KindTooLarge)
				assert.ErrorContains(t, err, "larger than 16 MiB")
			})
			// io.ReadAll doubles its buffer as it grows, so it needs a few times the limit, but
			// never 100 MiB at once.
			assert.Less(t, bytes, uint64(7*inflow.MaxResponseSize))
			assert.Less(t, sent.Load(), int64(size/2), "the sender was cut off")
		})
	}
}

// TestRedirectsDoNotLeakTheKey checks that the client follows no redirect, so no other host gets
// the API key.
func TestRedirectsDoNotLeakTheKey(t *testing.T) {
	t.Parallel()
	var elsewhere, again atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		assert.Empty(t, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{other.URL + "/x",
			"//" + strings.TrimPrefix(other.URL, "http://") + "/x", "/x"} {
			client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/x" {
					again.Add(1)
				}
				http.Redirect(w, r, target, status)
			})
			for _, ask := range []func() error{
				func() error { _, err := client.SalesOrder(t.Context(), orderID, nil); return err },
				func() error {
					_, err := client.RecentSalesOrders(t.Context(), "c", nil)
					return err
				},
				func() error { _, err := client.Subscriptions(t.Context()); return err },
			} {
				err := ask()
				assertKind(t, err, inflow.KindBadResponse)
				assert.ErrorContains(t, err, "redirect")
			}
		}
	}
	assert.Zero(t, elsewhere.Load())
	assert.Zero(t, again.Load())
}

// raw serves connections one after the other, without net/http.
func raw(t *testing.T, serve func(net.Conn)) (url string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// TestTimeoutCoversTheWholeRequest uses servers that never finish their response.
func TestTimeoutCoversTheWholeRequest(t *testing.T) {
	t.Parallel()
	trickle := func(begin, each string) func(net.Conn) {
		return func(conn net.Conn) {
			_, err := conn.Write([]byte(begin))
			for err == nil {
				time.Sleep(20 * time.Millisecond)
				_, err = conn.Write([]byte(each))
			}
		}
	}
	stalls := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)); <-t.Context().Done() }
	tests := map[string]struct {
		serve func(net.Conn)
		https bool
	}{
		"answers nothing":       {serve: stalls},
		"a header byte by byte": {serve: trickle("HTTP/1.1 200 OK\r\nX: ", "x")},
		"a body byte by byte": {serve: trickle("HTTP/1.1 200 OK\r\nContent-Length: "+
			"100000\r\n\r\n{", " ")},
		"chunks without an end": {serve: trickle("HTTP/1.1 200 OK\r\nTransfer-Encoding: "+
			"chunked\r\n\r\n", "1\r\n \r\n")},
		"informational answers only": {serve: trickle("", "HTTP/1.1 102 Processing\r\n\r\n")},
		"no TLS handshake":           {serve: stalls, https: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, tt.serve)
			if tt.https {
				url = strings.Replace(url, "http://", "https://", 1)
			}
			client, err := inflow.NewClient(inflow.Options{BaseURL: url, CompanyID: companyID,
				APIKey: apiKey, Timeout: 300 * time.Millisecond})
			require.NoError(t, err)
			_, err = client.SalesOrder(t.Context(), orderID, nil)
			assertKind(t, err, inflow.KindUnavailable)
		})
	}
}

func TestHugeHeaderIsRejected(t *testing.T) {
	t.Parallel()
	client := newClient(t, answer(http.StatusOK, orderJSON(""), "X", strings.Repeat("x", 1<<20)))
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindUnavailable)
}

// TestBrokenConnectionIsNotRetried makes two requests and breaks the second one's connection.
// InFlow must see two requests. On a reused connection, net/http would send the second one again.
func TestBrokenConnectionIsNotRetried(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		answer(http.StatusOK, orderJSON(""))(w, r)
	})
	_, err := client.SalesOrder(t.Context(), orderID, nil)
	require.NoError(t, err)
	_, err = client.SalesOrder(t.Context(), orderID, nil)
	assertKind(t, err, inflow.KindUnavailable)
	assert.Equal(t, int32(2), requests.Load())
}
