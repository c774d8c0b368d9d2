package main

import (
	"context"
)

// heldOrders runs the benchmarks of package e2e.
func heldOrders(ctx context.Context, b *bench) error {
	if b.scale == smoke {
		return nil // these benchmarks have only one size
	}
	results, err := goBenchmarks(ctx, "workshop/e2e", "^Benchmark(Many)?HeldOrders$", "1x")
	if err != nil {
		return err
	}
	held := results["HeldOrders"]
	b.rows = append(b.rows,
		row{what: "a held order: heap of the worker", gate: []float64{held["worker-B/held"]}, unit: " B"},
		row{what: "a held order: events of history", gate: []float64{held["events/held"]}},
		row{what: "a held order: history", gate: []float64{held["history-B/held"]}, unit: " B"},
		row{what: "20,000 held orders: most memory of a worker ÷ its container's 512 MiB",
			gate: []float64{results["ManyHeldOrders"]["peak/512MiB"]}})
	return nil
}
