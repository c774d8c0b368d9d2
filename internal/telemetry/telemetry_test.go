package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"

	"error-check-gate/internal/telemetry"
)

// clearEnvironment clears OTEL_* variables, so a test does not use the developer's own exporters.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
}

func start(t *testing.T, options telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	if options.Service == "" {
		options.Service = "gate-test"
	}
	tel, err := telemetry.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tel.Shutdown(context.Background())) })
	return tel
}

func metricsPage(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	page := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(page,
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, page.Code, page.Body.String())
	return page.Body.String()
}

// collector accepts every request and records its path.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	paths []string
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.paths = append(c.paths, r.URL.Path)
	}))
	t.Cleanup(c.Close)
	return c
}

func TestNothingConfiguredCostsNothing(t *testing.T) {
	clearEnvironment(t)
	before := runtime.NumGoroutine()
	var log bytes.Buffer
	tel := start(t, telemetry.Options{LogWriter: &log})

	assert.False(t, tel.Tracing())
	ctx, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "work")
	assert.False(t, span.IsRecording())
	assert.False(t, span.SpanContext().IsValid())
	allocations := testing.AllocsPerRun(100, func() {
		_, span := tel.TracerProvider.Tracer("test").Start(ctx, "work")
		span.End()
	})
	assert.LessOrEqual(t, allocations, 1.0, "a span without an exporter allocates only its context")
	interceptors, err := tel.TemporalInterceptors()
	require.NoError(t, err)
	assert.Empty(t, interceptors)
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	require.NoError(t, tel.Shutdown(t.Context()))
	assert.Empty(t, log.String())
}

func TestExporterIsChosenByTheStandardVariables(t *testing.T) {
	endpoint := startCollector(t).URL
	for _, test := range []struct {
		name string
		env  map[string]string
		want bool
	}{
		{"endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		{"endpoint for traces", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint +
			"/v1/traces"}, true},
		{"endpoint for metrics only",
			map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint + "/v1/metrics"}, false},
		{"exporter named", map[string]string{"OTEL_TRACES_EXPORTER": "otlp",
			"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		{"none", map[string]string{"OTEL_TRACES_EXPORTER": "none",
			"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, false},
		{"disabled", map[string]string{"OTEL_SDK_DISABLED": "TRUE",
			"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			clearEnvironment(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			tel := start(t, telemetry.Options{LogWriter: io.Discard})
			assert.Equal(t, test.want, tel.Tracing())
			_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "work")
			defer span.End()
			assert.Equal(t, test.want, span.IsRecording())
		})
	}
}

// TestInvalidEndpointsAreRefused checks that Start refuses an invalid endpoint. The exporter
// would use its default endpoint instead, and nothing would arrive.
func TestInvalidEndpointsAreRefused(t *testing.T) {
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"} {
		for _, value := range []string{"::", "collector:4318", "http://", "ftp://collector", "4318",
			"http://a b"} {
			clearEnvironment(t)
			t.Setenv(variable, value)
			_, err := telemetry.Start(t.Context(), telemetry.Options{Service: "test", LogWriter: io.Discard})
			assert.ErrorContains(t, err, variable+" is not a URL", value)
		}
	}
}

func TestMetricsArePushedIfConfigured(t *testing.T) {
	clearEnvironment(t)
	received := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", received.URL+"/v1/metrics")
	tel := start(t, telemetry.Options{LogWriter: io.Discard})
	counter, err := tel.MeterProvider.Meter("test").Int64Counter("gate.deliveries")
	require.NoError(t, err)
	counter.Add(t.Context(), 2)
	assert.Contains(t, metricsPage(t, tel), "gate_deliveries_total 2", "the page has them too")
	require.NoError(t, tel.Shutdown(t.Context()))
	received.mu.Lock()
	defer received.mu.Unlock()
	assert.Equal(t, []string{"/v1/metrics"}, received.paths)
}

