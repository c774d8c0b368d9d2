package ingress

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

func TestLimits(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	post := func(t *testing.T, ts *testServer, forwardedFor string) reply {
		r := ts.webhookRequest(t, `{"event":"customer.updated"}`)
		r.Header.Set("X-Forwarded-For", forwardedFor)
		r.Header.Set("X-Real-Ip", forwardedFor)
		return ts.do(t, r)
	}
	address := func(i int) string { return fmt.Sprintf("203.0.113.%d", i) }

	t.Run("a peer, whatever its headers claim", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{},
			withOptions(func(o *Options) { o.PeerRateLimit, o.Now = 2, clock }))
		for i := range 4 { // the burst is twice the rate
			assert.Equal(t, 200, post(t, ts, address(i)).status)
		}
		got := post(t, ts, address(9))
		assert.Equal(t, 429, got.status)
		assert.Equal(t, "1", got.header.Get("Retry-After"))
		assertAlike(t, `{"error":"…"}`, got.body)
		mu.Lock()
		now = now.Add(time.Second)
		mu.Unlock()
		assert.Equal(t, 200, post(t, ts, address(9)).status)

		for _, record := range ts.audited(t) {
			assert.Equal(t, "127.0.0.1", record["peer"], "we don't believe an unknown sender")
		}
	})
	t.Run("peers behind a trusted proxy", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.PeerRateLimit, o.Now, o.TrustedProxies = 0.5, clock, networks("127.0.0.0/8")
		}))
		assert.Equal(t, 200, post(t, ts, address(1)).status)
		assert.Equal(t, 429, post(t, ts, address(1)).status)
		assert.Equal(t, 200, post(t, ts, address(2)).status)
		assert.Equal(t, 429, post(t, ts, address(7)+", "+address(2)).status,
			"entries left of the proxy's own come from the client")
		records := ts.audited(t)
		require.Len(t, records, 4)
		assert.Equal(t, address(1), records[0]["peer"])
		assert.Equal(t, "peer-rate-limit", records[1]["reason"])
		assert.Equal(t, address(2), records[3]["peer"])
	})
	t.Run("overall", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.RateLimit, o.PeerRateLimit, o.Now = 1, 100, clock
		}))
		assert.Equal(t, 200, post(t, ts, "").status)
		assert.Equal(t, 200, post(t, ts, "").status)
		assert.Equal(t, 429, post(t, ts, "").status)
		assert.Equal(t, "rate-limit", ts.audited(t)[2]["reason"])
	})
	t.Run("only for verified requests", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.RateLimit, o.PeerRateLimit, o.Now = 0.5, 0.5, clock
		}))
		for range 20 {
			r := ts.webhookRequest(t, documentedBody(orderID))
			r.Header.Set(inflow.SignatureHeader, sign(t, foreignSecret, documentedBody(orderID)))
			assert.Equal(t, 401, ts.do(t, r).status)
		}
		assert.Equal(t, 200, post(t, ts, "").status, "forgeries don't count")
	})
	t.Run("no limits", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) { o.Now = clock }))
		for range 20 {
			assert.Equal(t, 200, post(t, ts, "").status)
		}
	})
}

// TestAllowedPeers checks that a peer that is not on the list is refused before its body is read,
// and cannot get onto the list by a header.
func TestAllowedPeers(t *testing.T) {
	post := func(t *testing.T, ts *testServer, forwardedFor string) reply {
		t.Helper()
		r := ts.webhookRequest(t, documentedBody(orderID))
		r.Header.Set("X-Forwarded-For", forwardedFor)
		return ts.do(t, r)
	}
	t.Run("by the connection", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{},
			withOptions(func(o *Options) { o.AllowedPeers = networks("203.0.113.0/24") }))
		got := post(t, ts, "203.0.113.5")
		assert.Equal(t, http.StatusForbidden, got.status)
		assert.True(t, got.closed)
		assertAlike(t, `{"error":"…"}`, got.body)
		big := ts.webhookRequest(t, strings.Repeat(" ", maxBodySize+1))
		assert.Equal(t, http.StatusForbidden, ts.doOnce(t, big).status, "the body is not read")
		put := ts.webhookRequest(t, documentedBody(orderID))
		put.Method = http.MethodPut
		assert.Equal(t, http.StatusForbidden, ts.do(t, put).status)
		assert.Equal(t, http.StatusOK, ts.get(t, webhookPath).status, "GET is open to everybody")
		assert.Equal(t, http.StatusOK, ts.get(t, livePath).status)
		assert.Equal(t, http.StatusOK, ts.get(t, readyPath).status)
		assert.Empty(t, ts.temporal.committed())
		records := ts.audited(t)
		require.Len(t, records, 3)
		for _, record := range records {
			assert.Equal(t, "peer-not-allowed", record["reason"])
			assert.Equal(t, "127.0.0.1", record["peer"])
			assert.NotContains(t, record, "bodySha256")
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.AllowedPeers = networks("203.0.113.0/24", "2001:db8::/64")
			o.TrustedProxies = networks("127.0.0.1")
		}))
		for forwardedFor, status := range map[string]int{
			"203.0.113.5": 200, "198.51.100.1, 203.0.113.5": 200, "::ffff:203.0.113.5": 200,
			"2001:db8::77": 200, "203.0.113.5, 198.51.100.1": 403, "198.51.100.1": 403, "": 403,
			"garbage": 403, "2001:db8:0:1::77": 403,
		} {
			assert.Equal(t, status, post(t, ts, forwardedFor).status, forwardedFor)
		}
	})
	t.Run("on the list", func(t *testing.T) {
		ts := startServer(t, &fakeTemporal{},
			withOptions(func(o *Options) { o.AllowedPeers = networks("::1", "127.0.0.0/8") }))
		assert.Equal(t, http.StatusOK, post(t, ts, "198.51.100.1").status)
	})
}
