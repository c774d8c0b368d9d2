// Package orderlife decides what happens to one sales order. It does no I/O and reads no clock, so
// tests can try every sequence of events in memory.
//
// The driver in package workflows reports each event and its time to the [State], asks [State.Next]
// what to do, does it, and reports the outcome. The notices in [State.Outbox] are sent meanwhile.
//
// # The life of an order
//
// A webhook makes a check due ([State.Due]). The check begins when nobody has saved the order for
// [Settings.SettleQuiet]. It fetches the order and evaluates the rules on it. If no error is found,
// the life is complete, and the next webhook begins a new one.
//
// A new error is pending: people save half-finished orders. When its grace period ends, the order
// is checked again. An error that still stands is then confirmed, people are notified, and the
// order is held. The gate checks a held order again after each webhook. The hold ends when
//   - the errors are gone, or the order is cancelled or deleted in InFlow,
//   - a person has overridden every error, that is, takes responsibility for it until a set time.
//     When the first override ends, the order is checked again,
//   - the order was held for [Settings.HoldMax],
//   - or an operator cancelled the run.
//
// A check that could not be done is repeated while the order is watched. Otherwise the run fails,
// and an operator reruns it.
package orderlife

import (
	"time"

	"error-check-gate/internal/ordercheck"
)

// Settings are the company's settings. A run reads them once and records them in its history, so
// changing them never breaks the replay of an open run.
type Settings struct {
	// SettleQuiet is how long an order must be quiet before it is fetched: people save an order
	// several times in a row. Zero fetches at once.
	SettleQuiet time.Duration `json:"settleQuiet"`
	// SettleMax limits the settling, counted from the first delivery since the latest fetch.
	SettleMax time.Duration `json:"settleMax"`
	// GracePeriod is how long an error may stand before it is confirmed. Zero confirms it at once.
	GracePeriod time.Duration `json:"gracePeriod,omitempty"`
	// HoldMax limits the time that an order is held after its first confirmed error, and the time
	// that it stays open after its latest override. Zero means no limit.
	HoldMax time.Duration `json:"holdMax,omitempty"`
	// RemindEvery is the time between reminders of a held order. Zero sends none.
	RemindEvery time.Duration `json:"remindEvery,omitempty"`
	// NotifyWarnings sends a notice for an order that has only warnings.
	NotifyWarnings bool `json:"notifyWarnings,omitempty"`
	// RecordOutcomes says whether to record the outcomes of errors, for statistics about rules.
	// Every worker sets it. Only runs that an older version of the gate began do not have it.
	RecordOutcomes bool `json:"recordOutcomes,omitempty"`
}

// Start is the argument of the workflow [ordercheck.WorkflowType].
type Start struct {
	ordercheck.Start
	// State is the order's life so far, from the previous run; nil begins a new life.
	State *State `json:"state,omitempty"`
}

