// Package localonly recognizes names and addresses of this machine. A page on a loopback address is
// still open to other sites: a web page elsewhere can reach it through a domain name that resolves
// to a loopback address. Such a page must check the Host header.
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
