package signin

import (
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	peerLimit  = 20
	peerWindow = time.Minute
	// maxPeers is the maximum number of peers that one limiter keeps state for: about 7 MB.
	maxPeers = 10_000
)

// newPeerLimiter returns a limiter that evicts the least recent peer when it is full. That helps no
// attacker: somebody with 10,000 addresses gets past the limit anyway.
func newPeerLimiter() *limiter {
	return newLimiter(peerLimit, peerWindow, maxPeers, true)
}

// limiter allows each key a number of uses in any window.
type limiter struct {
	limit  int
	window time.Duration
	keys   int // the maximum number of keys
	evict  bool

	mu     sync.Mutex
	uses   map[string]*list.Element
	recent list.List // of *uses, latest first
}

type uses struct {
	key   string
	times []time.Time // within the window, oldest first
}

// newLimiter returns a limiter that keeps state for a maximum number of keys. If all of them were
// used within the window, a new key evicts the least recently used one. Without evict, the new key
// is refused.
func newLimiter(limit int, window time.Duration, keys int, evict bool) *limiter {
	return &limiter{
		limit: limit, window: window, keys: keys, evict: evict, uses: map[string]*list.Element{},
	}
}

// take counts one use of the key. If the key is over its limit, it returns how long to wait.
func (l *limiter) take(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeOld(now)
	element := l.uses[key]
	if element == nil {
		if len(l.uses) >= l.keys {
			if !l.evict {
				return l.window, false
			}
			l.remove(l.recent.Back())
		}
		l.uses[key] = l.recent.PushFront(&uses{key: key, times: []time.Time{now}})
		return 0, true
	}
	used := element.Value.(*uses) //nolint:errcheck // nothing else is in the list
	for len(used.times) > 0 && now.Sub(used.times[0]) >= l.window {
		used.times = append(used.times[:0], used.times[1:]...)
	}
	if len(used.times) >= l.limit {
		return l.window - now.Sub(used.times[0]), false
	}
	used.times = append(used.times, now)
	l.recent.MoveToFront(element)
	return 0, true
}

// removeOld removes the keys that were not used within the window.
func (l *limiter) removeOld(now time.Time) {
	for {
		last := l.recent.Back()
		if last == nil {
			return
		}
		times := last.Value.(*uses).times //nolint:errcheck // as above
		if len(times) > 0 && now.Sub(times[len(times)-1]) < l.window {
			return
		}
		l.remove(last)
	}
}

func (l *limiter) remove(element *list.Element) {
	used := l.recent.Remove(element).(*uses) //nolint:errcheck // as above
	delete(l.uses, used.key)
}

// connectionPeer returns the address at the other end of the connection. It ignores headers,
// because anybody can send them. An IPv6 customer usually has a whole /64 network, so that is one
// peer.
func connectionPeer(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	address := remote.Addr().Unmap().WithZone("")
	if address.Is6() {
		return netip.PrefixFrom(address, 64).Masked().String()
	}
	return address.String()
}
