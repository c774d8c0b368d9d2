package worker

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"

	"go.opentelemetry.io/otel/metric"
	sdkworker "go.temporal.io/sdk/worker"
)

const (
	// runSize is what an open run takes in memory, in bytes: 60 kB on the heap by 'make bench' (a held
	// order), and what the garbage collector lets the heap grow beyond that.
	runSize = 96 << 10
	// maxCachedRuns is the SDK's own default.
	maxCachedRuns = 10_000
	// minCachedRuns keeps a worker with little memory from replaying every run at every turn.
	minCachedRuns = 100
)

// CachedRuns returns how many open runs a worker may keep in memory. Half of the memory limit is
// for them (GOMEMLIMIT, which 'gate worker' derives from the container's limit); without a limit it
// is 10,000. A run that is not in memory is replayed from its history when it goes on.
func CachedRuns() int {
	limit := debug.SetMemoryLimit(-1) // negative: asks only
	if limit == math.MaxInt64 {
		return maxCachedRuns
	}
	return int(min(max(limit/2/runSize, minCachedRuns), maxCachedRuns))
}

// setCache bounds the runs in the memory of this process, and shows the bound. All workers of a process
// share one cache: the SDK reads its size when the first of them starts.
func setCache(runs int, meter metric.MeterProvider) (unregister func() error, err error) {
	if runs == 0 {
		runs = CachedRuns()
	}
	sdkworker.SetStickyWorkflowCacheSize(runs)
	m := meter.Meter(scopeName)
	limit, err := m.Int64ObservableGauge("gate.worker.cached_runs.limit", metric.WithUnit("{run}"),
		metric.WithDescription("Open runs that this worker keeps in memory at most."))
	if err != nil {
		return nil, fmt.Errorf("make the metric of the worker's cache: %w", err)
	}
	registration, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(limit, int64(runs))
		return nil
	}, limit)
	if err != nil {
		return nil, fmt.Errorf("register the metric of the worker's cache: %w", err)
	}
	return registration.Unregister, nil
}
