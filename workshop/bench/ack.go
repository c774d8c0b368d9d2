package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// acks compares the rate of answered deliveries with the rate of a bare client, which signals
// Temporal itself. No worker runs on either side, because the measurement ends when Temporal has
// committed.
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
	loads := developmentLoads
	if b.production {
		loads = productionLoads
	}
	for _, l := range loads {
		if err := s.ack(ctx, post, l); err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
	}
	return nil
}

// ackLoad is a number of senders, each of which waits for its answer before it sends again.
type ackLoad struct {
	what    string
	senders int
	// order makes a function for each round, which returns the order of delivery n.
	order func() func(n int) string
	// moreRounds multiplies the number of rounds; 0 means 1. Rounds of one sender differ by a tenth,
	// because a commit waits for the disk, and the target is a difference of a twentieth.
	moreRounds int
	// atLeast is the target for the rate, and p50AtMost the target for the median latency, both as
	// ratios to the bare client's. p99AtMost is the target for the 99th percentile, in ms. 0 means
	// no target.
	atLeast, p50AtMost, p99AtMost float64
}

var (
	developmentLoads = []ackLoad{
		{what: "1 sender, distinct orders", senders: 1, order: distinct, moreRounds: 3,
			atLeast: .95},
		{what: "16 senders, distinct orders", senders: 16, order: distinct, atLeast: .95},
		{what: "64 senders, distinct orders", senders: 64, order: distinct, atLeast: 5},
		{what: "64 senders, one order", senders: 64, order: among(1), atLeast: 5},
		{what: "64 senders, 20 orders", senders: 64, order: among(20), atLeast: 2},
	}
	productionLoads = []ackLoad{
		{what: "1 sender, distinct orders", senders: 1, order: distinct, moreRounds: 3,
			p50AtMost: 1.05},
		{what: "16 senders, distinct orders", senders: 16, order: distinct, atLeast: 6},
		{what: "64 senders, distinct orders", senders: 64, order: distinct, atLeast: 15,
			p99AtMost: 250},
		{what: "256 senders, distinct orders", senders: 256, order: distinct, atLeast: 20},
		{what: "16 senders, 20 orders", senders: 16, order: among(20)},
		{what: "64 senders, 20 orders", senders: 64, order: among(20), p99AtMost: 250},
		{what: "256 senders, 20 orders", senders: 256, order: among(20)},
		{what: "16 senders, one order", senders: 16, order: among(1)},
		{what: "64 senders, one order", senders: 64, order: among(1), atLeast: 10, p99AtMost: 250},
		{what: "256 senders, one order", senders: 256, order: among(1)},
		{what: "64 senders, every second delivery of one order", senders: 64, order: oneHot,
			p99AtMost: 250},
	}
)

func (s *site) ack(ctx context.Context, post *sender, l ackLoad) error {
	b := s.b
	// A run takes at most 10,000 signals, so each round has its own orders.
	sides := [2]func() operation{
		func() operation {
			order := l.order()
			return func(ctx context.Context, n int) error { return post.deliver(ctx, order(n)) }
		},
		func() operation {
			order := l.order()
			return func(ctx context.Context, n int) error { return signalOrder(ctx, s.temporal, order(n)) }
		},
	}
	for _, side := range sides {
		if _, err := load(ctx, l.senders, b.warmUp, side()); err != nil {
			return err
		}
	}
	var rate, p50, p99 [2][]float64
	for range b.rounds * max(l.moreRounds, 1) {
		for i, side := range sides {
			got, err := load(ctx, l.senders, b.round, side())
			if err != nil {
				return err
			}
			rate[i] = append(rate[i], got.perSecond)
			p50[i] = append(p50[i], got.p50)
			p99[i] = append(p99[i], got.p99)
		}
	}
	b.rows = append(b.rows,
		row{what: l.what + ": acks ÷ bare client's signals", gate: rate[0], other: rate[1], unit: "/s",
			better: "higher", target: l.atLeast},
		row{what: l.what + ": p50", gate: p50[0], other: p50[1], unit: " ms", better: "lower",
			target: l.p50AtMost},
		row{what: l.what + ": p99", gate: p99[0], other: p99[1], unit: " ms"})
	if l.p99AtMost > 0 {
		b.rows = append(b.rows, row{what: fmt.Sprintf("%s: p99 ÷ %g ms", l.what, l.p99AtMost),
			gate: p99[0], other: slices.Repeat([]float64{l.p99AtMost}, len(p99[0])), unit: " ms",
			better: "lower", target: 1})
	}
	return nil
}
