package ordercheck

import (
	"slices"
	"time"
)

// NoticeKind is what a notice tells.
type NoticeKind string

// The kinds of notices.
const (
	NoticeFailed     NoticeKind = "failed"     // errors were confirmed
	NoticeReminder   NoticeKind = "reminder"   // they still stand
	NoticeResolved   NoticeKind = "resolved"   // all of them are gone, after a notice of failure
	NoticeOverridden NoticeKind = "overridden" // somebody answers for all of them
	NoticeEnded      NoticeKind = "ended"      // the gate has stopped waiting for it
	NoticeUnchecked  NoticeKind = "unchecked"  // the order is too large to be checked
	NoticeWarning    NoticeKind = "warning"    // it has warnings and no errors, and is not held
)

// NoticeKinds are all of them.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{NoticeFailed, NoticeReminder, NoticeResolved, NoticeOverridden, NoticeEnded, NoticeUnchecked, NoticeWarning}
}

// EndReason is why the gate stopped waiting for an order.
type EndReason string

// The reasons of [NoticeEnded].
const (
	EndExpired   EndReason = "expired"   // it was held as long as it may
	EndCancelled EndReason = "cancelled" // in InFlow
	EndDeleted   EndReason = "deleted"   // in InFlow
	EndByHand    EndReason = "by-hand"   // an operator cancelled the run
	// EndRulesChanged: the rules were changed, and find none of the errors that people were told of.
	EndRulesChanged EndReason = "rules-changed"
)

// Notice is what people are told of an order, once.
type Notice struct {
	Kind NoticeKind `json:"kind"`
	// Key is the same for the same confirmed set of findings, however often sending it is tried.
	Key string `json:"key"`
	// Thread is the key of the notice that the hold began with; empty for that one.
	Thread string    `json:"thread,omitempty"`
	At     time.Time `json:"at"`
	Report Report    `json:"report"`
	// Resolved are the findings people were told of that are gone, for [NoticeResolved];
	// ResolvedOmitted is the number of those that it does not list.
	Resolved        []Finding `json:"resolved,omitempty"`
	ResolvedOmitted int       `json:"resolvedOmitted,omitempty"`
	// Lifted are findings people were told of that are gone because the rules were changed, not the
	// order, for [NoticeResolved] and [EndRulesChanged]; LiftedOmitted counts the others.
	Lifted        []Finding `json:"lifted,omitempty"`
	LiftedOmitted int       `json:"liftedOmitted,omitempty"`
	// OverridesEnded are overrides that have ended, for [NoticeFailed]: the order is held again.
	OverridesEnded []Override `json:"overridesEnded,omitempty"`
	EndReason      EndReason  `json:"endReason,omitempty"` // for [NoticeEnded]
	// HasSalesRep: the order's sales rep has an e-mail address, which is asked for when it is
	// needed: it is not for histories.
	HasSalesRep bool `json:"hasSalesRep,omitempty"`
	// Sent are the targets that have it, Gathered those that get it in their next collective message.
	Sent     []string `json:"sent,omitempty"`
	Gathered []string `json:"gathered,omitempty"`
}

// IsDoneFor reports whether nothing is left to do to tell a target.
func (n *Notice) IsDoneFor(target string) bool {
	return slices.Contains(n.Sent, target) || slices.Contains(n.Gathered, target)
}

// NotifyInput is the argument of [ActivityNotify].
type NotifyInput struct {
	Notice Notice `json:"notice"`
	// Target is who is told now; empty asks who is to be told, and tells nobody.
	Target string `json:"target,omitempty"`
}

// TargetSalesRep is the target that stands for the order's sales rep.
const TargetSalesRep = "mail:sales-rep"

// NotifyResult is the result of [ActivityNotify].
type NotifyResult struct {
	// Targets are stable names, without secrets and addresses; only where no target was given.
	Targets []string `json:"targets,omitempty"`
	// Gathered is true if the target had too many messages: it is told in a collective one.
	Gathered bool `json:"gathered,omitempty"`
}
