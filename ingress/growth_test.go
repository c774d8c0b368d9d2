package ingress

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireNoGrowth fails where work leaves more memory behind than allowed, in bytes, or a
// goroutine. Do the work once before, so that pools and tables have the size that they will keep.
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
	require.LessOrEqual(t, goroutinesNow, goroutines, "goroutines were left behind")
}

// heapInUse is what is still used after a collection, in bytes.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // the first moves what pools hold to where the second finds it
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
