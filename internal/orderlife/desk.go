package orderlife

import (
	"time"

	"error-check-gate/internal/ordercheck"
)

// maxFirst limits a message in a list of orders, in characters.
const maxFirst = 200

// DeskMemo returns the data that lists of held orders show. ok is false if the order is in no
// list, because it has no errors.
func (s *State) DeskMemo() (memo ordercheck.DeskMemo, ok bool) {
	memo = ordercheck.DeskMemo{Customer: s.Report.Customer, SalesRep: s.SalesRep}
	var first *ordercheck.Finding
	var confirmAt, overrideEnds time.Time
	for f := range s.Report.All() {
		if f.Severity != ordercheck.SeverityError {
			continue
		}
		if first == nil || first.Override != nil && f.Override == nil {
			first = f
		}
		switch f.State {
		case ordercheck.FindingPending:
			confirmAt = Earlier(confirmAt, f.ConfirmAt)
		case ordercheck.FindingOverridden:
			overrideEnds = Earlier(overrideEnds, f.Override.Until)
		case ordercheck.FindingConfirmed:
		}
	}
	if first == nil {
		return ordercheck.DeskMemo{}, false
	}
	memo.First = ordercheck.Cut(first.Message, maxFirst)
	if memo.NextAt = confirmAt; memo.NextAt.IsZero() {
		memo.NextAt = overrideEnds
	}
	return memo, true
}

// DeskView returns the data of the order's page at the desk. asked is true if an event has asked
// for a check, but was not reported to the state yet.
func (s *State) DeskView(asked bool) ordercheck.DeskView {
	view := ordercheck.DeskView{
		Report: s.Report, CheckDue: asked || s.Due != nil || s.InFlight != nil,
		SalesRep: s.SalesRep, HeldSince: s.HeldSince,
	}
	for _, terms := range s.Terms {
		if terms.NotOverridable {
			view.NotOverridable = append(view.NotOverridable, terms.RuleID)
		}
	}
	return view
}
