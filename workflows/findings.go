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
func (o *salesOrder) judge(found []ordercheck.Finding, began, now time.Time) []ordercheck.Finding {
	before := make(map[string]*ordercheck.Finding, len(o.report.Findings))
	for i := range o.report.Findings {
		before[o.report.Findings[i].ID] = &o.report.Findings[i]
	}
	findings := make([]ordercheck.Finding, 0, len(found))
	for _, f := range found {
		findings = append(findings, o.judgeOne(f, before[f.ID], began, now))
	}
	for _, f := range o.report.Findings {
		again := slices.ContainsFunc(found, func(g ordercheck.Finding) bool { return g.ID == f.ID })
		if o.couldNotLook(f.RuleID) && !again {
			findings = append(findings, stands(f, began, now))
		}
	}
	return findings
}

// couldNotLook reports whether the latest check could not evaluate a rule, or lacked data for it.
func (o *salesOrder) couldNotLook(ruleID string) bool {
	return slices.ContainsFunc(o.report.RuleErrors, func(e ordercheck.RuleError) bool { return e.RuleID == ruleID }) ||
		slices.ContainsFunc(o.report.Skipped, func(s ordercheck.Skipped) bool { return s.RuleID == ruleID && len(s.Missing) > 0 })
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
	}
	if f.Severity != ordercheck.SeverityError || !o.settings.Hold {
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

// errorsIn are the findings of severity error in a state.
func errorsIn(report *ordercheck.Report, state ordercheck.FindingState) []*ordercheck.Finding {
	var found []*ordercheck.Finding
	for i := range report.Findings {
		if f := &report.Findings[i]; f.Severity == ordercheck.SeverityError && f.State == state {
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
	return o.settings.Hold && !o.holdEnded &&
		(len(errorsIn(&o.report, ordercheck.FindingConfirmed)) > 0 || len(errorsIn(&o.report, ordercheck.FindingPending)) > 0)
}

// triesAgain says whether a check that could not be done is tried again by this run: if the
// order is held, or somebody answers for one of its errors, which a failed run would forget.
func (o *salesOrder) triesAgain() bool {
	return o.outcome != nil && !o.endedByHand &&
		(o.held() || o.settings.Hold && len(errorsIn(&o.report, ordercheck.FindingOverridden)) > 0)
}
