package orderlife

import (
	"cmp"
	"time"

	"error-check-gate/internal/ordercheck"
)

// CancelledByOperator records that an operator cancelled the run. The hold ends after the checks
// that are due.
func (s *State) CancelledByOperator() { s.Cancellation = CancelRequested }

// EndedByHand ends the hold for an operator who cancelled the run, after a check of every delivery
// that came before the cancellation. The run ends once its notices are sent.
func (s *State) EndedByHand(now time.Time, by ordercheck.Cancellation) {
	s.Cancellation = Cancelled
	text := cancellationNote(by)
	held := s.held()
	if held || s.Report.Note == "" {
		s.Report.Note = text
	}
	s.noteBy(now, ordercheck.TimelineCancelled, by.Identity, text)
	if !held && !s.overridden() {
		return
	}
	if !s.NotifiedAt.IsZero() {
		s.notify(now, notice{kind: ordercheck.NoticeEnded, reason: ordercheck.EndByHand})
	}
	s.endHold()
	open := s.openErrors()
	s.Abandoned = true
	s.noteOutcomes(now, open, always(ordercheck.OutcomeEndedByHand))
}

// cancellationNote returns the report's note for a hold that an operator ended.
func cancellationNote(by ordercheck.Cancellation) string {
	note := cmp.Or(by.Identity, "An operator") +
		" ended the watch over this order by hand, by cancelling its run."
	if by.Reason != "" {
		note += " Reason: " + by.Reason
	}
	return note
}

// startNewLife begins a new life in a cancelled run, because somebody asked for a check while the
// run was still sending notices. The new life keeps overrides, warnings that people know of,
// unsent notices, outcomes, the hold mark and the timeline.
func (s *State) startNewLife() {
	known := func(f ordercheck.Finding) bool {
		return f.State == ordercheck.FindingOverridden || f.Notified
	}
	fresh := State{
		Settings: s.Settings,
		Report:   newReport(s.Report.SalesOrderID),
		Recalled: s.Recalled,
		Billed:   s.Billed,
		Unlisted: s.Unlisted,
		Mark:     s.Mark,
		Outbox:   s.Outbox,
		Notices:  s.Notices,
		Unsent:   s.Unsent,
		Outcomes: s.Outcomes,
	}
	fresh.Report.Timeline = s.Report.Timeline
	fresh.Report.SetFindings(filter(s.Report.Findings, known), filter(s.Report.Omitted, known))
	*s = fresh
}
