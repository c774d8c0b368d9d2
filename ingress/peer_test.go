package ingress

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestAllowedPeers: who is not on the list is refused before its body is read, and cannot talk itself onto it.
func TestAllowedPeers(t *testing.T) {
	post := func(t *testing.T, e *edge, forwardedFor string) reply {
		t.Helper()
		r := e.webhookRequest(t, documentedBody(orderID))
		r.Header.Set("X-Forwarded-For", forwardedFor)
		return e.do(t, r)
	}
	t.Run("by the connection", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) { o.AllowedPeers = []string{"203.0.113.0/24"} }))
		got := post(t, e, "203.0.113.5")
		assert.Equal(t, http.StatusForbidden, got.status)
		assert.True(t, got.parted)
		assertAlike(t, `{"error":"…"}`, got.body)
		big := e.webhookRequest(t, strings.Repeat(" ", maxBodySize+1))
		assert.Equal(t, http.StatusForbidden, e.do(t, big).status, "nothing of a body is read")
		put := e.webhookRequest(t, documentedBody(orderID))
		put.Method = http.MethodPut
		assert.Equal(t, http.StatusForbidden, e.do(t, put).status)
		assert.Equal(t, http.StatusOK, e.get(t, webhookPath).status, "GET is everybody's")
		assert.Equal(t, http.StatusOK, e.get(t, livePath).status)
		assert.Equal(t, http.StatusOK, e.get(t, readyPath).status)
		assert.Empty(t, e.temporal.committed())
		records := e.audited(t)
		require.Len(t, records, 3)
		for _, record := range records {
			assert.Equal(t, "peer-not-allowed", record["reason"])
			assert.Equal(t, "127.0.0.1", record["peer"])
			assert.NotContains(t, record, "bodySha256")
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.AllowedPeers, o.TrustedProxies = []string{"203.0.113.0/24", "2001:db8::/64"}, []string{"127.0.0.1"}
		}))
		for forwardedFor, status := range map[string]int{
			"203.0.113.5": 200, "198.51.100.1, 203.0.113.5": 200, "::ffff:203.0.113.5": 200, "2001:db8::77": 200,
			"203.0.113.5, 198.51.100.1": 403, "198.51.100.1": 403, "": 403, "garbage": 403, "2001:db8:0:1::77": 403,
		} {
			assert.Equal(t, status, post(t, e, forwardedFor).status, forwardedFor)
		}
	})
	t.Run("on the list", func(t *testing.T) {
		e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) { o.AllowedPeers = []string{"::1", "127.0.0.0/8"} }))
		assert.Equal(t, http.StatusOK, post(t, e, "198.51.100.1").status)
	})
}

// TestSpoofedAddressInTraces: OpenTelemetry's client.address is whom the gate takes the client for.
func TestSpoofedAddressInTraces(t *testing.T) {
	for name, tc := range map[string]struct {
		proxies []string
		want    string
	}{"from a stranger": {nil, "127.0.0.1"}, "from a trusted proxy": {[]string{"127.0.0.1"}, "198.51.100.7"}} {
		t.Run(name, func(t *testing.T) {
			recorder := tracetest.NewSpanRecorder()
			e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) {
				o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
				o.TrustedProxies = tc.proxies
			}))
			r := e.webhookRequest(t, documentedBody(orderID))
			r.Header["X-Forwarded-For"] = []string{"192.0.2.66", "192.0.2.67, 198.51.100.7"}
			require.Equal(t, http.StatusOK, e.do(t, r).status)
			e.audited(t)
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
