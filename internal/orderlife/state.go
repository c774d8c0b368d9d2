// Package orderlife holds the life of one sales order as a value: what happened to it, what its
// latest check found, who answers for it, who was notified, and what to do next. It does no I/O and
// reads no clock, so every sequence of events can be tried in memory.
//
// The driver in package workflows reports each event to the [State] with the time, asks
// [State.Next] what to do, does it, and reports the outcome.
package orderlife

import (
	"time"

	"error-check-gate/internal/ordercheck"
)

// Settings are the company's decisions about the life of an order. A run reads them once, at its
// start, and records them in its history, so changing them never breaks the replay of an open run.
type Settings struct {
	// SettleQuiet is how long an order must be quiet before it is fetched, because people save an
	// order several times in a row. Zero fetches at once.
	SettleQuiet time.Duration `json:"settleQuiet"`
	// SettleMax limits the settling, counted from the first delivery since the latest fetch.
	SettleMax time.Duration `json:"settleMax"`
	// GracePeriod is how long an error may stand before it is confirmed. Zero confirms it at once.
	GracePeriod time.Duration `json:"gracePeriod,omitempty"`
	// HoldMax is the longest time an order is held, counted from its first confirmed error, and the
	// longest time it stays open after its latest override. Zero has no limit.
	HoldMax time.Duration `json:"holdMax,omitempty"`
	// RemindEvery is the time between reminders of a held order. Zero sends none.
	RemindEvery time.Duration `json:"remindEvery,omitempty"`
	// NotifyWarnings sends a notice for an order that has only warnings.
	NotifyWarnings bool `json:"notifyWarnings,omitempty"`
}

// Start is the argument of the workflow [ordercheck.WorkflowType].
type Start struct {
	ordercheck.Start
	// State is the order's life so far, from the run that continued as this one. Nil begins a new life.
	State *State `json:"state,omitempty"`
}

// State is the whole life of an order. It travels as JSON to the next run when a run continues as
// new, so all its times are absolute. Only its methods change it.
type State struct {
	// Settings are those of the run that the state is in.
	Settings Settings `json:"settings"`
	// Report is the outcome of the latest check, with the overrides accepted since.
	Report ordercheck.Report `json:"report"`

	// Due is the check to make next, if any.
	Due *Request `json:"due,omitempty"`
	// InFlight is the check that has begun and not ended, if any.
	InFlight *Request `json:"inFlight,omitempty"`
	// Failure is the reason the latest check could not be done; nil if it was done.
	Failure *Failure `json:"failure,omitempty"`
	// MissedVersion is the latest order version that the sweep found and no webhook announced.
	MissedVersion string `json:"missedVersion,omitempty"`
	// NotFoundVersion is the version that InFlow's list has of an order InFlow says does not exist.
	NotFoundVersion string `json:"notFoundVersion,omitempty"`
	// RetryAt is when to repeat a check that could not be done; zero if the run doesn't repeat it.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// TooLarge is true once people know that the order is too large to be checked.
	TooLarge bool `json:"tooLarge,omitempty"`

	// Terms are what the rule file says about the rules with findings.
	Terms []ordercheck.Terms `json:"terms,omitempty"`
	// RulesSince is [ordercheck.CheckedOrder.RulesSince] of the latest check.
	RulesSince time.Time `json:"rulesSince,omitzero"`
	// Billed is the order as it was first seen invoiced; nil while it isn't.
	Billed *ordercheck.Billed `json:"billed,omitempty"`
	// HasSalesRep is [ordercheck.FetchedOrder.HasSalesRep] of the latest check.
	HasSalesRep bool `json:"hasSalesRep,omitempty"`
	// SalesRep is the name of the order's sales rep in the latest check; empty if there is none.
	SalesRep string `json:"salesRep,omitempty"`
	// Recalled is true once the order's last run before this life has been looked up.
	Recalled bool `json:"recalled,omitempty"`

	// HeldSince is when the first error was confirmed; zero while none is.
	HeldSince time.Time `json:"heldSince,omitzero"`
	// Notified are the confirmed errors that people know of, in brief.
	Notified []ordercheck.Finding `json:"notified,omitempty"`
	// NotifiedAt is when the latest notice of failure or reminder was made; zero if none was, or
	// people know since that all is well.
	NotifiedAt time.Time `json:"notifiedAt,omitzero"`
	// Resolved are errors that people know of and that were fixed; Lifted are those that are gone
	// because the rules changed.
	Resolved Gone `json:"resolved,omitzero"`
	Lifted   Gone `json:"lifted,omitzero"`
	// Unlisted are overridden findings that the report no longer lists, in brief, so the override
	// is still in force if they are listed again.
	Unlisted []ordercheck.Finding `json:"unlisted,omitempty"`
	// OverriddenAt is when the latest override was accepted; zero if none was.
	OverriddenAt time.Time `json:"overriddenAt,omitzero"`
	// Abandoned is true if the gate no longer waits for a wrong order: its hold expired, or an
	// operator ended it.
	Abandoned bool `json:"abandoned,omitempty"`
	// Cancellation says how far an operator's cancellation of the run has come.
	Cancellation Cancellation `json:"cancellation,omitempty"`

	// Outbox holds the notices to send, oldest first.
	Outbox []ordercheck.Notice `json:"outbox,omitempty"`
	// Notices counts the notices ever made, so that no two share a key.
	Notices int `json:"notices,omitempty"`
	// Thread is the key of the first notice of the hold.
	Thread string `json:"thread,omitempty"`
	// Unsent describes the notices that were given up, latest last.
	Unsent []string `json:"unsent,omitempty"`
	// DeliveriesNoted is the number of webhooks in the timeline's last entry; zero if it is closed.
	DeliveriesNoted int `json:"deliveriesNoted,omitempty"`
}

// Gone lists errors that no longer stand.
type Gone struct {
	Findings []ordercheck.Finding `json:"findings,omitempty"`
	// Omitted counts those that Findings doesn't list.
	Omitted int `json:"omitted,omitempty"`
}

// IsZero reports whether g lists nothing, so that an empty list is carried to the next run as none.
func (g Gone) IsZero() bool { return g.count() == 0 }

func (g *Gone) count() int { return len(g.Findings) + g.Omitted }

// Failure is the reason a check could not be done: type and message of an application error.
type Failure struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// Cancellation is the progress of an operator's cancellation.
type Cancellation string

// The stages of a [Cancellation].
const (
	NotCancelled    Cancellation = ""
	CancelRequested Cancellation = "requested" // checks that are due come first
	Cancelled       Cancellation = "done"      // the run ends when its notices are sent
)

// Notes of a report on an order that needs no watching any more.
const (
	NoteDeleted   = "The order was deleted in InFlow."
	NoteCancelled = "The order is cancelled."
	noteTooLarge  = "The order is too large for the gate, so nobody has checked it. Check it by hand, or split it into several orders."
)

// New returns the life of an order that begins with a check at the given priority, which is one of
// ordercheck's.
func New(salesOrderID string, settings Settings, priority int) *State {
	return &State{
		Settings: settings,
		Report:   newReport(salesOrderID),
		Due:      &Request{Priority: priority},
	}
}

// newReport returns the report of an order before its first check.
func newReport(salesOrderID string) ordercheck.Report {
	return ordercheck.Report{
		SalesOrderID: salesOrderID,
		Status:       ordercheck.StatusChecking,
		Findings:     []ordercheck.Finding{},
		Skipped:      []ordercheck.Skipped{},
		RuleErrors:   []ordercheck.RuleError{},
		Timeline:     []ordercheck.TimelineEntry{},
	}
}
