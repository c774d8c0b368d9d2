package edge_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/edge"
)

func TestSubnet(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2::":       "2001:db8:1:2::",
	} {
		assert.Equal(t, want, edge.Subnet(netip.MustParseAddr(address)).String())
	}
	assert.Equal(t, netip.Addr{}, edge.Subnet(netip.Addr{}))
}

func TestTableEvicts(t *testing.T) {
	table := edge.NewTable(func() *int { return new(int) })
	now := time.Now()
	peer := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	for i := range edge.MaxPeers + 100 {
		*table.Get(peer(i), now) = i
	}
	assert.Equal(t, edge.MaxPeers, table.Len())
	assert.Nil(t, table.Peek(peer(0)), "the oldest peer is evicted first")
	assert.Equal(t, 100, *table.Peek(peer(100)))
	table.Get(peer(1), now.Add(edge.Idle))
	assert.Equal(t, 1, table.Len())
}
