package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// engineRevision is part of every digest. Raise it when a change of this package
// can change the findings of an unchanged rule set: held orders are then evaluated anew.
const engineRevision = 1

// Description says what a rule is, for people.
type Description struct {
	ID          string              `json:"id"`
	Severity    ordercheck.Severity `json:"severity"`
	Scope       ordercheck.Scope    `json:"scope"`
	Description string              `json:"description"`
}

// Set is a list of rules, ready to evaluate. It is immutable and safe for
// concurrent use. Make one with [Default].
type Set struct {
	name   string
	digest string
	rules  []rule
}

// rule is one compiled rule.
type rule struct {
	Description
	// requires lists the includes without which the rule cannot be evaluated.
	requires []string
	// settings are the rule's numbers, as they go into the digest.
	settings any
	check    func(*evaluation) error
}

// newSet seals rules under a name.
func newSet(name string, rules []rule) *Set {
	type identity struct {
		Description
		Requires []string
		Settings any
	}
	identities := make([]identity, len(rules))
	for i, r := range rules {
		identities[i] = identity{r.Description, r.requires, r.settings}
	}
	text, err := json.Marshal(struct {
		Engine int
		Name   string
		Rules  []identity
	}{engineRevision, name, identities})
	if err != nil {
		panic(fmt.Sprintf("rules: settings of set %q do not marshal: %v", name, err))
	}
	sum := sha256.Sum256(text)
	return &Set{name: name, digest: "sha256:" + hex.EncodeToString(sum[:]), rules: rules}
}

// Default is the set that holds where no rule file is given.
func Default() *Set {
	cent := defaultTolerance
	return newSet("default", []rule{
		lineSubtotal(cent),
		orderSubtotal(cent),
		orderTotal(cent),
		balance(cent),
		customerAndLines(),
		quantityZero(),
	})
}

// Name is the set's name, as reports show it.
func (s *Set) Name() string { return s.name }

// Digest is "sha256:" and 64 hex digits over everything that decides an evaluation.
func (s *Set) Digest() string { return s.digest }

// RuleSet is name and digest as reports carry them.
func (s *Set) RuleSet() ordercheck.RuleSet {
	return ordercheck.RuleSet{Name: s.name, Digest: s.digest}
}

// Includes lists, sorted, the related entities that the rules look at: the values
// of InFlow's include parameter. A nested one comes with the one it is nested in.
func (s *Set) Includes() []string {
	var includes []string
	for _, r := range s.rules {
		includes = append(includes, r.requires...)
	}
	slices.Sort(includes)
	return slices.Compact(includes)
}

// Rules describes the rules in their order.
func (s *Set) Rules() []Description {
	out := make([]Description, len(s.rules))
	for i, r := range s.rules {
		out[i] = r.Description
	}
	return out
}

// Evaluate runs every rule over the order, which it does not change. now is the
// time that rules see. Findings are ordered by rule, then line number.
//
// A rule that cannot be evaluated (an amount beyond 19 digits, a cancelled ctx, a
// fault in the rule itself) is an entry of RuleErrors and has no finding; one that
// does not apply, or lacks an include, is an entry of Skipped. Lists are never nil.
func (s *Set) Evaluate(ctx context.Context, order *inflow.SalesOrder, now time.Time) ordercheck.CheckedOrder {
	out := ordercheck.CheckedOrder{
		RuleSet:    s.RuleSet(),
		Findings:   []ordercheck.Finding{},
		Skipped:    []ordercheck.Skipped{},
		RuleErrors: []ordercheck.RuleError{},
	}
	var keys []string
	if order != nil {
		keys = lineKeys(order.Lines)
	}
	for i := range s.rules {
		r := &s.rules[i]
		findings, reason, err := r.evaluate(ctx, order, keys, now)
		switch {
		case err != nil:
			out.RuleErrors = append(out.RuleErrors, ordercheck.RuleError{RuleID: r.ID, Error: err.Error()})
		case reason != "":
			out.Skipped = append(out.Skipped, ordercheck.Skipped{RuleID: r.ID, Reason: reason})
		default:
			out.Findings = append(out.Findings, findings...)
		}
	}
	return out
}

// evaluate runs one rule. Exactly one of its results says something: an error, a
// reason to skip, or the findings, which may be none.
func (r *rule) evaluate(ctx context.Context, order *inflow.SalesOrder, keys []string, now time.Time) (findings []ordercheck.Finding, skipped string, err error) {
	defer func() {
		// The order's text may be in the value: it stays out of reports and history.
		if p := recover(); p != nil {
			findings, skipped, err = nil, "", fmt.Errorf("the rule panicked (%T): this is a fault in the gate, please report it", p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, "", fmt.Errorf("not evaluated: %w", err)
	}
	if order == nil {
		return nil, "", errNoOrder
	}
	if order.IsCancelled {
		return nil, "the order is cancelled", nil
	}
	if reason := missingInclude(order, r.requires); reason != "" {
		return nil, reason, nil
	}
	e := &evaluation{rule: r, order: order, lineKeys: keys, now: now}
	if err := r.check(e); err != nil {
		return nil, "", err
	}
	return e.inOrder(), "", nil
}
