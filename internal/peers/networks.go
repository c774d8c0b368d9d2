package peers

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// ForwardedFor is the header in which a proxy names the client that it forwards for.
const ForwardedFor = "X-Forwarded-For"

// maxHops is the maximum number of trusted proxies in a row, far above any real chain.
const maxHops = 32

// Networks are addresses and CIDR ranges.
type Networks []netip.Prefix

// ParseNetworks parses addresses and CIDR ranges. The error names each text that is neither, after
// what it was meant to be.
func ParseNetworks(what string, texts []string) (Networks, error) {
	var parsed Networks
	var errs []error
	for _, text := range texts {
		prefix, err := parseNetwork(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %q is neither an IP address nor a CIDR range", what, text))
			continue
		}
		parsed = append(parsed, prefix)
	}
	return parsed, errors.Join(errs...)
}

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		address = plain(address)
		return address.Prefix(address.BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	// ::ffff:10.0.0.0/104 means 10.0.0.0/8. Addresses are unmapped, so as it stands it matches none.
	if mapped := prefix.Bits() - 96; prefix.Addr().Is4In6() && mapped >= 0 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), mapped)
	}
	return prefix.Masked(), nil
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

// plain returns an address in the one form that is compared, counted and logged: IPv4 in IPv6 is
// unmapped, and a zone, which can be any text, is dropped.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// Remote returns the address of the other end of a connection, from its host:port; the zero address
// if the connection is none of IP.
func Remote(hostPort string) netip.Addr {
	remote, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return plain(remote.Addr())
}

// Client returns the real client address of a request. n are the trusted proxies. It walks
// X-Forwarded-For from right to left and stops at the first hop that is not a trusted proxy, because
// anything further left can be forged. If a trusted proxy's entry cannot be read, the client is the
// proxy itself. Other headers don't count: a proxy that doesn't set them passes on the sender's own.
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

// cutLast cuts the last element off a header's lines, which are one list (RFC 9110, 5.3).
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

// parseEntry parses an address, with a port if the proxy adds one.
func parseEntry(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return plain(address), true
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(withPort.Addr()), true
	}
	return netip.Addr{}, false
}
