package ingress

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestBatchLimit checks the number of batches in flight after a while if Temporal commits at most
// atOnce batches at the same time.
func TestBatchLimit(t *testing.T) {
	for _, tc := range []struct {
		name       string
		deliveries int // in each batch
		atOnce     int
		want       int
	}{
		{"full batches, one at a time", maxBatch, 1, 1},
		{"full batches, three at once", maxBatch, 3, 3},
		{"full batches, any number at once", maxBatch, 100, maxBatches},
		{"batches with room", maxBatch - 1, 100, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var l batchLimit
			now := time.Unix(0, 0)
			counted := map[int]int{}
			for range 200 * batchesPerTrial {
				now = now.Add(20 * time.Millisecond / time.Duration(min(l.inFlight(), tc.atOnce)))
				l.ended(tc.deliveries, now)
				counted[l.inFlight()]++
			}
			for n, times := range counted {
				assert.LessOrEqual(t, times, counted[tc.want], "%d batches in flight", n)
				assert.LessOrEqual(t, n, tc.want+1)
			}
		})
	}
}

func TestBatchLimitFalls(t *testing.T) {
	l := batchLimit{further: 3}
	now := time.Unix(0, 0)
	for range 10 * batchesPerTrial {
		now = now.Add(20 * time.Millisecond)
		l.ended(5, now)
	}
	assert.Equal(t, 1, l.inFlight())
}
