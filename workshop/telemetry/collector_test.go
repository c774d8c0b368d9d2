// Package telemetry_test tests telemetry against a real receiver of OTLP.
package telemetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"error-check-gate/internal/telemetry"
)

// collector receives traces over HTTP.
type collector struct {
	mu    sync.Mutex
	spans []*tracepb.ResourceSpans
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collectorpb.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, request.GetResourceSpans()...)
}

func TestSpansReachTheCollector(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	received := &collector{}
	server := httptest.NewServer(received)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
	tel, err := telemetry.Start(t.Context(), telemetry.Options{
		Service: "gate-ingress", Version: "1.2.3", LogWriter: io.Discard,
	})
	require.NoError(t, err)
	_, span := otel.Tracer("test").Start(t.Context(), "receive")
	span.End()
	require.NoError(t, tel.Shutdown(t.Context()))

	received.mu.Lock()
	defer received.mu.Unlock()
	require.Len(t, received.spans, 1)
	attributes := map[string]string{}
	for _, attribute := range received.spans[0].GetResource().GetAttributes() {
		attributes[attribute.GetKey()] = attribute.GetValue().GetStringValue()
	}
	assert.Equal(t, "gate-ingress", attributes["service.name"])
	assert.Equal(t, "1.2.3", attributes["service.version"])
	assert.Equal(t, "staging", attributes["deployment.environment.name"])
	assert.NotEmpty(t, attributes["service.instance.id"])
	sent := received.spans[0].GetScopeSpans()[0].GetSpans()[0]
	assert.Equal(t, "receive", sent.GetName())
	traceID := span.SpanContext().TraceID()
	assert.Equal(t, traceID[:], sent.GetTraceId())
}
