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

func parsedNetworks(t *testing.T, texts ...string) networks {
	t.Helper()
	n, err := parseNetworks("network", texts)
	require.NoError(t, err)
	return n
}

func TestNetworks(t *testing.T) {
	n := parsedNetworks(t, "10.1.2.3/8", "192.0.2.1", "2001:db8::/32", "::ffff:198.51.100.0/120", "::ffff:203.0.113.9")
	for address, want := range map[string]bool{
		"10.1.2.3:5": true, "11.1.2.3:5": false, "192.0.2.1:1": true, "192.0.2.2:1": false, "[2001:db8::1]:1": true, "[::ffff:10.0.0.1]:1": true,
		"[2001:db9::1]:1": false, "[2001:db8::1%eth0]:1": true, "198.51.100.77:1": true, "[::ffff:198.51.100.77]:1": true, "198.51.101.1:1": false,
		"203.0.113.9:1": true, "": false, "@": false, "10.1.2.3": false,
	} {
		assert.Equal(t, want, n.contain(remoteAddress(address)), address)
	}
	for _, faulty := range []string{"", " ", "10.0.0.0/33", "10.0.0", "proxy.example", "10.0.0.1:80", "::/129", "fe80::1%eth0/64"} {
		_, err := parseNetworks("network", []string{faulty})
		assert.ErrorContains(t, err, "is neither an IP address nor a CIDR range", faulty)
	}
}

// TestClientOfARequest: only what trusted proxies say is believed, in whatever form it comes.
func TestClientOfARequest(t *testing.T) {
	proxies := parsedNetworks(t, "10.0.0.0/8", "2001:db8:f::/48")
	const direct, proxy, sender = "203.0.113.5:4000", "10.0.0.1:4000", "198.51.100.7"
	for _, tc := range []struct {
		name, remote string
		header       http.Header
		want         string // "" is not known
	}{
		{"nobody's word", direct, http.Header{}, "203.0.113.5"},
		{"a stranger's word", direct, http.Header{"X-Forwarded-For": {sender}}, "203.0.113.5"},
		{"a stranger who says it is the proxy", direct, http.Header{"X-Forwarded-For": {"10.0.0.1"}}, "203.0.113.5"},
		{"a stranger of IPv6", "[2001:db8:e::1]:4000", http.Header{"X-Forwarded-For": {sender}}, "2001:db8:e::1"},
		{"IPv4 in IPv6", "[::ffff:203.0.113.5]:4000", http.Header{}, "203.0.113.5"},
		{"a zone", "[fe80::1%eth0]:4000", http.Header{}, "fe80::1"},

		{"a proxy's word", proxy, http.Header{"X-Forwarded-For": {sender}}, sender},
		{"a proxy of IPv6", "[2001:db8:f::1]:4000", http.Header{"X-Forwarded-For": {sender}}, sender},
		{"a proxy as IPv4 in IPv6", "[::ffff:10.0.0.1]:4000", http.Header{"X-Forwarded-For": {sender}}, sender},
		{"a proxy that says nothing", proxy, http.Header{}, "10.0.0.1"},
		{"a proxy after its client's own word", proxy, http.Header{"X-Forwarded-For": {"192.0.2.66, " + sender}}, sender},
		{"a proxy that adds a header of its own", proxy, http.Header{"X-Forwarded-For": {"192.0.2.66", sender}}, sender},
		{"two proxies", proxy, http.Header{"X-Forwarded-For": {"192.0.2.66, " + sender + ", 10.9.9.9"}}, sender},
		{"two proxies, two headers", proxy, http.Header{"X-Forwarded-For": {"192.0.2.66," + sender, "10.9.9.9"}}, sender},
		{"proxies alone", proxy, http.Header{"X-Forwarded-For": {"10.3.3.3, 10.2.2.2"}}, "10.3.3.3"},
		{"with a port", proxy, http.Header{"X-Forwarded-For": {sender + ":55555"}}, sender},
		{"IPv6 with a port", proxy, http.Header{"X-Forwarded-For": {"[2001:db8::5]:55555"}}, "2001:db8::5"},
		{"IPv4 in IPv6, by a proxy", proxy, http.Header{"X-Forwarded-For": {"::ffff:" + sender}}, sender},
		{"a zone, by a proxy", proxy, http.Header{"X-Forwarded-For": {"fe80::1%\x1b[31m"}}, "fe80::1"},
		{"white space", proxy, http.Header{"X-Forwarded-For": {"  " + sender + "\t"}}, sender},

		{"garbage", proxy, http.Header{"X-Forwarded-For": {"unknown"}}, "10.0.0.1"},
		{"garbage behind the sender", proxy, http.Header{"X-Forwarded-For": {sender + ", _hidden"}}, "10.0.0.1"},
		{"garbage before the sender", proxy, http.Header{"X-Forwarded-For": {"<script>, " + sender}}, sender},
		{"garbage before a proxy", proxy, http.Header{"X-Forwarded-For": {"<script>, 10.9.9.9"}}, "10.9.9.9"},
		{"empty", proxy, http.Header{"X-Forwarded-For": {""}}, "10.0.0.1"},
		{"an empty place", proxy, http.Header{"X-Forwarded-For": {sender + ","}}, "10.0.0.1"},
		{"a very long one", proxy, http.Header{"X-Forwarded-For": {strings.Repeat("192.0.2.66, ", 1300) + sender}}, sender},
		{"very many proxies", proxy, http.Header{"X-Forwarded-For": {sender + strings.Repeat(", 10.9.9.9", 1300)}}, "10.9.9.9"},

		{"X-Real-IP", proxy, http.Header{"X-Real-Ip": {sender}}, "10.0.0.1"},
		{"X-Real-IP against the proxy's word", proxy, http.Header{"X-Real-Ip": {"192.0.2.66"}, "X-Forwarded-For": {sender}}, sender},
		{"X-Real-IP beside garbage", proxy, http.Header{"X-Real-Ip": {"192.0.2.66"}, "X-Forwarded-For": {"?"}}, "10.0.0.1"},
		{"Forwarded", proxy, http.Header{"Forwarded": {"for=" + sender}}, "10.0.0.1"},
		{"platforms' headers", proxy, http.Header{"Cf-Connecting-Ip": {sender}, "X-Appengine-Remote-Addr": {sender}, "True-Client-Ip": {sender}}, "10.0.0.1"},

		{"no address", "@", http.Header{"X-Forwarded-For": {sender}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := origin{peer: proxies.client(&http.Request{RemoteAddr: tc.remote, Header: tc.header})}
			assert.Equal(t, tc.want, got.text())
		})
	}
}

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
