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
	peers   map[string]*peerLimit
	recent  *list.List // of the peers' names, latest used first
}

type peerLimit struct {
	limiter *rate.Limiter
	used    time.Time
	place   *list.Element // in recent
}

func newLimits(overall, perPeer float64) *limits {
	l := &limits{perPeer: perPeer, peers: map[string]*peerLimit{}, recent: list.New()}
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
	if known, ok := l.peers[peer]; ok {
		l.recent.MoveToFront(known.place)
		known.used = now
		return known.limiter
	}
	for last := l.recent.Back(); last != nil; last = l.recent.Back() {
		name, _ := last.Value.(string)
		if len(l.peers) < maxPeers && now.Sub(l.peers[name].used) < peerIdle {
			break
		}
		l.recent.Remove(last)
		delete(l.peers, name)
	}
	fresh := &peerLimit{limiter: newLimiter(l.perPeer), used: now, place: l.recent.PushFront(peer)}
	l.peers[peer] = fresh
	return fresh.limiter
}
