package e2e_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manyHeldOrders is the number of orders in BenchmarkManyHeldOrders.
var manyHeldOrders = flag.Int("held-orders", 20_000, "number of orders in BenchmarkManyHeldOrders")

// hold creates wrong orders and waits until all are held.
func (s *stack) hold(n int) (ids []string) {
	s.t.Helper()
	for i := range n {
		order := s.sample("balance-wrong")
		order["orderNumber"] = fmt.Sprintf("SO-%06d", i)
		id, err := s.fake.AddOrder(order)
		require.NoError(s.t, err)
		ids = append(ids, id)
	}
	require.Eventually(s.t, func() bool {
		return s.count(s.t, "GateStatus = 'failed' AND ExecutionStatus = 'Running'") == n
		// Temporal's dev server signals about ten runs a second.
	}, time.Duration(n/5)*time.Second+waitFor, 10*tick)
	return ids
}

// TestMoreHeldOrdersThanTheCacheKeeps holds more orders than the worker's cache keeps. Evicted runs
// continue at their next event.
func TestMoreHeldOrdersThanTheCacheKeeps(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})
	p := s.startProcess(t, "worker", server.Addr, "WORKER_CACHED_RUNS=10", "SWEEP_EVERY=0")
	ids := s.hold(40)

	status, page := p.ask("/metrics")
	require.Equal(t, 200, status)
	kept := metricValue(t, page, "temporal_sticky_cache_size")
	assert.LessOrEqual(t, kept, 10.0)
	assert.Equal(t, 10.0, metricValue(t, page, "gate_worker_cached_runs_limit"))
	for _, id := range ids[:3] { // evicted first
		s.fix(id)
		assert.Zero(t, s.mustResult(id).Errors())
	}
}

// BenchmarkManyHeldOrders holds 20,000 orders in a worker with 512 MiB.
func BenchmarkManyHeldOrders(b *testing.B) {
	const container = 512 << 20
	s := newStack(b, options{noWorker: true})
	// no look-ups, which would compare each order with all others
	rules := filepath.Join(b.TempDir(), "rules.yaml")
	require.NoError(b, os.WriteFile(rules, []byte("version: 1\nname: wrong\nrules:\n- id: "+
		"wrong\n  scope: order\n  severity: error\n  when: 'true'\n  message: \"'Each order is "+
		"wrong'\"\n"), 0o600))
	p := s.startProcess(b, "worker", server.Addr, fmt.Sprintf("GOMEMLIMIT=%d", container*9/10),
		"SWEEP_EVERY=0", "INFLOW_REQUESTS_PER_MINUTE=60000",
		"RULES_FILE="+rules)
	s.hold(*manyHeldOrders)
	b.ReportMetric(float64(peakMemory(b, p.Process.Pid))/container, "peak/512MiB")
	p.stop()
}

// metricValue returns the largest value of all series of a metric.
func metricValue(t testing.TB, page, name string) float64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, found, name)
	var largest float64
	for _, series := range found {
		value, err := strconv.ParseFloat(series[1], 64)
		require.NoError(t, err)
		largest = max(largest, value)
	}
	return largest
}

// peakMemory returns a process's peak memory, in bytes.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, after, found := bytes.Cut(status, []byte("VmHWM:"))
	require.True(t, found)
	kib, err := strconv.ParseInt(string(bytes.Fields(after)[0]), 10, 64)
	require.NoError(t, err)
	return kib << 10
}
