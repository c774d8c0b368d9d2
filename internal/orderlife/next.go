package orderlife

import (
	"fmt"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Do is what the driver does next.
type Do string

// The things to do next.
const (
	Check     Do = "check"       // call Begin, make the check, report its outcome
	Sleep     Do = "sleep"       // wait for an event, until a time if there is one
	EndByHand Do = "end-by-hand" // find out who cancelled the run, and call EndedByHand
	Fail      Do = "fail"        // end: the check could not be done, see Failure
	Cancel    Do = "cancel"      // end: an operator cancelled the run
	Complete  Do = "complete"    // end with the report
)

// Next is what to do next.
type Next struct {
	Do Do
	// Until is when to stop sleeping; zero if only an event helps. Why says what happens then.
	Until time.Time
	Why   string
}

// Ends reports whether nothing is left to do for the order.
func (n Next) Ends() bool { return n.Do == Fail || n.Do == Cancel || n.Do == Complete }

// Next says what to do. Call TimePassed first. Notices in the Outbox are sent beside all this.
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
		wake := s.wake()
		return Next{Do: Sleep, Until: wake.at, Why: wake.why}
	case s.Failure != nil:
		return Next{Do: Fail}
	case s.Cancellation == Cancelled:
		return Next{Do: Cancel}
	default:
		return Next{Do: Complete}
	}
}

// TimePassed does what the time has come for: most often it makes a check due.
func (s *State) TimePassed(now time.Time) {
	if s.Due != nil || s.InFlight != nil || s.Cancellation == CancelRequested {
		return // a check decides
	}
	if wake := s.wake(); !wake.at.IsZero() && !now.Before(wake.at) {
		wake.do(s, now)
	}
}

// Open reports whether the run has something to wait for.
func (s *State) Open() bool { return s.watched() || len(s.Outbox) > 0 }

// watched reports whether the order is wrong, and the gate waits until it no longer is.
func (s *State) watched() bool { return s.held() || s.overridden() }

// held reports whether the order has errors that nobody answers for.
func (s *State) held() bool {
	return !s.Abandoned &&
		(len(s.errors(ordercheck.FindingConfirmed)) > 0 || len(s.errors(ordercheck.FindingPending)) > 0)
}

// overridden reports whether somebody answers for errors of the order.
func (s *State) overridden() bool {
	return !s.Abandoned && s.Report.Note != NoteCancelled && len(s.errors(ordercheck.FindingOverridden)) > 0
}

// retryAfter is the time until a check is repeated that could not be done.
const retryAfter = 15 * time.Minute

// retryTooLargeAfter is the same for an order that is too large. It stays so until somebody changes
// it, and then a delivery comes.
const retryTooLargeAfter = 24 * time.Hour

// wake is a time at which something is to be done.
type wake struct {
	at  time.Time // zero is never
	why string
	do  func(s *State, now time.Time)
}

// wake returns what the time brings next.
func (s *State) wake() wake {
	var next wake
	consider := func(at time.Time, why string, do func(*State, time.Time)) {
		if !at.IsZero() && (next.at.IsZero() || at.Before(next.at)) {
			next = wake{at: at, why: why, do: do}
		}
	}
	if !s.watched() {
		return next
	}
	notChecked := !s.RetryAt.IsZero()
	if notChecked {
		consider(s.RetryAt, "repeat the check that could not be done", checkAgain)
	} else {
		s.considerFindings(consider)
	}
	longest := s.longestOverride()
	if longest > 0 && !s.held() && !s.OverriddenAt.IsZero() {
		consider(s.OverriddenAt.Add(longest), "the latest override is as old as it may be: stop waiting for its end", (*State).abandonOverrides)
	}
	if s.HeldSince.IsZero() {
		return next
	}
	if longest := s.longestHold(); longest > 0 && notChecked {
		consider(s.HeldSince.Add(longest), "the order has been held as long as it may, and cannot be checked", (*State).expire)
	} else if longest > 0 {
		consider(s.HeldSince.Add(longest), "the order has been held as long as it may: check once more", checkAgain)
	}
	// Nobody is reminded of an order that could not be checked.
	if every := s.remindEvery(); every > 0 && !s.NotifiedAt.IsZero() && !notChecked {
		consider(s.NotifiedAt.Add(every), "check again, and remind of the order if it is still held", checkAgain)
	}
	return next
}

// considerFindings looks for the times of single findings.
func (s *State) considerFindings(consider func(time.Time, string, func(*State, time.Time))) {
	again := s.Report.CheckedAt.Add(retryAfter)
	if len(s.Report.Missing) > 0 {
		consider(again, "the check lacked something: check again", checkAgain)
	}
	for _, f := range s.errors(ordercheck.FindingPending) {
		at := f.ConfirmAt
		if s.couldNotLook(f.RuleID) && at.Before(again) {
			at = again // else a rule that fails at once would run in a tight loop
		}
		consider(at, "grace ends: check again before the error is confirmed", checkAgain)
	}
	for _, f := range s.errors(ordercheck.FindingOverridden) {
		consider(f.Override.Until, "an override ends: check again", checkAgain)
	}
}

func checkAgain(s *State, _ time.Time) { s.request(ordercheck.PriorityWebhook).Now = true }

// longestHold returns the longest time that one of the confirmed errors may hold the order; zero is
// forever.
func (s *State) longestHold() time.Duration { return s.longest(ordercheck.FindingConfirmed) }

// longestOverride returns the longest time that the run waits for the end of an override, counted
// from the latest one; zero is forever.
func (s *State) longestOverride() time.Duration { return s.longest(ordercheck.FindingOverridden) }

func (s *State) longest(state ordercheck.FindingState) time.Duration {
	var longest time.Duration
	for _, f := range s.errors(state) {
		own := s.Settings.HoldMax
		if terms := s.terms(f.RuleID); terms.HoldMax != nil {
			own = *terms.HoldMax
		}
		if own <= 0 {
			return 0
		}
		longest = max(longest, own)
	}
	return longest
}

// remindEvery returns the shortest time between reminders of one of the confirmed errors; zero is
// no reminder.
func (s *State) remindEvery() time.Duration {
	var shortest time.Duration
	for _, f := range s.errors(ordercheck.FindingConfirmed) {
		own := s.Settings.RemindEvery
		if terms := s.terms(f.RuleID); terms.RemindEvery != nil {
			own = *terms.RemindEvery
		}
		if own > 0 && (shortest == 0 || own < shortest) {
			shortest = own
		}
	}
	return shortest
}

// expire gives up a hold that has lasted as long as it may.
func (s *State) expire(now time.Time) {
	s.Report.Note = fmt.Sprintf("The order was held for %v and is still wrong; the gate has stopped waiting for it.", s.longestHold())
	if s.Failure != nil {
		s.Report.Note = fmt.Sprintf("The order was held for %v; it could not be checked again, and the gate has stopped waiting for it.", s.longestHold())
	}
	s.note(now, ordercheck.TimelineExpired, s.Report.Note)
	s.notify(now, notice{kind: ordercheck.NoticeEnded, reason: ordercheck.EndExpired})
	s.endHold()
	s.Abandoned = true
}

// abandonOverrides stops waiting for the end of overrides.
func (s *State) abandonOverrides(now time.Time) {
	s.Report.Note = fmt.Sprintf("Nobody has overridden anything for %v; the gate has stopped waiting for the end of the overrides.", s.longestOverride())
	s.note(now, ordercheck.TimelineExpired, s.Report.Note)
	s.Abandoned = true
}
