package edge

import (
	"context"
	"maps"
	"net/http"
	"net/netip"
	"time"
)

// Origin says who sent a request and how it reached us. The zero Origin is an unknown client.
type Origin struct {
	// Peer is the client's address. It is the zero address if the connection isn't IP.
	Peer netip.Addr
	// ViaProxy is set if a trusted proxy forwarded the request. The connection then also carries
	// other clients' requests.
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
			// OpenTelemetry believes this header from any sender, so overwrite it. Requests of a
			// flood are not traced.
			r.Header = maps.Clone(r.Header)
			r.Header[ForwardedFor] = []string{o.String()}
		}
		next.ServeHTTP(w, r)
	})
}
