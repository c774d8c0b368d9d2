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
	ts := startServer(t, temporal, withServer(func(s *Server) { s.drainNotice = 50 * time.Millisecond }))
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
	ts.server.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, readyPath, nil))
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
	_, err := ts.client.Get(ts.url + livePath) //nolint:noctx,bodyclose // nobody answers
	require.Error(t, err)
}

// TestDrainUnderLoad: with a notice, clients that keep their connections and go on sending see no
// broken one: they are answered, or find the door shut. A connection that the kernel had queued and
// nobody accepted when the door shut is reset; it was never in.
func TestDrainUnderLoad(t *testing.T) {
	const workers = 8
	temporal := &fakeTemporal{signal: waitFor(time.Millisecond)}
	noticed := make(chan struct{})
	ts := startServer(t, temporal, withServer(func(s *Server) { s.drainNotice, s.endNotice = generous, noticed }))
	var taken, broken sync.Map
	var group, unaware sync.WaitGroup
	unaware.Add(workers)
	for worker := range workers {
		aware := sync.OnceFunc(unaware.Done)
		var requests []*http.Request
		for i := range 2000 {
			requests = append(requests, ts.webhookRequest(t, fmt.Sprintf(`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"order-%d","timestamp":"%d-%d"}`, i%50, worker, i)))
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
	ts.stop()
	unaware.Wait()
	close(noticed) // the door shuts once each client has been told
	require.NoError(t, <-ts.stopped)
	ts.stopped <- nil
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

// TestDrainHearsOutAcceptedConnections: net/http's own Shutdown drops what they send after it
// began.
func TestDrainHearsOutAcceptedConnections(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	dial := func() net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
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
	require.Equal(t, 200, ts.get(t, livePath).status)
	ts.client.CloseIdleConnections()

	ts.stop()
	require.Eventually(t, func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
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
	require.NoError(t, <-ts.stopped)
	ts.stopped <- nil
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
	ts := &testServer{url: "http://" + listener.Addr().String(), client: &http.Client{Transport: &http.Transport{}}}
	request := ts.webhookRequest(t, documentedBody(orderID))
	answered := make(chan error, 1)
	go func() {
		response, err := ts.client.Do(request)
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
