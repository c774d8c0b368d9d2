// Package gathering decides which notices a receiver gets at once, and which are gathered into one
// message. It reads no clock and does no I/O. The workflow [ordercheck.GatherWorkflowType] drives
// it.
//
// Messages are counted per window, usually an hour. Once the limit is reached, further notices are
// gathered until the window ends, and then sent as one message. A notice is also gathered if an
// earlier one of the same order has not been sent, so that an order's notices keep their order.
package gathering

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

const (
	// remember is how long the answer about a notice is kept. An order's run asks again about the same
	// notice for at most a day.
	remember = 25 * time.Hour
	// maxDecisions limits the answers. The state must fit one of Temporal's payloads.
	maxDecisions = 5000
	// maxListSize limits the notices that one message lists, in bytes of JSON. maxUnlisted limits the
	// orders of the other notices.
	maxListSize = 512 << 10
	maxUnlisted = 2000
)

// State is the state of one receiver. It travels as JSON to the next run.
type State struct {
	// WindowEnd is when the count starts again.
	WindowEnd time.Time `json:"windowEnd,omitzero"`
	// Window is the length of a window, from the latest admission.
	Window time.Duration `json:"window,omitempty"`
	// Count is the number of messages in this window.
	Count int `json:"count,omitempty"`
	// Waiting is sent at WindowEnd. Sending is the message on its way, if any.
	Waiting Gathered  `json:"waiting,omitzero"`
	Sending *Gathered `json:"sending,omitempty"`
	// Decisions holds the latest answers, oldest first.
	Decisions []Decision `json:"decisions,omitempty"`
}

// Gathered holds notices that are sent together.
type Gathered struct {
	ordercheck.Collection
	// Size is the size of the listed notices, in bytes of JSON.
	Size int `json:"size,omitempty"`
	// Unlisted holds the first orders with notices that are not listed.
	Unlisted []string `json:"unlisted,omitempty"`
}

// Count returns the number of notices, listed or not.
func (g *Gathered) Count() int { return len(g.Notices) + g.Omitted }

func (g *Gathered) empty() bool { return g.Count() == 0 }

// has reports whether g has a notice of the order.
func (g *Gathered) has(salesOrderID string) bool {
	return slices.Contains(g.Unlisted, salesOrderID) ||
		slices.ContainsFunc(g.Notices,
			func(n ordercheck.GatheredNotice) bool { return n.SalesOrderID == salesOrderID })
}

func (g *Gathered) add(n *ordercheck.GatheredNotice) {
	if g.Key == "" {
		g.Key = "gathered-" + n.Key
	}
	size := jsonSize(n)
	if len(g.Notices) == ordercheck.MaxGathered || g.Size+size > maxListSize {
		g.Omitted++
		if len(g.Unlisted) < maxUnlisted && !slices.Contains(g.Unlisted, n.SalesOrderID) {
			g.Unlisted = append(g.Unlisted, n.SalesOrderID)
		}
		return
	}
	g.Size += size
	g.Notices = append(g.Notices, *n)
}

// Decision is the answer about one notice.
type Decision struct {
	Key      string    `json:"k"`
	At       time.Time `json:"t"`
	Gathered bool      `json:"g,omitempty"`
}

// Admit decides whether a notice is sent now or gathered. Asked again about the same notice, it
// gives the same answer: the caller may not have received it.
func (s *State) Admit(now time.Time, a *ordercheck.Admission) ordercheck.Admitted {
	known := slices.IndexFunc(s.Decisions, func(d Decision) bool { return d.Key == a.Notice.Key })
	if known >= 0 {
		return ordercheck.Admitted{Gathered: s.Decisions[known].Gathered}
	}
	s.Window = a.Window
	end := now.Add(a.Window)
	switch {
	case s.Waiting.empty() && !now.Before(s.WindowEnd):
		s.WindowEnd, s.Count = end, 0
	case s.WindowEnd.After(end): // the window was longer before
		s.WindowEnd = end
	}
	gather := a.Gather || s.Count >= a.Limit || !s.Waiting.empty() ||
		s.Sending != nil && s.Sending.has(a.Notice.SalesOrderID)
	if gather {
		notice := a.Notice
		notice.Cut()
		s.Waiting.add(&notice)
	} else {
		s.Count++
	}
	s.decide(Decision{Key: a.Notice.Key, At: now.UTC(), Gathered: gather})
	return ordercheck.Admitted{Gathered: gather}
}

func (s *State) decide(d Decision) {
	s.Decisions = append(s.Decisions, d)
	forget := max(len(s.Decisions)-maxDecisions, 0)
	for d.At.Sub(s.Decisions[forget].At) > remember {
		forget++
	}
	s.Decisions = s.Decisions[forget:]
}

// Due reports whether it is time to send the waiting notices.
func (s *State) Due(now time.Time) bool {
	return s.Sending == nil && !s.Waiting.empty() && !now.Before(s.WindowEnd)
}

// Begin starts sending the waiting notices as one message, the first of a new window.
func (s *State) Begin(now time.Time) {
	sending := s.Waiting
	sending.At = now.UTC()
	s.Sending, s.Waiting = &sending, Gathered{}
	s.WindowEnd, s.Count = now.Add(s.Window), 1
}

// Moved removes an order's notices from the message on its way: the order has another sales rep.
func (s *State) Moved(salesOrderID string) {
	s.Sending.Notices = slices.DeleteFunc(
		slices.Clone(s.Sending.Notices),
		func(n ordercheck.GatheredNotice) bool {
			return n.SalesOrderID == salesOrderID
		},
	)
}

// Done ends the message on its way. It was sent or given up.
func (s *State) Done() { s.Sending = nil }

// Wake returns when to look at the state again, and why. since is when the run began, in case there
// is no decision yet.
func (s *State) Wake(since time.Time) (at time.Time, why string) {
	at, why = s.forgetAt(since), "forget the receiver: nothing was sent for a day"
	if s.Sending == nil && !s.Waiting.empty() {
		return s.WindowEnd, "send the gathered notices in one message"
	}
	return at, why
}

// Idle reports whether nothing must be sent or remembered any more.
func (s *State) Idle(now, since time.Time) bool {
	return s.Sending == nil && s.Waiting.empty() && !now.Before(s.forgetAt(since))
}

func (s *State) forgetAt(since time.Time) time.Time {
	if n := len(s.Decisions); n > 0 {
		since = s.Decisions[n-1].At
	}
	return since.Add(remember)
}

// jsonSize returns the size of a value that always marshals.
func jsonSize(value any) int {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("gathering: %T does not marshal: %v", value, err))
	}
	return len(data)
}
