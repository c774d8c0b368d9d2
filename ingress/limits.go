package ingress

import (
	"container/list"
	"math"
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
	// maxPeers bounds the peers whose rates are remembered.
	maxPeers = 10_000
	// peerIdle is after how long a peer has its whole burst back, so that forgetting it changes nothing.
	peerIdle = 10 * time.Second
)

// limits are charged after the signature verified: a forger cannot spend the allowance of InFlow.
type limits struct {
	overall *rate.Limiter // nil is no limit

	perPeer float64 // 0 is no limit
	mu      sync.Mutex
	peers   map[string]*list.Element // of *peerLimit
	recent  *list.List               // latest used first
}

type peerLimit struct {
	peer    string
	limiter *rate.Limiter
	used    time.Time
}

func newLimits(overall, perPeer float64) *limits {
	l := &limits{perPeer: perPeer, peers: map[string]*list.Element{}, recent: list.New()}
	if overall > 0 {
		l.overall = newLimiter(overall)
	}
	return l
}

func newLimiter(perSecond float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(2*perSecond))))
}

// allow asks the peer's limit first, so that one peer over its own does not eat into everybody's.
func (l *limits) allow(peer string, now time.Time) (reason string, ok bool) {
	if l.perPeer > 0 && !l.peer(peer, now).AllowN(now, 1) {
		return reasonPeerRateLimit, false
	}
	if l.overall != nil && !l.overall.AllowN(now, 1) {
		return reasonRateLimit, false
	}
	return "", true
}

func (l *limits) peer(peer string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if element, ok := l.peers[peer]; ok {
		l.recent.MoveToFront(element)
		known := element.Value.(*peerLimit)
		known.used = now
		return known.limiter
	}
	for oldest := l.recent.Back(); oldest != nil; oldest = l.recent.Back() {
		known := oldest.Value.(*peerLimit)
		if len(l.peers) < maxPeers && now.Sub(known.used) < peerIdle {
			break
		}
		l.recent.Remove(oldest)
		delete(l.peers, known.peer)
	}
	fresh := &peerLimit{peer: peer, limiter: newLimiter(l.perPeer), used: now}
	l.peers[peer] = l.recent.PushFront(fresh)
	return fresh.limiter
}
