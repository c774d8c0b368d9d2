package orderlife

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// note adds an entry to the timeline.
func (s *State) note(now time.Time, kind ordercheck.TimelineKind, text string) {
	s.noteBy(now, kind, "", text)
}

// noteBy adds an entry about an action of a person.
func (s *State) noteBy(now time.Time, kind ordercheck.TimelineKind, by, text string) {
	s.Report.AddToTimeline(ordercheck.TimelineEntry{At: now.UTC(), Kind: kind, Text: text, By: by})
}

// Comment adds a person's comment. It changes nothing else.
func (s *State) Comment(now time.Time, comment ordercheck.Comment) {
	s.noteBy(now, ordercheck.TimelineCommented, comment.By, comment.Text)
}

// noteDeliveries notes webhooks. Consecutive ones share an entry.
func (s *State) noteDeliveries(now time.Time, webhooks int) {
	n := len(s.Report.Timeline)
	if n == 0 || s.DeliveriesNoted == 0 || s.Report.Timeline[n-1].Kind != ordercheck.TimelineDelivery {
		s.DeliveriesNoted = webhooks
		s.note(now, ordercheck.TimelineDelivery, deliveriesText(webhooks))
		return
	}
	s.DeliveriesNoted += webhooks
	s.Report.Timeline = slices.Clone(s.Report.Timeline)
	s.Report.Timeline[n-1].Text = deliveriesText(s.DeliveriesNoted)
}

func deliveriesText(webhooks int) string {
	if webhooks == 1 {
		return "Announced by webhook."
	}
	return fmt.Sprintf("Announced by %s.", ordercheck.Plural(webhooks, "webhook"))
}

// noteCheck notes the outcome of a check.
func (s *State) noteCheck(now time.Time) {
	s.DeliveriesNoted = 0
	if s.Failure != nil {
		s.note(now, ordercheck.TimelineNotChecked, "Could not be checked: "+s.Failure.Message)
		return
	}
	switch s.Report.Note {
	case NoteDeleted:
		s.note(now, ordercheck.TimelineDeleted, NoteDeleted)
		return
	case NoteCancelled:
		s.note(now, ordercheck.TimelineCancelled, NoteCancelled)
	}
	s.note(now, ordercheck.TimelineChecked, fmt.Sprintf("Checked: %s, %s, %s.", s.Report.Status,
		ordercheck.Plural(s.Report.Errors(), "error"), ordercheck.Plural(s.Report.Warnings(), "warning")))
}

// maxNamed limits the rules or receivers that a sentence names.
const maxNamed = 5

// listNames joins the first names with commas and counts the others.
func listNames(names []string) string {
	text := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if more := len(names) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// noteConfirmed notes the errors that outlasted their grace period.
func (s *State) noteConfirmed(now time.Time, confirmed []*ordercheck.Finding) {
	s.note(now, ordercheck.TimelineConfirmed,
		fmt.Sprintf("Confirmed: %s (%s).", countErrors(confirmed), listNames(ruleIDs(confirmed))))
}

// noteOverride notes that somebody has overridden findings.
func (s *State) noteOverride(now time.Time, o *ordercheck.Override, covered []*ordercheck.Finding) {
	text := fmt.Sprintf("%s overrides %s until %s: %s",
		o.By, countErrors(covered), ordercheck.Moment(o.Until), o.Reason)
	s.noteBy(now, ordercheck.TimelineOverridden, o.By, text)
}

// countErrors returns a count such as "3 errors".
func countErrors(findings []*ordercheck.Finding) string {
	n := 0
	for _, f := range findings {
		n += f.Findings()
	}
	return ordercheck.Plural(n, "error")
}

// noteEndedOverrides notes the overrides that a check ended. before were in force before it.
func (s *State) noteEndedOverrides(now time.Time, before []ordercheck.Override) {
	for _, ended := range before {
		if slices.ContainsFunc(s.overridesInForce(), ended.Same) {
			continue
		}
		why := "has ended"
		if now.Before(ended.Until) {
			why = "is over: the error is gone, or its facts have changed"
		}
		s.noteBy(now, ordercheck.TimelineOverrideEnded, ended.By,
			fmt.Sprintf("The override by %s %s.", ended.By, why))
	}
}

// overridesInForce returns the report's overrides, each once.
func (s *State) overridesInForce() []ordercheck.Override {
	var all []ordercheck.Override
	for f := range s.Report.All() {
		if f.Override != nil && !slices.ContainsFunc(all, f.Override.Same) {
			all = append(all, *f.Override)
		}
	}
	return all
}

// maxOverridesEnded limits the ended overrides that a notice names.
const maxOverridesEnded = 10

// endedOverrides returns the overrides that have ended by now, each once.
func (s *State) endedOverrides(now time.Time) []ordercheck.Override {
	ended := slices.DeleteFunc(s.overridesInForce(), func(o ordercheck.Override) bool {
		return now.Before(o.Until)
	})
	return ended[:min(len(ended), maxOverridesEnded)]
}

// noteNotified notes which targets have got a notice, and which will get it in a collective
// message.
func (s *State) noteNotified(now time.Time, notice *ordercheck.Notice) {
	kind, verb := ordercheck.TimelineNotified, "Told"
	if notice.Kind == ordercheck.NoticeReminder {
		kind, verb = ordercheck.TimelineReminded, "Reminded"
	}
	var text string
	if len(notice.Sent) > 0 {
		text = fmt.Sprintf("%s %s: %s. ", verb, listNames(notice.Sent), notice.Kind)
	}
	if len(notice.Gathered) > 0 {
		text += fmt.Sprintf("%s will be told in the next collective message: %s.",
			listNames(notice.Gathered), notice.Kind)
	}
	if text != "" {
		s.note(now, kind, strings.TrimSpace(text))
	}
}
