package orderlife

import (
	"cmp"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Mark is the hold mark of the order in InFlow, as far as the gate knows. [State.NextMark]
// decides on the next step to write it; see holdmarksteps.go.
type Mark struct {
	// Field is the field for hold marks as it was last read; nil if nobody has read it. A check by a
	// worker without the setting leaves it as it is.
	Field *ordercheck.HoldField `json:"field,omitempty"`
	// Text is the mark in InFlow, In the name of the custom field that has it, and Says its
	// content. All are empty if there is no mark. Says is also empty if the gate recognized a
	// mark that it doesn't remember.
	Text string              `json:"text,omitempty"`
	In   string              `json:"in,omitempty"`
	Says ordercheck.HoldMark `json:"says,omitzero"`

	// Reset is true if the run was reset to an earlier point. The gate may then have written
	// texts that it doesn't remember, so it also recognizes marks by their form.
	Reset bool `json:"reset,omitempty"`

	// Seen is the newest version of the order whose field the gate knows.
	Seen string `json:"seen,omitempty"`

	// Doing is the step that the driver has begun.
	Doing MarkDo `json:"doing,omitempty"`
	// Attempt is the latest write, until a reading has compared the order with its content before
	// the write; nil otherwise.
	Attempt *MarkAttempt `json:"attempt,omitempty"`
	// Tried is the text of the latest write. It may have reached InFlow after the gate gave up
	// waiting.
	Tried string `json:"tried,omitempty"`
	// Stop is the reason to stop marks for the whole account, until they are stopped.
	Stop *ordercheck.HoldMarksStop `json:"stop,omitempty"`

	// Failures counts the steps in a row that failed since FailingSince. A success or a check
	// resets it. The next step waits until PausedUntil.
	Failures     int       `json:"failures,omitempty"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	PausedUntil  time.Time `json:"pausedUntil,omitzero"`
	// Incomplete counts the readings in a row that lacked a part of the order. NotFound counts
	// the readings in a row that did not find the order.
	Incomplete int `json:"incomplete,omitempty"`
	NotFound   int `json:"notFound,omitempty"`
	// GivenUp is true if steps have failed for too long. After the next check, the gate tries
	// again.
	GivenUp bool `json:"givenUp,omitempty"`
	// Reason is the latest reason for a failure in the timeline; empty after a success.
	Reason string `json:"reason,omitempty"`

	// Version is the order's version after the gate's latest write, at WrittenAt. Replaced is the
	// latest version that somebody else made before it; one or more writes of the gate replaced
	// it.
	Version   string    `json:"version,omitempty"`
	Replaced  string    `json:"replaced,omitempty"`
	WrittenAt time.Time `json:"writtenAt,omitzero"`
	// Writer is the id under which InFlow records that the gate saved an order; empty if unknown.
	Writer string `json:"writer,omitempty"`
	// Doubt is an earlier write that may have done damage, while Writer is unknown; nil if none.
	Doubt *MarkDoubt `json:"doubt,omitempty"`
	// Announced is true once a check has seen Version.
	Announced bool `json:"announced,omitempty"`
	// Unnoted counts webhooks that are not in the timeline yet, because the gate's own write may
	// have caused them.
	Unnoted int `json:"unnoted,omitempty"`
	// Content is the [ordercheck.FetchedOrder.Content] of the latest check.
	Content string `json:"content,omitempty"`
}

// MarkAttempt is a write, and the order before it.
type MarkAttempt struct {
	// Field is the custom field, Text the text to write, and Says its content.
	Field string              `json:"field"`
	Text  string              `json:"text,omitempty"`
	Says  ordercheck.HoldMark `json:"says,omitzero"`
	// Before is the mark that was in the field before the write.
	Before string `json:"before,omitempty"`
	// Version, Properties, Serials and LeftOut are copied from the [ordercheck.HoldFieldImage]
	// before the write.
	Version    string                   `json:"version"`
	Properties []ordercheck.Fingerprint `json:"properties,omitempty"`
	Serials    int                      `json:"serials,omitempty"`
	LeftOut    []string                 `json:"leftOut,omitempty"`
	// Written is the version after the write; empty while InFlow's answer is unknown. Changed lists
	// the properties that differ in that answer.
	Written string   `json:"written,omitempty"`
	Changed []string `json:"changed,omitempty"`
}

// MarkDoubt is a write without an answer, after which the order differed. The write did the
// damage if SavedBy turns out to be the gate.
type MarkDoubt struct {
	// Changed lists the properties that differed.
	Changed []string `json:"changed"`
	// SavedBy is the id of whoever saved the order last.
	SavedBy string `json:"savedBy"`
}

// IsZero reports whether m is the zero value. Its JSON is then left out.
func (m Mark) IsZero() bool { return m == Mark{} }

// ownWebhookPatience is how long the webhook of the gate's own write may take. A run waits for it
// before it ends, because the next run would not know the version.
const ownWebhookPatience = time.Minute

// KnownMarks returns the texts that the gate has written into the order.
func (s *State) KnownMarks() []ordercheck.KnownMarks {
	m := &s.Mark
	var known []ordercheck.KnownMarks
	add := func(field, text string) {
		for i := range known {
			if known[i].Field == field && text != "" {
				known[i].Texts = append(known[i].Texts, text)
			}
			if known[i].Field == field {
				return
			}
		}
		marks := ordercheck.KnownMarks{Field: field, Partial: m.Reset}
		if text != "" {
			marks.Texts = []string{text}
		}
		known = append(known, marks)
	}
	if m.Field != nil {
		add(m.Field.Name, m.Tried)
	}
	if m.Text != "" {
		add(m.In, m.Text)
	}
	if m.Attempt != nil {
		add(m.Attempt.Field, m.Attempt.Text)
		add(m.Attempt.Field, m.Attempt.Before)
	}
	return known
}

// wantedMark returns the mark that the order should have; zero if it should have none.
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

// wantedIn returns the mark that a custom field should have; zero if the company has chosen
// another field since.
func (s *State) wantedIn(field string) ordercheck.HoldMark {
	if s.Mark.Field == nil || s.Mark.Field.Name != field {
		return ordercheck.HoldMark{}
	}
	return s.wantedMark()
}

// markIsWrong reports whether the mark differs from the wanted one, and the gate may write it. A
// check that is due or in flight comes first, because it may change the wanted mark.
func (s *State) markIsWrong() bool {
	m := &s.Mark
	switch {
	case m.Field == nil, s.Due != nil, s.InFlight != nil, s.Failure != nil:
		return false
	case m.Text != "" && m.In != m.Field.Name:
		return true // the company has chosen another field
	case m.Field.Foreign:
		return false
	}
	wanted := s.wantedMark()
	return !wanted.Same(m.Says) || wanted.IsZero() && m.Text != ""
}

// takeHoldField records the content of the field that a check's fetch found, and ends the pause,
// so that the next step can begin at once.
//
// own is true if only the gate's own write has caused the check. takeHoldField then does nothing:
// otherwise workers with different settings would move the mark forever, and a write that InFlow
// doesn't keep would be repeated without a pause.
func (s *State) takeHoldField(now time.Time, fetched *ordercheck.FetchedOrder, own bool) {
	if own {
		return
	}
	m := &s.Mark
	m.Failures, m.FailingSince, m.PausedUntil, m.GivenUp = 0, time.Time{}, time.Time{}, false
	if fetched.HoldField == nil {
		return // this worker has no field; another one may have
	}
	if ordercheck.CompareVersions(fetched.OrderVersion, m.Seen) < 0 {
		return // the gate has read or written the field since
	}
	m.Seen = fetched.OrderVersion
	s.takeField(now, *fetched.HoldField, true)
}

// takeField records the content of a custom field that a fetch or a reading found. chosen is true
// if it is the field for hold marks, and false if it is a former one that still has a mark.
func (s *State) takeField(now time.Time, field ordercheck.HoldField, chosen bool) {
	m := &s.Mark
	if chosen {
		known := m.Field != nil && m.Field.Name == field.Name && m.Field.Foreign
		if field.Foreign && !known {
			s.note(now, ordercheck.TimelineNotified,
				"The hold is not shown in InFlow: somebody's own words are in the field for it.")
		}
		m.Field = &field
	}
	switch {
	case m.Text != "" && m.In != field.Name: // the mark is still in the former field
	case field.Text == "":
		m.Text, m.In, m.Says = "", "", ordercheck.HoldMark{}
	case field.Text != m.Text:
		m.Text, m.In, m.Says = field.Text, field.Name, ordercheck.HoldMark{}
	}
}

// forgetMark forgets the mark of an order that InFlow no longer has. It keeps the text, because
// the order may come back. A step that the driver has begun goes on.
func (s *State) forgetMark() {
	m := &s.Mark
	s.Mark = Mark{
		Field: m.Field, Tried: cmp.Or(m.Text, m.Tried), Reset: m.Reset, Writer: m.Writer,
		Doing: m.Doing, Stop: m.Stop, Attempt: m.Attempt,
	}
	if m.Doing == MarkNothing {
		s.Mark.Attempt = nil
	}
}

// versionWithMark returns the version to report after a check of version. If only the gate has
// written the order since, it is the version of the gate's latest write, so the sweep doesn't
// report that version as missed.
func (s *State) versionWithMark(version string) string {
	m := &s.Mark
	if m.Version != "" && s.Report.OrderVersion == m.Version &&
		ordercheck.CompareVersions(version, m.Replaced) >= 0 &&
		ordercheck.CompareVersions(version, m.Version) < 0 {
		return m.Version
	}
	return version
}

// isOwnWrite reports whether the fetched order is the result of a write whose answer is unknown:
// the field has the text, and the rest of the order is the same as in the latest check.
func (s *State) isOwnWrite(fetched *ordercheck.FetchedOrder) bool {
	a, field := s.Mark.Attempt, fetched.HoldField
	return a != nil && a.Written == "" && field != nil && !field.Foreign && field.Name == a.Field &&
		field.Text == a.Text && s.Mark.Content != "" && fetched.Content == s.Mark.Content
}

// mayBeOwnWebhook reports whether a webhook that comes now may be about the gate's own write.
func (s *State) mayBeOwnWebhook(now time.Time) bool {
	written := s.Mark.WrittenAt
	return s.Mark.Attempt != nil ||
		!written.IsZero() && now.Before(written.Add(ownWebhookPatience))
}

// awaitsOwnWebhook reports whether the webhook of the gate's own write has yet to come.
func (s *State) awaitsOwnWebhook(now time.Time) bool {
	written := s.Mark.WrittenAt
	return !s.Mark.Announced && !written.IsZero() && now.Before(written.Add(ownWebhookPatience))
}

// takeOwnWebhooks decides, after a check, whether the gate's own write has caused the webhooks
// that are not in the timeline yet. If not, it adds them to the timeline. fetched is nil if the
// order could not be fetched. own is true if the check had no other reason.
func (s *State) takeOwnWebhooks(
	now time.Time, checked *Request, fetched *ordercheck.FetchedOrder,
) (own bool) {
	unnoted := s.Mark.Unnoted
	s.Mark.Unnoted = 0
	if unnoted == 0 {
		return false
	}
	if fetched != nil && s.Mark.Version != "" {
		since := ordercheck.CompareVersions(fetched.OrderVersion, s.Mark.Version)
		if since >= 0 {
			s.Mark.Announced = true // or its webhook came together with a later one
		}
		if since == 0 {
			return checked.Own
		}
	}
	if fetched != nil && s.isOwnWrite(fetched) {
		return checked.Own // its answer comes later, or is lost
	}
	s.noteDeliveries(now, unnoted)
	return false
}
