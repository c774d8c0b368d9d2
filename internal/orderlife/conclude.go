package orderlife

import (
	"time"

	"error-check-gate/internal/ordercheck"
)

// conclusion tells conclude what happened besides the report.
type conclusion struct {
	// checked is true after a check, false after an override.
	checked bool
	lift    lift
	// overridesEnded are the overrides whose end this check has seen.
	overridesEnded []ordercheck.Override
}

// conclude decides which notice to send after a check or an override, if any, and whether the hold
// begins or ends.
func (s *State) conclude(now time.Time, c conclusion) {
	if s.Failure != nil {
		return
	}
	confirmed := s.errors(ordercheck.FindingConfirmed)
	hasNew := s.updateNotified(confirmed, c.lift)
	switch {
	case s.Abandoned:
	case hasNew:
		if s.HeldSince.IsZero() {
			s.HeldSince = now
		}
		s.noteConfirmed(now, confirmed)
		s.Notified, s.NotifiedAt = ordercheck.Summaries(confirmed), now
		s.notify(now, notice{kind: ordercheck.NoticeFailed, overridesEnded: c.overridesEnded})
	case !s.held():
		s.concludeHold(now)
	case !c.checked:
	case isDue(now, s.HeldSince, s.longestHold(ordercheck.FindingConfirmed)):
		s.expire(now)
	case isDue(now, s.NotifiedAt, s.remindEvery()):
		s.notify(now, notice{kind: ordercheck.NoticeReminder})
		s.NotifiedAt = now
	}
}

// concludeHold ends the hold of an order that is no longer held.
func (s *State) concludeHold(now time.Time) {
	switch {
	case !s.NotifiedAt.IsZero():
		ending := s.ending()
		if ending.kind == ordercheck.NoticeResolved || ending.reason == ordercheck.EndRulesChanged {
			s.note(now, ordercheck.TimelineResolved, "Every confirmed error is gone.")
		}
		s.notify(now, ending)
	case s.hasNewWarnings():
		s.notify(now, notice{kind: ordercheck.NoticeWarning})
	}
	thread := s.Thread
	s.endHold()
	if s.overridden() {
		s.Thread = thread // notices after the end of the override join the thread
	}
}

// isDue reports whether a time after since has come; false if since or after is zero.
func isDue(now, since time.Time, after time.Duration) bool {
	return !since.IsZero() && after > 0 && !now.Before(since.Add(after))
}

// ending returns the notice for the end of a hold that people know of.
func (s *State) ending() notice {
	switch {
	case s.Report.Note == NoteDeleted:
		return notice{kind: ordercheck.NoticeEnded, reason: ordercheck.EndDeleted}
	case s.Report.Note == NoteCancelled:
		return notice{kind: ordercheck.NoticeEnded, reason: ordercheck.EndCancelled}
	case s.Report.Status == ordercheck.StatusOverridden:
		return notice{kind: ordercheck.NoticeOverridden}
	case s.Lifted.count() > 0 && s.Resolved.count() == 0:
		return notice{kind: ordercheck.NoticeEnded, reason: ordercheck.EndRulesChanged}
	default:
		return notice{kind: ordercheck.NoticeResolved}
	}
}

func (s *State) endHold() {
	s.HeldSince, s.NotifiedAt = time.Time{}, time.Time{}
	s.Notified, s.Thread = nil, ""
	s.Resolved, s.Lifted = Gone{}, Gone{}
}

// hasNewWarnings reports whether the order has only warnings, and people don't know all of them.
func (s *State) hasNewWarnings() bool {
	if !s.Settings.NotifyWarnings || s.Report.Status != ordercheck.StatusWarning ||
		s.Report.Note == NoteCancelled {
		return false
	}
	for f := range s.Report.All() {
		if f.Severity == ordercheck.SeverityWarning && !f.Notified {
			return true
		}
	}
	return false
}

// markWarningsNotified marks the report's warnings as known: a notice of any kind lists them.
func (s *State) markWarningsNotified() {
	if !s.Settings.NotifyWarnings {
		return
	}
	for f := range s.Report.All() {
		f.Notified = f.Severity == ordercheck.SeverityWarning
	}
}
