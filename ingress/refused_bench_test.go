package ingress

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/telemetry"
)

// BenchmarkRefused measures a forged delivery without the network.
func BenchmarkRefused(b *testing.B) {
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	require.NoError(b, err)
	defer log.Close()
	t, err := telemetry.Start(b.Context(), telemetry.Options{Service: "bench", LogWriter: log})
	require.NoError(b, err)
	audit, err := OpenAuditLog(
		AuditOptions{
			Target:        filepath.Join(b.TempDir(), "audit"),
			Logger:        t.Logger,
			MeterProvider: t.MeterProvider,
		},
	)
	require.NoError(b, err)
	keys, err := inflow.ParseSecrets("a-secret-of-the-test-that-is-long")
	require.NoError(b, err)
	secrets, err := NewFixedSecrets(keys)
	require.NoError(b, err)
	server, err := New(Options{
		Temporal: &fakeTemporal{}, Secrets: secrets, Audit: audit, Logger: t.Logger,
		TracerProvider: t.TracerProvider, MeterProvider: t.MeterProvider,
	})
	require.NoError(b, err)
	body, err := inflow.NewWebhookBody(inflow.FormDocumented, "salesOrder.updated", "order",
		time.Now())
	require.NoError(b, err)
	forged, err := inflow.ParseSecrets("another-secret-than-the-right-one")
	require.NoError(b, err)
	signature := inflow.Sign(forged[0], body)
	handler := server.Handler()
	b.ReportAllocs()
	for b.Loop() {
		request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, webhookPath,
			bytes.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(inflow.SignatureHeader, signature)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != http.StatusUnauthorized {
			b.Fatal(answer.Code, answer.Body)
		}
	}
}
