package main

import (
	"context"
	"errors"
	"fmt"
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
