package edge

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parsedNetworks(t *testing.T, texts ...string) Networks {
	t.Helper()
	var prefixes []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			require.NoError(t, err)
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		prefixes = append(prefixes, prefix)
	}
	return NewNetworks(prefixes)
}

func TestNetworks(t *testing.T) {
	n := parsedNetworks(t, "10.1.2.3/8", "192.0.2.1", "2001:db8::/32", "::ffff:198.51.100.0/120", "::ffff:203.0.113.9")
	for address, want := range map[string]bool{
		"10.1.2.3:5": true, "11.1.2.3:5": false, "192.0.2.1:1": true, "192.0.2.2:1": false, "[2001:db8::1]:1": true, "[::ffff:10.0.0.1]:1": true,
		"[2001:db9::1]:1": false, "[2001:db8::1%eth0]:1": true, "198.51.100.77:1": true, "[::ffff:198.51.100.77]:1": true, "198.51.101.1:1": false,
		"203.0.113.9:1": true, "": false, "@": false, "10.1.2.3": false,
	} {
		assert.Equal(t, want, n.Contain(Remote(address)), address)
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
			got := proxies.Client(&http.Request{RemoteAddr: tc.remote, Header: tc.header})
			if tc.want == "" {
				assert.False(t, got.IsValid())
				return
			}
			assert.Equal(t, tc.want, got.String())
		})
	}
}
