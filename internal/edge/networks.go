package edge

import (
	"net/http"
	"net/netip"
	"strings"
)

// ForwardedFor is the header in which a proxy names the client that it forwards for.
const ForwardedFor = "X-Forwarded-For"

// maxHops is the maximum number of trusted proxies in a row, far above any real chain.
const maxHops = 32

// Networks is a list of CIDR ranges. A single address is a range of one. Nil contains no address.
type Networks []netip.Prefix

// NewNetworks returns the ranges in the form that [Networks.Contain] compares addresses with.
// IPv4 mapped to IPv6 becomes plain IPv4 (::ffff:10.0.0.0/104 means 10.0.0.0/8), and host bits
// become 0.
func NewNetworks(prefixes []netip.Prefix) Networks {
	var n Networks
	for _, prefix := range prefixes {
		if mapped := prefix.Bits() - 96; prefix.Addr().Is4In6() && mapped >= 0 {
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), mapped)
		}
		n = append(n, prefix.Masked())
	}
	return n
}

// Contain reports whether an address is in one of the networks.
func (n Networks) Contain(address netip.Addr) bool {
	for _, prefix := range n {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// plain returns an address in the only form that we compare, count and log. It unmaps IPv4
// mapped to IPv6, and drops the zone, which can be any text.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// Remote returns the address in the host:port of a connection's other end, or the zero address if
// the connection isn't IP.
func Remote(hostPort string) netip.Addr {
	remote, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return plain(remote.Addr())
}

// Client returns the real client address of a request. n holds the trusted proxies. Client walks
// X-Forwarded-For from right to left and stops at the first hop that is not a trusted proxy,
// because anything further left can be forged. If the entry that a trusted proxy added cannot be
// read, Client returns the address of that proxy. Client ignores headers such as X-Real-IP: a
// proxy that doesn't set them passes on whatever the sender wrote.
func (n Networks) Client(r *http.Request) netip.Addr {
	address := Remote(r.RemoteAddr)
	lines := r.Header[ForwardedFor]
	for hop := 0; hop < maxHops && n.Contain(address); hop++ {
		var entry string
		if entry, lines = cutLast(lines); entry == "" {
			break
		}
		before, ok := parseEntry(entry)
		if !ok {
			break
		}
		address = before
	}
	return address
}

// cutLast cuts the last element off the lines of a header. Together, the lines are one list that
// is separated by commas (RFC 9110, section 5.3).
func cutLast(lines []string) (entry string, rest []string) {
	if len(lines) == 0 {
		return "", nil
	}
	last := len(lines) - 1
	if comma := strings.LastIndexByte(lines[last], ','); comma >= 0 {
		rest = append(append(rest, lines[:last]...), lines[last][:comma])
		return strings.TrimSpace(lines[last][comma+1:]), rest
	}
	return strings.TrimSpace(lines[last]), lines[:last]
}

// parseEntry parses an address with or without a port, because some proxies add one.
func parseEntry(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return plain(address), true
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(withPort.Addr()), true
	}
	return netip.Addr{}, false
}
