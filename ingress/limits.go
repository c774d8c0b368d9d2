package ingress

import (
	"math"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"error-check-gate/internal/peers"
)

// Rates that suit an account of InFlow's, in verified deliveries a second; either
// allows bursts of twice as many.
const (
	DefaultRateLimit     = 2000 // over all peers
	DefaultPeerRateLimit = 1000 // for one address
)

// limits are charged after the signature verified: a forger cannot spend the allowance of InFlow.
type limits struct {
	overall *rate.Limiter              // nil is no limit
	peers   *peers.Table[rate.Limiter] // nil is no limit
}

func newLimits(overall, perPeer float64) *limits {
	var l limits
	if overall > 0 {
		l.overall = newLimiter(overall, 2*overall)
	}
	if perPeer > 0 {
		l.peers = peers.NewTable(func() *rate.Limiter { return newLimiter(perPeer, 2*perPeer) })
	}
	return &l
}

func newLimiter(perSecond, burst float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(burst))))
}

// allow asks the peer's limit first, so that one peer over its own does not eat into everybody's.
func (l *limits) allow(peer netip.Addr, now time.Time) (reason string, ok bool) {
	if l.peers != nil && !l.peers.Get(peer, now).AllowN(now, 1) {
		return reasonPeerRateLimit, false
	}
	if l.overall != nil && !l.overall.AllowN(now, 1) {
		return reasonRateLimit, false
	}
	return "", true
}
