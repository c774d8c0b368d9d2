package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"error-check-gate/internal/backtest/pastorders"
	"error-check-gate/workshop/internal/product"
)

// Targets of 'gate rules try' on two cores.
const (
	trialOrdersPerSecond = 4_000
	trialMemory          = 200 // MiB
	trialBoth            = 2.1 // the time with two sets ÷ the time with one
)

// trials runs 'gate rules try' on past orders of 10 lines: once to compare the general checks with
// themselves, and once to compare them with the other set that ships.
func trials(ctx context.Context, b *bench) error {
	root, err := product.Root(ctx)
	if err != nil {
		return err
	}
	shape := pastorders.Shape{
		Orders: b.pastOrders, Lines: 10, PerCustomer: 20, WrongOneIn: 5, Seed: 7,
	}
	few := filepath.Join(b.dir, "orders.jsonl")
	if err := pastorders.Write(few, shape); err != nil {
		return err
	}
	defaults := filepath.Join(root, "rules", "default.yaml")
	cabinetry := filepath.Join(root, "rules", "cabinetry.yaml")
	var perSecond, target, one, both []float64
	for range b.rounds {
		single, err := b.try(ctx, defaults, few)
		if err != nil {
			return err
		}
		double, err := b.try(ctx, cabinetry, few)
		if err != nil {
			return err
		}
		perSecond = append(perSecond, float64(shape.Orders)/single.took.Seconds())
		target = append(target, trialOrdersPerSecond)
		one = append(one, milliseconds(single.took))
		both = append(both, milliseconds(double.took))
	}
	const tenfold = 10
	shape.Orders *= tenfold
	many := filepath.Join(b.dir, "many-orders.jsonl")
	if err := pastorders.Write(many, shape); err != nil {
		return err
	}
	defer os.Remove(many) //nolint:errcheck // the folder goes too
	large, err := b.try(ctx, cabinetry, many)
	if err != nil {
		return err
	}
	b.rows = append(b.rows,
		row{
			what: fmt.Sprintf("`gate rules try`, the general checks: orders a second ÷ %d",
				trialOrdersPerSecond),
			gate: perSecond, other: target, unit: "/s", better: "higher", target: 1,
		},
		row{
			what: fmt.Sprintf("`gate rules try`, %d orders: both sets that ship ÷ the general checks",
				b.pastOrders),
			gate: both, other: one, unit: " ms", better: "lower", target: trialBoth,
		},
		row{
			what: fmt.Sprintf("`gate rules try`, %d orders: most resident memory ÷ %d MiB", shape.Orders,
				trialMemory),
			gate: []float64{large.memory}, other: []float64{trialMemory}, unit: " MiB", better: "lower",
			target: 1,
		})
	return nil
}

// tried has the cost of one run of 'gate rules try'.
type tried struct {
	took   time.Duration
	memory float64 // most resident memory, in MiB
}

// try compares a rule file with the general checks, on a file of orders.
func (b *bench) try(ctx context.Context, rules, orders string) (tried, error) {
	command := exec.CommandContext(ctx, b.gate, //nolint:gosec // the command that was just built
		"rules", "try", "--rules", rules, "--orders", orders, "--json")
	command.Env = append(os.Environ(), "RULES_FILE=")
	command.Stderr = os.Stderr
	began := time.Now()
	if err := command.Start(); err != nil {
		return tried{}, fmt.Errorf("gate rules try: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	// Read the memory while the process runs, because the kernel's figure for an ended process
	// includes its parent's memory.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	var peak float64
	for {
		select {
		case err := <-ended:
			if err != nil {
				return tried{}, fmt.Errorf("gate rules try: %w", err)
			}
			return tried{time.Since(began), peak}, nil
		case <-look.C:
			if now, err := statusMiB(command.Process.Pid, "VmHWM"); err == nil {
				peak = now
			}
		}
	}
}
