package edge

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

const (
	// FailureBurst is the burst of a [FailureBudget], in seconds of its rate. A budget that is idle
	// for [Idle] is full again.
	FailureBurst = 10
	// OverallFailures caps all peers together, as a multiple of the per-peer rate, so having many
	// addresses doesn't help.
	OverallFailures = 20
)

// FailureBudget caps the requests per peer that are refused before the caller has proved who it is.
// It is separate from [RateLimits], so failures never cost a peer its valid requests. The caller
// decides what being over the budget means. A nil FailureBudget has no cap.
type FailureBudget struct {
	overall *rate.Limiter
	peers   *Table[rate.Limiter] // by subnet
}

// NewFailureBudget returns a budget of perPeer refused requests per second and peer. It returns
// nil, which has no cap, if perPeer is 0.
func NewFailureBudget(perPeer float64) *FailureBudget {
	if perPeer <= 0 {
		return nil
	}
	return &FailureBudget{
		overall: newLimiter(OverallFailures*perPeer, OverallFailures*FailureBurst*perPeer),
		peers:   NewTable(func() *rate.Limiter { return newLimiter(perPeer, FailureBurst*perPeer) }),
	}
}

// Charge takes a refused request from the budget and reports whether it was within it.
func (b *FailureBudget) Charge(peer netip.Addr, now time.Time) bool {
	if b == nil {
		return true
	}
	return b.peers.Get(Subnet(peer), now).AllowN(now, 1) && b.overall.AllowN(now, 1)
}

// Spent reports whether another refused request of the peer would be over the budget. It is
// false for a peer without recently refused requests, even if other peers have spent the overall
// budget.
func (b *FailureBudget) Spent(peer netip.Addr, now time.Time) bool {
	if b == nil {
		return false
	}
	budget := b.peers.Peek(Subnet(peer))
	return budget != nil && (budget.TokensAt(now) < 1 || b.overall.TokensAt(now) < 1)
}
