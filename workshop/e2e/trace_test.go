package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"error-check-gate/ingress"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/telemetry"
)

// collector is an OpenTelemetry collector that stores all spans.
type collector struct {
	mu    sync.Mutex
	spans map[string]*tracepb.Span // by id
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var request collectorpb.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(data, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[string(span.GetSpanId())] = span
			}
		}
	}
}

// path returns the names of a span and its ancestors, outermost first.
func (c *collector) path(span *tracepb.Span) string {
	names := []string{}
	for span != nil {
		names = append([]string{span.GetName()}, names...)
		span = c.spans[string(span.GetParentSpanId())]
	}
	return strings.Join(names, " > ")
}

func TestOneTraceFromTheDeliveryToInflow(t *testing.T) {
	c := &collector{spans: map[string]*tracepb.Span{}}
	page := httptest.NewServer(c)
	defer page.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", page.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	var logs bytes.Buffer
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Service: "e2e", LogWriter: &logs})
	require.NoError(t, err)

	s := newStack(t, options{telemetry: tel, ingress: ingress.Options{
		Logger: tel.Logger, TracerProvider: tel.TracerProvider, MeterProvider: tel.MeterProvider,
	}})
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
		Status: 500, Times: 1}))
	id, err := s.fake.AddOrder(s.sample("plain"))
	require.NoError(t, err)
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	require.NoError(t, tel.Shutdown(context.WithoutCancel(t.Context())))

	c.mu.Lock()
	defer c.mu.Unlock()
	const handedOver = "POST /webhook/inflow > commit deliveries to Temporal > " +
		"SignalWithStartWorkflow:SalesOrderCheck > RunWorkflow:SalesOrderCheck"
	var paths []string
	traces := map[string]bool{}
	for _, span := range c.spans {
		path := c.path(span)
		if strings.HasPrefix(path, "POST /webhook/inflow") {
			paths = append(paths, path)
			traces[string(span.GetTraceId())] = true
		}
	}
	assert.Len(t, traces, 1)
	count := func(suffix string) (n int) {
		for _, path := range paths {
			if path == handedOver+suffix {
				n++
			}
		}
		return n
	}
	all := strings.Join(paths, "\n")
	assert.Equal(t, 1, count(""), all)
	assert.Equal(t, 2, count(" > StartActivity:FetchOrder > RunActivity:FetchOrder"),
		"each attempt is a span\n%s", all)
	assert.Equal(t, 2, count(" > StartActivity:FetchOrder > RunActivity:FetchOrder > inflow GET "+
		"sales-order"), all)
	assert.Equal(t, 1, count(" > StartActivity:CheckOrder > RunActivity:CheckOrder"), all)
	for _, span := range c.spans {
		assert.NotContains(t, span.String(), s.fake.APIKey(), "no trace has a secret")
	}
	assert.NotContains(t, logs.String(), s.fake.APIKey())
}
