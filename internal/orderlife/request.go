package orderlife

import (
	"fmt"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Request is a check that somebody asked for.
type Request struct {
	// Priority is the most urgent of those who asked; see ordercheck.PriorityPerson.
	Priority int `json:"priority"`
	// Now is true if there is no point in settling: a person waits, or a time has come.
	Now bool `json:"now,omitempty"`
	// RulesOnly is true if the order has not changed, only the rules: a kept order will do.
	RulesOnly bool `json:"rulesOnly,omitempty"`
	// FirstDelivery and LastDelivery are the times of the deliveries that the check will answer.
	FirstDelivery time.Time `json:"firstDelivery,omitzero"`
	LastDelivery  time.Time `json:"lastDelivery,omitzero"`
	// Accepted is when the ingress accepted the first of them; zero if unknown. It is for metrics.
	Accepted time.Time `json:"accepted,omitzero"`
}

// request makes a fetch due and keeps the most urgent priority asked for. A fetch in flight does not
// count, because it may have read the order before the change.
func (s *State) request(priority int) *Request {
	if s.Cancellation == Cancelled {
		s.startAfresh()
	}
	if s.Due == nil {
		s.Due = &Request{Priority: priority}
	}
	s.Due.Priority = min(s.Due.Priority, priority)
	s.Due.RulesOnly = false
	return s.Due
}

// Delivered takes webhooks that came in one signal. accepted is when the ingress accepted the first
// of them; zero if unknown.
func (s *State) Delivered(now time.Time, webhooks int, accepted time.Time) {
	due := s.request(ordercheck.PriorityWebhook)
	if due.FirstDelivery.IsZero() {
		due.FirstDelivery = now
	}
	due.LastDelivery = now
	due.Accepted = Earlier(due.Accepted, accepted)
	s.noteDeliveries(now, webhooks)
}

// Earlier returns the earlier of two times. A zero time doesn't count.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Asked takes a person's request for a check.
func (s *State) Asked() { s.request(ordercheck.PriorityPerson).Now = true }

// Missed takes an order version that the sweep saw and that no check is known to have seen. The
// order is not settled, because it was saved a while ago.
func (s *State) Missed(now time.Time, version string) {
	if ordercheck.CompareVersions(s.Report.OrderVersion, version) >= 0 {
		return
	}
	s.request(ordercheck.PrioritySweep)
	s.MissedVersion = version
	s.note(now, ordercheck.TimelineSweep, fmt.Sprintf("The sweep found version %s, which no webhook had announced.", version))
}

// RulesChanged takes the digest of the rule set that took over. The order is checked with it, and
// without a fetch if nobody else asks for one. If the latest check could not be done, nothing is
// known of the order, so that one is fetched.
func (s *State) RulesChanged(digest string) {
	if s.Report.CheckedAt.IsZero() || s.Report.RuleSet.Digest == digest {
		return // the check to come, or the latest one, is made with it
	}
	withoutFetch := (s.Due == nil || s.Due.RulesOnly) && s.Failure == nil
	s.request(ordercheck.PrioritySweep).RulesOnly = withoutFetch
}

// settledAt returns the time at which the check that is due may begin: SettleQuiet after the last
// delivery, and SettleMax after the first one at the latest. It is zero if nothing has to settle.
func (s *State) settledAt() time.Time {
	due := s.Due
	if due.Now || due.FirstDelivery.IsZero() {
		return time.Time{} // nobody is typing
	}
	return Earlier(due.LastDelivery.Add(s.Settings.SettleQuiet), due.FirstDelivery.Add(s.Settings.SettleMax))
}
