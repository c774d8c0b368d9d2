package orderlife

import (
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// judge gives each finding of a check its state, and puts the findings into the report. began is
// when the check's fetch began: an error is confirmed only by a check that began after its grace
// period.
//
// A finding keeps its first-seen time as its message and amounts change, and loses it when a
// check doesn't find it. If a rule could not be evaluated, its earlier findings stay.
//
// The findings of a rule that the report doesn't list share the oldest of their first-seen times.
// A finding keeps that time when the report lists it.
func (s *State) judge(found, omitted []ordercheck.Finding, began, now time.Time) {
	before := s.findingsBefore()
	again := make(map[string]bool, len(found)+len(omitted))
	for _, f := range slices.Concat(found, omitted) {
		again[f.ID] = true
	}
	listed := make([]ordercheck.Finding, 0, len(found))
	for _, f := range found {
		past := before[f.ID]
		if past == nil {
			past = s.omittedBefore(f)
		}
		listed = append(listed, s.judgeOne(f, past, began, now))
	}
	unlisted := make([]ordercheck.Finding, 0, len(omitted))
	for _, g := range omitted {
		unlisted = append(unlisted, s.judgeOne(g, s.pastOfOmitted(g, again), began, now))
	}
	carryOver := func(findings []ordercheck.Finding) []ordercheck.Finding {
		kept := filter(findings, func(f ordercheck.Finding) bool {
			return !again[f.ID] && s.couldNotEvaluate(f.RuleID)
		})
		for i := range kept {
			endOverride(&kept[i], began, now)
		}
		return kept
	}
	s.Unlisted = s.unlistedOverrides(again, unlisted, now)
	listed = append(listed, carryOver(s.Report.Findings)...)
	unlisted = append(unlisted, carryOver(s.Report.Omitted)...)
	s.Report.SetFindings(listed, unlisted)
	s.Report.TruncateFindings()
	if s.OverriddenAt.IsZero() && len(s.errors(ordercheck.FindingOverridden)) > 0 {
		s.OverriddenAt = now // the override was recalled from the order's last run
	}
}

// couldNotEvaluate reports whether the latest check could not evaluate a rule, or lacked data for
// it.
func (s *State) couldNotEvaluate(ruleID string) bool {
	matches := func(id string) bool {
		return id == ruleID || id == ordercheck.OtherRules || ruleID == ordercheck.OtherRules
	}
	return slices.ContainsFunc(s.Report.RuleErrors, func(e ordercheck.RuleError) bool {
		return matches(e.RuleID)
	}) || slices.ContainsFunc(s.Report.Skipped, func(k ordercheck.Skipped) bool {
		return matches(k.RuleID) && len(k.Missing) > 0
	})
}

// endOverride ends the override of a finding whose rule could not be evaluated, if the override
// has expired.
func endOverride(f *ordercheck.Finding, began, now time.Time) {
	if f.Override == nil || now.Before(f.Override.Until) {
		return
	}
	f.State, f.Override = ordercheck.FindingConfirmed, nil
	if began.Before(f.ConfirmAt) {
		f.State = ordercheck.FindingPending
	}
}

// judgeOne gives a finding its state. past is the same finding after the previous check, or nil.
func (s *State) judgeOne(
	f ordercheck.Finding, past *ordercheck.Finding, began, now time.Time,
) ordercheck.Finding {
	f.State, f.Override = ordercheck.FindingConfirmed, nil
	f.FirstSeen, f.ConfirmAt = now, time.Time{}
	if past != nil {
		f.FirstSeen = past.FirstSeen
		f.Notified = past.Notified && f.Severity == ordercheck.SeverityWarning
	}
	if f.Severity != ordercheck.SeverityError {
		return f
	}
	grace := ownOr(s.terms(f.RuleID).Grace, s.Settings.GracePeriod)
	f.ConfirmAt = f.FirstSeen.Add(grace)
	switch {
	case past != nil && past.Override != nil && now.Before(past.Override.Until) &&
		past.Facts() == f.Facts():
		f.State, f.Override = ordercheck.FindingOverridden, past.Override
	case past != nil && isConfirmed(past):
	case grace > 0 && began.Before(f.ConfirmAt):
		f.State = ordercheck.FindingPending
	}
	return f
}

// isConfirmed reports whether a finding is a confirmed error. A warning never is, so it gets a
// grace period if its rule becomes an error.
func isConfirmed(f *ordercheck.Finding) bool {
	return f.Severity == ordercheck.SeverityError && f.State == ordercheck.FindingConfirmed
}

// ownOr returns a rule's own setting, or the company's if the rule has none.
func ownOr(own *time.Duration, company time.Duration) time.Duration {
	if own != nil {
		return *own
	}
	return company
}

// terms returns the rule file's terms for a rule.
func (s *State) terms(ruleID string) ordercheck.Terms {
	i := slices.IndexFunc(s.Terms, func(t ordercheck.Terms) bool { return t.RuleID == ruleID })
	if i < 0 {
		return ordercheck.Terms{RuleID: ruleID}
	}
	return s.Terms[i]
}

// errors returns the findings of severity error in one of the states; without states, all of them.
// An entry for unlisted findings is one of them.
func (s *State) errors(states ...ordercheck.FindingState) []*ordercheck.Finding {
	var found []*ordercheck.Finding
	for f := range s.Report.All() {
		if f.Severity == ordercheck.SeverityError &&
			(len(states) == 0 || slices.Contains(states, f.State)) {
			found = append(found, f)
		}
	}
	return found
}

// status returns the status that follows from the findings. A confirmed error outweighs a rule
// that could not be evaluated: the order is wrong either way.
func (s *State) status() ordercheck.Status {
	switch {
	case len(s.errors(ordercheck.FindingConfirmed)) > 0:
		return ordercheck.StatusFailed
	case len(s.errors(ordercheck.FindingPending)) > 0:
		return ordercheck.StatusPending
	case len(s.Report.RuleErrors) > 0, len(s.Report.Missing) > 0:
		return ordercheck.StatusIncomplete
	case len(s.errors(ordercheck.FindingOverridden)) > 0:
		return ordercheck.StatusOverridden
	case s.Report.Warnings() > 0:
		return ordercheck.StatusWarning
	default:
		return ordercheck.StatusPassed
	}
}