func TestWrongSettingsStopTheStart(t *testing.T) {
	for _, test := range []struct {
		name, variable, value, want string
		options                     telemetry.Options
	}{
		{name: "exporter", variable: "OTEL_TRACES_EXPORTER", value: "zipkin",
			want: "OTEL_TRACES_EXPORTER"},
		{name: "metrics exporter", variable: "OTEL_METRICS_EXPORTER", value: "statsd",
			want: "OTEL_METRICS_EXPORTER"},
		{name: "resource", variable: "OTEL_RESOURCE_ATTRIBUTES", value: "novalue",
			want: "OTEL_RESOURCE_ATTRIBUTES"},
		{name: "format", options: telemetry.Options{LogFormat: "yaml"},
			want: `unknown log format "yaml": use "json" or "text"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			clearEnvironment(t)
			if test.variable != "" {
				t.Setenv(test.variable, test.value)
			}
			test.options.Service, test.options.LogWriter = "gate-test", io.Discard
			_, err := telemetry.Start(t.Context(), test.options)
			assert.ErrorContains(t, err, test.want)
		})
	}
	t.Run("service", func(t *testing.T) {
		_, err := telemetry.Start(t.Context(), telemetry.Options{LogWriter: io.Discard})
		assert.ErrorContains(t, err, "service name")
	})
}

func TestErrorsOfACollectorDoNotFloodTheLog(t *testing.T) {
	clearEnvironment(t)
	var log bytes.Buffer
	start(t, telemetry.Options{LogWriter: &log})
	for range 100 {
		otel.Handle(errors.New("connection refused"))
	}
	lines := strings.Count(log.String(), "\n")
	assert.Equal(t, 3, lines, log.String())
	assert.Contains(t, log.String(), "connection refused")
}

func TestHTTPDurationsHaveBucketsFromAMillisecondToTenSeconds(t *testing.T) {
	clearEnvironment(t)
	tel := start(t, telemetry.Options{LogWriter: io.Discard})
	handler := otelhttp.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		"webhook",
		otelhttp.WithMeterProvider(tel.MeterProvider), otelhttp.WithTracerProvider(tel.TracerProvider))
	for _, host := range []string{"a.example", "b.example:99", "c.example"} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook/inflow", nil)
		request.Host = host
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	page := metricsPage(t, tel)
	for _, bound := range []string{"0.001", "0.01", "0.1", "1", "5", "10"} {
		assert.Contains(t, page, `le="`+bound+`"`)
	}
	var counts []string
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "http_server_request_duration_seconds_count") {
			counts = append(counts, strings.TrimSpace(line))
		}
	}
	require.Len(t, counts, 1, "a forged Host header must not create a series")
	assert.True(t, strings.HasSuffix(counts[0], " 3"), counts[0])
	assert.Contains(t, counts[0], `http_response_status_code="200"`)
	assert.Contains(t, page, "go_goroutines")
	assert.Contains(t, page, "process_open_fds")
}

func TestTemporalMetrics(t *testing.T) {
	clearEnvironment(t)
	tel := start(t, telemetry.Options{LogWriter: io.Discard})
	handler := tel.TemporalMetrics().WithTags(map[string]string{"operation": "StartWorkflowExecution"})
	handler.Counter("temporal_request").Inc(2)
	handler.Timer("temporal_request_latency").Record(0)
	page := metricsPage(t, tel)
	assert.Contains(t, page, `temporal_request_total{operation="StartWorkflowExecution"} 2`)
	assert.Contains(
		t, page,
		`temporal_request_latency_seconds_bucket{operation="StartWorkflowExecution",le="0.001"} 1`)
	assert.NotPanics(t, func() { handler.Counter("not a name\x00").Inc(1) })
}

func TestLogsCarryTheTrace(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", startCollector(t).URL)
	var log bytes.Buffer
	tel := start(t, telemetry.Options{LogWriter: &log})
	ctx, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "work")
	defer span.End()
	traceID, spanID := span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String()

	for _, test := range []struct {
		name   string
		logger *slog.Logger
		want   map[string]any
	}{
		{"plain", tel.Logger, map[string]any{"n": 1.}},
		{"with", tel.Logger.With("order", "a"), map[string]any{"n": 1., "order": "a"}},
		{"group", tel.Logger.With("order", "a").WithGroup("g").With("x", "y").WithGroup("h"),
			map[string]any{
				"order": "a", "g": map[string]any{"x": "y", "h": map[string]any{"n": 1.}},
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			log.Reset()
			test.logger.InfoContext(ctx, "hello", "n", 1)
			var record map[string]any
			require.NoError(t, json.Unmarshal(log.Bytes(), &record))
			delete(record, "time")
			test.want["level"], test.want["msg"] = "INFO", "hello"
			test.want["trace_id"], test.want["span_id"] = traceID, spanID
			assert.Equal(t, test.want, record)

			log.Reset()
			test.logger.Info("hello")
			assert.NotContains(t, log.String(), "trace_id")
		})
	}

	t.Run("workflow", func(t *testing.T) {
		log.Reset()
		// The keys that Temporal's tracing interceptor uses.
		tel.TemporalLogger().Info("hello", "TraceID", span.SpanContext().TraceID(), "SpanID",
			span.SpanContext().SpanID())
		var record map[string]any
		require.NoError(t, json.Unmarshal(log.Bytes(), &record))
		assert.Equal(t, traceID, record["trace_id"])
		assert.Equal(t, spanID, record["span_id"])
	})
}

func TestLogLevelAndFormat(t *testing.T) {
	clearEnvironment(t)
	var log bytes.Buffer
	tel := start(t, telemetry.Options{LogWriter: &log, LogLevel: slog.LevelWarn,
		LogFormat: telemetry.LogText})
	tel.Logger.Info("quiet")
	tel.Logger.Warn("loud", "order", "SO-1")
	assert.NotContains(t, log.String(), "quiet")
	assert.Contains(t, log.String(), "level=WARN msg=loud order=SO-1")
}

func TestPropagator(t *testing.T) {
	clearEnvironment(t)
	start(t, telemetry.Options{LogWriter: io.Discard})
	assert.ElementsMatch(t, []string{"traceparent", "tracestate", "baggage"},
		otel.GetTextMapPropagator().Fields())
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := otel.GetTextMapPropagator().Extract(t.Context(),
		propagation.MapCarrier{"traceparent": parent})
	carrier := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	assert.Equal(t, parent, carrier["traceparent"])
}

func TestMeterProviderIsGlobal(t *testing.T) {
	clearEnvironment(t)
	tel := start(t, telemetry.Options{LogWriter: io.Discard})
	histogram, err := otel.Meter("test").Float64Histogram("gate.commit.duration", metric.WithUnit("s"))
	require.NoError(t, err)
	histogram.Record(t.Context(), 7)
	page := metricsPage(t, tel)
	assert.Contains(t, page, `gate_commit_duration_seconds_bucket{le="5"} 0`)
	assert.Contains(t, page, `gate_commit_duration_seconds_bucket{le="10"} 1`)
}
