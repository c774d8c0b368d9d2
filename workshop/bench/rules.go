package main

import (
	"context"
	"fmt"
)

// ruleBenchmarks runs the benchmarks of package rules.
func ruleBenchmarks(ctx context.Context, b *bench) error {
	results, err := goBenchmarks(ctx, "internal/rules", "^Benchmark(Evaluate|Load)$", b.round.String())
	if err != nil {
		return err
	}
	for _, set := range []string{"default", "cabinetry", "default+cabinetry"} {
		ms := func(lines int) []float64 {
			return []float64{results[fmt.Sprintf("Evaluate/%s/lines=%d", set, lines)]["ns/op"] / 1e6}
		}
		many, few := ms(10_000), ms(100)
		perLine := []float64{few[0] * 100}
		b.rows = append(b.rows,
			row{what: fmt.Sprintf("rules %s: an order of 10 lines", set), gate: ms(10), unit: " ms"},
			row{what: fmt.Sprintf("rules %s: an order of 100 lines", set), gate: few, unit: " ms"},
			row{what: fmt.Sprintf("rules %s: an order of 10,000 lines ÷ 100 orders of 100", set), gate: many,
				other: perLine, unit: " ms"})
	}
	for _, set := range []string{"default", "cabinetry"} {
		b.rows = append(b.rows, row{what: "rules " + set + ": to load",
			gate: []float64{results["Load/"+set]["ns/op"] / 1e6}, unit: " ms"})
	}
	return nil
}
