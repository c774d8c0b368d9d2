package orderlife

import (
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// judge gives each finding of a check its state and its clock. began is when the check's fetch
// began: an error is confirmed only by a check that began after its grace had ended.
//
// A finding keeps its clock while each check finds it, whatever its message and amounts are, and
// loses it when a check doesn't find it. A rule that could not look clears nothing that it found
// before.
//
// The findings of a rule that the report doesn't list share one clock, the oldest. A finding keeps
// it when it becomes listed.
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
	standing := func(findings []ordercheck.Finding) []ordercheck.Finding {
		kept := filter(findings, func(f ordercheck.Finding) bool { return !again[f.ID] && s.couldNotLook(f.RuleID) })
		for i := range kept {
			kept[i] = stands(kept[i], began, now)
		}
		return kept
	}
	s.Unlisted = s.unlistedOverrides(again, unlisted, now)
	listed = append(listed, standing(s.Report.Findings)...)
	unlisted = append(unlisted, standing(s.Report.Omitted)...)
	s.Report.SetFindings(listed, unlisted)
	s.Report.BoundFindings()
	if s.OverriddenAt.IsZero() && len(s.errors(ordercheck.FindingOverridden)) > 0 {
		s.OverriddenAt = now // recalled from the order's last run
	}
}

// couldNotLook reports whether the latest check could not evaluate a rule, or lacked data for it.
func (s *State) couldNotLook(ruleID string) bool {
	concerns := func(id string) bool {
		return id == ruleID || id == ordercheck.OtherRules || ruleID == ordercheck.OtherRules
	}
	return slices.ContainsFunc(s.Report.RuleErrors, func(e ordercheck.RuleError) bool { return concerns(e.RuleID) }) ||
		slices.ContainsFunc(s.Report.Skipped, func(k ordercheck.Skipped) bool { return concerns(k.RuleID) && len(k.Missing) > 0 })
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

func (s *State) judgeOne(f ordercheck.Finding, before *ordercheck.Finding, began, now time.Time) ordercheck.Finding {
	f.FirstSeen, f.State, f.Override, f.ConfirmAt = now, ordercheck.FindingConfirmed, nil, time.Time{}
	if before != nil {
		f.FirstSeen = before.FirstSeen
		f.Told = before.Told && f.Severity == ordercheck.SeverityWarning
	}
	if f.Severity != ordercheck.SeverityError {
		return f
	}
	grace := s.grace(f.RuleID)
	f.ConfirmAt = f.FirstSeen.Add(grace)
	switch {
	case before != nil && before.Override != nil && now.Before(before.Override.Until) && before.Facts() == f.Facts():
		f.State, f.Override = ordercheck.FindingOverridden, before.Override
	case before != nil && isConfirmed(before):
	case grace <= 0, !began.Before(f.ConfirmAt):
	default:
		f.State = ordercheck.FindingPending
	}
	return f
}

// isConfirmed reports whether a finding is a confirmed error. A warning has no grace to outlast, so it
// gets one if its rule becomes an error.
func isConfirmed(f *ordercheck.Finding) bool {
	return f.Severity == ordercheck.SeverityError && f.State == ordercheck.FindingConfirmed
}

// grace returns the rule's own grace period, if any, else the company's.
func (s *State) grace(ruleID string) time.Duration {
	if terms := s.terms(ruleID); terms.Grace != nil {
		return *terms.Grace
	}
	return s.Settings.GracePeriod
}

func (s *State) terms(ruleID string) ordercheck.Terms {
	i := slices.IndexFunc(s.Terms, func(t ordercheck.Terms) bool { return t.RuleID == ruleID })
	if i < 0 {
		return ordercheck.Terms{RuleID: ruleID}
	}
	return s.Terms[i]
}

// severe returns the findings of severity error, and the entries for those that are not listed.
func (s *State) severe() []*ordercheck.Finding {
	var found []*ordercheck.Finding
	for f := range s.Report.All() {
		if f.Severity == ordercheck.SeverityError {
			found = append(found, f)
		}
	}
	return found
}

// errors returns the severe findings in a state.
func (s *State) errors(state ordercheck.FindingState) []*ordercheck.Finding {
	return slices.DeleteFunc(s.severe(), func(f *ordercheck.Finding) bool { return f.State != state })
}

// status returns the status that the report's findings amount to. A confirmed error outweighs a rule
// that could not look: the order is wrong either way.
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
