package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
)

// memory measures the memory of the processes at rest, and again after many deliveries for 200
// orders.
func memory(ctx context.Context, b *bench) (err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.startInflow(ctx); err != nil {
		return err
	}
	work, err := s.startWorker()
	if err != nil {
		return err
	}
	edge, err := s.startIngress(ctx)
	if err != nil {
		return err
	}
	post, err := newSender(edge.url)
	if err != nil {
		return err
	}
	ids, err := s.orders(b.orders)
	if err != nil {
		return err
	}
	var resident [2][2]float64 // MiB of ingress and worker, before and after
	look := func(when int) error {
		for i, p := range []*process{edge, work} {
			if resident[i][when], err = p.residentMiB(); err != nil {
				return err
			}
		}
		return nil
	}
	for _, id := range ids[:2] { // the first deliveries allocate memory for good
		if err := post.deliver(ctx, id); err != nil {
			return err
		}
	}
	if err := s.waitUntilNoRunIsOpen(ctx); err != nil {
		return err
	}
	if err := look(0); err != nil {
		return err
	}
	for sent := 0; sent < b.deliveries; {
		got, err := load(ctx, 64, b.round,
			func(ctx context.Context, n int) error { return post.deliver(ctx, ids[n%len(ids)]) })
		if err != nil {
			return err
		}
		sent += int(got.perSecond * b.round.Seconds())
	}
	if err := s.waitUntilNoRunIsOpen(ctx); err != nil {
		return err
	}
	if err := look(1); err != nil {
		return err
	}
	for i, name := range []string{"ingress", "worker"} {
		b.rows = append(b.rows, row{
			what: fmt.Sprintf("resident memory of the %s after %d deliveries ÷ at rest", name, b.deliveries),
			gate: resident[i][1:], other: resident[i][:1], unit: " MiB",
		})
	}
	return nil
}

func (s *site) orders(n int) (ids []string, err error) {
	for range n {
		id, err := s.order(sampleRight)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// waitUntilNoRunIsOpen returns when no run is open.
func (s *site) waitUntilNoRunIsOpen(ctx context.Context) error {
	deadline := time.Now().Add(3 * time.Minute)
	for quiet := 0; quiet < 3; {
		answer, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("ExecutionStatus = '%s' AND WorkflowType NOT IN ('%s', '%s')",
				enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
				ordercheck.RulesWorkflowType, ordercheck.OutcomesWorkflowType),
		})
		switch {
		case err != nil:
			return err
		case answer.GetCount() == 0:
			quiet++
		case time.Now().After(deadline):
			return fmt.Errorf("%d runs are still open", answer.GetCount())
		default:
			quiet = 0
		}
		time.Sleep(300 * time.Millisecond)
	}
	return nil
}

// edits simulates a short day at the office: people save orders several times in a row, and a few
// orders far more often than the rest. The trace is the same in every run.
func edits(ctx context.Context, b *bench) (err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	post, _, err := s.startGate(ctx) // with the default settle time
	if err != nil {
		return err
	}
	ids, err := s.orders(b.orders)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))                    //nolint:gosec // repeatable, not secret
	zipf := rand.NewZipf(random, 1.2, 1, uint64(len(ids)-1)) //nolint:gosec // ids are few
	deliveries := 0
	for began := time.Now(); time.Since(began) < b.trace; {
		id := ids[zipf.Uint64()]
		for range 1 + random.IntN(8) {
			if err := s.fake.EditOrder(id,
				func(order map[string]any) { order["orderRemarks"] = fmt.Sprint(deliveries) }); err != nil {
				return err
			}
			if err := post.deliver(ctx, id); err != nil {
				return err
			}
			deliveries++
			time.Sleep(time.Duration(random.IntN(80)) * time.Millisecond)
		}
	}
	if err := s.waitUntilNoRunIsOpen(ctx); err != nil {
		return err
	}
	fetches := 0
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RouteGetSalesOrder {
			fetches++
		}
	}
	b.rows = append(b.rows, row{
		what: "InFlow requests for a trace of edits (Zipf over 200 orders, bursts) ÷ one per delivery",
		gate: []float64{float64(fetches)}, other: []float64{float64(deliveries)},
	})
	return nil
}

// ruleBenchmarks runs the benchmarks of package rules.
func ruleBenchmarks(ctx context.Context, b *bench) error {
	results, err := goBenchmarks(ctx, "internal/rules", "^Benchmark(Evaluate|Load)$", b.round.String())
	if err != nil {
		return err
	}
	for _, set := range []string{"default", "cabinetry", "default+cabinetry"} {
		time := func(lines int) []float64 {
			return []float64{results[fmt.Sprintf("Evaluate/%s/lines=%d", set, lines)]["ns/op"] / 1e6}
		}
		many, few := time(10_000), time(100)
		perLine := []float64{few[0] * 100}
		b.rows = append(b.rows,
			row{what: fmt.Sprintf("rules %s: an order of 10 lines", set), gate: time(10), unit: " ms"},
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
