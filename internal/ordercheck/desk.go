package ordercheck

import "time"

// QueryDesk answers with [DeskView].
const QueryDesk = "desk"

// DeskView is an order as the desk shows it: the answer to [QueryDesk].
type DeskView struct {
	Report Report `json:"report"`
	// CheckDue is true while a delivery or a person waits for a check. The report may then
	// describe an older version of the order.
	CheckDue bool `json:"checkOwed"`
	// SalesRep is the name of the order's sales rep; empty if it has none.
	SalesRep string `json:"salesRep,omitempty"`
	// HeldSince is when the order's first error was confirmed; zero while none is.
	HeldSince time.Time `json:"heldSince,omitzero"`
	// NotOverridable lists the rules with findings that nobody can take responsibility for.
	NotOverridable []string `json:"notOverridable,omitempty"`
}

// MemoDesk is the memo of a [WorkflowType] run that holds [DeskMemo]. A run whose order never had
// an error has none.
const MemoDesk = "Desk"

// DeskMemo holds the data that a list of held orders shows beside the search attributes. Unlike
// these, a memo is encrypted.
type DeskMemo struct {
	Customer string `json:"customer,omitempty"`
	// SalesRep is the name of the order's sales rep; empty if it has none.
	SalesRep string `json:"salesRep,omitempty"`
	// First is the message of the first error, cut for display.
	First string `json:"first,omitempty"`
	// NextAt is when the first pending error is confirmed. Without pending errors, it is when the
	// first override ends; zero if the order only waits for people.
	NextAt time.Time `json:"nextAt,omitzero"`
}

// UseSignInLinkType is a workflow that does nothing. Temporal refuses to start it twice under one
// id, so a sign-in link works once, whichever desk gets it.
const UseSignInLinkType = "UseSignInLink"

// UseSignInLinkWorkflowID is the id of the run that uses a link.
func UseSignInLinkWorkflowID(linkID string) string { return "sign-in-" + linkID }
