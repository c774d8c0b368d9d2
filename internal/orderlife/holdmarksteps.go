package orderlife

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// The hold mark is written in steps, so that a write can be judged even if its answer is lost, its
// worker dies, or the run continues as new:
//
//	read -> write -> read
//
// The first reading returns the text of the field, and fingerprints of everything else. The write
// follows at once, and InFlow refuses it if somebody has saved the order since. After the second
// reading, the state compares the order with the fingerprints. If InFlow did not answer the
// write, the second reading also shows whether the write has arrived. Each reading decides again
// what the mark should say.
//
// A step that failed is repeated after a pause. A run does not end before its mark is gone from
// InFlow, or the gate has given up.

// MarkDo is a step of writing the hold mark.
type MarkDo string

// The steps.
const (
	MarkNothing MarkDo = ""
	MarkRead    MarkDo = "read"  // report the outcome with MarkRead or MarkFailed
	MarkWrite   MarkDo = "write" // follows a reading; report with MarkWritten or MarkFailed
	MarkStop    MarkDo = "stop"  // stop marks for the account; report with MarksStopped or MarkFailed
)

// MarkStep is the driver's next step in writing the hold mark.
type MarkStep struct {
	Do MarkDo
	// Read is the input of a reading.
	Read ordercheck.ReadHoldFieldInput
	// Stop is the reason to stop marks.
	Stop ordercheck.HoldMarksStop
}

// MarkOutcome is the outcome of an attempt to write a hold mark.
type MarkOutcome string

// The outcomes of a hold mark.
const (
	MarkVerified   MarkOutcome = "verified"   // it was written, and nothing else changed
	MarkUnverified MarkOutcome = "unverified" // it was written; the rest could not be compared
	MarkDamaged    MarkOutcome = "damaged"    // it was written, and something else changed
	MarkRefused    MarkOutcome = "refused"    // the API key may not write orders
	MarkDelayed    MarkOutcome = "delayed"    // a step failed, and is repeated after a pause
	MarkGivenUp    MarkOutcome = "given-up"   // steps failed for too long
)

// MarkOutcomes returns every outcome.
func MarkOutcomes() []MarkOutcome {
	return []MarkOutcome{
		MarkVerified, MarkUnverified, MarkDamaged, MarkRefused, MarkDelayed, MarkGivenUp,
	}
}

// MarkResult is the result of a step.
type MarkResult struct {
	// Outcome is empty if there is nothing to count.
	Outcome MarkOutcome
	// Changed lists the properties of the order that differ from before the write.
	Changed []string
	// Write is true if the driver has to write the mark now, as State.Mark.Attempt says.
	Write bool
}

const (
	// markRetryFirst is the pause after the first failure. It doubles up to markRetryLongest.
	markRetryFirst   = 5 * time.Second
	markRetryLongest = time.Hour
	// markNotKeptLongest is the longest pause if InFlow accepts marks but doesn't store them. It
	// then stores none for any order, and each attempt costs four requests.
	markNotKeptLongest = day
	// markPatience is how long a mark is retried. It is long because the person who has to resume
	// marks may be away.
	markPatience = 30 * day
	// markOffPatience replaces markPatience while the workers have no field for hold marks: the
	// company may have turned them off.
	markOffPatience = day
	// maxIncomplete is the number of readings in a row that we reject because they lack a part that
	// the order must have. We accept the next one as it is. The pauses add up to 35 seconds, about
	// as long as a check waits for such a part.
	maxIncomplete = 3
	// maxNotFound is the number of readings in a row that don't find the order before we make a
	// check due, which finds out whether the order is deleted. An answer of InFlow may be older
	// than the order.
	maxNotFound = 2
	// maxQuietFailures is the number of failures in a row that the timeline doesn't mention. Lost
	// answers are normal, and so are people who save the order between a reading and its write.
	maxQuietFailures = 2

	day = 24 * time.Hour
)

