package edge

import (
	"errors"
	"math"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// The errors of [RateLimits.Allow].
var (
	ErrPeerLimit    = errors.New("over the limit of one peer")
	ErrOverallLimit = errors.New("over the limit of all peers together")
)

// RateLimits caps requests per second, for each peer and for all peers together. Either allows
// bursts of twice its rate. Charge it only for requests that have proved who sent them, so that
// nobody else can use up the limit.
type RateLimits struct {
	overall *rate.Limiter        // nil if there is no limit
	peers   *Table[rate.Limiter] // nil if there is no limit
}

// NewRateLimits returns limits in requests per second; 0 means no limit.
func NewRateLimits(overall, perPeer float64) *RateLimits {
	var l RateLimits
	if overall > 0 {
		l.overall = newLimiter(overall, 2*overall)
	}
	if perPeer > 0 {
		l.peers = NewTable(func() *rate.Limiter { return newLimiter(perPeer, 2*perPeer) })
	}
	return &l
}

func newLimiter(perSecond, burst float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(burst))))
}

// Allow charges one request, or returns [ErrPeerLimit] or [ErrOverallLimit]. It asks the peer's
// limit first, so that a peer over its own limit doesn't use up the common one.
func (l *RateLimits) Allow(peer netip.Addr, now time.Time) error {
	if l.peers != nil && !l.peers.Get(peer, now).AllowN(now, 1) {
		return ErrPeerLimit
	}
	if l.overall != nil && !l.overall.AllowN(now, 1) {
		return ErrOverallLimit
	}
	return nil
}
