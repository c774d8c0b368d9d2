package orderlife_test

import (
	"maps"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// outcomesModel knows the outcomes that the errors of all lives of an order must have.
type outcomesModel struct {
	open     map[string]openError // by finding
	opened   map[string]int       // number of errors opened so far, by rule
	want     map[ruleOutcome]counted
	recorded map[string]ordercheck.OrderOutcomes // recorded batches, by key
	failing  []string                            // rules that the latest check could not evaluate
	rules    int                                 // number of the rule set of the latest check
}

// openError is an error that nobody has overridden.
type openError struct {
	firstSeen time.Time
	notified  bool // people know of it
}

type ruleOutcome struct {
	rule    string
	outcome ordercheck.Outcome
}

// counted is a number of errors, and the sum of the seconds for which each was open.
type counted struct {
	errors  int
	seconds int64
}

// begin begins a new life.
func (o *outcomesModel) begin() {
	if o.want == nil {
		o.opened, o.want = map[string]int{}, map[ruleOutcome]counted{}
		o.recorded = map[string]ordercheck.OrderOutcomes{}
	}
	o.open, o.failing = map[string]openError{}, nil
}

// expect adds an outcome of an error that was open for some time.
func (o *outcomesModel) expect(rule string, outcome ordercheck.Outcome, open time.Duration) {
	want := o.want[ruleOutcome{rule, outcome}]
	want.errors++
	want.seconds += int64(open / time.Second)
	o.want[ruleOutcome{rule, outcome}] = want
}

// always returns a function for judgeOutcomes, for events that give all errors the same outcome.
func always(outcome ordercheck.Outcome) func(id string) ordercheck.Outcome {
	return func(string) ordercheck.Outcome { return outcome }
}

// outcomeOfCheck returns a function for judgeOutcomes, for a check. Call outcomeOfCheck before
// the model records the check, and the function afterwards.
func (m *model) outcomeOfCheck() func(id string) ordercheck.Outcome {
	before, rulesBefore := m.latest, m.outcomes.rules
	return func(id string) ordercheck.Outcome {
		found := slices.IndexFunc(m.lastFound.Findings,
			func(f ordercheck.Finding) bool { return f.ID == id })
		remains := m.couldNotEvaluate(id) ||
			found >= 0 && m.lastFound.Findings[found].Severity == ordercheck.SeverityError
		_, overridden := m.overrides[id]
		switch {
		case remains && m.state.Abandoned:
			return ordercheck.OutcomeExpired
		case remains && overridden:
			return ordercheck.OutcomeOverridden
		case found >= 0:
			return ordercheck.OutcomeRulesChanged
		case m.at.cancelled:
			return ordercheck.OutcomeOrderGone
		case slices.Contains(m.world.rules.off, id),
			before != nil && before.version == m.at.version && rulesBefore != m.world.rules.number:
			return ordercheck.OutcomeRulesChanged
		case m.outcomes.open[id].notified:
			return ordercheck.OutcomeFixedAfterNotice
		default:
			return ordercheck.OutcomeFixedInGrace
		}
	}
}

// judgeOutcomes expects an outcome for each error that the latest event has closed, and compares
// all outcomes with the expected ones. outcomeOf returns the outcome of a finding.
func (m *model) judgeOutcomes(outcomeOf func(id string) ordercheck.Outcome) {
	now := map[string]bool{}
	for f := range m.state.Report.All() {
		if f.Severity == ordercheck.SeverityError && f.State != ordercheck.FindingOverridden &&
			!m.state.Abandoned {
			now[f.ID] = true
		}
	}
	o := &m.outcomes
	for _, id := range slices.Sorted(maps.Keys(o.open)) {
		if now[id] {
			continue
		}
		outcome := outcomeOf(id)
		m.logf("outcome of %s: %s", id, outcome)
		o.expect(id, outcome, m.now.Sub(o.open[id].firstSeen))
		delete(o.open, id)
	}
	for id := range now {
		if _, open := o.open[id]; !open {
			o.opened[id]++
		}
		o.open[id] = openError{
			firstSeen: m.firstSeen[id], notified: o.open[id].notified || m.known[id],
		}
	}
	m.compareOutcomes()
}

// judgeNotEvaluated expects an outcome for each rule that a check could not evaluate and the
// check before could. checked is nil if the state knew this version of the order already.
func (m *model) judgeNotEvaluated(checked *ordercheck.CheckedOrder) {
	if checked == nil {
		return
	}
	o := &m.outcomes
	o.rules = m.world.rules.number
	before := o.failing
	o.failing = nil
	for _, e := range checked.RuleErrors {
		o.failing = append(o.failing, e.RuleID)
		if !slices.Contains(before, e.RuleID) {
			o.expect(e.RuleID, ordercheck.OutcomeNotEvaluated, 0)
		}
	}
	m.compareOutcomes()
}

// compareOutcomes compares the outcomes of all lives with the expected ones.
func (m *model) compareOutcomes() {
	got := map[ruleOutcome]counted{}
	add := func(list []ordercheck.RuleOutcome) {
		for _, o := range list {
			sum := got[ruleOutcome{o.RuleID, o.Outcome}]
			sum.errors += o.Count
			sum.seconds += int64(o.Count) * o.Seconds
			got[ruleOutcome{o.RuleID, o.Outcome}] = sum
		}
	}
	for _, batch := range m.outcomes.recorded {
		add(batch.Outcomes)
	}
	add(m.state.Outcomes.Waiting)
	if sending := m.state.Outcomes.Sending; sending != nil {
		if _, twice := m.outcomes.recorded[sending.Key]; !twice {
			add(sending.Outcomes)
		}
	}
	// judgeOutcomes runs before judgeNotEvaluated has added its outcomes, so those are compared
	// only at the end of a life.
	for _, sums := range []map[ruleOutcome]counted{got, m.outcomes.want} {
		for key := range sums {
			if key.outcome != ordercheck.OutcomeNotEvaluated && got[key] != m.outcomes.want[key] {
				m.faultf("%s: %d errors are %s after %d s, not %d after %d s", key.rule, got[key].errors,
					key.outcome, got[key].seconds, m.outcomes.want[key].errors, m.outcomes.want[key].seconds)
			}
		}
	}
}

// recordOutcomes plays the driver that records outcomes. It may repeat an attempt that succeeded.
func (m *model) recordOutcomes() {
	if !m.state.OutcomesWaiting() {
		return
	}
	batch, fresh := m.state.BeginOutcomes(m.now)
	recorded, twice := m.outcomes.recorded[batch.Key]
	switch {
	case fresh && twice:
		m.faultf("two batches of outcomes have one key")
	case twice && !slices.Equal(recorded.Outcomes, batch.Outcomes):
		m.faultf("a batch of outcomes changed between attempts")
	}
	if m.random(4) > 0 {
		m.outcomes.recorded[batch.Key] = *batch
	}
	if _, done := m.outcomes.recorded[batch.Key]; done && m.random(4) > 0 {
		m.state.EndOutcomes()
	}
}

// judgeEndOfOutcomes checks, at the end of a life, that each error that was opened has exactly
// one outcome.
func (m *model) judgeEndOfOutcomes() {
	o := &m.outcomes
	if m.state.OutcomesWaiting() {
		m.faultf("the run ended with outcomes to record")
	}
	if len(o.open) > 0 {
		m.faultf("the run ended, and errors have no outcome: %v", o.open)
	}
	ended, failed := map[string]int{}, map[string]int{}
	for _, batch := range o.recorded {
		for _, outcome := range batch.Outcomes {
			if outcome.Outcome == ordercheck.OutcomeNotEvaluated {
				failed[outcome.RuleID] += outcome.Count
			} else {
				ended[outcome.RuleID] += outcome.Count
			}
		}
	}
	for _, rule := range ruleNames {
		if ended[rule] != o.opened[rule] {
			m.faultf("%d errors of %s were opened, and have %d outcomes", o.opened[rule], rule, ended[rule])
		}
		want := o.want[ruleOutcome{rule, ordercheck.OutcomeNotEvaluated}].errors
		if failed[rule] != want {
			m.faultf("%s could not be evaluated %d times, not %d", rule, want, failed[rule])
		}
	}
}
