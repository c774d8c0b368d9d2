package ingress

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/testkit"
)

// requestsIn returns the number of requests in an audit log by reason. A line may stand for many.
func requestsIn(records []map[string]any) map[any]int {
	requests := map[any]int{}
	for _, record := range records {
		n, ok := record["requests"].(float64)
		if !ok {
			n = 1
		}
		requests[record["reason"]] += int(n)
	}
	return requests
}

// TestForgerOverItsBudget checks that a forger over its budget gets the same answer, that its
// requests are only counted, and that a valid sender with the same address is not affected.
func TestForgerOverItsBudget(t *testing.T) {
	const limit, forged = 2, 200
	now := testkit.NewClock()
	spans := tracetest.NewSpanRecorder()
	reader := sdkmetric.NewManualReader()
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.PeerFailureLimit, o.PeerRateLimit, o.RateLimit = limit, 1, 1 // a burst of two deliveries
		o.Now = now.Now
		o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	for i := range forged {
		got := ts.do(t, ts.forgedRequest(t, documentedBody(fmt.Sprint(i))))
		require.Equal(t, http.StatusUnauthorized, got.status)
		require.Equal(t, `{"error":"invalid signature"}`, got.body)
		require.Equal(t, i >= limit*edge.FailureBurst, got.closed, "request %d", i)
	}
	put := ts.forgedRequest(t, documentedBody(orderID))
	put.Method = http.MethodPut
	require.Equal(t, http.StatusMethodNotAllowed, ts.do(t, put).status)
	for range 2 {
		got := ts.do(t, ts.webhookRequest(t, documentedBody(orderID)))
		require.Equal(t, http.StatusOK, got.status, "a valid sender with the forger's address")
		require.False(t, got.closed)
	}
	require.Equal(t, http.StatusTooManyRequests,
		ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
	now.Advance(5 * time.Second)
	require.False(t, ts.do(t, ts.forgedRequest(t, "{}")).closed, "the budget refills")

	records := ts.audited(t)
	assert.Len(t, records, limit*edge.FailureBurst+3+1+2,
		"forgeries within the budget, deliveries, and a line per kind of the rest")
	assert.Equal(
		t,
		map[any]int{
			"signature-mismatch": forged + 1,
			"method-not-allowed": 1,
			"received":           2,
			"peer-rate-limit":    1,
		},
		requestsIn(records),
	)
	for _, record := range records {
		if record["requests"] != nil && record["reason"] == "signature-mismatch" {
			assert.EqualValues(t, 401, record["status"])
			assert.Equal(t, "127.0.0.1", record["peer"])
			assert.Equal(t, webhookPath, record["route"])
			assert.NotEmpty(t, record["since"])
			assert.NotContains(t, record, "bodySha256")
		}
	}
	assert.EqualValues(t, forged+5, sum(t, reader, "gate.webhook.requests"),
		"metrics count each request")
	assert.Less(t, sum(t, reader, "http.server.request.duration"),
		int64(limit*edge.FailureBurst+10), "a flood doesn't distort the histogram")
	assert.Equal(t, limit*edge.FailureBurst+1,
		strings.Count(ts.log.String(), `"reason":"signature-mismatch"`))
	assert.Equal(t, 1, strings.Count(ts.log.String(), "many requests were refused"))
	assert.Less(t, len(spans.Ended()), limit*edge.FailureBurst+10, "a flood is not traced")
}

// TestFloodThroughAProxy checks that a flood doesn't close connections that carry other clients'
// requests.
func TestFloodThroughAProxy(t *testing.T) {
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.PeerFailureLimit, o.TrustedProxies = 0.1, networks("127.0.0.1")
	}))
	for range 5 {
		r := ts.forgedRequest(t, "{}")
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		require.False(t, ts.do(t, r).closed)
	}
	assert.Equal(t, 5, requestsIn(ts.audited(t))["signature-mismatch"])
}

