package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	forgers = 16
	// validPerSecond is the rate of valid deliveries during a flood of ten times as many forged ones.
	validPerSecond = 40
)

// refusals compares refusing a wrong signature with a handler that only verifies it.
func refusals(ctx context.Context, b *bench) (err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	// The senders are behind a proxy, with the default limit of refusals. Without a proxy, the gate
	// would close their connections, and we would measure connecting.
	edge, err := s.startIngress(ctx, "TRUSTED_PROXIES=127.0.0.1", "PEER_FAILURE_LIMIT=10")
	if err != nil {
		return err
	}
	bare, err := s.startRole(ctx, roleHandler)
	if err != nil {
		return err
	}
	valid, err := newSender(edge.url)
	if err != nil {
		return err
	}
	forger, err := valid.forger()
	if err != nil {
		return err
	}
	toBare := *forger
	toBare.url = bare.url

	var rate [2][]float64
	for round := range b.rounds + 1 {
		for i, to := range []*sender{forger, &toBare} {
			got, err := load(ctx, forgers, b.round,
				func(ctx context.Context, _ int) error { return to.deliver(ctx, "order") })
			if err != nil {
				return err
			}
			if round > 0 { // the first warms up
				rate[i] = append(rate[i], got.perSecond)
			}
		}
	}
	b.rows = append(b.rows, row{what: "refused deliveries ÷ a Gin handler that computes the HMAC",
		gate: rate[0], other: rate[1], unit: "/s", better: "higher", target: .8})

	var p99 [2][]float64
	for round := range b.rounds + 1 {
		for i, flood := range []bool{true, false} {
			got, err := b.paced(ctx, valid, forger, flood)
			if err != nil {
				return err
			}
			if round > 0 {
				p99[i] = append(p99[i], got)
			}
		}
	}
	b.rows = append(b.rows, row{what: "p99 of valid deliveries with 10 times as many forged ÷ without",
		gate: p99[0], other: p99[1], unit: " ms", better: "lower", target: 2})
	return nil
}

// paced sends valid deliveries at a fixed rate, even if answers are slow, and forged ones in
// between during a flood. It returns the p99 of the valid ones in milliseconds.
func (b *bench) paced(ctx context.Context, valid, forger *sender, flood bool) (float64, error) {
	var (
		mu        sync.Mutex
		latencies []float64
		failed    error
		sending   sync.WaitGroup
	)
	send := func(from *sender, record bool) {
		sending.Go(func() {
			began := time.Now()
			err := from.deliver(ctx, uuid.NewString())
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			if record {
				latencies = append(latencies, milliseconds(time.Since(began)))
			}
		})
	}
	ticker := time.NewTicker(time.Second / (10 * validPerSecond))
	defer ticker.Stop()
	for n := range int(2 * b.round.Seconds() * 10 * validPerSecond) {
		<-ticker.C
		if n%10 == 0 {
			send(valid, true)
		}
		if flood {
			send(forger, false)
		}
	}
	sending.Wait()
	return quantile(latencies, .99), failed
}
