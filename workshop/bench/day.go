package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workshop/internal/product"
)

// midnight is the start of the day, a Wednesday.
var midnight = time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)

// defaultChoices are the gate's default settings.
func defaultChoices() dayChoices {
	return dayChoices{
		settings: orderlife.Settings{
			SettleQuiet: 2 * time.Second, SettleMax: 30 * time.Second, GracePeriod: 30 * time.Minute,
			HoldMax: 720 * time.Hour, RecordOutcomes: true,
		},
		sweepEvery: 15 * time.Minute, lookUps: true,
	}
}

// days simulates a business day of companies of three sizes, and a day of the middle one with other
// choices. The gate's own workflow runs in Temporal's test environment. The company saves orders in
// bursts, loses webhooks, and has no InFlow for an hour. So a day takes seconds, and its counts are
// the same in every run. The sizes of history events come from real runs.
func days(ctx context.Context, b *bench) error {
	sizes, err := b.realEventSizes(ctx)
	if err != nil {
		return err
	}
	companies := []int{50, 500, 5000}
	if b.scale == smoke {
		companies = []int{5, 10}
	}
	var names []string
	var costs []cost
	for _, orders := range companies {
		spent, err := playDay(ctx, orders, defaultChoices(), sizes)
		if err != nil {
			return err
		}
		names, costs = append(names, fmt.Sprintf("%d orders", orders)), append(costs, spent)
		b.rows = append(b.rows,
			row{what: fmt.Sprintf("a day of %d orders: InFlow requests per order", orders),
				gate: []float64{float64(spent.requests()) / float64(orders)}},
			row{what: fmt.Sprintf("a day of %d orders: Temporal actions per order", orders),
				gate: []float64{float64(spent.actions()) / float64(orders)}})
	}
	b.day = dayTable(names, companies, costs)
	return b.otherChoices(ctx, companies[1], sizes)
}

// otherChoices simulates the day again with one choice changed at a time.
func (b *bench) otherChoices(ctx context.Context, orders int, sizes eventSizes) error {
	names, choices := []string{"default"}, []dayChoices{defaultChoices()}
	try := func(name string, change func(*dayChoices)) {
		c := defaultChoices()
		change(&c)
		names, choices = append(names, name), append(choices, c)
	}
	try("`SETTLE_QUIET=30s`", func(c *dayChoices) {
		c.settings.SettleQuiet, c.settings.SettleMax = 30*time.Second, 2*time.Minute
	})
	try("`GRACE_PERIOD=5m`", func(c *dayChoices) { c.settings.GracePeriod = 5 * time.Minute })
	try("`SWEEP_EVERY=1h`", func(c *dayChoices) { c.sweepEvery = time.Hour })
	try("no rule looks up other orders", func(c *dayChoices) { c.lookUps = false })
	costs, all := make([]cost, len(choices)), make([]int, len(choices))
	for i, c := range choices {
		var err error
		if costs[i], err = playDay(ctx, orders, c, sizes); err != nil {
			return err
		}
		all[i] = orders
	}
	b.day += fmt.Sprintf("\nThe day of %d orders, with one setting changed:\n\n%s", orders,
		dayTable(names, all, costs))
	return nil
}

// playDay simulates the day of a company. Orders do not depend on each other, so each core
// simulates them one after the other.
func playDay(
	ctx context.Context, orders int, choices dayChoices, sizes eventSizes,
) (total cost, err error) {
	costs := make([]cost, orders)
	all := make([][]save, orders)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range orders {
		all[i] = savesOf(i, midnight)
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			o := &orderDay{choices: choices, sizes: sizes, saves: all[i],
				id: fmt.Sprintf("00000000-0000-4000-8000-%012d", i)}
			costs[i], err = o.play()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return total, err
	}
	for i := range costs {
		total.add(&costs[i])
	}
	if tooMany := total.retries - attemptsInOutage; tooMany > 0 {
		total.retries, total.attempts = attemptsInOutage, total.attempts-tooMany
	}
	swept, err := playSweeps(all, choices, sizes)
	total.add(&swept)
	return total, err
}

// realEventSizes runs a correct order, and one that is held and then fixed, with real processes.
func (b *bench) realEventSizes(ctx context.Context) (_ eventSizes, err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	chat, stop, err := chatThatTakesAll(ctx)
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, stop)
	root, err := product.Root(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := b.writeRules(rulesOfMarks + secondRule)
	if err != nil {
		return nil, err
	}
	ids, err := s.createWrong(ctx, 1, "GRACE_PERIOD=1s",
		"RULES_FILE="+filepath.Join(root, "rules", "default.yaml")+","+rules,
		"NOTIFY_URLS="+chat, "NOTICES_PER_HOUR=0")
	if err != nil {
		return nil, err
	}
	if err := s.waitForStatus(ctx, ordercheck.StatusFailed, 1); err != nil {
		return nil, err
	}
	if err := s.waitUntilInflowIsQuiet(ctx); err != nil {
		return nil, err
	}
	if err := s.fake.SetField(ids[0], "poNumber", "right"); err != nil {
		return nil, err
	}
	right, err := s.order(sampleRight)
	if err != nil {
		return nil, err
	}
	if err := s.waitUntilNoRunIsOpen(ctx); err != nil {
		return nil, err
	}
	return s.measureEvents(ctx, []string{ids[0], right})
}
