package ingress

import (
	"net/http"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/inflow"
)

func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	remote := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{
			1,
		}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	post := func(t *testing.T, ts *testServer) {
		r := ts.webhookRequest(t, documentedBody(orderID))
		propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(t.Context(), remote),
			propagation.HeaderCarrier(r.Header))
		require.Equal(t, 200, ts.do(t, r).status)
	}
	setGlobalPropagator(t)

	t.Run("from an unknown sender", func(t *testing.T) {
		recorder.Reset()
		ts := startServer(t, &fakeTemporal{},
			withOptions(func(o *Options) { o.TracerProvider = tracers }))
		post(t, ts)
		ts.get(t, "/no-such-"+strings.Repeat("x", 100))
		ts.get(t, readyPath)
		records := ts.audited(t)

		spans := map[string]sdktrace.ReadOnlySpan{}
		for _, span := range recorder.Ended() {
			spans[span.Name()] = span
		}
		require.Len(t, spans, 3, "the delivery, its call and the stray request, but not the probe")
		request, call := spans["POST /webhook/inflow"], spans["commit deliveries to Temporal"]
		require.NotNil(t, request)
		require.NotNil(t, call)
		require.Contains(t, spans, "GET")
		assert.Equal(t, request.SpanContext().SpanID(), call.Parent().SpanID())
		assert.NotEqual(t, remote.TraceID(), request.SpanContext().TraceID(),
			"we don't adopt an unknown sender's trace")
		require.Len(t, request.Links(), 1)
		assert.Equal(t, remote.TraceID(), request.Links()[0].SpanContext.TraceID())
		assert.Equal(t, request.SpanContext().TraceID().String(), records[0]["traceId"])
	})
	t.Run("from a trusted proxy", func(t *testing.T) {
		recorder.Reset()
		ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.TracerProvider = tracers
			o.TrustedProxies = networks("127.0.0.1")
		}))
		post(t, ts)
		ts.audited(t)
		for _, span := range recorder.Ended() {
			assert.Equal(t, remote.TraceID(), span.SpanContext().TraceID())
		}
	})
}

func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	require.Equal(t, 200, ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
	require.Equal(t, 200,
		ts.do(t, ts.webhookRequest(t, `{"event":"made-up-by-the-sender"}`)).status)
	second := ts.webhookRequest(t, liveBody(orderID))
	second.Header.Set(inflow.SignatureHeader, sign(t, secondSecret, liveBody(orderID)))
	require.Equal(t, 200, ts.do(t, second).status)
	unsigned := ts.webhookRequest(t, liveBody(orderID))
	unsigned.Header.Del(inflow.SignatureHeader)
	require.Equal(t, 401, ts.do(t, unsigned).status)
	ts.audited(t)

	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	got := map[string]any{}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
				}
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Count
				}
			case metricdata.Histogram[int64]:
				for _, point := range data.DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Sum
				}
			}
		}
	}
	assert.EqualValues(t, 2, got["gate.webhook.requests outcome=received,reason=received"])
	assert.EqualValues(t, 1, got["gate.webhook.requests outcome=ignored,reason=unknown-event"])
	assert.EqualValues(t, 1, got["gate.webhook.requests outcome=refused,reason=signature-missing"])
	assert.EqualValues(t, 0, got["gate.webhook.requests outcome=failed,reason=not-committed"],
		"the series exists before its first event")
	assert.EqualValues(t, 1, got["gate.temporal.reachable "])
	assert.EqualValues(t, 2, got["gate.webhook.verified secret_index=0"])
	assert.EqualValues(t, 1, got["gate.webhook.verified secret_index=1"])
	assert.EqualValues(t, 2, got["gate.webhook.commit.duration committed=true"])
	assert.EqualValues(t, 2, got["gate.webhook.batch.size committed=true,several_orders=false"])
	assert.EqualValues(t, 0, got["gate.webhook.waiting "])
	for name := range got {
		assert.NotContains(t, name, "made-up-by-the-sender")
		assert.NotContains(t, name, orderID)
	}
	found := false
	for name := range got {
		found = found ||
			(strings.HasPrefix(name, "http.server.request.duration ") &&
				strings.Contains(name, "http.route=/webhook/inflow"))
	}
	assert.True(t, found, "HTTP metrics by route: %v", got)
}

// TestSpoofedAddressInTraces checks that client.address in spans is the address that we believe,
// not the one that the sender claims.
func TestSpoofedAddressInTraces(t *testing.T) {
	for name, tc := range map[string]struct {
		proxies edge.Networks
		want    string
	}{"from an unknown sender": {nil, "127.0.0.1"},
		"from a trusted proxy": {networks("127.0.0.1"), "198.51.100.7"}} {
		t.Run(name, func(t *testing.T) {
			recorder := tracetest.NewSpanRecorder()
			ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
				o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
				o.TrustedProxies = tc.proxies
			}))
			r := ts.webhookRequest(t, documentedBody(orderID))
			r.Header["X-Forwarded-For"] = []string{"192.0.2.66", "192.0.2.67, 198.51.100.7"}
			require.Equal(t, http.StatusOK, ts.do(t, r).status)
			ts.audited(t)
			found := false
			for _, span := range recorder.Ended() {
				for _, attribute := range span.Attributes() {
					if attribute.Key == "client.address" {
						found = true
						assert.Equal(t, tc.want, attribute.Value.AsString())
					}
				}
			}
			assert.True(t, found, "no span has a client.address")
		})
	}
}
