package edge

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

const (
	// MaxPeers is the maximum number of peers that a [Table] keeps state for.
	MaxPeers = 10_000
	// Idle is how long a [Table] keeps a peer without requests. Every limiter must be full again
	// after this time, so that evicting the peer changes nothing.
	Idle = 10 * time.Second
)

// Table keeps a value for each peer that was seen in the last [Idle], for at most [MaxPeers].
type Table[T any] struct {
	newValue func() *T

	mu     sync.Mutex
	peers  map[netip.Addr]*entry[T]
	recent list.List // of netip.Addr, latest used first
}

type entry[T any] struct {
	value *T
	used  time.Time
	place *list.Element // in recent
}

// NewTable returns an empty table. It calls newValue for the value of a new peer.
func NewTable[T any](newValue func() *T) *Table[T] {
	return &Table[T]{newValue: newValue, peers: map[netip.Addr]*entry[T]{}}
}

// Get returns the value of a peer and makes one if there is none.
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
		if len(t.peers) < MaxPeers && now.Sub(t.peers[oldest].used) < Idle {
			break
		}
		t.recent.Remove(last)
		delete(t.peers, oldest)
	}
	added := &entry[T]{value: t.newValue(), used: now, place: t.recent.PushFront(peer)}
	t.peers[peer] = added
	return added.value
}

// Peek returns the value of a peer, or nil if there is none.
func (t *Table[T]) Peek(peer netip.Addr) *T {
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

// Subnet returns the key under which we count a peer: the address itself for IPv4, and the first
// address of its /64 for IPv6, because one host can have all addresses of a /64.
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
