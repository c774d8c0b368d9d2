package workflows

import (
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// judge gives each finding of a check its state and its clock. began is when the
// check's fetch began: an error is confirmed only by a check that began when its
// grace had ended.
//
// A finding keeps its clock while it is found by each check, whatever its message and
// amounts are, and loses it when a check does not find it. A rule that could not look
// does not clear what it found before.
//
// The findings of a rule that the report does not list have one clock together, the
// oldest. A finding keeps it when it becomes listed.
func (o *salesOrder) judge(found, omitted []ordercheck.Finding, began, now time.Time) {
	o.findEndedOverrides(now)
	before := o.findingsBefore()
	again := make(map[string]bool, len(found)+len(omitted))
	for _, f := range slices.Concat(found, omitted) {
		again[f.ID] = true
	}
	listed := make([]ordercheck.Finding, 0, len(found))
	for _, f := range found {
		past := before[f.ID]
		if past == nil {
			past = o.omittedBefore(f)
		}
		listed = append(listed, o.judgeOne(f, past, began, now))
	}
	unlisted := make([]ordercheck.Finding, 0, len(omitted))
	for _, g := range omitted {
		unlisted = append(unlisted, o.judgeOne(g, o.pastOfOmitted(g, again), began, now))
	}
	standing := func(findings []ordercheck.Finding) []ordercheck.Finding {
		kept := filter(findings, func(f ordercheck.Finding) bool { return !again[f.ID] && o.couldNotLook(f.RuleID) })
		for i := range kept {
			kept[i] = stands(kept[i], began, now)
		}
		return kept
	}
	o.hold.Unlisted = o.unlistedOverrides(again, unlisted, now)
	listed = append(listed, standing(o.report.Findings)...)
	unlisted = append(unlisted, standing(o.report.Omitted)...)
	o.report.SetFindings(listed, unlisted)
	o.report.BoundFindings()
	if o.hold.OverriddenAt.IsZero() && len(errorsIn(&o.report, ordercheck.FindingOverridden)) > 0 {
		o.hold.OverriddenAt = now // recalled from a run before
	}
}

// maxOverridesEnded bounds the ended overrides that a notice names.
const maxOverridesEnded = 10

// findEndedOverrides keeps the overrides that have ended by now, each once.
func (o *salesOrder) findEndedOverrides(now time.Time) {
	o.overridesEnded = nil
	for f := range o.report.All() {
		if f.Override != nil && !now.Before(f.Override.Until) && !slices.Contains(o.overridesEnded, *f.Override) && len(o.overridesEnded) < maxOverridesEnded {
			o.overridesEnded = append(o.overridesEnded, *f.Override)
		}
	}
}

// couldNotLook reports whether the latest check could not evaluate a rule, or lacked data for it.
func (o *salesOrder) couldNotLook(ruleID string) bool {
	concerns := func(id string) bool {
		return id == ruleID || id == ordercheck.OtherRules || ruleID == ordercheck.OtherRules
	}
	return slices.ContainsFunc(o.report.RuleErrors, func(e ordercheck.RuleError) bool { return concerns(e.RuleID) }) ||
		slices.ContainsFunc(o.report.Skipped, func(s ordercheck.Skipped) bool { return concerns(s.RuleID) && len(s.Missing) > 0 })
}

// stands returns a finding as it is while its rule cannot look. An override ends all the same.
func stands(f ordercheck.Finding, began, now time.Time) ordercheck.Finding {
	if f.Override == nil || now.Before(f.Override.Until) {
		return f
	}
	f.State, f.Override = ordercheck.FindingConfirmed, nil
	if began.Before(f.ConfirmAt) {
		f.State = ordercheck.FindingPending
	}
	return f
}

func (o *salesOrder) judgeOne(f ordercheck.Finding, before *ordercheck.Finding, began, now time.Time) ordercheck.Finding {
	f.FirstSeen, f.State, f.Override, f.ConfirmAt = now, ordercheck.FindingConfirmed, nil, time.Time{}
	if before != nil {
		f.FirstSeen = before.FirstSeen
		f.Told = before.Told && f.Severity == ordercheck.SeverityWarning
	}
	if f.Severity != ordercheck.SeverityError {
		return f
	}
	grace := o.grace(f.RuleID)
	f.ConfirmAt = f.FirstSeen.Add(grace)
	switch {
	case before != nil && before.Override != nil && now.Before(before.Override.Until) && before.Facts() == f.Facts():
		f.State, f.Override = ordercheck.FindingOverridden, before.Override
	case before != nil && before.State == ordercheck.FindingConfirmed:
	case grace <= 0, !began.Before(f.ConfirmAt):
	default:
		f.State = ordercheck.FindingPending
	}
	return f
}

// grace is the rule's own grace period, else the company's.
func (o *salesOrder) grace(ruleID string) time.Duration {
	if terms := o.termsOf(ruleID); terms.Grace != nil {
		return *terms.Grace
	}
	return o.settings.GracePeriod
}

func (o *salesOrder) termsOf(ruleID string) ordercheck.Terms {
	i := slices.IndexFunc(o.hold.Terms, func(t ordercheck.Terms) bool { return t.RuleID == ruleID })
	if i < 0 {
		return ordercheck.Terms{RuleID: ruleID}
	}
	return o.hold.Terms[i]
}

// errorsIn are the findings of severity error in a state, with the entries for those that are not listed.
func errorsIn(report *ordercheck.Report, state ordercheck.FindingState) []*ordercheck.Finding {
	var found []*ordercheck.Finding
	for f := range report.All() {
		if f.Severity == ordercheck.SeverityError && f.State == state {
			found = append(found, f)
		}
	}
	return found
}

// statusOf is the status that a report's findings amount to. A confirmed error
// outweighs a rule that could not look: the order is wrong either way.
func statusOf(report *ordercheck.Report) ordercheck.Status {
	switch {
	case len(errorsIn(report, ordercheck.FindingConfirmed)) > 0:
		return ordercheck.StatusFailed
	case len(errorsIn(report, ordercheck.FindingPending)) > 0:
		return ordercheck.StatusPending
	case len(report.RuleErrors) > 0, len(report.Missing) > 0:
		return ordercheck.StatusIncomplete
	case len(errorsIn(report, ordercheck.FindingOverridden)) > 0:
		return ordercheck.StatusOverridden
	case report.Warnings() > 0:
		return ordercheck.StatusWarning
	default:
		return ordercheck.StatusPassed
	}
}

// held says whether the run stays open for the order's findings.
func (o *salesOrder) held() bool {
	return !o.holdEnded &&
		(len(errorsIn(&o.report, ordercheck.FindingConfirmed)) > 0 || len(errorsIn(&o.report, ordercheck.FindingPending)) > 0)
}

// overridden reports whether the run stays open for errors that somebody answers for.
func (o *salesOrder) overridden() bool {
	return !o.holdEnded && o.report.Note != noteCancelled && len(errorsIn(&o.report, ordercheck.FindingOverridden)) > 0
}

// triesAgain reports whether this run tries again a check that could not be done: the order is
// held, or somebody answers for one of its errors, which a failed run would forget.
func (o *salesOrder) triesAgain() bool {
	return o.outcome != nil && !o.endedByHand && (o.held() || o.overridden())
}