// State is the life of an order. Only its methods change it. It travels as JSON to the next run
// when a run continues as new, so all its times are absolute.
type State struct {
	Settings Settings `json:"settings"`
	// Report is the outcome of the latest check, including overrides accepted since.
	Report ordercheck.Report `json:"report"`

	// Due is the check to make next, if any.
	Due *Request `json:"due,omitempty"`
	// InFlight is the check that has begun and not yet ended, if any.
	InFlight *Request `json:"inFlight,omitempty"`
	// Failure is why the latest check could not be done; nil if it was done.
	Failure *Failure `json:"failure,omitempty"`
	// MissedVersion is the latest order version that the sweep found and no webhook announced.
	MissedVersion string `json:"missedVersion,omitempty"`
	// NotFoundVersion is the MissedVersion of an order that InFlow says does not exist.
	NotFoundVersion string `json:"notFoundVersion,omitempty"`
	// RetryAt is when to repeat a check that could not be done; zero if the run doesn't repeat it.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// TooLarge is true once people know that the order is too large for a check.
	TooLarge bool `json:"tooLarge,omitempty"`

	// Terms are the rule file's own terms for rules with findings, such as a grace period.
	Terms []ordercheck.Terms `json:"terms,omitempty"`
	// RulesSince is when the rule set of the latest check took over.
	RulesSince time.Time `json:"rulesSince,omitzero"`
	// Billed is the order as it was first seen invoiced; nil if it isn't invoiced.
	Billed *ordercheck.Billed `json:"billed,omitempty"`
	// HasSalesRep is true if notices go to the order's sales rep too.
	HasSalesRep bool `json:"hasSalesRep,omitempty"`
	// SalesRep is the sales rep's name; empty if there is none.
	SalesRep string `json:"salesRep,omitempty"`
	// Recalled is true once the order's last run before this life has been looked up.
	Recalled bool `json:"recalled,omitempty"`

	// HeldSince is when the first error was confirmed; zero while none is.
	HeldSince time.Time `json:"heldSince,omitzero"`
	// Notified lists the confirmed errors that people were notified of, shortened.
	Notified []ordercheck.Finding `json:"notified,omitempty"`
	// NotifiedAt is when people were last notified or reminded of errors; zero if they were not, or
	// know that the hold has ended.
	NotifiedAt time.Time `json:"notifiedAt,omitzero"`
	// Resolved lists errors that people know of and somebody fixed. Lifted lists errors that are gone
	// because the rules changed.
	Resolved Gone `json:"resolved,omitzero"`
	Lifted   Gone `json:"lifted,omitzero"`
	// Unlisted holds overridden findings that the report no longer lists, shortened. If the
	// report lists them again, their overrides are still in force.
	Unlisted []ordercheck.Finding `json:"unlisted,omitempty"`
	// OverriddenAt is when the latest override was accepted; zero if none was.
	OverriddenAt time.Time `json:"overriddenAt,omitzero"`
	// Abandoned is true if the gate no longer watches a wrong order: its hold expired, or an operator
	// ended it.
	Abandoned bool `json:"abandoned,omitempty"`
	// Cancellation is the progress of an operator's cancellation of the run.
	Cancellation Cancellation `json:"cancellation,omitempty"`

	// Mark is the hold mark of the order in InFlow.
	Mark Mark `json:"mark,omitzero"`

	// Outcomes holds the outcomes of errors that are not recorded yet.
	Outcomes Outcomes `json:"outcomes,omitzero"`

	// Outbox holds the notices to send, oldest first.
	Outbox []ordercheck.Notice `json:"outbox,omitempty"`
	// Notices counts all notices, so that no two share a key.
	Notices int `json:"notices,omitempty"`
	// Thread is the key of the hold's first notice. Mail programs show the later notices below
	// it.
	Thread string `json:"thread,omitempty"`
	// Unsent describes the notices that were given up, oldest first.
	Unsent []string `json:"unsent,omitempty"`
	// DeliveriesNoted is the number of webhooks in the timeline's last entry; zero if the next webhook
	// gets an entry of its own.
	DeliveriesNoted int `json:"deliveriesNoted,omitempty"`
}

// Gone lists errors that are gone.
type Gone struct {
	Findings []ordercheck.Finding `json:"findings,omitempty"`
	// Omitted counts errors that Findings doesn't list.
	Omitted int `json:"omitted,omitempty"`
}

// IsZero reports whether g is empty. Its JSON is then left out.
func (g Gone) IsZero() bool { return g.count() == 0 }

func (g *Gone) count() int { return len(g.Findings) + g.Omitted }

// Failure is why a check could not be done, as the type and message of an application error.
type Failure struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// Cancellation is the progress of an operator's cancellation.
type Cancellation string

// The stages of a [Cancellation].
const (
	NotCancelled    Cancellation = ""
	CancelRequested Cancellation = "requested" // due checks come first
	Cancelled       Cancellation = "done"      // the run ends once its notices are sent
)

// Notes of a report.
const (
	NoteDeleted   = "The order was deleted in InFlow."
	NoteCancelled = "The order is cancelled."
	noteTooLarge  = "The order is too large for the gate, so nobody has checked it. " +
		"Check it by hand, or split it into several orders."
)

// New returns a life that begins with a check at one of package ordercheck's priorities.
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
