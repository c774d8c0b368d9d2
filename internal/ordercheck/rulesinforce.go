package ordercheck

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Names of the record of the rule set in force. A namespace has one record, so all workers check
// orders with the same rules, whatever files each of them has.
const (
	// RulesWorkflowType is the workflow that keeps the record. It takes [InForce].
	RulesWorkflowType = "RulesInForce"
	// RulesWorkflowID is the id of its only run.
	RulesWorkflowID = "rules-in-force"
	// QueryInForce returns [InForce].
	QueryInForce = "in-force"
	// UpdateProposeRules takes [ProposedRules] that a worker has loaded. A set that was never in force
	// takes over. Any other set is refused with [ErrorRulesOlder].
	UpdateProposeRules = "propose"
	// UpdateUseRules takes [UseRules]: a person decides to go back to a set.
	UpdateUseRules = "use"
	// SignalRenew continues the record in a new run, whose payloads have the current key.
	SignalRenew = "renew"
	// MemoInForce is the memo that holds [InForce]. It can be read without a worker.
	MemoInForce = "InForce"
	// ActivityRecheckOrders takes [RecheckOrders] and returns [RecheckedOrders]; on [TaskQueue].
	ActivityRecheckOrders = "RecheckOrders"
	// EventRulesChanged is the event of a [Delivery] that asks an open order to check itself with the
	// set in force.
	EventRulesChanged = "rules-changed"
)

// Types of application errors about the rule set in force.
const (
	// ErrorRulesNotInForce means that the worker does not have the rule set in force. Retried,
	// because another worker may have it.
	ErrorRulesNotInForce = "RulesNotInForce"
	// ErrorRulesOlder means that the proposed set was in force before, so only a person may go
	// back to it.
	ErrorRulesOlder = "RulesOlder"
	// ErrorRulesUnknown means that the request names no digest or no person, or that the record
	// has no set with the digest.
	ErrorRulesUnknown = "RulesUnknown"
)

// InForce is the rule set in force, and the sets before it.
type InForce struct {
	RuleSet
	// Since is when the set took over. Each set has a later time than the previous one. For the
	// first set it is the start of the run, and zero until the workflow has run.
	Since time.Time `json:"since,omitzero"`
	// Build is the worker build that proposed the set, if workers are versioned. Workers of other
	// builds may not have the set, and use their own.
	Build string `json:"build,omitempty"`
	// By is the person who went back to the set; empty if a worker proposed it.
	By string `json:"by,omitempty"`
	// Before lists the sets that were in force, the latest last, at most [MaxRulesBefore].
	Before []RulesBefore `json:"before,omitempty"`
	// Unsent is true until all open orders are asked to check themselves with the set.
	Unsent bool `json:"unsent,omitempty"`
}

// RulesBefore is a rule set that was in force.
type RulesBefore struct {
	RuleSet
	Build string    `json:"build,omitempty"` // as in [InForce]
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// MaxRulesBefore limits the earlier sets that the record remembers. A set that it no longer
// remembers counts as new. 50 sets are years of changes, and a memo of about 10 KB.
const MaxRulesBefore = 50

// WasInForce reports whether a set was in force before the current one.
func (f *InForce) WasInForce(digest string) bool {
	return slices.ContainsFunc(f.Before, func(b RulesBefore) bool { return b.Digest == digest })
}

// TakeOver puts a set in force.
func (f *InForce) TakeOver(set ProposedRules, now time.Time, by string) {
	if !now.After(f.Since) {
		now = f.Since.Add(time.Millisecond) // Since distinguishes a record from the one before
	}
	f.Before = slices.DeleteFunc(slices.Clone(f.Before),
		func(b RulesBefore) bool { return b.Digest == set.Digest })
	f.Before = append(f.Before,
		RulesBefore{RuleSet: f.RuleSet, Build: f.Build, Since: f.Since, Until: now})
	f.Before = slices.Delete(f.Before, 0, max(0, len(f.Before)-MaxRulesBefore))
	f.RuleSet, f.Build, f.Since, f.By, f.Unsent = set.RuleSet, set.Build, now, by, true
}

// Find returns the set, in force now or before, whose digest begins with a text. The text may leave
// out "sha256:".
func (f *InForce) Find(digest string) (ProposedRules, error) {
	prefix := "sha256:" + strings.TrimPrefix(strings.TrimSpace(digest), "sha256:")
	var found []ProposedRules
	sets := []ProposedRules{{f.RuleSet, f.Build}}
	for i := range f.Before {
		sets = append(sets, ProposedRules{f.Before[i].RuleSet, f.Before[i].Build})
	}
	for _, set := range sets {
		if len(prefix) > len("sha256:") && strings.HasPrefix(set.Digest, prefix) {
			found = append(found, set)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return ProposedRules{}, fmt.Errorf(
			"no rule set with the digest %q was in force: see 'gate rules in-force'", digest)
	default:
		return ProposedRules{}, fmt.Errorf(
			"%d rule sets have a digest that begins with %q: give more of it", len(found), digest)
	}
}

// ProposedRules is the argument of [UpdateProposeRules].
type ProposedRules struct {
	RuleSet
	// Build is as in [InForce].
	Build string `json:"build,omitempty"`
}

// UseRules is the argument of [UpdateUseRules].
type UseRules struct {
	Digest string `json:"digest"` // in full
	By     string `json:"by"`
}

// RecheckOrders is the argument of [ActivityRecheckOrders].
type RecheckOrders struct {
	RuleSet RuleSet `json:"ruleSet"`
}

// RecheckedOrders is the result of [ActivityRecheckOrders].
type RecheckedOrders struct {
	// Orders is the number of open orders that were asked to check themselves.
	Orders int `json:"orders"`
	// NextPage is the token of the next page of the list of runs; empty at its end.
	NextPage []byte `json:"nextPage,omitempty"`
}
