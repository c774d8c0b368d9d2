package orderlife

import (
	"fmt"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Mark is the hold mark of the order in InFlow, as far as the gate knows.
type Mark struct {
	// Field is the custom field as the latest fetch found it; nil if no field is configured.
	Field *ordercheck.HoldField `json:"field,omitempty"`
	// Text is the mark in the field, and Says what it says. Both are empty if there is none, Says
	// also if the gate doesn't know.
	Text string              `json:"text,omitempty"`
	Says ordercheck.HoldMark `json:"says,omitzero"`
	// Paused is true after a write that failed for good. The next check tries again.
	Paused bool `json:"paused,omitempty"`
	// Writing is true from the start of a write until its outcome is known.
	Writing bool `json:"writing,omitempty"`
	// Unanswered is true until InFlow's answer to the write is known.
	Unanswered bool `json:"unanswered,omitempty"`
	// Version is the order's version after the gate's own latest write, at WrittenAt, and Replaced
	// the one before it.
	Version   string    `json:"version,omitempty"`
	Replaced  string    `json:"replaced,omitempty"`
	WrittenAt time.Time `json:"writtenAt,omitzero"`
	// Announced is true once a check has seen that version.
	Announced bool `json:"announced,omitempty"`
	// Unnoted counts webhooks that are not in the timeline yet, because the gate's own write may
	// have caused them.
	Unnoted int `json:"unnoted,omitempty"`
}

// IsZero reports whether nothing is known of a mark.
func (m Mark) IsZero() bool { return m == Mark{} }

// ownWebhookPatience is how long the webhook of the gate's own write may take. A run waits so long
// for it before it ends, because the next run would not know the version.
const ownWebhookPatience = time.Minute

// ownWritePatience is how long the check after a webhook that may be about the gate's own write waits
// for the outcome of that write.
const ownWritePatience = 10 * time.Second

// ownWriteKnownAt returns the time until which the check that is due waits for the outcome of the
// gate's own write; zero if it doesn't wait.
func (s *State) ownWriteKnownAt() time.Time {
	if !s.Due.Own || !s.Mark.Unanswered {
		return time.Time{}
	}
	return s.Due.FirstDelivery.Add(ownWritePatience)
}

// wantedMark returns what the mark should say; zero if there should be none.
func (s *State) wantedMark() ordercheck.HoldMark {
	errors := s.errors(ordercheck.FindingConfirmed)
	since := s.HeldSince
	if len(errors) == 0 && s.Mark.Field.Pending {
		errors = s.errors(ordercheck.FindingPending)
		for _, f := range errors {
			if since.IsZero() || f.FirstSeen.Before(since) {
				since = f.FirstSeen
			}
		}
	}
	if len(errors) == 0 || s.Abandoned || s.Report.Note == NoteCancelled {
		return ordercheck.HoldMark{}
	}
	number := 0
	for _, f := range errors {
		number += f.Findings()
	}
	return ordercheck.HoldMark{Since: since.UTC(), Error: errors[0].Message, More: number - 1}
}

// MarkDue reports whether the order's mark is not what it should be, and can be written now. A check
// that is due or in flight comes first, because it may change what the mark says.
func (s *State) MarkDue() bool {
	m := &s.Mark
	if m.Field == nil || m.Field.Foreign || m.Paused || s.Due != nil || s.InFlight != nil ||
		s.Failure != nil {
		return false
	}
	wanted := s.wantedMark()
	return !wanted.Same(m.Says) || wanted.IsZero() && m.Text != ""
}

// BeginMark begins a write, and returns what to write.
func (s *State) BeginMark() ordercheck.HoldMark {
	s.Mark.Writing, s.Mark.Unanswered = true, true
	return s.wantedMark()
}

// EndMark ends a write, however it went.
func (s *State) EndMark() { s.Mark.Writing, s.Mark.Unanswered = false, false }

// MarkWritten records a write that succeeded. before is the order's version that it replaced; it is
// empty if the field said what was wanted already.
func (s *State) MarkWritten(
	now time.Time,
	says ordercheck.HoldMark,
	written ordercheck.WrittenHoldField,
	before string,
) {
	s.Mark.Text, s.Mark.Says, s.Mark.Unanswered = written.Text, says, false
	if before == "" {
		return
	}
	s.Mark.Version, s.Mark.Replaced = written.Version, before
	s.Mark.WrittenAt, s.Mark.Announced = now, false
	if s.Report.OrderVersion == before {
		s.Report.OrderVersion = written.Version // the same order but for the mark
	}
}

// MarkForeign records that the field holds other people's words. They stay.
func (s *State) MarkForeign(now time.Time) {
	s.takeHoldField(now, &ordercheck.HoldField{Foreign: true, Pending: s.Mark.Field.Pending})
}

// MarkFailed records that the mark could not be written. reason is for the timeline; it may be empty.
func (s *State) MarkFailed(now time.Time, reason string) {
	s.Mark.Paused = true
	if reason != "" {
		s.note(now, ordercheck.TimelineNotified, fmt.Sprintf("The hold could not be shown in InFlow: %s",
			ordercheck.Cut(reason, maxErrorText)))
	}
}

// takeHoldField takes what a fetch found in the field.
func (s *State) takeHoldField(now time.Time, field *ordercheck.HoldField) {
	m := &s.Mark
	if field != nil && field.Foreign && (m.Field == nil || !m.Field.Foreign) {
		s.note(now, ordercheck.TimelineNotified,
			"The hold is not shown in InFlow: somebody's own words are in the field for it.")
	}
	m.Field, m.Paused = field, false
	switch {
	case field == nil, field.Foreign:
		m.Text, m.Says = "", ordercheck.HoldMark{}
	case field.Text != m.Text:
		m.Text, m.Says = field.Text, ordercheck.HoldMark{}
	}
}

// versionWithMark returns the version of the order after a check of version. If the gate's own write
// is all that has happened since, that is the version of the write, so the sweep doesn't find it.
func (s *State) versionWithMark(version string) string {
	own := s.Mark.Version
	if own != "" && s.Report.OrderVersion == own && version == s.Mark.Replaced {
		return own
	}
	return version
}

// mayBeOwnWebhook reports whether a webhook that comes now may be about the gate's own write.
func (s *State) mayBeOwnWebhook(now time.Time) bool {
	written := s.Mark.WrittenAt
	return s.Mark.Writing || !written.IsZero() && now.Before(written.Add(ownWebhookPatience))
}

// awaitsOwnWebhook reports whether the webhook of the gate's own write has yet to come.
func (s *State) awaitsOwnWebhook(now time.Time) bool {
	return !s.Mark.Announced && s.mayBeOwnWebhook(now)
}

// takeOwnWebhooks settles webhooks that the gate's own write may have caused, after a check of
// version. It reports whether the check had no other reason.
func (s *State) takeOwnWebhooks(now time.Time, checked *Request, version string) (own bool) {
	unnoted := s.Mark.Unnoted
	s.Mark.Unnoted = 0
	if unnoted == 0 {
		return false
	}
	if version != "" && version == s.Mark.Version {
		s.Mark.Announced = true
		return checked.Own
	}
	s.noteDeliveries(now, unnoted)
	return false
}
