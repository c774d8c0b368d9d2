package rules_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulestest"
)

// rusageThread is RUSAGE_THREAD of getrusage(2).
const rusageThread = 1

// TestALargeOrderCostsInProportion measures CPU time, because other programs do not affect it. It
// fails if the cost is not linear. BenchmarkEvaluate has the figures.
func TestALargeOrderCostsInProportion(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := shipped(t)["default+cabinetry"]
	used := func() time.Duration {
		var usage syscall.Rusage
		require.NoError(t, syscall.Getrusage(rusageThread, &usage))
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	lookups := ordercheck.Lookups{RecentOrders: &ordercheck.RecentOrders{}}
	measure := func(order *inflow.SalesOrder, times, rounds int) time.Duration {
		best := time.Duration(1 << 62)
		for range rounds {
			before := used()
			for range times {
				require.Empty(t, set.Evaluate(t.Context(), order, rulestest.Noon, lookups).RuleErrors)
			}
			best = min(best, (used()-before)/time.Duration(times))
		}
		return best
	}
	small, large := measure(wide(t, 250), 2, 4), measure(wide(t, 2_500), 1, 4)
	t.Logf("250 lines: %v; 2,500 lines: %v, %.1f times as much", small, large,
		float64(large)/float64(small))
	assert.Less(t, large, 30*small)
}
