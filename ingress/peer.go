package ingress

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
)

const (
	forwardedFor = "X-Forwarded-For"
	// maxHops is how many proxies in a row are believed, far above any real chain.
	maxHops = 32
)

// networks are addresses and CIDR ranges.
type networks []netip.Prefix

// parseNetworks says of each text that is none what it was meant to be.
func parseNetworks(what string, texts []string) (networks, error) {
	var parsed networks
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
	// ::ffff:10.0.0.0/104 is 10.0.0.0/8; as it stands it would contain no address, as those are unmapped.
	if mapped := prefix.Bits() - 96; prefix.Addr().Is4In6() && mapped >= 0 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), mapped)
	}
	return prefix.Masked(), nil
}

func (n networks) contain(address netip.Addr) bool {
	for _, prefix := range n {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// plain is an address in the one form that is compared, counted and logged: an IPv4 address
// is one, however it came, and a zone, which is any text, is left out.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// remoteAddress is the other end of a connection; the zero address where it is none of IP.
func remoteAddress(hostPort string) netip.Addr {
	remote, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return plain(remote.Addr())
}

// client is whom a request is from. Each trusted proxy is asked, from the nearest on, whom it
// forwards for: what stands before the word of a proxy that is not trusted is anybody's, as is
// all of the header where the connection is not a proxy's. Where a trusted proxy's word cannot be
// read, it is the proxy itself. Other headers count for nothing: a proxy that does not set
// them passes on the sender's own.
func (n networks) client(r *http.Request) netip.Addr {
	address := remoteAddress(r.RemoteAddr)
	lines := r.Header[forwardedFor]
	for hop := 0; hop < maxHops && n.contain(address); hop++ {
		var told string
		if told, lines = lastTold(lines); told == "" {
			break
		}
		before, ok := parseTold(told)
		if !ok {
			break
		}
		address = before
	}
	return address
}

// lastTold cuts the last element off a header's lines, which are one list (RFC 9110, 5.3).
func lastTold(lines []string) (told string, rest []string) {
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

// parseTold takes an address, with a port where a proxy adds one.
func parseTold(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return plain(address), true
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(withPort.Addr()), true
	}
	return netip.Addr{}, false
}

// origin is where a request comes from.
type origin struct {
	peer    netip.Addr // whom it is from; the zero address where that is not known
	proxied bool       // by a trusted proxy, which sends others' requests over the same connection
	quiet   bool       // has sent so much that was refused that nothing is recorded of it one by one
}

// text is the peer in logs.
func (o origin) text() string {
	if !o.peer.IsValid() {
		return ""
	}
	return o.peer.String()
}

type originKey struct{}

// originOf is the zero origin for a request that did not come through [Server.identified].
func originOf(ctx context.Context) origin {
	o, _ := ctx.Value(originKey{}).(origin)
	return o
}

// identified finds out whom a request is from, before anything looks at it.
func (s *Server) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := origin{peer: s.proxies.client(r), proxied: s.proxies.contain(remoteAddress(r.RemoteAddr))}
		o.quiet = s.strangers.overBudget(o.peer, s.now())
		r = r.WithContext(context.WithValue(r.Context(), originKey{}, o))
		if _, ok := r.Header[forwardedFor]; ok && !o.quiet {
			// OpenTelemetry, which sees what is not quiet, takes its word without asking whose it is.
			r.Header = maps.Clone(r.Header)
			r.Header[forwardedFor] = []string{o.text()}
		}
		next.ServeHTTP(w, r)
	})
}
