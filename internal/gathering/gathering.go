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
	// retention is how long we keep the decision about a notice. An order's run may repeat its
	// call for a notice for up to a day.
	retention = 25 * time.Hour
	// maxDecisions is the maximum number of decisions that we keep. The state must fit into one
	// payload of Temporal, which is 2 MiB.
	maxDecisions = 5000
	// maxListSize limits the notices that one message lists, in bytes of JSON. Further notices
	// are only counted. maxUnlisted is the maximum number of orders that we keep for these.
	maxListSize = 512 << 10
	maxUnlisted = 2000
)

// State is the state of one receiver. It travels as JSON to the next run.
type State struct {
	// WindowEnd is the end of the current window.
	WindowEnd time.Time `json:"windowEnd,omitzero"`
	// Window is the length of a window. The latest admission sets it.
	Window time.Duration `json:"window,omitempty"`
	// Count is the number of messages in the current window.
	Count int `json:"count,omitempty"`
	// Waiting holds the notices that are sent at WindowEnd.
	Waiting Gathered `json:"waiting,omitzero"`
	// Sending is the message in flight, or nil.
	Sending *Gathered `json:"sending,omitempty"`
	// Decisions holds the latest decisions, oldest first.
	Decisions []Decision `json:"decisions,omitempty"`
}

// Gathered holds notices that are sent together.
type Gathered struct {
	ordercheck.Collection
	// Size is the size of the listed notices, in bytes of JSON.
	Size int `json:"size,omitempty"`
	// Unlisted holds the ids of the first orders whose notices are counted but not listed.
	Unlisted []string `json:"unlisted,omitempty"`
}

// Count returns the number of notices, listed or not.
func (g *Gathered) Count() int { return len(g.Notices) + g.Omitted }

func (g *Gathered) empty() bool { return g.Count() == 0 }

// has reports whether g holds a notice for the order.
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

// Decision records whether a notice was gathered.
type Decision struct {
	Key      string    `json:"k"`
	At       time.Time `json:"t"`
	Gathered bool      `json:"g,omitempty"`
}

// Admit decides whether a notice is sent now or gathered. It repeats its decision if it is called
// again for the same notice, because the caller may have lost the first answer.
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
	case s.WindowEnd.After(end): // windows are shorter now
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
	for d.At.Sub(s.Decisions[forget].At) > retention {
		forget++
	}
	s.Decisions = s.Decisions[forget:]
}

// Due reports whether it is time to send the waiting notices.
func (s *State) Due(now time.Time) bool {
	return s.Sending == nil && !s.Waiting.empty() && !now.Before(s.WindowEnd)
}

// Begin moves the waiting notices to Sending as one message, which is the first of a new window.
func (s *State) Begin(now time.Time) {
	sending := s.Waiting
	sending.At = now.UTC()
	s.Sending, s.Waiting = &sending, Gathered{}
	s.WindowEnd, s.Count = now.Add(s.Window), 1
}

// Moved removes an order's notices from the message in flight, because the order now has another
// sales rep. Call it only if a message is in flight.
func (s *State) Moved(salesOrderID string) {
	s.Sending.Notices = slices.DeleteFunc(
		slices.Clone(s.Sending.Notices),
		func(n ordercheck.GatheredNotice) bool {
			return n.SalesOrderID == salesOrderID
		},
	)
}

// Done clears the message in flight. Call it after the message was sent or given up.
func (s *State) Done() { s.Sending = nil }

// Wake returns when to look at the state again, and why. since is the start of the run, which
// counts if there is no decision yet.
func (s *State) Wake(since time.Time) (at time.Time, why string) {
	at, why = s.forgetAt(since), "forget the receiver: nothing was sent for a day"
	if s.Sending == nil && !s.Waiting.empty() {
		return s.WindowEnd, "send the gathered notices in one message"
	}
	return at, why
}

// Idle reports whether there is nothing left to send or to remember. since is as for
// [State.Wake].
func (s *State) Idle(now, since time.Time) bool {
	return s.Sending == nil && s.Waiting.empty() && !now.Before(s.forgetAt(since))
}

func (s *State) forgetAt(since time.Time) time.Time {
	if n := len(s.Decisions); n > 0 {
		since = s.Decisions[n-1].At
	}
	return since.Add(retention)
}

// jsonSize returns the size of value as JSON, in bytes. It panics if value does not marshal.
func jsonSize(value any) int {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("gathering: %T does not marshal: %v", value, err))
	}
	return len(data)
}
