package orderlife

import (
	"cmp"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// An order may have more findings than its report lists. [ordercheck.Report.Omitted] counts the
// others by rule. From check to check, findings move between the two lists.

// findingsBefore returns the findings of earlier checks by id.
func (s *State) findingsBefore() map[string]*ordercheck.Finding {
	before := make(map[string]*ordercheck.Finding, len(s.Report.Findings))
	for _, list := range [][]ordercheck.Finding{s.Unlisted, s.Report.Findings} {
		for i := range list {
			before[list[i].ID] = &list[i]
		}
	}
	return before
}

// omittedBefore returns the past of a finding that was not listed before, or nil. If an entry for
// several findings was overridden, the override doesn't apply to a single one of them.
func (s *State) omittedBefore(f ordercheck.Finding) *ordercheck.Finding {
	var past *ordercheck.Finding
	for i := range s.Report.Omitted {
		if g := &s.Report.Omitted[i]; mayCount(g, &f) {
			past = older(past, g)
		}
	}
	return past
}

// mayCount reports whether f may be one of the unlisted findings that the entry g counts.
func mayCount(g, f *ordercheck.Finding) bool {
	return g.Severity == f.Severity && (g.RuleID == f.RuleID || g.RuleID == ordercheck.OtherRules)
}

// pastOfOmitted returns the past of an entry for unlisted findings, or nil. After the previous
// check, these findings were in such an entry or in the list.
func (s *State) pastOfOmitted(g ordercheck.Finding, again map[string]bool) *ordercheck.Finding {
	past := s.omittedBefore(g)
	for i := range s.Report.Findings {
		if f := &s.Report.Findings[i]; f.RuleID == g.RuleID && !again[f.ID] {
			past = older(past, f)
		}
	}
	same := filter(s.Report.Omitted, func(p ordercheck.Finding) bool {
		return p.ID == g.ID && p.Severity == g.Severity
	})
	if past != nil && len(same) == 1 {
		past.Override, past.FactsDigest = same[0].Override, same[0].FactsDigest
	}
	return past
}

// older joins the pasts of two findings: the earlier first-seen time, and confirmed if either is.
// past may be nil.
func older(past, f *ordercheck.Finding) *ordercheck.Finding {
	joined := &ordercheck.Finding{
		Severity: f.Severity, FirstSeen: f.FirstSeen, State: f.State, Notified: f.Notified,
	}
	if past == nil {
		return joined
	}
	if past.FirstSeen.Before(joined.FirstSeen) {
		joined.FirstSeen = past.FirstSeen
	}
	if isConfirmed(past) {
		joined.Severity, joined.State = past.Severity, past.State
	}
	joined.Notified = joined.Notified && past.Notified
	return joined
}

// unlistedOverrides returns the overridden findings that the report no longer lists, and that may
// still be there.
func (s *State) unlistedOverrides(
	again map[string]bool, omitted []ordercheck.Finding, now time.Time,
) []ordercheck.Finding {
	var kept []ordercheck.Finding
	for _, f := range slices.Concat(s.Unlisted, s.Report.Findings) {
		kept = slices.DeleteFunc(kept, func(k ordercheck.Finding) bool { return k.ID == f.ID })
		mayApply := f.Override != nil && !again[f.ID] && now.Before(f.Override.Until) &&
			slices.ContainsFunc(omitted, func(g ordercheck.Finding) bool { return mayCount(&g, &f) })
		if mayApply {
			kept = append(kept, f)
		}
	}
	slices.SortFunc(kept, func(a, b ordercheck.Finding) int { return cmp.Compare(a.ID, b.ID) })
	return ordercheck.Unlisted(kept)
}

// filter returns the findings that keep accepts, in a new list.
func filter(all []ordercheck.Finding, keep func(ordercheck.Finding) bool) []ordercheck.Finding {
	drop := func(f ordercheck.Finding) bool { return !keep(f) }
	return slices.DeleteFunc(slices.Clone(all), drop)
}
