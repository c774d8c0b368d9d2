package orderlife

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Begin begins the due check and returns its request. Report the outcome with Checked, NotChecked
// or Preempted.
func (s *State) Begin() Request {
	s.InFlight, s.Due = s.Due, nil
	return *s.InFlight
}

// ShouldPreempt reports whether the due check is more urgent than the one in flight.
func (s *State) ShouldPreempt() bool {
	return s.InFlight != nil && s.Due != nil && s.Due.Priority < s.InFlight.Priority
}

// Preempted makes the check in flight due again, because a more urgent request came before its
// fetch had begun.
func (s *State) Preempted() {
	preempted := s.InFlight
	s.InFlight = nil
	due := s.request(preempted.Priority)
	due.Accepted = Earlier(preempted.Accepted, due.Accepted)
}

// Fetched records the order's number and customer, which people see even if the check fails
// later.
func (s *State) Fetched(fetched *ordercheck.FetchedOrder) {
	if s.Report.CheckedAt.IsZero() {
		s.Report.OrderNumber, s.Report.Customer = fetched.OrderNumber, fetched.Customer
	}
}

// UpToDate reports whether the report is complete, and was made from the same order version and
// rules. A version that only the gate's own write has made counts as the same.
func (s *State) UpToDate(fetched *ordercheck.FetchedOrder) bool {
	report := &s.Report
	return !report.CheckedAt.IsZero() && report.Note != NoteDeleted &&
		len(report.RuleErrors) == 0 && len(report.Missing) == 0 &&
		fetched.OrderVersion != "" && fetched.RuleSet.Digest == report.RuleSet.Digest &&
		(fetched.OrderVersion == report.OrderVersion || s.isOwnWrite(fetched))
}

// BilledWith returns the next value of Billed: the order as it was first seen invoiced, or nil if
// it isn't invoiced. The value stays the same if the fetch lacks the data to decide.
func (s *State) BilledWith(
	fetched *ordercheck.FetchedOrder, lookups ordercheck.Lookups,
) *ordercheck.Billed {
	unknown := !slices.Contains(fetched.Asked, ordercheck.LookupBilled) ||
		slices.Contains(fetched.Missing, ordercheck.IncludeLines) ||
		slices.Contains(lookups.Failed, ordercheck.LookupBilled)
	switch {
	case unknown, fetched.Billed != nil && s.Billed != nil:
		return s.Billed
	case fetched.Billed == nil:
		return nil
	case lookups.Billed != nil:
		return lookups.Billed
	}
	return fetched.Billed
}

// NeedsRecall reports whether the driver must look up the order's last run before it reports this
// check. A life needs that once: if somebody has overridden an error, the override must survive a
// cancellation of the last run. It only matters if the rules found an error, or may have missed
// one, or if people are notified of warnings.
func (s *State) NeedsRecall(checked *ordercheck.CheckedOrder) bool {
	matters := func(f ordercheck.Finding) bool {
		return f.Severity == ordercheck.SeverityError || s.Settings.NotifyWarnings
	}
	return !s.Recalled &&
		(len(checked.RuleErrors) > 0 || slices.ContainsFunc(checked.Findings, matters))
}

// RecallsFailure reports whether the driver must look up the order's last run before it reports
// this failure: people must not be notified twice that an order is too large.
func (s *State) RecallsFailure(failure Failure) bool {
	return failure.Type == ordercheck.ErrorOrderTooLarge && !s.TooLarge && s.Report.CheckedAt.IsZero()
}

// Result is the outcome of a check.
type Result struct {
	// Began is when the fetch began.
	Began   time.Time
	Fetched ordercheck.FetchedOrder
	// Lookups.Billed is the result of [State.BilledWith].
	Lookups ordercheck.Lookups
	// Checked is nil if [State.UpToDate] the fetched order.
	Checked *ordercheck.CheckedOrder
	// Recalled is the order's last run, if [State.NeedsRecall]; else nil.
	Recalled *ordercheck.RecalledRun
}

// Checked ends the check in flight with its result. now is when it ended.
func (s *State) Checked(now time.Time, result *Result) {
	own := s.takeOwnWebhooks(now, s.InFlight, &result.Fetched)
	s.takeHoldField(now, &result.Fetched, own)
	if result.Checked == nil {
		s.Report.OrderVersion = result.Fetched.OrderVersion // perhaps made by the gate's own write
	}
	if own && result.Checked == nil && s.Failure == nil {
		s.InFlight = nil // the gate's own write changes nothing else
		return
	}
	overrides, open, notEvaluated := s.overridesInForce(), s.openErrors(), s.notEvaluated()
	s.InFlight, s.Failure = nil, nil
	s.recall(result.Recalled)
	s.takeFetched(&result.Fetched)
	found, omitted := s.Report.Findings, s.Report.Omitted
	var lift lift
	if checked := result.Checked; checked != nil {
		lift = s.liftBy(&result.Fetched, checked)
		found, omitted = checked.Findings, checked.Omitted
		s.takeChecked(result)
	}
	ended := s.endedOverrides(now)
	s.judge(found, omitted, result.Began, now)
	s.Report.CheckedAt = now
	s.Report.Status = s.status()
	s.Report.Note = noteOf(&result.Fetched, s.Report.Missing)
	s.RetryAt, s.TooLarge, s.Abandoned = time.Time{}, false, false
	s.noteCheck(now)
	s.noteEndedOverrides(now, overrides)
	s.conclude(now, conclusion{checked: true, lift: lift, overridesEnded: ended})
	s.noteOutcomes(now, open, s.outcomeOfCheck(lift, result.Fetched.IsCancelled))
	s.noteNotEvaluated(notEvaluated)
}

