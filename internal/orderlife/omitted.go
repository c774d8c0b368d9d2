package orderlife

import (
	"cmp"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// An order may have more findings than its report lists. The others are counted by rule in
// [ordercheck.Report.Omitted], and findings move between the two lists from check to check.

// findingsBefore returns the findings of the checks before, by id.
func (s *State) findingsBefore() map[string]*ordercheck.Finding {
	before := make(map[string]*ordercheck.Finding, len(s.Report.Findings))
	for _, list := range [][]ordercheck.Finding{s.Unlisted, s.Report.Findings} {
		for i := range list {
			before[list[i].ID] = &list[i]
		}
	}
	return before
}

// omittedBefore returns the past of a finding that was not listed before, or nil. An override of
// several findings together is not taken for one of a single finding.
func (s *State) omittedBefore(f ordercheck.Finding) *ordercheck.Finding {
	var past *ordercheck.Finding
	for i := range s.Report.Omitted {
		if g := &s.Report.Omitted[i]; standsFor(g, &f) {
			past = older(past, g)
		}
	}
	return past
}

// standsFor reports whether an entry for findings that are not listed may stand for f.
func standsFor(g, f *ordercheck.Finding) bool {
	return g.Severity == f.Severity && (g.RuleID == f.RuleID || g.RuleID == ordercheck.OtherRules)
}

// pastOfOmitted returns the past of an entry for findings that are not listed, or nil. They were in
// such an entry before, or were listed.
func (s *State) pastOfOmitted(g ordercheck.Finding, again map[string]bool) *ordercheck.Finding {
	past := s.omittedBefore(g)
	for i := range s.Report.Findings {
		if f := &s.Report.Findings[i]; f.RuleID == g.RuleID && !again[f.ID] {
			past = older(past, f)
		}
	}
	same := filter(s.Report.Omitted, func(p ordercheck.Finding) bool { return p.ID == g.ID && p.Severity == g.Severity })
	if past != nil && len(same) == 1 {
		past.Override, past.FactsDigest = same[0].Override, same[0].FactsDigest
	}
	return past
}

// older joins the pasts of two findings: the clock that has run longer, and confirmed if either is.
// past may be nil.
func older(past, f *ordercheck.Finding) *ordercheck.Finding {
	joined := &ordercheck.Finding{Severity: f.Severity, FirstSeen: f.FirstSeen, State: f.State, Told: f.Told}
	if past == nil {
		return joined
	}
	if past.FirstSeen.Before(joined.FirstSeen) {
		joined.FirstSeen = past.FirstSeen
	}
	if isConfirmed(past) {
		joined.Severity, joined.State = past.Severity, past.State
	}
	joined.Told = joined.Told && past.Told
	return joined
}

// unlistedOverrides returns the overridden findings that may still stand though the report no longer
// lists them.
func (s *State) unlistedOverrides(again map[string]bool, omitted []ordercheck.Finding, now time.Time) []ordercheck.Finding {
	var kept []ordercheck.Finding
	for _, f := range slices.Concat(s.Unlisted, s.Report.Findings) {
		kept = slices.DeleteFunc(kept, func(k ordercheck.Finding) bool { return k.ID == f.ID })
		if f.Override == nil || again[f.ID] || !now.Before(f.Override.Until) ||
			!slices.ContainsFunc(omitted, func(g ordercheck.Finding) bool { return standsFor(&g, &f) }) {
			continue
		}
		kept = append(kept, f)
	}
	slices.SortFunc(kept, func(a, b ordercheck.Finding) int { return cmp.Compare(a.ID, b.ID) })
	return ordercheck.Unlisted(kept)
}

func filter(findings []ordercheck.Finding, keep func(ordercheck.Finding) bool) []ordercheck.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f ordercheck.Finding) bool { return !keep(f) })
}
