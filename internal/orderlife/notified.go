package orderlife

import (
	"cmp"
	"slices"

	"error-check-gate/internal/ordercheck"
)

// updateNotified compares the confirmed errors with the errors that people know of. It reports
// whether there are new ones, and forgets errors that are gone, so that they are new when they
// come back.
//
// If a rule has more findings than the report lists, the report may list others after each check.
// Then updateNotified compares only the number of the rule's findings.
func (s *State) updateNotified(confirmed []*ordercheck.Finding, lift lift) (hasNew bool) {
	before := pointers(s.Notified)
	known, now := countByRule(before), countByRule(confirmed)
	crowded := map[string]bool{}
	for _, f := range slices.Concat(before, confirmed) {
		crowded[f.RuleID] = crowded[f.RuleID] || f.Count > 0
	}
	var stillConfirmed []*ordercheck.Finding
	for _, f := range confirmed {
		isKnown := crowded[f.RuleID] || has(before, f.ID)
		if isKnown {
			stillConfirmed = append(stillConfirmed, f)
		}
		hasNew = hasNew || !isKnown || crowded[f.RuleID] && now[f.RuleID] > known[f.RuleID]
	}
	counted := map[string]bool{}
	for _, f := range before {
		switch rule := f.RuleID; {
		case crowded[rule] && now[rule] > 0:
			if !counted[rule] {
				s.goneList(rule, lift).Omitted += max(0, known[rule]-now[rule])
			}
			counted[rule] = true
		case !has(confirmed, f.ID):
			s.recordGone(*f, lift)
		}
	}
	s.Notified = ordercheck.Summaries(stillConfirmed)
	return hasNew
}

func has(findings []*ordercheck.Finding, id string) bool {
	return slices.ContainsFunc(findings, func(f *ordercheck.Finding) bool { return f.ID == id })
}

func countByRule(findings []*ordercheck.Finding) map[string]int {
	counts := map[string]int{}
	for _, f := range findings {
		counts[f.RuleID] += f.Findings()
	}
	return counts
}

// NotifiedRules returns the ids of rules with errors that people know of, or that are open.
func (s *State) NotifiedRules() []string {
	known := slices.Concat(pointers(s.Notified), pointers(s.openErrors()))
	return slices.DeleteFunc(ruleIDs(known), func(id string) bool {
		return id == ordercheck.OtherRules
	})
}

// ruleIDs returns the ids of the findings' rules, each once.
func ruleIDs(findings []*ordercheck.Finding) []string {
	var ids []string
	for _, f := range findings {
		if !slices.Contains(ids, f.RuleID) {
			ids = append(ids, f.RuleID)
		}
	}
	return ids
}

// lift says which findings may be gone although nobody fixed the order.
type lift struct {
	// all is true if only the rules have changed since the check before.
	all bool
	// rules are no longer in force.
	rules []string
}

// liftBy returns the lift of a check. Call it before the report has the check's result.
func (s *State) liftBy(fetched *ordercheck.FetchedOrder, checked *ordercheck.CheckedOrder) lift {
	return lift{
		all: fetched.OrderVersion != "" && fetched.OrderVersion == s.Report.OrderVersion &&
			checked.RuleSet.Digest != s.Report.RuleSet.Digest,
		rules: checked.NotInForce,
	}
}

// of reports whether a finding of a rule is gone because the rules changed.
func (l lift) of(ruleID string) bool { return l.all || slices.Contains(l.rules, ruleID) }

// recordGone records that an error people know of was fixed, or that its rule no longer applies.
func (s *State) recordGone(f ordercheck.Finding, lift lift) {
	same := func(g ordercheck.Finding) bool { return g.ID == f.ID } // it was gone before
	s.Resolved.Findings = slices.DeleteFunc(s.Resolved.Findings, same)
	s.Lifted.Findings = slices.DeleteFunc(s.Lifted.Findings, same)
	gone := s.goneList(f.RuleID, lift)
	if f.Count > 0 || len(gone.Findings) >= ordercheck.MaxResolved {
		gone.Omitted += f.Findings()
		return
	}
	f.Message = cmp.Or(f.Message, "Rule "+f.RuleID)
	gone.Findings = append(gone.Findings, f)
}

// goneList returns the list for errors of a rule that are gone.
func (s *State) goneList(ruleID string, lift lift) *Gone {
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
