package orderlife

import (
	"cmp"
	"time"

	"error-check-gate/internal/ordercheck"
)

// CancelledByOperator takes that an operator cancelled the run. Checks that are due come first.
func (s *State) CancelledByOperator() { s.Cancellation = CancelRequested }

// EndedByHand ends the hold for an operator who cancelled the run. Every delivery that came before
// the cancellation has been fetched and checked by then. The run ends once its notices are sent.
func (s *State) EndedByHand(now time.Time, by ordercheck.Cancellation) {
	s.Cancellation = Cancelled
	text := byHand(by)
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
	s.Abandoned = true
}

// byHand is the note of a report whose hold was ended by hand.
func byHand(by ordercheck.Cancellation) string {
	note := cmp.Or(by.Identity, "An operator") +
		" ended the watch over this order by hand, by cancelling its run."
	if by.Reason != "" {
		note += " Reason: " + by.Reason
	}
	return note
}

// startAfresh begins a new life of an order whose run was cancelled: somebody asked for a check
// while the run was still sending notices. Like a new run it remembers nothing but overrides, known
// warnings and what is to be sent.
func (s *State) startAfresh() {
	known := func(f ordercheck.Finding) bool { return f.State == ordercheck.FindingOverridden || f.Told }
	fresh := State{
		Settings: s.Settings,
		Report:   newReport(s.Report.SalesOrderID),
		Recalled: s.Recalled,
		Billed:   s.Billed,
		Unlisted: s.Unlisted,
		Outbox:   s.Outbox,
		Notices:  s.Notices,
		Unsent:   s.Unsent,
	}
	fresh.Report.Timeline = s.Report.Timeline
	fresh.Report.SetFindings(filter(s.Report.Findings, known), filter(s.Report.Omitted, known))
	*s = fresh
}