func noteOf(fetched *ordercheck.FetchedOrder, missing []string) string {
	switch {
	case fetched.IsCancelled:
		return NoteCancelled
	case len(missing) > 0:
		return fmt.Sprintf("The check lacked %s: InFlow left it out, or a look-up failed. "+
			"Check the order again.", strings.Join(missing, ", "))
	default:
		return ""
	}
}

// recall applies the overrides and known warnings of the order's last run.
func (s *State) recall(recalled *ordercheck.RecalledRun) {
	if recalled == nil {
		return
	}
	s.Recalled = true
	if len(s.Report.Findings) > 0 {
		return
	}
	known := slices.Concat(recalled.Overridden, recalled.Notified)
	s.Report.SetFindings(
		filter(known, func(f ordercheck.Finding) bool { return f.Count == 0 }),
		filter(known, func(f ordercheck.Finding) bool { return f.Count > 0 }))
}

func (s *State) takeFetched(fetched *ordercheck.FetchedOrder) {
	s.Report.OrderNumber = fetched.OrderNumber
	if !slices.Contains(fetched.Missing, ordercheck.IncludeCustomer) {
		s.Report.Customer = fetched.Customer
	}
	if !slices.Contains(fetched.Missing, ordercheck.IncludeSalesRep) {
		s.HasSalesRep, s.SalesRep = fetched.HasSalesRep, fetched.SalesRep
	}
}

func (s *State) takeChecked(result *Result) {
	fetched, checked := &result.Fetched, result.Checked
	s.Report.OrderVersion, s.Report.RuleSet = s.versionWithMark(fetched.OrderVersion), checked.RuleSet
	s.Report.Skipped, s.Report.RuleErrors = notNil(checked.Skipped), notNil(checked.RuleErrors)
	missing := slices.Concat(fetched.Missing, checked.Missing)
	s.Report.Missing = slices.Compact(slices.Sorted(slices.Values(missing)))
	s.Terms, s.RulesSince = checked.Terms, checked.RulesSince
	s.Mark.Content = fetched.Content
	s.Billed = result.Lookups.Billed
}

// NotChecked ends the check in flight, which could not be done. recalled is the order's last run,
// if RecallsFailure; else nil.
func (s *State) NotChecked(now time.Time, failure Failure, recalled *ordercheck.RecalledRun) {
	s.takeOwnWebhooks(now, s.InFlight, nil)
	overrides, open := s.overridesInForce(), s.openErrors()
	s.InFlight, s.Failure = nil, nil
	notFound := failure.Type == ordercheck.ErrorOrderNotFound
	if notFound {
		s.NotFoundVersion = s.MissedVersion
	}
	if notFound && !s.Report.CheckedAt.IsZero() {
		s.deleted(now)
	} else {
		s.failed(now, failure, recalled)
	}
	s.noteCheck(now)
	s.noteEndedOverrides(now, overrides)
	s.conclude(now, conclusion{checked: true})
	s.noteOutcomes(now, open, always(ordercheck.OutcomeOrderGone))
}

// deleted clears the report of an order that InFlow no longer has.
func (s *State) deleted(now time.Time) {
	s.Report.SetFindings([]ordercheck.Finding{}, nil)
	s.Report.Status, s.Report.Note, s.Report.CheckedAt = ordercheck.StatusUnchecked, NoteDeleted, now
	s.RetryAt = time.Time{}
	s.forgetMark()
}

func (s *State) failed(now time.Time, failure Failure, recalled *ordercheck.RecalledRun) {
	s.Report.Status, s.Failure = ordercheck.StatusUnchecked, &failure
	after := retryAfter
	if failure.Type == ordercheck.ErrorOrderTooLarge {
		after = retryTooLargeAfter
		s.notifyTooLarge(now, recalled)
	}
	if s.watched() {
		s.RetryAt = now.Add(after)
	}
}

// notifyTooLarge notifies people that the gate cannot check the order, because nobody would look
// for it among the failed runs. It does so once until a check succeeds.
func (s *State) notifyTooLarge(now time.Time, recalled *ordercheck.RecalledRun) {
	if s.TooLarge {
		return
	}
	s.TooLarge = true
	s.Report.Note = noteTooLarge
	if recalled != nil && recalled.Failure == ordercheck.ErrorOrderTooLarge {
		return // the last run has notified people
	}
	s.notify(now, notice{kind: ordercheck.NoticeUnchecked})
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
