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
	// runSize is the memory of an open run, in bytes: 60 kB of heap for a held order, as measured by
	// 'make bench', plus what the garbage collector lets the heap grow.
	runSize = 96 << 10
	// maxCachedRuns is the SDK's default.
	maxCachedRuns = 10_000
	// minCachedRuns keeps a worker with little memory from replaying every run at every step.
	minCachedRuns = 100
)

// CachedRuns returns the number of open runs that fit into half of the memory limit (GOMEMLIMIT,
// which 'gate worker' derives from the container's limit), or 10,000 without a limit. A run that
// is not in memory is replayed from its history when it continues.
func CachedRuns() int {
	limit := debug.SetMemoryLimit(-1) // a negative limit changes nothing
	if limit == math.MaxInt64 {
		return maxCachedRuns
	}
	return int(min(max(limit/2/runSize, minCachedRuns), maxCachedRuns))
}

// setCache limits the open runs in this process's memory, and registers a metric of the limit. All
// workers of a process share one cache. The SDK reads its size when the first of them starts.
func setCache(runs int, meter metric.MeterProvider) (unregister func() error, err error) {
	if runs == 0 {
		runs = CachedRuns()
	}
	sdkworker.SetStickyWorkflowCacheSize(runs)
	m := meter.Meter(scopeName)
	limit, err := m.Int64ObservableGauge("gate.worker.cached_runs.limit", metric.WithUnit("{run}"),
		metric.WithDescription("Maximum number of open runs that this worker keeps in memory."))
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
