package orderlife

import (
	"fmt"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Request is a check that somebody asked for. Several requests for one check are merged.
type Request struct {
	// Priority is the most urgent priority asked for, such as [ordercheck.PriorityPerson].
	Priority int `json:"priority"`
	// Now is true if the check doesn't wait for the order to settle: a person waits, or an alarm
	// rang.
	Now bool `json:"now,omitempty"`
	// RulesOnly is true if only the rules have changed. The driver may check an order that it has
	// cached.
	RulesOnly bool `json:"rulesOnly,omitempty"`
	// FirstDelivery and LastDelivery are the times of the deliveries that the check answers.
	FirstDelivery time.Time `json:"firstDelivery,omitzero"`
	LastDelivery  time.Time `json:"lastDelivery,omitzero"`
	// Own is true if the only requests are webhooks that the gate's own write of the hold mark
	// may have caused.
	Own bool `json:"own,omitempty"`
	// Accepted is when the ingress accepted the first delivery, for metrics; zero if unknown.
	Accepted time.Time `json:"accepted,omitzero"`
}

// request makes a check due and keeps the most urgent priority asked for. A check in flight doesn't
// count, because it may have read the order before the change.
func (s *State) request(priority int) *Request {
	if s.Cancellation == Cancelled {
		s.startNewLife()
	}
	if s.Due == nil {
		s.Due = &Request{Priority: priority}
	}
	s.Due.Priority = min(s.Due.Priority, priority)
	s.Due.RulesOnly, s.Due.Own = false, false
	return s.Due
}

// Delivered makes a check due for the webhooks of one signal. accepted is when the ingress
// accepted the first of them; zero if unknown.
func (s *State) Delivered(now time.Time, webhooks int, accepted time.Time) {
	mayBeOwn := s.mayBeOwnWebhook(now)
	own := mayBeOwn && (s.Due == nil || s.Due.Own)
	due := s.request(ordercheck.PriorityWebhook)
	due.Own = own
	if due.FirstDelivery.IsZero() {
		due.FirstDelivery = now
	}
	due.LastDelivery = now
	due.Accepted = Earlier(due.Accepted, accepted)
	if mayBeOwn {
		s.Mark.Unnoted += webhooks
		return
	}
	s.noteDeliveries(now, webhooks)
}

// Earlier returns the earlier of two times. A zero time doesn't count.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Asked makes a check due, because a person asked for it.
func (s *State) Asked() { s.request(ordercheck.PriorityPerson).Now = true }

// Missed makes a check due for an order version that the sweep found and no webhook announced.
// The check doesn't wait for the order to settle, because somebody saved it a while ago.
func (s *State) Missed(now time.Time, version string) {
	if ordercheck.CompareVersions(s.Report.OrderVersion, version) >= 0 {
		return
	}
	s.request(ordercheck.PrioritySweep)
	s.MissedVersion = version
	s.note(now, ordercheck.TimelineSweep,
		fmt.Sprintf("The sweep found version %s, which no webhook had announced.", version))
}

// RulesChanged makes a check due with the rule set that took over. The check needs a fetch only
// if another request does, or if the latest check could not be done.
func (s *State) RulesChanged(digest string) {
	if s.Report.CheckedAt.IsZero() || s.Report.RuleSet.Digest == digest {
		return // the due check uses the rule set, or the latest one has used it
	}
	withoutFetch := (s.Due == nil || s.Due.RulesOnly) && s.Failure == nil
	s.request(ordercheck.PrioritySweep).RulesOnly = withoutFetch
}

// MarksResumed makes a check due, after which the gate tries again to write the mark. All open
// orders are checked at that time, so people and webhooks go first.
func (s *State) MarksResumed() { s.request(ordercheck.PrioritySweep) }

// settledAt returns when the due check may begin: SettleQuiet after the last delivery, but no later
// than SettleMax after the first one. It is zero if the check may begin now.
func (s *State) settledAt() time.Time {
	due := s.Due
	if due.Now || due.FirstDelivery.IsZero() {
		return time.Time{} // no person is saving the order now
	}
	return Earlier(due.LastDelivery.Add(s.Settings.SettleQuiet),
		due.FirstDelivery.Add(s.Settings.SettleMax))
}
