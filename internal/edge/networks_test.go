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
	n := parsedNetworks(t, "10.1.2.3/8", "192.0.2.1", "2001:db8::/32", "::ffff:198.51.100.0/120",
		"::ffff:203.0.113.9")
	for address, want := range map[string]bool{
		"10.1.2.3:5": true, "11.1.2.3:5": false, "192.0.2.1:1": true, "192.0.2.2:1": false,
		"[2001:db8::1]:1": true, "[::ffff:10.0.0.1]:1": true, "[2001:db9::1]:1": false,
		"[2001:db8::1%eth0]:1": true, "198.51.100.77:1": true, "[::ffff:198.51.100.77]:1": true,
		"198.51.101.1:1": false,
		"203.0.113.9:1":  true, "": false, "@": false, "10.1.2.3": false,
	} {
		assert.Equal(t, want, n.Contain(Remote(address)), address)
	}
}

func forwarded(lines ...string) http.Header {
	return http.Header{"X-Forwarded-For": lines}
}

// TestClientOfARequest checks that Client believes only the entries that trusted proxies added.
func TestClientOfARequest(t *testing.T) {
	proxies := parsedNetworks(t, "10.0.0.0/8", "2001:db8:f::/48")
	const direct, proxy, sender = "203.0.113.5:4000", "10.0.0.1:4000", "198.51.100.7"
	for _, tc := range []struct {
		name, remote string
		header       http.Header
		want         string // "" means unknown
	}{
		{"no proxy", direct, http.Header{}, "203.0.113.5"},
		{"unknown sender", direct, forwarded(sender), "203.0.113.5"},
		{"unknown sender claims to be the proxy", direct, forwarded("10.0.0.1"), "203.0.113.5"},
		{"unknown IPv6 sender", "[2001:db8:e::1]:4000", forwarded(sender), "2001:db8:e::1"},
		{"mapped IPv4", "[::ffff:203.0.113.5]:4000", http.Header{}, "203.0.113.5"},
		{"a zone", "[fe80::1%eth0]:4000", http.Header{}, "fe80::1"},

		{"proxy", proxy, forwarded(sender), sender},
		{"IPv6 proxy", "[2001:db8:f::1]:4000", forwarded(sender), sender},
		{"mapped IPv4 proxy", "[::ffff:10.0.0.1]:4000", forwarded(sender), sender},
		{"proxy without the header", proxy, http.Header{}, "10.0.0.1"},
		{"proxy appends to its client's entry", proxy, forwarded("192.0.2.66, " + sender), sender},
		{"proxy adds a second header", proxy, forwarded("192.0.2.66", sender), sender},
		{"two proxies", proxy, forwarded("192.0.2.66, " + sender + ", 10.9.9.9"), sender},
		{"two proxies, two headers", proxy, forwarded("192.0.2.66,"+sender, "10.9.9.9"), sender},
		{"only proxies", proxy, forwarded("10.3.3.3, 10.2.2.2"), "10.3.3.3"},
		{"with a port", proxy, forwarded(sender + ":55555"), sender},
		{"IPv6 with a port", proxy, forwarded("[2001:db8::5]:55555"), "2001:db8::5"},
		{"mapped IPv4 from a proxy", proxy, forwarded("::ffff:" + sender), sender},
		{"zone from a proxy", proxy, forwarded("fe80::1%\x1b[31m"), "fe80::1"},
		{"white space", proxy, forwarded("  " + sender + "\t"), sender},

		{"garbage", proxy, forwarded("unknown"), "10.0.0.1"},
		{"garbage after the sender", proxy, forwarded(sender + ", _hidden"), "10.0.0.1"},
		{"garbage before the sender", proxy, forwarded("<script>, " + sender), sender},
		{"garbage before a proxy", proxy, forwarded("<script>, 10.9.9.9"), "10.9.9.9"},
		{"empty", proxy, forwarded(""), "10.0.0.1"},
		{"empty entry", proxy, forwarded(sender + ","), "10.0.0.1"},
		{"very long", proxy, forwarded(strings.Repeat("192.0.2.66, ", 1300) + sender), sender},
		{"too many proxies", proxy, forwarded(sender + strings.Repeat(", 10.9.9.9", 1300)), "10.9.9.9"},

		{"X-Real-IP", proxy, http.Header{"X-Real-Ip": {sender}}, "10.0.0.1"},
		{"X-Real-IP contradicts the proxy", proxy,
			http.Header{"X-Real-Ip": {"192.0.2.66"}, "X-Forwarded-For": {sender}}, sender},
		{"X-Real-IP and garbage", proxy,
			http.Header{"X-Real-Ip": {"192.0.2.66"}, "X-Forwarded-For": {"?"}}, "10.0.0.1"},
		{"Forwarded", proxy, http.Header{"Forwarded": {"for=" + sender}}, "10.0.0.1"},
		{"platforms' headers", proxy,
			http.Header{"Cf-Connecting-Ip": {sender}, "X-Appengine-Remote-Addr": {sender},
				"True-Client-Ip": {sender}}, "10.0.0.1"},

		{"no address", "@", forwarded(sender), ""},
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
