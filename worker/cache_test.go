package worker_test

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/worker"
)

func TestCachedRunsFollowTheMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for limit, want := range map[int64]int{
		math.MaxInt64: 10_000, // no limit
		64 << 30:      10_000,
		460 << 20:     2453,
		64 << 20:      341,
		1 << 20:       100,
	} {
		debug.SetMemoryLimit(limit)
		assert.Equal(t, want, worker.CachedRuns(), "limit of %d bytes", limit)
	}
}
