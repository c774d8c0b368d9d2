package ingress

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireNoGrowth fails if work leaves more memory in use than allowed, in bytes, or leaks a
// goroutine. Do the work once before, so that pools and tables have their final size.
func requireNoGrowth(t *testing.T, allowed uint64, work func()) {
	t.Helper()
	heap, goroutines := heapInUse(), runtime.NumGoroutine()
	work()
	var heapNow uint64
	var goroutinesNow int
	grown := func() bool {
		heapNow, goroutinesNow = heapInUse(), runtime.NumGoroutine()
		return heapNow > heap+allowed || goroutinesNow > goroutines
	}
	for deadline := time.Now().Add(generous); grown() && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	require.LessOrEqual(t, heapNow, heap+allowed, "memory grew from %d to %d bytes", heap, heapNow)
	require.LessOrEqual(t, goroutinesNow, goroutines, "goroutines leaked")
}

// heapInUse returns the bytes in use after a garbage collection.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // a sync.Pool frees an object only in the second run
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
