package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/telemetry"
)

func TestServeAdminUntilTold(t *testing.T) {
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
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+path, http.NoBody)
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
	tel.ReadyWhen(func(context.Context) error { return errors.New("nobody there") })
	status, body = get("/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.JSONEq(t, `{"error":"nobody there"}`, body)
	tel.ReadyWhen(func(context.Context) error { return nil })
	status, body = get("/readyz")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ready"}`, body)

	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-served)
}
