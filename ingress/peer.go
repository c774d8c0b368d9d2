package ingress

import (
	"context"
	"maps"
	"net/http"
	"net/netip"

	"error-check-gate/internal/peers"
)

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
		o := origin{peer: s.proxies.Client(r), proxied: s.proxies.Contain(peers.Remote(r.RemoteAddr))}
		o.quiet = s.strangers.overBudget(o.peer, s.now())
		r = r.WithContext(context.WithValue(r.Context(), originKey{}, o))
		if _, ok := r.Header[peers.ForwardedFor]; ok && !o.quiet {
			// OpenTelemetry, which sees what is not quiet, takes its word without asking whose it is.
			r.Header = maps.Clone(r.Header)
			r.Header[peers.ForwardedFor] = []string{o.text()}
		}
		next.ServeHTTP(w, r)
	})
}
