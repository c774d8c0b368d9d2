package ordercheck

import (
	"slices"
	"time"
)

// NoticeKind is the kind of a notice.
type NoticeKind string

// The kinds of notices.
const (
	NoticeFailed     NoticeKind = "failed"     // errors were confirmed
	NoticeReminder   NoticeKind = "reminder"   // the errors are still there
	NoticeResolved   NoticeKind = "resolved"   // all errors are gone, after a notice of failure
	NoticeOverridden NoticeKind = "overridden" // somebody has taken responsibility for every error
	NoticeEnded      NoticeKind = "ended"      // the gate no longer watches the order
	NoticeUnchecked  NoticeKind = "unchecked"  // the order is too large to be checked
	NoticeWarning    NoticeKind = "warning"    // the order has only warnings, and is not held
)

// NoticeKinds returns all kinds.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{
		NoticeFailed, NoticeReminder, NoticeResolved, NoticeOverridden, NoticeEnded, NoticeUnchecked,
		NoticeWarning,
	}
}

// EndReason is why the gate stopped waiting for an order.
type EndReason string

// The reasons of [NoticeEnded].
const (
	EndExpired   EndReason = "expired"   // the order was held for the longest time allowed
	EndCancelled EndReason = "cancelled" // the order was cancelled in InFlow
	EndDeleted   EndReason = "deleted"   // the order was deleted in InFlow
	EndByHand    EndReason = "by-hand"   // an operator cancelled the run
	// EndRulesChanged means that the rules changed, and no longer find any of the errors that
	// people know of.
	EndRulesChanged EndReason = "rules-changed"
)

// Notice is one message to people about an order.
type Notice struct {
	Kind NoticeKind `json:"kind"`
	// Key is the same for every attempt to send the notice.
	Key string `json:"key"`
	// Thread is the key of the hold's first notice; empty in that one.
	Thread string    `json:"thread,omitempty"`
	At     time.Time `json:"at"`
	Report Report    `json:"report"`
	// Resolved lists errors that people know of and that are fixed, for [NoticeResolved].
	// ResolvedOmitted counts the others.
	Resolved        []Finding `json:"resolved,omitempty"`
	ResolvedOmitted int       `json:"resolvedOmitted,omitempty"`
	// Lifted lists errors that people know of and that are gone because the rules changed, for
	// [NoticeResolved] and [EndRulesChanged]. LiftedOmitted counts the others.
	Lifted        []Finding `json:"lifted,omitempty"`
	LiftedOmitted int       `json:"liftedOmitted,omitempty"`
	// OverridesEnded lists overrides that have ended, for [NoticeFailed]: the order is held again.
	OverridesEnded []Override `json:"overridesEnded,omitempty"`
	EndReason      EndReason  `json:"endReason,omitempty"` // for [NoticeEnded]
	// HasSalesRep is true if the order's sales rep has an e-mail address. The address must not be
	// in histories, so an activity looks it up when it sends the notice.
	HasSalesRep bool `json:"hasSalesRep,omitempty"`
	// Sent lists the targets that have the notice, Gathered the targets that get it in their next
	// collective message.
	Sent     []string `json:"sent,omitempty"`
	Gathered []string `json:"gathered,omitempty"`
}

// IsDoneFor reports whether a target has the notice, or gets it in a collective message.
func (n *Notice) IsDoneFor(target string) bool {
	return slices.Contains(n.Sent, target) || slices.Contains(n.Gathered, target)
}

// NotifyInput is the argument of [ActivityNotify].
type NotifyInput struct {
	Notice Notice `json:"notice"`
	// Target is the target to notify. If it is empty, nobody is notified and the result lists the
	// targets.
	Target string `json:"target,omitempty"`
}

// TargetSalesRep is the target for the order's sales rep.
const TargetSalesRep = "mail:sales-rep"

// NotifyResult is the result of [ActivityNotify].
type NotifyResult struct {
	// Targets are stable names without secrets and addresses. They are only set if no target was
	// given.
	Targets []string `json:"targets,omitempty"`
	// Gathered is true if the target's receiver had too many messages, and gets the notice in a
	// collective one.
	Gathered bool `json:"gathered,omitempty"`
}
