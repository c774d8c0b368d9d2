package main

import (
	"context"
	"errors"
	"fmt"
)

// acks compares the rate of answered deliveries with a client that signals Temporal itself. No
// worker runs on either side, because the measurement ends when Temporal has committed.
func acks(ctx context.Context, b *bench) (err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	edge, err := s.startIngress(ctx)
	if err != nil {
		return err
	}
	post, err := newSender(edge.url)
	if err != nil {
		return err
	}
	for _, tc := range []struct {
		orders, senders int
		what            string
		better          float64 // the minimum ratio of the rates
	}{
		{0, 1, "1 sender, distinct orders", .95},
		{0, 16, "16 senders, distinct orders", .95},
		{0, 64, "64 senders, distinct orders", 5},
		{1, 64, "64 senders, one order", 5},
		{20, 64, "64 senders, 20 orders", 2},
	} {
		if err := s.ack(ctx, post, tc.what, tc.orders, tc.senders, tc.better); err != nil {
			return fmt.Errorf("%s: %w", tc.what, err)
		}
	}
	return nil
}

func (s *site) ack(
	ctx context.Context, post *sender, what string, orders, senders int, target float64,
) error {
	b := s.b
	// A run takes at most 10,000 signals, so each round has its own orders.
	sides := [2]func() operation{
		func() operation {
			order := orderOf(orders)
			return func(ctx context.Context, n int) error { return post.deliver(ctx, order(n)) }
		},
		func() operation {
			order := orderOf(orders)
			return func(ctx context.Context, n int) error { return signalOrder(ctx, s.temporal, order(n)) }
		},
	}
	for _, side := range sides {
		if _, err := load(ctx, senders, b.warmUp, side()); err != nil {
			return err
		}
	}
	var rate, p50, p99 [2][]float64
	for range b.rounds {
		for i, side := range sides {
			got, err := load(ctx, senders, b.round, side())
			if err != nil {
				return err
			}
			rate[i] = append(rate[i], got.perSecond)
			p50[i] = append(p50[i], got.p50)
			p99[i] = append(p99[i], got.p99)
		}
	}
	b.rows = append(b.rows,
		row{what: what + ": acks ÷ bare client's signals", gate: rate[0], other: rate[1], unit: "/s",
			better: "higher", target: target},
		row{what: what + ": p50", gate: p50[0], other: p50[1], unit: " ms"},
		row{what: what + ": p99", gate: p99[0], other: p99[1], unit: " ms"})
	return nil
}
