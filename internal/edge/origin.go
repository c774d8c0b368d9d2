package edge

import (
	"context"
	"maps"
	"net/http"
	"net/netip"
	"time"
)

// Origin is the origin of a request: its client and the connection that it came on.
type Origin struct {
	// Peer is the client's address. It is the zero address if the connection isn't IP.
	Peer netip.Addr
	// ViaProxy is set for requests that a trusted proxy forwards. Its connections also carry other
	// clients' requests.
	ViaProxy bool
	// Flooding is set if the peer has spent its failure budget.
	Flooding bool
}

// String returns the peer's address for logs, or "" if it isn't known.
func (o Origin) String() string {
	if !o.Peer.IsValid() {
		return ""
	}
	return o.Peer.String()
}

type originKey struct{}

// OriginOf returns the origin that [Identify] found, or the zero Origin.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// Identify returns a handler that finds the origin of each request before next sees it.
func Identify(
	next http.Handler, trustedProxies Networks, budget *FailureBudget, now func() time.Time,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := Origin{
			Peer:     trustedProxies.Client(r),
			ViaProxy: trustedProxies.Contain(Remote(r.RemoteAddr)),
		}
		o.Flooding = budget.Spent(o.Peer, now())
		r = r.WithContext(context.WithValue(r.Context(), originKey{}, o))
		if _, ok := r.Header[ForwardedFor]; ok && !o.Flooding {
			// OpenTelemetry, which doesn't see floods, believes this header whoever sends it.
			r.Header = maps.Clone(r.Header)
			r.Header[ForwardedFor] = []string{o.String()}
		}
		next.ServeHTTP(w, r)
	})
}
