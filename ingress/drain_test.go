package ingress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

// TestDrain checks that every request that was accepted before the stop is committed and answered,
// and that /readyz says 503 meanwhile.
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
	ts := startServer(t, temporal, withServer(func(s *Server) { s.drainNotice = time.Millisecond }))
	statuses := make(chan int, requests)
	for i := range requests {
		r := ts.webhookRequest(t, documentedBody(fmt.Sprintf("order-%d", i%7)))
		go func() {
			response, err := ts.client.Do(r)
			if !assert.NoError(t, err) {
				statuses <- 0
				return
			}
			assert.NoError(t, response.Body.Close())
			statuses <- response.StatusCode
		}()
	}
	ts.requireWaiting(t, requests)

	ts.stop()
	require.Eventually(t, ts.server.draining.Load, generous, time.Millisecond)
	recorder := httptest.NewRecorder()
	ts.server.Handler().ServeHTTP(recorder,
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, readyPath, nil))
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
	require.NoError(t, <-ts.stopped)
	ts.stopped <- nil
	_, err := ts.client.Get(ts.url + livePath) //nolint:noctx,bodyclose // there is no answer
	require.Error(t, err)
}

// TestDrainUnderLoad checks that clients that keep sending over open connections are answered or
// find the listener closed, but never see a broken connection.
func TestDrainUnderLoad(t *testing.T) {
	const clients = 8
	temporal := &fakeTemporal{signal: waitFor(time.Millisecond)}
	closeListener := make(chan struct{})
	ts := startServer(t, temporal, withServer(func(s *Server) {
		s.drainNotice, s.endNotice = generous, closeListener
	}))
	load := newLoad()
	var sending, unaware sync.WaitGroup
	unaware.Add(clients)
	for client := range clients {
		requests := load.requests(t, ts, client)
		sending.Go(func() { load.send(requests, sync.OnceFunc(unaware.Done)) })
	}
	require.Eventually(t, func() bool { return len(temporal.committed()) > 50 },
		generous, time.Millisecond)
	ts.stop()
	unaware.Wait() // until each client has got an answer that closes its connection
	close(closeListener)
	require.NoError(t, <-ts.stopped)
	ts.stopped <- nil
	sending.Wait()

	for _, err := range load.broken {
		t.Error(err)
	}
	committed := map[string]bool{}
	for _, call := range temporal.committed() {
		for _, delivery := range call.deliveries {
			committed[delivery.OccurredAt] = true
		}
	}
	for _, key := range load.received {
		assert.True(t, committed[key], "%s was answered with 200 and not committed", key)
	}
}

// load collects the answers and errors that clients get while they send many deliveries.
type load struct {
	mu       sync.Mutex
	received []string // the keys of deliveries that were answered with 200
	broken   []error  // of requests that were cut off
}

type loadRequest struct {
	*http.Request
	key string
}

func newLoad() *load { return &load{} }

// requests returns the requests of one client.
func (l *load) requests(t *testing.T, ts *testServer, client int) []loadRequest {
	t.Helper()
	var requests []loadRequest
	for i := range 2000 {
		key := fmt.Sprintf("%d-%d", client, i)
		body := fmt.Sprintf(
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"order-%d","timestamp":%q}`, i%50,
			key)
		requests = append(requests, loadRequest{ts.webhookRequest(t, body), key})
	}
	return requests
}

// send sends requests over one connection until the server refuses one. It calls closing when an
// answer closes the connection, and at its end.
func (l *load) send(requests []loadRequest, closing func()) {
	defer closing()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, r := range requests {
		var reused bool
		trace := &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
		}
		response, err := client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
		if err != nil {
			if !neverAccepted(err, reused) {
				l.mu.Lock()
				l.broken = append(l.broken,
					fmt.Errorf("request %s, reused %v: %w", r.key, reused, err))
				l.mu.Unlock()
			}
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.Close {
			closing()
		}
		if response.StatusCode == http.StatusOK {
			l.mu.Lock()
			l.received = append(l.received, r.key)
			l.mu.Unlock()
		}
	}
}

// neverAccepted reports whether a request failed because the server never accepted its connection:
// the listener was closed, or closed while the connection was still in the kernel's queue.
func neverAccepted(err error, reused bool) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" ||
		!reused && errors.Is(err, syscall.ECONNRESET)
}

// TestDrainServesAcceptedConnections checks that requests over accepted connections are answered
// even after the stop began. net/http's own Shutdown drops them.
func TestDrainServesAcceptedConnections(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	dial := func() net.Conn {
		conn, err := new(
			net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
		require.NoError(t, err)
		return conn
	}
	request := func(conn net.Conn, part string) {
		_, err := io.WriteString(conn, part)
		require.NoError(t, err)
	}
	body := documentedBody(orderID)
	head := "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n" +
		inflow.SignatureHeader + ": " + sign(t, firstSecret, body) + "\r\n" +
		"Content-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n"

	silent, halfway, bodiless := dial(), dial(), dial()
	request(halfway, head[:40])
	request(bodiless, head)
	// After this answer, the server has accepted the connections above.
	require.Equal(t, 200, ts.get(t, livePath).status)
	ts.client.CloseIdleConnections()

	ts.stop()
	require.Eventually(t, func() bool {
		conn, err := new(
			net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, generous, time.Millisecond, "the listener is closed")
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
	require.NoError(t, <-ts.stopped)
	ts.stopped <- nil
}

func TestDrainThatTakesTooLong(t *testing.T) {
	temporal := &fakeTemporal{signal: hang}
	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret))
	require.NoError(t, err)
	server, err := New(Options{
		Temporal: temporal, Secrets: secrets, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	server.drainWithin, server.committer.commitWithin = time.Millisecond, generous
	server.timeouts = timeouts{generous, generous, generous, generous}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(ctx, listener) }()
	ts := &testServer{
		url:    "http://" + listener.Addr().String(),
		client: &http.Client{Transport: &http.Transport{}},
	}
	request := ts.webhookRequest(t, documentedBody(orderID))
	answered := make(chan error, 1)
	go func() {
		response, err := ts.client.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		answered <- err
	}()
	require.Eventually(t, func() bool { return temporal.attempted() == 1 }, generous,
		time.Millisecond)
	stop()
	require.ErrorContains(t, <-stopped, "requests were cut off: not drained within 1ms")
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
