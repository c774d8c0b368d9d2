package orderlife

import (
	"fmt"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Do is an instruction for the driver.
type Do string

// The instructions.
const (
	Check     Do = "check"       // call Begin, make the check, report its outcome
	Sleep     Do = "sleep"       // wait for an event, at most until a time
	EndByHand Do = "end-by-hand" // find out who cancelled the run, call EndedByHand
	Fail      Do = "fail"        // end: the check could not be done, see Failure
	Cancel    Do = "cancel"      // end: an operator cancelled the run
	Complete  Do = "complete"    // end with the report
)

// Next is the next step of an order's life.
type Next struct {
	Do Do
	// Until is when to stop sleeping; zero means to sleep until an event. Why says what happens
	// then.
	Until time.Time
	Why   string
}

// Ends reports whether the run ends.
func (n Next) Ends() bool { return n.Do == Fail || n.Do == Cancel || n.Do == Complete }

// Next returns the next step. Call TimePassed first.
func (s *State) Next(now time.Time) Next {
	switch {
	case s.InFlight != nil:
		return Next{Do: Sleep, Why: "a check is in flight"}
	case s.Due != nil:
		if at := s.settledAt(); now.Before(at) {
			return Next{Do: Sleep, Until: at, Why: "settle: wait until nobody is saving the order"}
		}
		return Next{Do: Check}
	case s.Cancellation == CancelRequested:
		return Next{Do: EndByHand}
	case s.Open():
		alarm := s.nextAlarm().sooner(s.markAlarm(now))
		return Next{Do: Sleep, Until: alarm.at, Why: alarm.why}
	case s.markIsUnfinished():
		if alarm := s.markAlarm(now); !alarm.at.IsZero() {
			return Next{Do: Sleep, Until: alarm.at, Why: alarm.why}
		}
		return Next{Do: Sleep, Why: "the hold mark in InFlow is being written"}
	case s.awaitsOwnWebhook(now):
		return Next{
			Do: Sleep, Until: s.Mark.WrittenAt.Add(ownWebhookPatience),
			Why: "wait for the webhook of the gate's own write",
		}
	case s.OutcomesWaiting():
		return Next{Do: Sleep, Why: "the outcomes of the errors are being recorded"}
	case s.Failure != nil:
		return Next{Do: Fail}
	case s.Cancellation == Cancelled:
		return Next{Do: Cancel}
	default:
		return Next{Do: Complete}
	}
}

// TimePassed rings the next alarm if its time has come. Most alarms make a check due.
func (s *State) TimePassed(now time.Time) {
	if s.Due != nil || s.InFlight != nil || s.Cancellation == CancelRequested {
		return // a check decides
	}
	if alarm := s.nextAlarm(); !alarm.at.IsZero() && !now.Before(alarm.at) {
		open := s.openErrors()
		alarm.ring(s, now)
		s.noteOutcomes(now, open, always(ordercheck.OutcomeExpired))
	}
}

// Open reports whether the run has something to wait for.
func (s *State) Open() bool { return s.watched() || len(s.Outbox) > 0 }

// watched reports whether the order is wrong and the gate waits for a change.
func (s *State) watched() bool { return s.held() || s.overridden() }

// held reports whether the order has errors that nobody has overridden.
func (s *State) held() bool {
	return !s.Abandoned &&
		len(s.errors(ordercheck.FindingConfirmed, ordercheck.FindingPending)) > 0
}

// overridden reports whether the order has overridden errors.
func (s *State) overridden() bool {
	return !s.Abandoned && s.Report.Note != NoteCancelled &&
		len(s.errors(ordercheck.FindingOverridden)) > 0
}

// retryAfter is the delay before a check that could not be done is repeated.
const retryAfter = 15 * time.Minute

// retryTooLargeAfter replaces retryAfter for an order that is too large. A check is useless until
// somebody changes the order, and then a webhook comes.
const retryTooLargeAfter = 24 * time.Hour

// alarm is a time at which a watched order needs something done.
type alarm struct {
	at   time.Time // zero is never
	why  string
	ring func(s *State, now time.Time)
}

// sooner returns the earlier of two alarms.
func (a alarm) sooner(b alarm) alarm {
	if !b.at.IsZero() && (a.at.IsZero() || b.at.Before(a.at)) {
		return b
	}
	return a
}

// nextAlarm returns the earliest alarm, or the zero value if the order waits only for events.
func (s *State) nextAlarm() (next alarm) {
	if !s.watched() {
		return next
	}
	checked := s.RetryAt.IsZero()
	if checked {
		next = s.findingsAlarm()
	} else {
		next = alarm{s.RetryAt, "repeat the check that could not be done", checkAgain}
	}
	longest := s.longestHold(ordercheck.FindingOverridden)
	if longest > 0 && !s.held() && !s.OverriddenAt.IsZero() {
		next = next.sooner(alarm{s.OverriddenAt.Add(longest),
			"the latest override has reached the longest time: stop waiting for its end",
			(*State).abandonOverrides})
	}
	if s.HeldSince.IsZero() {
		return next
	}
	if longest := s.longestHold(ordercheck.FindingConfirmed); longest > 0 {
		expires := alarm{s.HeldSince.Add(longest),
			"the order has been held for the longest time allowed: check once more", checkAgain}
		if !checked {
			expires.why = "the order has been held for the longest time allowed, and cannot be checked"
			expires.ring = (*State).expire
		}
		next = next.sooner(expires)
	}
	// Nobody is reminded of an order that could not be checked.
	if every := s.remindEvery(); every > 0 && !s.NotifiedAt.IsZero() && checked {
		next = next.sooner(alarm{s.NotifiedAt.Add(every),
			"check again, and send a reminder if the order is still held", checkAgain})
	}
	return next
}

// findingsAlarm returns the earliest alarm of a single finding, or of an incomplete check.
func (s *State) findingsAlarm() (next alarm) {
	again := s.Report.CheckedAt.Add(retryAfter)
	if len(s.Report.Missing) > 0 {
		next = alarm{again, "the check lacked something: check again", checkAgain}
	}
	for _, f := range s.errors(ordercheck.FindingPending) {
		at := f.ConfirmAt
		if s.couldNotEvaluate(f.RuleID) && at.Before(again) {
			at = again // otherwise a rule that fails at once would run in a tight loop
		}
		next = next.sooner(alarm{at, "grace ends: check again before the error is confirmed", checkAgain})
	}
	for _, f := range s.errors(ordercheck.FindingOverridden) {
		next = next.sooner(alarm{f.Override.Until, "an override ends: check again", checkAgain})
	}
	return next
}

func checkAgain(s *State, _ time.Time) { s.request(ordercheck.PriorityWebhook).Now = true }

// longestHold returns the longest HoldMax of the errors in a state; zero means forever.
func (s *State) longestHold(state ordercheck.FindingState) time.Duration {
	var longest time.Duration
	for _, f := range s.errors(state) {
		holdMax := ownOr(s.terms(f.RuleID).HoldMax, s.Settings.HoldMax)
		if holdMax <= 0 {
			return 0
		}
		longest = max(longest, holdMax)
	}
	return longest
}

// remindEvery returns the shortest RemindEvery of the confirmed errors; zero means no reminders.
func (s *State) remindEvery() time.Duration {
	var shortest time.Duration
	for _, f := range s.errors(ordercheck.FindingConfirmed) {
		every := ownOr(s.terms(f.RuleID).RemindEvery, s.Settings.RemindEvery)
		if every > 0 && (shortest == 0 || every < shortest) {
			shortest = every
		}
	}
	return shortest
}

// expire gives up a hold that has lasted for the longest time allowed.
func (s *State) expire(now time.Time) {
	why := "is still wrong; the gate has stopped waiting for it."
	if s.Failure != nil {
		why = "could not be checked again; the gate has stopped waiting for it."
	}
	s.Report.Note = fmt.Sprintf("The order was held for %v and %s",
		s.longestHold(ordercheck.FindingConfirmed), why)
	s.note(now, ordercheck.TimelineExpired, s.Report.Note)
	s.notify(now, notice{kind: ordercheck.NoticeEnded, reason: ordercheck.EndExpired})
	s.endHold()
	s.Abandoned = true
}

// abandonOverrides stops waiting for the end of overrides.
func (s *State) abandonOverrides(now time.Time) {
	s.Report.Note = fmt.Sprintf("Nobody has overridden anything for %v; "+
		"the gate has stopped waiting for the end of the overrides.",
		s.longestHold(ordercheck.FindingOverridden))
	s.note(now, ordercheck.TimelineExpired, s.Report.Note)
	s.Abandoned = true
}
