package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/telemetry"
)

func TestServeAdminEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tel, err := telemetry.Start(ctx, telemetry.Options{Service: "test", LogWriter: io.Discard})
	require.NoError(t, err)
	defer func() { assert.NoError(t, tel.Shutdown(context.WithoutCancel(ctx))) }()

	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- tel.ServeAdmin(ctx, l) }()

	get := func(path string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			"http://"+l.Addr().String()+path, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	status, body := get("/metrics")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "go_goroutines")
	status, _ = get("/")
	assert.Equal(t, http.StatusNotFound, status)

	status, body = get("/livez")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"alive"}`, body)
	status, body = get("/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.JSONEq(t, `{"error":"the process is starting"}`, body)
	tel.ReadyWhen(func(context.Context) error { return errors.New("no connection") })
	status, body = get("/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.JSONEq(t, `{"error":"no connection"}`, body)
	tel.ReadyWhen(func(context.Context) error { return nil })
	status, body = get("/readyz")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ready"}`, body)

	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-served)
}

// TestScrapeThatHangs registers a metric that hangs. Each scrape must get an answer, scrapes
// must not pile up, and the watchdog must report a hang.
func TestScrapeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, err := telemetry.Start(t.Context(),
			telemetry.Options{Service: "test", LogWriter: io.Discard})
		require.NoError(t, err)
		defer func() { assert.NoError(t, tel.Shutdown(context.WithoutCancel(t.Context()))) }()
		hang := make(chan struct{})
		defer close(hang)
		var hanging atomic.Int32
		tel.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hangs"},
			func() float64 {
				hanging.Add(1)
				<-hang
				return 0
			}))
		page := tel.MetricsHandler()
		for range 20 {
			answer := httptest.NewRecorder()
			began := time.Now()
			page.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics",
				http.NoBody))
			assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
			assert.Less(t, time.Since(began), 10*time.Second)
		}
		assert.LessOrEqual(t, hanging.Load(), int32(8), "scrapes must not pile up")
		require.ErrorContains(t, tel.Watchdog.Check(), "a scrape has been hanging for")
	})
}

// TestServeAdminStopsInSpiteOfItsClients checks that ServeAdmin ends although one client sends
// nothing and another client's probe hangs.
func TestServeAdminStopsInSpiteOfItsClients(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tel, err := telemetry.Start(ctx, telemetry.Options{Service: "test", LogWriter: io.Discard})
	require.NoError(t, err)
	defer func() { assert.NoError(t, tel.Shutdown(context.WithoutCancel(ctx))) }()
	began, hang := make(chan struct{}), make(chan struct{})
	defer close(hang)
	tel.ReadyWhen(func(context.Context) error {
		close(began)
		<-hang
		return nil
	})
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- tel.ServeAdmin(ctx, l) }()
	var dialer net.Dialer
	for _, request := range []string{"", "GET /readyz HTTP/1.1\r\nHost: gate\r\n\r\n"} {
		conn, err := dialer.DialContext(ctx, "tcp", l.Addr().String())
		require.NoError(t, err)
		defer conn.Close() //nolint:gocritic // at the end of the test
		_, err = conn.Write([]byte(request))
		require.NoError(t, err)
	}
	<-began
	cancel()
	require.NoError(t, <-served)
}
