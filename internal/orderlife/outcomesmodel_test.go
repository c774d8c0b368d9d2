package orderlife_test

import (
	"maps"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// outcomesModel is what must have become of the errors of all lives of an order.
type outcomesModel struct {
	open map[string]openError // by finding
	// opened counts by rule how often an error was opened.
	opened map[string]int
	want   map[ruleOutcome]counted
	// recorded are the batches that were recorded, by key.
	recorded map[string]ordercheck.OrderOutcomes
	failing  []string // rules that the latest check could not evaluate
	rules    int      // number of the rule set of the latest check
}

// openError is an error that nobody answers for.
type openError struct {
	firstSeen time.Time
	told      bool
}

type ruleOutcome struct {
	rule    string
	outcome ordercheck.Outcome
}

// counted is a number of errors, and the seconds for which all of them stood.
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

func (o *outcomesModel) expect(rule string, outcome ordercheck.Outcome, stood time.Duration) {
	want := o.want[ruleOutcome{rule, outcome}]
	want.errors++
	want.seconds += int64(stood / time.Second)
	o.want[ruleOutcome{rule, outcome}] = want
}

// always is the outcome of every error that an event ends.
func always(outcome ordercheck.Outcome) func(id string) ordercheck.Outcome {
	return func(string) ordercheck.Outcome { return outcome }
}

// outcomeOfCheck returns what becomes of errors that the check about to end closes. Call it before
// the model takes the check.
func (m *model) outcomeOfCheck() func(id string) ordercheck.Outcome {
	before, rulesBefore := m.latest, m.outcomes.rules
	return func(id string) ordercheck.Outcome {
		found := slices.IndexFunc(m.lastFound.Findings,
			func(f ordercheck.Finding) bool { return f.ID == id })
		stands := m.couldNotEvaluate(id) ||
			found >= 0 && m.lastFound.Findings[found].Severity == ordercheck.SeverityError
		_, overridden := m.overrides[id]
		switch {
		case stands && m.state.Abandoned:
			return ordercheck.OutcomeExpired
		case stands && overridden:
			return ordercheck.OutcomeOverridden
		case found >= 0:
			return ordercheck.OutcomeRulesChanged
		case m.at.cancelled:
			return ordercheck.OutcomeOrderGone
		case slices.Contains(m.world.rules.off, id),
			before != nil && before.version == m.at.version && rulesBefore != m.world.rules.number:
			return ordercheck.OutcomeRulesChanged
		case m.outcomes.open[id].told:
			return ordercheck.OutcomeFixedAfterNotice
		default:
			return ordercheck.OutcomeFixedInGrace
		}
	}
}

// judgeOutcomes compares the outcomes with the errors that the latest event has closed. outcomeOf
// says what became of them.
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
		o.open[id] = openError{firstSeen: m.firstSeen[id], told: o.open[id].told || m.known[id]}
	}
	m.compareOutcomes()
}

// judgeNotEvaluated compares the rules that could not be evaluated, after a check. checked is nil
// if the state knew the order.
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

// compareOutcomes compares all outcomes ever with what they must be.
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
	// A check that ends errors compares before it compares the rules that could not be evaluated.
	for _, sums := range []map[ruleOutcome]counted{got, m.outcomes.want} {
		for key := range sums {
			if key.outcome != ordercheck.OutcomeNotEvaluated && got[key] != m.outcomes.want[key] {
				m.faultf("%s: %d errors are %s after %d s, not %d after %d s", key.rule, got[key].errors,
					key.outcome, got[key].seconds, m.outcomes.want[key].errors, m.outcomes.want[key].seconds)
			}
		}
	}
}

// recordOutcomes lets the driver record outcomes. An attempt may be repeated although it succeeded.
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
		m.faultf("a batch of outcomes changed on its way")
	}
	if m.random(4) > 0 {
		m.outcomes.recorded[batch.Key] = *batch
	}
	if _, done := m.outcomes.recorded[batch.Key]; done && m.random(4) > 0 {
		m.state.EndOutcomes()
	}
}

// judgeEndOfOutcomes: at the end of a life, each error that was opened has exactly one outcome.
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
