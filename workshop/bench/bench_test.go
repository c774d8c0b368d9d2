package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/workshop/internal/product"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		fail(runRole(role))
		return
	}
	os.Exit(m.Run())
}

// TestSmoke runs every section that measures processes, as briefly as possible, to check that the
// harness works. Its results mean nothing.
func TestSmoke(t *testing.T) {
	gate, err := product.Build(t.Context(), "gate", t.TempDir())
	require.NoError(t, err)
	b := &bench{scale: smoke, dir: t.TempDir(), gate: gate}
	for _, section := range sections {
		if section.name == "rules" || section.name == "held" {
			continue // benchmarks of other packages
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		before := len(b.rows)
		require.NoError(t, section.run(ctx, b), section.name)
		cancel()
		require.Greater(t, len(b.rows), before, section.name)
	}
	for _, r := range b.rows {
		for _, value := range append(append([]float64{}, r.gate...), r.other...) {
			assert.Positive(t, value, r.what)
		}
	}
	text := table(b.rows)
	assert.Equal(t, len(b.rows)+2, strings.Count(text, "\n"), text)
	assert.NotContains(t, text, "NaN")
}

func TestBusiestMinute(t *testing.T) {
	var requests []fakeinflow.Request
	for _, second := range []int{90, 0, 30, 59, 60} {
		start := time.Unix(int64(second), 0)
		requests = append(requests, fakeinflow.Request{Start: start})
	}
	assert.Equal(t, 3, busiestMinute(requests), "0, 30 and 59, or 30, 59 and 60")
	assert.Zero(t, busiestMinute(nil))
}

func TestTableMarksMissedTargets(t *testing.T) {
	text := table([]row{
		{what: "fast", gate: []float64{10, 30, 20}, other: []float64{10, 10, 10}, unit: "/s",
			better: "higher", target: 2},
		{what: "slow", gate: []float64{3}, other: []float64{2}, unit: " ms", better: "lower",
			target: 1.2},
		{what: "alone", gate: []float64{1234.5}, unit: " B"},
	})
	assert.Contains(t, text, "| fast | 20/s (10–30) | 10/s (10–10) | 2 (1–3) | ≥ 2 | ok |\n")
	assert.Contains(t, text, "| slow | 3 ms | 2 ms | 1.50 | ≤ 1.2 | missed |\n")
	assert.Contains(t, text, "| alone | 1234 B |  |  |  |  |\n")
}
