// Package localonly tells requests that name this machine from those under another name.
// A page on a loopback address is not for this machine alone: a web page elsewhere reaches
// it by a name of its choice that resolves to it.
package localonly

import (
	"net"
	"net/netip"
	"strings"
)

// Host says whether a request's Host header, with or without a port, is localhost or a
// loopback address.
func Host(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}
