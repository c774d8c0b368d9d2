package ingress

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/peers"
)

// forgedRequest is signed with a secret that is none of the gate's.
func (e *edge) forgedRequest(t testing.TB, body string) *http.Request {
	t.Helper()
	r := e.webhookRequest(t, body)
	r.Header.Set(inflow.SignatureHeader, sign(t, "a secret of somebody else's", body))
	return r
}

// requestsIn is how many requests the lines of an audit log stand for, by their reason.
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

// TestForgerOverItsBudget: it is answered as before, is recorded in sum, and takes nothing from
// the sender that shares its address.
func TestForgerOverItsBudget(t *testing.T) {
	const limit, forged = 2, 200
	now := newClock()
	spans := tracetest.NewSpanRecorder()
	reader := sdkmetric.NewManualReader()
	e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.PeerFailureLimit, o.PeerRateLimit, o.RateLimit = limit, 1, 1 // two deliveries at once
		o.Now = now.now
		o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	for i := range forged {
		got := e.do(t, e.forgedRequest(t, documentedBody(fmt.Sprint(i))))
		require.Equal(t, http.StatusUnauthorized, got.status)
		require.Equal(t, `{"error":"invalid signature"}`, got.body)
		require.Equal(t, i >= limit*failureBurst, got.parted, "request %d", i)
	}
	put := e.forgedRequest(t, documentedBody(orderID))
	put.Method = http.MethodPut
	require.Equal(t, http.StatusMethodNotAllowed, e.do(t, put).status)
	for range 2 {
		got := e.do(t, e.webhookRequest(t, documentedBody(orderID)))
		require.Equal(t, http.StatusOK, got.status, "a sender at the forger's address")
		require.False(t, got.parted)
	}
	require.Equal(t, http.StatusTooManyRequests, e.do(t, e.webhookRequest(t, documentedBody(orderID))).status)
	now.step(5 * time.Second)
	require.False(t, e.do(t, e.forgedRequest(t, "{}")).parted, "the budget comes back")

	records := e.audited(t)
	assert.Len(t, records, limit*failureBurst+3+1+2, "the forged ones within the budget, the deliveries, and a line for each kind of the rest")
	assert.Equal(t, map[any]int{"signature-mismatch": forged + 1, "method-not-allowed": 1, "received": 2, "peer-rate-limit": 1}, requestsIn(records))
	for _, record := range records {
		if record["requests"] != nil && record["reason"] == "signature-mismatch" {
			assert.EqualValues(t, 401, record["status"])
			assert.Equal(t, "127.0.0.1", record["peer"])
			assert.Equal(t, webhookPath, record["route"])
			assert.NotEmpty(t, record["since"])
			assert.NotContains(t, record, "bodySha256")
		}
	}
	assert.EqualValues(t, forged+5, sum(t, reader, "gate.webhook.requests"), "metrics count each request")
	assert.Less(t, sum(t, reader, "http.server.request.duration"), int64(limit*failureBurst+10), "its quick answers are not averaged with others'")
	assert.Equal(t, limit*failureBurst+1, strings.Count(e.log.String(), `"reason":"signature-mismatch"`))
	assert.Equal(t, 1, strings.Count(e.log.String(), "many requests were refused"))
	assert.Less(t, len(spans.Ended()), limit*failureBurst+10, "a flood is not traced")
}

// TestFloodThroughAProxy: what others' requests share is not cut.
func TestFloodThroughAProxy(t *testing.T) {
	e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.PeerFailureLimit, o.TrustedProxies = 0.1, []string{"127.0.0.1"}
	}))
	for range 5 {
		r := e.forgedRequest(t, "{}")
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		require.False(t, e.do(t, r).parted)
	}
	assert.Equal(t, 5, requestsIn(e.audited(t))["signature-mismatch"])
}

// TestStrangeAddressesAreCharged: requests for what is not there are neither audited nor traced without end.
func TestStrangeAddressesAreCharged(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	now := newClock()
	e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.PeerFailureLimit, o.Now = 1, now.now
		o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	}))
	for i := range 50 {
		got := e.get(t, fmt.Sprintf("/wp-admin/%d", i))
		require.Equal(t, http.StatusNotFound, got.status)
		require.Equal(t, i >= failureBurst, got.parted)
	}
	assert.Empty(t, e.audited(t))
	assert.Len(t, spans.Ended(), failureBurst)
}

