package workflows

import (
	"cmp"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// An order may have more findings than its report lists. The others are counted by rule in
// [ordercheck.Report.Omitted], and from check to check findings move between the two lists.

// findingsBefore returns what is known of single findings from the checks before, by id.
func (o *salesOrder) findingsBefore() map[string]*ordercheck.Finding {
	before := make(map[string]*ordercheck.Finding, len(o.report.Findings))
	for _, list := range [][]ordercheck.Finding{o.hold.Unlisted, o.report.Findings} {
		for i := range list {
			before[list[i].ID] = &list[i]
		}
	}
	return before
}

// omittedBefore returns the past of a finding that was not listed before, or nil. An override
// of several findings together is not taken for one of a single finding.
func (o *salesOrder) omittedBefore(f ordercheck.Finding) *ordercheck.Finding {
	var past *ordercheck.Finding
	for i := range o.report.Omitted {
		if g := &o.report.Omitted[i]; standsFor(g, &f) {
			past = older(past, g)
		}
	}
	return past
}

// standsFor says whether an entry for findings that are not listed may stand for f.
func standsFor(g, f *ordercheck.Finding) bool {
	return g.Severity == f.Severity && (g.RuleID == f.RuleID || g.RuleID == ordercheck.OtherRules)
}

// pastOfOmitted returns the past of an entry for findings that are not listed, or nil: they were
// in such an entry before, or were listed.
func (o *salesOrder) pastOfOmitted(g ordercheck.Finding, again map[string]bool) *ordercheck.Finding {
	past := o.omittedBefore(g)
	for i := range o.report.Findings {
		if f := &o.report.Findings[i]; f.RuleID == g.RuleID && !again[f.ID] {
			past = older(past, f)
		}
	}
	same := filter(o.report.Omitted, func(p ordercheck.Finding) bool { return p.ID == g.ID && p.Severity == g.Severity })
	if past != nil && len(same) == 1 {
		past.Override, past.FactsDigest = same[0].Override, same[0].FactsDigest
	}
	return past
}

// older returns the past of findings of which two are known: the clock that has run longer, and
// confirmed if one of them was. past may be nil.
func older(past, f *ordercheck.Finding) *ordercheck.Finding {
	joined := &ordercheck.Finding{FirstSeen: f.FirstSeen, State: f.State, Told: f.Told}
	if joined.State == ordercheck.FindingOverridden {
		joined.State = ordercheck.FindingConfirmed
	}
	if past == nil {
		return joined
	}
	if past.FirstSeen.Before(joined.FirstSeen) {
		joined.FirstSeen = past.FirstSeen
	}
	if past.State == ordercheck.FindingConfirmed {
		joined.State = past.State
	}
	joined.Told = joined.Told && past.Told
	return joined
}

// unlistedOverrides returns the findings that somebody answers for and that may still stand
// though the report does not list them any more.
func (o *salesOrder) unlistedOverrides(again map[string]bool, omitted []ordercheck.Finding, now time.Time) []ordercheck.Finding {
	var kept []ordercheck.Finding
	for _, f := range slices.Concat(o.hold.Unlisted, o.report.Findings) {
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

// hasNews says whether one of the confirmed errors is one that people have not been told of. If a rule has
// more than the report lists, they change places, and only their number counts.
func (o *salesOrder) hasNews(confirmed []*ordercheck.Finding) bool {
	crowded := o.crowded(confirmed)
	told := countByRule(pointers(o.hold.Notified))
	now := countByRule(confirmed)
	return slices.ContainsFunc(confirmed, func(f *ordercheck.Finding) bool {
		if crowded[f.RuleID] {
			return now[f.RuleID] > told[f.RuleID]
		}
		return !o.told(f)
	})
}

func (o *salesOrder) told(f *ordercheck.Finding) bool {
	return slices.ContainsFunc(o.hold.Notified, func(told ordercheck.Finding) bool { return told.ID == f.ID })
}

// crowded has the rules with confirmed errors that the report does not list, or did not when people were told.
func (o *salesOrder) crowded(confirmed []*ordercheck.Finding) map[string]bool {
	crowded := map[string]bool{}
	for _, f := range slices.Concat(pointers(o.hold.Notified), confirmed) {
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

// lift is why findings that a check does not find again may be gone although nobody fixed the order.
type lift struct {
	// all is true if only the rules have changed since the check before, and the order has not.
	all bool
	// rules are no longer in force.
	rules []string
}

// of says whether a finding of a rule is gone because the rules were changed.
func (l lift) of(ruleID string) bool { return l.all || slices.Contains(l.rules, ruleID) }

// toldRules are the rules with errors that people have been told of.
func (o *salesOrder) toldRules() []string {
	var ids []string
	for i := range o.hold.Notified {
		if id := o.hold.Notified[i].RuleID; id != ordercheck.OtherRules && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// settleNotified takes what no longer stands, or is overridden, from the findings that people were
// told of: it is news when it comes again.
func (o *salesOrder) settleNotified(confirmed []*ordercheck.Finding) {
	crowded := o.crowded(confirmed)
	told, now := countByRule(pointers(o.hold.Notified)), countByRule(confirmed)
	counted := map[string]bool{}
	for _, f := range o.hold.Notified {
		switch rule := f.RuleID; {
		case crowded[rule] && now[rule] > 0:
			if !counted[rule] {
				*o.goneOmitted(rule) += max(0, told[rule]-now[rule])
			}
			counted[rule] = true
		case slices.ContainsFunc(confirmed, func(g *ordercheck.Finding) bool { return g.ID == f.ID }):
		default:
			o.noteGone(f)
		}
	}
	o.hold.Notified = ordercheck.Brief(slices.DeleteFunc(slices.Clone(confirmed), func(f *ordercheck.Finding) bool {
		return !crowded[f.RuleID] && !o.told(f)
	}))
}

// noteGone notes that a finding people were told of is gone: it was fixed, or its rule no longer applies.
func (o *salesOrder) noteGone(f ordercheck.Finding) {
	same := func(g ordercheck.Finding) bool { return g.ID == f.ID } // it came again, and is gone again
	o.hold.Resolved = slices.DeleteFunc(o.hold.Resolved, same)
	o.hold.Lifted = slices.DeleteFunc(o.hold.Lifted, same)
	list := &o.hold.Resolved
	if o.lift.of(f.RuleID) {
		list = &o.hold.Lifted
	}
	if f.Count > 0 || len(*list) >= ordercheck.MaxResolved {
		*o.goneOmitted(f.RuleID) += f.Findings()
		return
	}
	f.Message = cmp.Or(f.Message, "Rule "+f.RuleID)
	*list = append(*list, f)
}

// goneOmitted counts findings of a rule that are gone and not listed.
func (o *salesOrder) goneOmitted(ruleID string) *int {
	if o.lift.of(ruleID) {
		return &o.hold.LiftedOmitted
	}
	return &o.hold.ResolvedOmitted
}

func pointers(findings []ordercheck.Finding) []*ordercheck.Finding {
	list := make([]*ordercheck.Finding, len(findings))
	for i := range findings {
		list[i] = &findings[i]
	}
	return list
}

func filter(findings []ordercheck.Finding, keep func(ordercheck.Finding) bool) []ordercheck.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f ordercheck.Finding) bool { return !keep(f) })
}
