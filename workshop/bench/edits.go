package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"error-check-gate/internal/dev/fakeinflow"
)

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