// TestStrangersAreBounded: neither many peers nor many networks of one stranger get budgets or lines without end.
func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, log bytes.Buffer
		audit, err := OpenAuditLog(AuditOptions{Target: AuditStdout, Stdout: &out})
		require.NoError(t, err)
		s := newStrangers(1, audit, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
		address := func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0xd, 0xb8, byte(i >> 16), byte(i >> 8), byte(i), 0, 15: byte(i)})
		}
		one := netip.MustParseAddr("2001:db8:1:2::1")
		within := 0
		for range 2 * failureBurst {
			if s.charge(one, time.Now()) {
				within++
			}
			one = one.Next()
		}
		assert.Equal(t, failureBurst, within, "the addresses of one network have one budget")
		assert.True(t, s.overBudget(one, time.Now()))
		assert.False(t, s.overBudget(address(1), time.Now()))

		const many = 2 * peers.Max
		within = 0
		for i := range many {
			if s.charge(address(i), time.Now()) {
				within++
			} else {
				s.count(refusal{address(i).String(), 401, "signature-mismatch"})
			}
		}
		assert.Equal(t, overallFailures*failureBurst-failureBurst, within, "however many peers")
		assert.LessOrEqual(t, s.peers.Len(), peers.Max)
		assert.True(t, s.overBudget(address(many-1), time.Now()))
		assert.False(t, s.overBudget(netip.MustParseAddr("192.0.2.1"), time.Now()), "who never failed is no part of it")

		time.Sleep(summaryInterval)
		synctest.Wait()
		s.summarize() // there is nothing more
		require.NoError(t, audit.Close(t.Context()))
		assert.Equal(t, maxSummaries+1, strings.Count(out.String(), "\n"))
		assert.Equal(t, 1, strings.Count(out.String(), `"peer":"others"`))
		assert.Contains(t, out.String(), fmt.Sprintf(`"requests":%d`, many-within-maxSummaries))
		assert.Equal(t, 1, strings.Count(log.String(), "\n"))
	})
}

// TestForgedFlood: 10,000 forged deliveries come over several connections while valid ones flow.
// Each gets its own answer, and nothing grows.
func TestForgedFlood(t *testing.T) {
	const forgers, forgedEach = 8, 1250
	reader := sdkmetric.NewManualReader()
	e := startEdge(t, &fakeTemporal{forget: true}, withOptions(func(o *Options) {
		o.PeerFailureLimit, o.PeerRateLimit, o.RateLimit = DefaultPeerFailureLimit, DefaultPeerRateLimit, DefaultRateLimit
		o.Now = newClock().now // stands still, so that no budget comes back
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	forgery := raw{body: documentedBody(orderID), signature: sign(t, "a secret of somebody else's", documentedBody(orderID))}.text(t)
	flood := func(n int) *errgroup.Group {
		var group errgroup.Group
		for range forgers {
			group.Go(func() error {
				for range n {
					got, err := e.exchange(context.Background(), forgery)
					if err != nil {
						return err
					}
					if got.status != http.StatusUnauthorized || got.body != `{"error":"invalid signature"}` {
						return fmt.Errorf("a forged delivery was answered with %d and %s", got.status, got.body)
					}
				}
				return nil
			})
		}
		return &group
	}
	deliver := func(i int) {
		require.Equal(t, http.StatusOK, e.do(t, e.webhookRequest(t, documentedBody(fmt.Sprintf("order-%d", i%20)))).status)
	}
	// Once as a rehearsal, so that pools and tables have their size.
	rehearsal := flood(50)
	deliver(0)
	require.NoError(t, rehearsal.Wait())
	requireNoGrowth(t, 1<<20, func() {
		group := flood(forgedEach)
		for i := range 300 {
			deliver(i)
		}
		require.NoError(t, group.Wait())
	})
	const forged = forgers * (forgedEach + 50)
	records := e.audited(t)
	assert.Equal(t, map[any]int{"signature-mismatch": forged, "received": 301}, requestsIn(records))
	assert.Less(t, len(records), forged/2, "a line for many")
	assert.EqualValues(t, forged+301, sum(t, reader, "gate.webhook.requests"))
}
