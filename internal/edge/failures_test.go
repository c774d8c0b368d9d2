package edge_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/edge"
)

// spend charges each peer once and returns the number of charges within the budget.
func spend(b *edge.FailureBudget, peers []netip.Addr, now time.Time) (within int) {
	for _, peer := range peers {
		if b.Charge(peer, now) {
			within++
		}
	}
	return within
}

func TestFailureBudget(t *testing.T) {
	b, now := edge.NewFailureBudget(1), time.Now()
	var subnet, others []netip.Addr
	for i := range 2 * edge.FailureBurst {
		subnet = append(subnet,
			netip.AddrFrom16([16]byte{0x20, 0x01, 0xd, 0xb8, 0, 1, 15: byte(i)}))
	}
	for i := range 2 * edge.MaxPeers {
		address := [16]byte{0x20, 0x01, 0xd, 0xb8, 1, byte(i >> 16), byte(i >> 8), byte(i)}
		others = append(others, netip.AddrFrom16(address))
	}
	fresh := netip.MustParseAddr("192.0.2.1")

	assert.Equal(t, edge.FailureBurst, spend(b, subnet, now), "a subnet has one budget")
	assert.True(t, b.Spent(subnet[0], now))
	assert.False(t, b.Spent(others[0], now))

	assert.Equal(t, (edge.OverallFailures-1)*edge.FailureBurst, spend(b, others, now),
		"many peers don't have more than the overall budget")
	assert.True(t, b.Spent(others[len(others)-1], now))
	assert.False(t, b.Spent(fresh, now), "a peer that never failed is not affected")
	assert.False(t, b.Spent(others[len(others)-1], now.Add(edge.FailureBurst*time.Second)),
		"the budget comes back")
}

func TestNoFailureBudget(t *testing.T) {
	b := edge.NewFailureBudget(0)
	for range 1000 {
		assert.True(t, b.Charge(netip.Addr{}, time.Time{}))
	}
	assert.False(t, b.Spent(netip.Addr{}, time.Time{}))
}