// NextMark returns the next step. It returns MarkNothing if a step is in progress, or if there is
// nothing to do now.
func (s *State) NextMark(now time.Time) MarkStep {
	m := &s.Mark
	switch {
	case m.Doing != MarkNothing:
	case m.Stop != nil:
		return MarkStep{Do: MarkStop, Stop: *m.Stop}
	case m.GivenUp, now.Before(m.PausedUntil):
	case m.Attempt != nil:
		return s.readStep(m.Attempt.Field, false)
	case s.markIsWrong() && m.Text != "":
		return s.readStep(m.In, true)
	case s.markIsWrong():
		return s.readStep(m.Field.Name, true)
	}
	return MarkStep{}
}

func (s *State) readStep(field string, toWrite bool) MarkStep {
	return MarkStep{Do: MarkRead, Read: ordercheck.ReadHoldFieldInput{
		SalesOrderID: s.Report.SalesOrderID, Field: field, Known: s.KnownMarks(),
		Wanted: s.wantedIn(field), ToWrite: toWrite,
	}}
}

// BeginMark begins the next step and returns it.
func (s *State) BeginMark(now time.Time) MarkStep {
	step := s.NextMark(now)
	s.Mark.Doing = step.Do
	return step
}

// MarkIsOutdated reports whether the step in progress would write a mark that is no longer
// wanted. The driver then cancels the step, unless it has begun.
func (s *State) MarkIsOutdated(step MarkStep) bool {
	a := s.Mark.Attempt
	switch s.Mark.Doing {
	case MarkWrite:
		return !s.wantedIn(a.Field).Same(a.Says)
	case MarkRead:
		return a == nil && !s.wantedIn(step.Read.Field).Same(step.Read.Wanted)
	default:
		return false
	}
}

// MarkRead applies the reading that step asked for. If result.Write is true, the driver writes
// next.
func (s *State) MarkRead(
	now time.Time, step MarkStep, image *ordercheck.HoldFieldImage,
) (result MarkResult) {
	m := &s.Mark
	m.Doing = MarkNothing
	if ordercheck.CompareVersions(image.Version, m.Seen) < 0 {
		return s.delayMark(now, markPatience, "") // InFlow's answer is older than an earlier one
	}
	m.Seen, m.NotFound = image.Version, 0
	if missing := s.missingParts(image); len(missing) > 0 {
		return s.delayMark(now, markPatience, s.incompleteReason(missing))
	}
	m.Incomplete = 0
	if m.Attempt != nil {
		kept := s.takeKeptText(image)
		result = s.compare(now, image)
		if m.Stop != nil {
			return result
		}
		if !kept {
			s.takeField(now, image.Field, m.Field != nil && m.Field.Name == image.Field.Name)
			result = s.delayMark(now, markPatience, fmt.Sprintf(
				"InFlow did not keep what was written into %s. Is that custom field set up for sales orders?",
				image.Field.Name))
			m.PausedUntil = now.Add(min(markRetryFirst<<min(m.Failures-1, 15), markNotKeptLongest))
			return result
		}
	}
	s.takeField(now, image.Field, m.Field != nil && m.Field.Name == image.Field.Name)
	wanted := s.wantedIn(image.Field.Name)
	switch {
	case s.Due != nil, s.InFlight != nil, s.Failure != nil, !wanted.Same(step.Read.Wanted):
		return result // the next step decides again
	case image.Field.Foreign:
	case image.Field.Text == image.Text:
		m.Says = wanted
	case image.Field.Text != "" && !wanted.IsZero() && wanted.Same(m.Says):
		// a worker with another INFLOW_HOLD_TEXT wrote this mark
	case !image.ReadAt.IsZero() && now.Sub(image.ReadAt) > ordercheck.MaxReadingAge:
		late := s.delayMark(now, markPatience, "") // the reading waited too long for a worker
		result.Outcome = cmp.Or(late.Outcome, result.Outcome)
		return result
	default:
		m.Attempt = &MarkAttempt{
			Field: image.Field.Name, Text: image.Text, Says: wanted,
			Before:  image.Field.Text,
			Version: image.Version, Properties: image.Properties, Serials: image.Serials,
			LeftOut: image.LeftOut,
		}
		m.Doing, m.Tried, result.Write = MarkWrite, cmp.Or(image.Text, m.Tried), true
		return result
	}
	m.Failures, m.FailingSince, m.Reason = 0, time.Time{}, ""
	return result
}

