package backtest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/checks"
)

// ruleRows gives each rule of either set a row. The last row is for findings that a report counts
// without naming their rule.
type ruleRows struct {
	ids  []string
	rows map[string]int
}

// rowsOf returns the rules of the first set, then the rules that only the second has.
func rowsOf(first, second *rules.Set) ruleRows {
	r := ruleRows{rows: map[string]int{}}
	for _, set := range []*rules.Set{first, second} {
		for _, info := range set.Rules() {
			if _, known := r.rows[info.ID]; !known {
				r.rows[info.ID] = len(r.ids)
				r.ids = append(r.ids, info.ID)
			}
		}
	}
	r.rows[ordercheck.OtherRules] = len(r.ids)
	r.ids = append(r.ids, ordercheck.OtherRules)
	return r
}

func (c *comparison) newTally() *tally {
	t := &tally{rules: make([]ruleTally, len(c.ids))}
	for i := range t.results {
		t.results[i].rules = make([]ruleFound, len(c.ids))
	}
	return t
}

// evaluateAll evaluates the orders of a batch, up to the first that cannot be read.
func (c *comparison) evaluateAll(ctx context.Context, batch []*orderfile.Order, t *tally) {
	for _, order := range batch {
		if ctx.Err() != nil {
			return
		}
		if err := c.evaluate(ctx, order, t); err != nil {
			c.fault(err)
			return
		}
	}
}

// evaluate evaluates an order with both sets and counts the findings.
func (c *comparison) evaluate(ctx context.Context, entry *orderfile.Order, t *tally) error {
	order, err := entry.SalesOrder()
	if err != nil {
		return err
	}
	var lookups ordercheck.Lookups
	if c.looksUp {
		if lookups, err = lookUp(entry, order); err != nil {
			return err
		}
	}
	at := entry.ExportedAt.In(c.zone)
	sets := [sides]*rules.Set{now: c.Now.Set, proposed: c.New.Set}
	var checked ordercheck.CheckedOrder
	for side, set := range sets {
		if side == now || set.Digest() != sets[now].Digest() {
			checked = set.EvaluateFetched(ctx, order, at, lookups, c.asked)
		}
		report := rules.Report(order, checked, at)
		if c.OnReport != nil {
			c.OnReport(side == proposed, entry.Line, &report)
		}
		t.results[side].read(&checked, &report, c.rows)
	}
	if ctx.Err() != nil {
		return nil // the evaluation was cut off
	}
	t.add(order, entry.Line, at, c.Notices)
	return nil
}

// lookUp returns the look-ups for an order, as the gate's worker makes them, but from the file. A
// look-up that the file cannot answer is nil.
func lookUp(entry *orderfile.Order, order *inflow.SalesOrder) (ordercheck.Lookups, error) {
	in := checks.LookUpRecentOrders(order)
	if in == nil {
		return ordercheck.Lookups{}, nil
	}
	recent, err := entry.RecentOrders()
	var fault *orderfile.Fault
	switch {
	case errors.As(err, &fault):
		return ordercheck.Lookups{}, err
	case err != nil: // the customer's orders are too large
		return ordercheck.Lookups{}, nil
	}
	return ordercheck.Lookups{RecentOrders: recent.Of(in)}, nil
}

// result returns the result of the tally of all orders.
func (c *comparison) result(t *tally) *Result {
	r := &Result{
		Orders: Orders{
			File: c.File, Count: t.orders, From: t.ordered.from, To: t.ordered.to,
			ExportedFrom: t.exported.from, ExportedTo: t.exported.to,
		},
		Now:        RuleSet{RuleSet: c.Now.Set.RuleSet(), Source: c.Now.From},
		New:        RuleSet{RuleSet: c.New.Set.RuleSet(), Source: c.New.From},
		Held:       Held{Counts: t.held, Examples: t.heldExamples.examples()},
		Incomplete: t.incomplete,
		Rules:      []RuleResult{},
		Notes:      []string{},
	}
	r.Held.setPercent(t.orders)
	r.Incomplete.setPercent(t.orders)
	if c.Notices != nil {
		r.Messages = &MessageCounts{
			Mails: t.mails, Posts: t.posts, Receivers: c.Notices.Receivers,
		}
	}
	infos := [sides]map[string]rules.Info{now: infosOf(c.Now.Set), proposed: infosOf(c.New.Set)}
	for i, id := range c.ids {
		of := &t.rules[i]
		if id == ordercheck.OtherRules && of.isZero() {
			continue
		}
		rule := of.result(t.orders)
		rule.RuleID = id
		rule.Now.describe(infos[now], id)
		rule.New.describe(infos[proposed], id)
		rule.Description = infos[proposed][id].Description
		if rule.Description == "" {
			rule.Description = infos[now][id].Description
		}
		r.Rules = append(r.Rules, rule)
	}
	return r
}

func infosOf(set *rules.Set) map[string]rules.Info {
	infos := map[string]rules.Info{}
	for _, info := range set.Rules() {
		infos[info.ID] = info
	}
	return infos
}

// describe sets the state and severity of a rule.
func (s *RuleSide) describe(infos map[string]rules.Info, id string) {
	info, has := infos[id]
	s.Severity = info.Severity
	switch {
	case !has:
		s.State = StateNone
	case !info.Enabled:
		s.State = StateOff
	case info.Shadow:
		s.State = StateTrial
	default:
		s.State = StateOn
	}
}

// isZero reports whether nothing was counted.
func (r *ruleTally) isZero() bool {
	return r.orders == Counts{} && r.sides[now].isZero() && r.sides[proposed].isZero()
}

func (s *sideTally) isZero() bool { return s.notEvaluated == 0 && s.skipped == 0 }

func (r *ruleTally) result(orders int) RuleResult {
	out := RuleResult{
		Orders: r.orders,
		Now:    r.sides[now].result(),
		New:    r.sides[proposed].result(),
	}
	out.Orders.setPercent(orders)
	out.Examples = append(r.more.examples(), r.fewer.list...)
	if len(out.Examples) == 0 {
		out.Examples = r.same.examples()
	}
	return out
}

func (s *sideTally) result() RuleSide {
	out := RuleSide{
		NotEvaluated: s.notEvaluated, Error: oneLine(s.err.text),
		Skipped: s.skipped, SkipReason: oneLine(s.skip.text),
	}
	for _, need := range slices.Sorted(maps.Keys(s.unknown)) {
		out.Unknown = append(out.Unknown, Unknown{Needs: need, Orders: s.unknown[need]})
	}
	return out
}
