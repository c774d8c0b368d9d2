package orderlife

import (
	"cmp"
	"slices"

	"error-check-gate/internal/ordercheck"
)

// hasNews reports whether people don't know one of the confirmed errors. If a rule has more than the
// report lists, they change places, and only their number counts.
func (s *State) hasNews(confirmed []*ordercheck.Finding) bool {
	crowded := s.crowded(confirmed)
	known := countByRule(pointers(s.Notified))
	now := countByRule(confirmed)
	return slices.ContainsFunc(confirmed, func(f *ordercheck.Finding) bool {
		if crowded[f.RuleID] {
			return now[f.RuleID] > known[f.RuleID]
		}
		return !s.isKnown(f)
	})
}

// isKnown reports whether people know an error.
func (s *State) isKnown(f *ordercheck.Finding) bool {
	return slices.ContainsFunc(s.Notified, func(known ordercheck.Finding) bool { return known.ID == f.ID })
}

// crowded has the rules with confirmed errors that the report doesn't list, or that the latest
// notice didn't.
func (s *State) crowded(confirmed []*ordercheck.Finding) map[string]bool {
	crowded := map[string]bool{}
	for _, f := range slices.Concat(pointers(s.Notified), confirmed) {
		if f.Count > 0 {
			crowded[f.RuleID] = true
		}
	}
	return crowded
}

func countByRule(findings []*ordercheck.Finding) map[string]int {
	counts := map[string]int{}
	for _, f := range findings {
		counts[f.RuleID] += f.Findings()
	}
	return counts
}

// NotifiedRules returns the rules with errors that people know of.
func (s *State) NotifiedRules() []string {
	var ids []string
	for i := range s.Notified {
		if id := s.Notified[i].RuleID; id != ordercheck.OtherRules && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// lift tells which findings may be gone although nobody fixed the order.
type lift struct {
	// all is true if only the rules have changed since the check before.
	all bool
	// rules are no longer in force.
	rules []string
}

// liftBy returns the lift of a check, whose result has not been taken over yet.
func (s *State) liftBy(fetched *ordercheck.FetchedOrder, checked *ordercheck.CheckedOrder) lift {
	return lift{
		all: fetched.OrderVersion != "" && fetched.OrderVersion == s.Report.OrderVersion &&
			checked.RuleSet.Digest != s.Report.RuleSet.Digest,
		rules: checked.NotInForce,
	}
}

// of reports whether a finding of a rule is gone because the rules changed.
func (l lift) of(ruleID string) bool { return l.all || slices.Contains(l.rules, ruleID) }

// settleNotified takes errors that no longer stand, or are overridden, from those that people know
// of. They are news when they come again.
func (s *State) settleNotified(confirmed []*ordercheck.Finding, lift lift) {
	crowded := s.crowded(confirmed)
	known, now := countByRule(pointers(s.Notified)), countByRule(confirmed)
	counted := map[string]bool{}
	for _, f := range s.Notified {
		switch rule := f.RuleID; {
		case crowded[rule] && now[rule] > 0:
			if !counted[rule] {
				s.goneFor(rule, lift).Omitted += max(0, known[rule]-now[rule])
			}
			counted[rule] = true
		case slices.ContainsFunc(confirmed, func(g *ordercheck.Finding) bool { return g.ID == f.ID }):
		default:
			s.noteGone(f, lift)
		}
	}
	s.Notified = ordercheck.Brief(slices.DeleteFunc(slices.Clone(confirmed), func(f *ordercheck.Finding) bool {
		return !crowded[f.RuleID] && !s.isKnown(f)
	}))
}

// noteGone records that an error people know of is gone: it was fixed, or its rule no longer applies.
func (s *State) noteGone(f ordercheck.Finding, lift lift) {
	same := func(g ordercheck.Finding) bool { return g.ID == f.ID } // it came again, and is gone again
	s.Resolved.Findings = slices.DeleteFunc(s.Resolved.Findings, same)
	s.Lifted.Findings = slices.DeleteFunc(s.Lifted.Findings, same)
	gone := s.goneFor(f.RuleID, lift)
	if f.Count > 0 || len(gone.Findings) >= ordercheck.MaxResolved {
		gone.Omitted += f.Findings()
		return
	}
	f.Message = cmp.Or(f.Message, "Rule "+f.RuleID)
	gone.Findings = append(gone.Findings, f)
}

func (s *State) goneFor(ruleID string, lift lift) *Gone {
	if lift.of(ruleID) {
		return &s.Lifted
	}
	return &s.Resolved
}

func pointers(findings []ordercheck.Finding) []*ordercheck.Finding {
	list := make([]*ordercheck.Finding, len(findings))
	for i := range findings {
		list[i] = &findings[i]
	}
	return list
}
