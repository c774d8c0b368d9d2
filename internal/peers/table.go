// Package peers keeps state for each address that requests come from, within bounds.
package peers

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

const (
	// Max is the maximum number of peers that a table has state for.
	Max = 10_000
	// Idle is how long a peer is kept without requests. A limiter must be full again after it, so that
	// evicting the peer changes nothing.
	Idle = 10 * time.Second
)

// Table keeps a value for each peer that was lately seen, of at most [Max].
type Table[T any] struct {
	fresh func() *T

	mu     sync.Mutex
	peers  map[netip.Addr]*entry[T]
	recent list.List // of the peers, latest used first
}

type entry[T any] struct {
	value *T
	used  time.Time
	place *list.Element // in recent
}

// NewTable returns an empty table. fresh makes the value of a peer that is not in it.
func NewTable[T any](fresh func() *T) *Table[T] {
	return &Table[T]{fresh: fresh, peers: map[netip.Addr]*entry[T]{}}
}

// Get returns the value of a peer, which it makes if there is none.
func (t *Table[T]) Get(peer netip.Addr, now time.Time) *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.peers[peer]; ok {
		t.recent.MoveToFront(known.place)
		known.used = now
		return known.value
	}
	for last := t.recent.Back(); last != nil; last = t.recent.Back() {
		oldest, _ := last.Value.(netip.Addr)
		if len(t.peers) < Max && now.Sub(t.peers[oldest].used) < Idle {
			break
		}
		t.recent.Remove(last)
		delete(t.peers, oldest)
	}
	added := &entry[T]{value: t.fresh(), used: now, place: t.recent.PushFront(peer)}
	t.peers[peer] = added
	return added.value
}

// Look returns the value of a peer, or nil if there is none.
func (t *Table[T]) Look(peer netip.Addr) *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.peers[peer]; ok {
		return known.value
	}
	return nil
}

// Len returns the number of peers with a value.
func (t *Table[T]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.peers)
}

// Subnet returns the addresses that one peer can easily have, as the first of them: an IPv6 network
// of 64 bits. An IPv4 address stands for itself.
func Subnet(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	network, err := address.Prefix(64)
	if err != nil { // only for a number of bits that no address has
		return address
	}
	return network.Addr()
}