// missingParts returns the parts that a reading lacks although the order must have them, or
// although the reading before the write had them. Such a reading says nothing about a mark or
// about damage.
//
// After maxIncomplete readings, missingParts no longer returns the parts that an order must have:
// this order may be an exception. It still returns the parts that the reading before the write
// had and that InFlow now leaves out.
func (s *State) missingParts(image *ordercheck.HoldFieldImage) (missing []string) {
	m := &s.Mark
	if m.Incomplete < maxIncomplete {
		missing = slices.Clone(image.Missing)
	}
	if m.Attempt != nil {
		for _, name := range ordercheck.Differences(m.Attempt.Properties, image.Properties) {
			if slices.Contains(image.LeftOut, name) && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// incompleteReason counts a reading that lacks parts, and returns the reason for the timeline. It
// returns "" for the first readings, because the next one may be complete.
func (s *State) incompleteReason(missing []string) string {
	s.Mark.Incomplete++
	if s.Mark.Incomplete < maxIncomplete {
		return ""
	}
	return "InFlow left out " + strings.Join(missing, ", ") + "."
}

// takeKeptText takes over the text that InFlow stored for an answered write, if nobody has saved
// the order since. InFlow may have changed the text, but it is still the gate's. kept is false if
// InFlow accepted the write and stored nothing of it.
func (s *State) takeKeptText(image *ordercheck.HoldFieldImage) (kept bool) {
	m, a := &s.Mark, s.Mark.Attempt
	if a.Written == "" || a.Written != image.Version {
		return true
	}
	text := strings.TrimSpace(image.CustomFields[a.Field])
	if text == a.Text {
		return true
	}
	if text != "" && a.Text != "" && text != a.Before {
		m.Text = text
		image.Field.Text, image.Field.Foreign = text, false
		return true
	}
	return false
}

// compare ends the attempt with a later reading of the order.
//
// If InFlow answered the write, and nobody has saved the order since, every difference is damage.
// If somebody has saved it, most differences may be that person's, so they are only counted. Two
// kinds are still damage: differences that InFlow's answer had already, and lost serial numbers.
// Faulty writes are known to lose serial numbers, and nobody removes them within these seconds.
//
// If the answer was lost and the field has the text, the write has arrived. If the gate saved the
// order last, every difference is damage. If we don't know who saved it last, the answer to a
// later write tells: see [MarkDoubt].
func (s *State) compare(now time.Time, image *ordercheck.HoldFieldImage) MarkResult {
	a := s.Mark.Attempt
	changed := slices.DeleteFunc(ordercheck.Differences(a.Properties, image.Properties),
		func(name string) bool { return slices.Contains(a.LeftOut, name) }) // nothing to compare with
	last := a.Written == image.Version // nobody has saved the order since
	if a.Written == "" {
		if image.Version == a.Version || image.Field.Text != a.Text || image.Field.Foreign {
			s.Mark.Attempt = nil // the write has not arrived
			return MarkResult{}
		}
		last = s.savedByGate(image)
		s.takeText(a)
		if len(changed) == 0 {
			s.takeVersion(now, a, image.Version)
		}
	}
	s.Mark.Attempt = nil
	if damaged := s.settleDoubt(); len(damaged) > 0 {
		changed, last = damaged, true
	}
	switch {
	case len(changed) == 0:
		return MarkResult{Outcome: MarkVerified}
	case !last:
		certain := slices.DeleteFunc(slices.Clone(changed), func(name string) bool {
			return !slices.Contains(a.Changed, name)
		})
		if image.Serials >= a.Serials && len(certain) == 0 {
			s.note(now, ordercheck.TimelineNotified, "Somebody saved the order together with its hold mark. "+
				"The gate could not tell whether the mark changed more than its field.")
			if a.Written == "" && s.Mark.Writer == "" && image.ModifiedBy != "" {
				s.Mark.Doubt = &MarkDoubt{Changed: changed, SavedBy: image.ModifiedBy}
			}
			return MarkResult{Outcome: MarkUnverified, Changed: changed}
		}
		if len(certain) > 0 {
			changed = certain
		}
	}
	s.Mark.Stop = &ordercheck.HoldMarksStop{
		SalesOrderID: s.Report.SalesOrderID, OrderNumber: s.Report.OrderNumber, Damaged: changed,
	}
	s.checkDamaged(a)
	return MarkResult{Outcome: MarkDamaged, Changed: changed}
}

// settleDoubt returns the damage of an earlier write whose answer was lost. It finds out when the
// answer to a later write says under which name the gate saves orders.
func (s *State) settleDoubt() (damaged []string) {
	doubt := s.Mark.Doubt
	if doubt == nil || s.Mark.Writer == "" {
		return nil
	}
	s.Mark.Doubt = nil
	if doubt.SavedBy != s.Mark.Writer {
		return nil
	}
	return doubt.Changed
}

// savedByGate reports whether the gate saved the order last. It returns false until InFlow has
// answered a write of this order, because only that answer says under which name the gate saves
// orders. A name that is new since the write may belong to a person who saved the order later.
func (s *State) savedByGate(image *ordercheck.HoldFieldImage) bool {
	return s.Mark.Writer != "" && image.ModifiedBy == s.Mark.Writer
}

// checkDamaged makes a check due, because the write has changed the order that the latest check
// saw.
func (s *State) checkDamaged(a *MarkAttempt) {
	s.Mark.Content = ""
	if a.Written != "" && s.Report.OrderVersion == a.Written {
		s.Report.OrderVersion = a.Version
	}
	if s.Cancellation == NotCancelled {
		s.request(ordercheck.PriorityWebhook).Now = true
	}
}

// MarkWritten applies InFlow's answer to a write.
func (s *State) MarkWritten(now time.Time, written *ordercheck.WrittenHoldField) {
	a := s.Mark.Attempt
	s.Mark.Doing = MarkNothing
	s.Mark.Writer = written.ModifiedBy
	a.Written, a.Changed = written.Version, contradictions(a.Properties, written.Properties)
	s.takeText(a)
	s.takeVersion(now, a, written.Version)
}

// contradictions returns the names of the properties that both lists have, with different values.
func contradictions(before, answer []ordercheck.Fingerprint) []string {
	hashes := make(map[string]string, len(before))
	for _, print := range before {
		hashes[print.Name] = print.Hash
	}
	var names []string
	for _, print := range answer {
		if hash, both := hashes[print.Name]; both && hash != print.Hash {
			names = append(names, print.Name)
		}
	}
	return names
}

// takeText records that the field has the attempt's text.
func (s *State) takeText(a *MarkAttempt) {
	m := &s.Mark
	m.Text, m.In, m.Says = a.Text, a.Field, a.Says
	if a.Text == "" {
		m.In = ""
	}
}

// takeVersion records the version of the order that the attempt made. Call it only if nobody has
// saved the order since.
func (s *State) takeVersion(now time.Time, a *MarkAttempt, version string) {
	m := &s.Mark
	if a.Version != m.Version {
		m.Replaced = a.Version
	}
	m.Version, m.Seen, m.WrittenAt = version, version, now
	m.Announced = s.Report.OrderVersion == version
	if s.Report.OrderVersion == a.Version {
		s.Report.OrderVersion = version // only the mark has changed
	}
}

// MarksStopped records that marks are stopped for the account.
func (s *State) MarksStopped(now time.Time) MarkResult {
	stop := s.Mark.Stop
	s.Mark.Doing, s.Mark.Stop = MarkNothing, nil
	reason := "InFlow refused it: the API key may not write orders."
	if len(stop.Damaged) > 0 {
		reason = "InFlow changed more than its field, so the gate has stopped."
	}
	result := s.delayMark(now, markPatience, reason)
	result.Outcome = "" // the outcome that led to the stop has been counted
	return result
}

// MarkFailure says why a step failed.
type MarkFailure struct {
	Failure
	// NotWritten is true if InFlow certainly did not write.
	NotWritten bool
	// RetryAfter is how long InFlow asks to wait; zero if it doesn't say.
	RetryAfter time.Duration
	// TakenBack is true if the driver cancelled the step. InFlow may still have done it.
	TakenBack bool
}

// MarkFailed records that the step in progress failed, and decides when to go on.
func (s *State) MarkFailed(now time.Time, failure MarkFailure) MarkResult {
	m := &s.Mark
	doing := m.Doing
	m.Doing = MarkNothing
	if doing == MarkWrite && failure.NotWritten {
		m.Attempt = nil
	}
	switch {
	case failure.TakenBack:
		return MarkResult{}
	case failure.Type == ordercheck.ErrorOrderNotFound:
		return s.markedOrderNotFound(now)
	case failure.Type == ordercheck.ErrorInflowUnauthorized && doing == MarkWrite:
		m.Stop = &ordercheck.HoldMarksStop{
			SalesOrderID: s.Report.SalesOrderID, OrderNumber: s.Report.OrderNumber,
		}
		return MarkResult{Outcome: MarkRefused}
	case failure.Type == ordercheck.ErrorHoldMarksOff:
		return s.delayMark(now, markOffPatience, "")
	case failure.Type == ordercheck.ErrorHoldMarksStopped:
		return s.delayMark(now, markPatience, "")
	}
	reason := failure.Message
	if m.Failures < maxQuietFailures {
		reason = ""
	}
	result := s.delayMark(now, markPatience, reason)
	if m.Attempt != nil && m.Failures == 1 {
		m.PausedUntil = time.Time{} // find out at once whether a write without an answer has arrived
	}
	if wait := now.Add(failure.RetryAfter); failure.RetryAfter > 0 && wait.After(m.PausedUntil) {
		m.PausedUntil = wait
	}
	return result
}

// markedOrderNotFound records that a step did not find the order. It leaves it to a check to
// decide that the order is deleted, because a mark that we forget stays in InFlow.
func (s *State) markedOrderNotFound(now time.Time) MarkResult {
	s.Mark.NotFound++
	switch {
	case s.Cancellation != NotCancelled && s.Mark.NotFound >= maxNotFound:
		s.forgetMark()
		s.Mark.GivenUp = true
		return MarkResult{}
	case s.Mark.NotFound == maxNotFound:
		s.request(ordercheck.PriorityWebhook).Now = true
	}
	return s.delayMark(now, markPatience, "")
}

// delayMark pauses after a failure, or gives up if steps have failed for longer than patience.
// reason is for the timeline; it is empty if nobody needs to know.
func (s *State) delayMark(now time.Time, patience time.Duration, reason string) MarkResult {
	m := &s.Mark
	if m.Failures++; m.FailingSince.IsZero() {
		m.FailingSince = now
	}
	m.PausedUntil = now.Add(min(markRetryFirst<<min(m.Failures-1, 10), markRetryLongest))
	if reason != "" && reason != m.Reason {
		m.Reason = reason
		s.note(now, ordercheck.TimelineNotified, fmt.Sprintf(
			"The hold could not be shown in InFlow: %s", ordercheck.Cut(reason, maxErrorText)))
	}
	switch {
	case m.PausedUntil.After(m.FailingSince.Add(patience)):
		m.GivenUp = true
		text := "The gate has given up writing the order's hold mark in InFlow."
		if m.Text != "" {
			text = "The gate has given up. This hold mark is still in InFlow: " + m.Text
		}
		s.note(now, ordercheck.TimelineNotified, text)
		return MarkResult{Outcome: MarkGivenUp}
	case reason != "":
		return MarkResult{Outcome: MarkDelayed}
	default:
		return MarkResult{}
	}
}

// markIsUnfinished reports whether the run has something to do about the mark, now or after a
// pause. If the order could not be checked, the run fails without waiting for a pause.
func (s *State) markIsUnfinished() bool {
	m := &s.Mark
	return m.Doing != MarkNothing || m.Stop != nil ||
		!m.GivenUp && s.Failure == nil && (m.Attempt != nil || s.markIsWrong())
}

// markAlarm returns the end of the pause, if any.
func (s *State) markAlarm(now time.Time) alarm {
	if s.Mark.Doing != MarkNothing || !now.Before(s.Mark.PausedUntil) || !s.markIsUnfinished() {
		return alarm{}
	}
	return alarm{at: s.Mark.PausedUntil, why: "try again to write the hold mark in InFlow"}
}
