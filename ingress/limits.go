package ingress

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates that suit an account of InFlow's, in verified deliveries a second; either
// allows bursts of twice as many.
const (
	DefaultRateLimit     = 2000 // over all peers
	DefaultPeerRateLimit = 1000 // for one address
)

const (
	// maxPeers bounds the peers of whom something is remembered.
	maxPeers = 10_000
	// peerIdle is after how long a peer has its whole burst back, so that forgetting it changes nothing.
	peerIdle = 10 * time.Second
)

// limits are charged after the signature verified: a forger cannot spend the allowance of InFlow.
type limits struct {
	overall *rate.Limiter            // nil is no limit
	peers   *peerTable[rate.Limiter] // nil is no limit
}

func newLimits(overall, perPeer float64) *limits {
	var l limits
	if overall > 0 {
		l.overall = newLimiter(overall, 2*overall)
	}
	if perPeer > 0 {
		l.peers = newPeerTable(func() *rate.Limiter { return newLimiter(perPeer, 2*perPeer) })
	}
	return &l
}

func newLimiter(perSecond, burst float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(burst))))
}

// allow asks the peer's limit first, so that one peer over its own does not eat into everybody's.
func (l *limits) allow(peer netip.Addr, now time.Time) (reason string, ok bool) {
	if l.peers != nil && !l.peers.get(peer, now).AllowN(now, 1) {
		return reasonPeerRateLimit, false
	}
	if l.overall != nil && !l.overall.AllowN(now, 1) {
		return reasonRateLimit, false
	}
	return "", true
}

// peerTable remembers something of each peer that was lately seen, of at most maxPeers.
type peerTable[T any] struct {
	fresh func() *T

	mu     sync.Mutex
	peers  map[netip.Addr]*peerEntry[T]
	recent list.List // of the peers, latest used first
}

type peerEntry[T any] struct {
	value *T
	used  time.Time
	place *list.Element // in recent
}

func newPeerTable[T any](fresh func() *T) *peerTable[T] {
	return &peerTable[T]{fresh: fresh, peers: map[netip.Addr]*peerEntry[T]{}}
}

// get makes what is remembered of a peer where there is nothing yet.
func (t *peerTable[T]) get(peer netip.Addr, now time.Time) *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.peers[peer]; ok {
		t.recent.MoveToFront(known.place)
		known.used = now
		return known.value
	}
	for last := t.recent.Back(); last != nil; last = t.recent.Back() {
		oldest, _ := last.Value.(netip.Addr)
		if len(t.peers) < maxPeers && now.Sub(t.peers[oldest].used) < peerIdle {
			break
		}
		t.recent.Remove(last)
		delete(t.peers, oldest)
	}
	added := &peerEntry[T]{value: t.fresh(), used: now, place: t.recent.PushFront(peer)}
	t.peers[peer] = added
	return added.value
}

// look is nil for a peer of whom nothing is remembered.
func (t *peerTable[T]) look(peer netip.Addr) *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.peers[peer]; ok {
		return known.value
	}
	return nil
}
