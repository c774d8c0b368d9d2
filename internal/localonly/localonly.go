// Package localonly recognizes names and addresses of this machine. A server on a loopback
// address needs it to check the Host header: with DNS rebinding, a web page of another site can
// reach the server through a domain name that resolves to a loopback address.
package localonly

import (
	"net"
	"net/netip"
	"strings"
)

// Host reports whether a host, with or without a port, is localhost or a loopback address.
func Host(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}