// TestUnknownPathsAreCharged checks that requests to unknown paths count as failures, so that
// traces of them are bounded.
func TestUnknownPathsAreCharged(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	now := testkit.NewClock()
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.PeerFailureLimit, o.Now = 1, now.Now
		o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	}))
	for i := range 50 {
		got := ts.get(t, fmt.Sprintf("/wp-admin/%d", i))
		require.Equal(t, http.StatusNotFound, got.status)
		require.Equal(t, i >= edge.FailureBurst, got.closed)
	}
	assert.Empty(t, ts.audited(t))
	assert.Len(t, spans.Ended(), edge.FailureBurst)
}

// TestRefusalCountsAreBounded checks that many peers share a limited number of audit lines.
func TestRefusalCountsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const peers = 3 * maxSummaries
		var out, log bytes.Buffer
		audit, err := OpenAuditLog(AuditOptions{Target: AuditStdout, Stdout: &out})
		require.NoError(t, err)
		c := newRefusalCounts(audit, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
		for i := range peers {
			c.count(refusal{fmt.Sprintf("2001:db8::%x", i), 401, "signature-mismatch"})
		}
		time.Sleep(summaryInterval)
		synctest.Wait()
		c.summarize() // does nothing
		require.NoError(t, audit.Close(t.Context()))
		assert.Equal(t, maxSummaries+1, strings.Count(out.String(), "\n"))
		assert.Equal(t, 1, strings.Count(out.String(), `"peer":"others"`))
		assert.Contains(t, out.String(), fmt.Sprintf(`"requests":%d`, peers-maxSummaries))
		assert.Equal(t, 1, strings.Count(log.String(), "\n"))
	})
}

// TestForgedFlood sends 10,000 forged deliveries over several connections, and valid ones
// meanwhile. Each gets its own answer, and memory doesn't grow.
func TestForgedFlood(t *testing.T) {
	const forgers, forgedEach = 8, 1250
	reader := sdkmetric.NewManualReader()
	ts := startServer(t, &fakeTemporal{forget: true}, withOptions(func(o *Options) {
		o.PeerFailureLimit = DefaultPeerFailureLimit
		o.PeerRateLimit, o.RateLimit = DefaultPeerRateLimit, DefaultRateLimit
		o.Now = testkit.NewClock().Now // stands still, so no budget refills
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	forgery := raw{
		body:      documentedBody(orderID),
		signature: sign(t, foreignSecret, documentedBody(orderID)),
	}.text(t)
	flood := func(n int) *errgroup.Group {
		var group errgroup.Group
		for range forgers {
			group.Go(func() error {
				for range n {
					got, err := ts.exchange(context.Background(), forgery)
					if err != nil {
						return err
					}
					if got.status != http.StatusUnauthorized ||
						got.body != `{"error":"invalid signature"}` {
						return fmt.Errorf("a forged delivery was answered with %d and %s",
							got.status, got.body)
					}
				}
				return nil
			})
		}
		return &group
	}
	deliver := func(i int) {
		require.Equal(t, http.StatusOK,
			ts.do(t, ts.webhookRequest(t, documentedBody(fmt.Sprintf("order-%d", i%20)))).status)
	}
	// Do it once before the measurement, so that pools and tables have their final size.
	warmUp := flood(50)
	deliver(0)
	require.NoError(t, warmUp.Wait())
	requireNoGrowth(t, 1<<20, func() {
		group := flood(forgedEach)
		for i := range 300 {
			deliver(i)
		}
		require.NoError(t, group.Wait())
	})
	const forged = forgers * (forgedEach + 50)
	records := ts.audited(t)
	assert.Equal(t, map[any]int{"signature-mismatch": forged, "received": 301}, requestsIn(records))
	assert.Less(t, len(records), forged/2, "many requests share a line")
	assert.EqualValues(t, forged+301, sum(t, reader, "gate.webhook.requests"))
}
