package rules

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// engineRevision is part of every digest. Raise it if a change of this package, the checks or the
// expression language can change the findings of an unchanged rule set: orders under watch are
// then evaluated again.
const engineRevision = 6

// Set is a list of rules, ready to evaluate. It is immutable and safe for concurrent use.
type Set struct {
	name   string
	digest string
	// all lists the rules in the order of their files.
	all []*Rule
	// enabled lists the rules that are switched on, in the same order.
	enabled []*Rule
}

// NewSet returns a set of rules. tables has the hash of each table that the rules read.
func NewSet(name string, all []*Rule, tables map[string]string) *Set {
	s := &Set{name: name, all: all}
	for _, r := range all {
		if r.Enabled {
			s.enabled = append(s.enabled, r)
		}
	}
	s.digest = s.digestWith(tables)
	return s
}

// identity holds everything about a rule that affects its findings. Its JSON goes into the digest.
type identity struct {
	ID, Severity, Scope, Builtin         string
	When, Message, Fix, Expected, Actual string
	Applies, Skip, SkipFor, WarnIf       string
	Settings                             map[string]string
	Requires                             []string
	Shadow                               bool
	Terms                                *ordercheck.Terms
}

func (r *Rule) identity() identity {
	w := &r.Written
	return identity{
		ID: r.ID, Severity: string(r.Severity), Scope: string(r.Scope), Builtin: w.Builtin,
		When: w.When, Message: w.Message, Fix: w.Fix, Expected: w.Expected, Actual: w.Actual,
		Applies: r.AppliesText, Skip: r.Unavailable, SkipFor: w.SkipFor, WarnIf: w.WarnIf,
		Settings: w.Settings, Requires: r.Requires, Shadow: r.Shadow, Terms: r.Terms,
	}
}

func (s *Set) digestWith(tables map[string]string) string {
	identities := make([]identity, len(s.enabled))
	for i, r := range s.enabled {
		identities[i] = r.identity()
	}
	text, err := json.Marshal(struct {
		Engine int
		Name   string
		Rules  []identity
		Tables map[string]string
	}{engineRevision, s.name, identities, tables})
	if err != nil { // cannot happen: an identity has only strings, booleans and durations
		panic(fmt.Sprintf("rules: marshal the identity of set %q: %v", s.name, err))
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Name returns the set's name, as reports show it: the names of its files, joined with "+".
func (s *Set) Name() string { return s.name }

// Digest returns "sha256:" and 64 hex digits, a hash of everything that decides an evaluation.
func (s *Set) Digest() string { return s.digest }

// RuleSet returns the name and digest for a report.
func (s *Set) RuleSet() ordercheck.RuleSet {
	return ordercheck.RuleSet{Name: ordercheck.Keyword(s.name), Digest: s.digest}
}

// Includes returns the related entities that the rules look at, sorted, as values of InFlow's
// include parameter.
func (s *Set) Includes() []string {
	seen := map[string]bool{}
	for _, r := range s.enabled {
		for _, name := range slices.Concat(r.Requires, r.Wants) {
			// A nested entity needs the entities around it too.
			for i := range name {
				if name[i] == '.' {
					seen[name[:i]] = true
				}
			}
			seen[name] = true
		}
	}
	maps.DeleteFunc(seen, func(name string, _ bool) bool { return !slices.Contains(includes, name) })
	return slices.Sorted(maps.Keys(seen))
}

// Needs returns the includes and look-ups that the rules need, except those asked for already.
func (s *Set) Needs(asked []string) []string {
	needs := s.Includes()
	for _, name := range []string{ordercheck.LookupBilled, ordercheck.LookupRecentOrders} {
		if s.needs(name) {
			needs = append(needs, name)
		}
	}
	return slices.DeleteFunc(needs, func(name string) bool { return slices.Contains(asked, name) })
}

// NotInForce returns the ids of rules that the set lacks, has switched off, or has on trial.
func (s *Set) NotInForce(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(s.enabled, func(r *Rule) bool { return r.ID == id && !r.Shadow })
	})
}

// NeedsRecentOrders reports whether a rule compares the order with other orders of its customer.
func (s *Set) NeedsRecentOrders() bool { return s.needs(ordercheck.LookupRecentOrders) }

// NeedsBilled reports whether a rule compares the order with its state when it was invoiced.
func (s *Set) NeedsBilled() bool { return s.needs(ordercheck.LookupBilled) }

func (s *Set) needs(name string) bool {
	return slices.ContainsFunc(s.enabled, func(r *Rule) bool {
		return slices.Contains(r.Requires, name)
	})
}

// Rules describes the rules in order, including rules that are switched off.
func (s *Set) Rules() []Info {
	out := make([]Info, len(s.all))
	for i, r := range s.all {
		out[i] = r.Info
	}
	return out
}

// Terms returns the terms that the rule file sets for a rule's findings, or nil.
func (s *Set) Terms(ruleID string) *ordercheck.Terms {
	for _, r := range s.all {
		if r.ID == ruleID {
			return r.Terms
		}
	}
	return nil
}

// Evaluate runs every enabled rule on the order, which it does not change. now is the time that
// rules see, and its location is the time zone in which they count days. Dates with an offset of
// their own keep it. Findings are ordered by rule, then by line number.
//
// A rule that cannot be evaluated has no finding and becomes an entry of RuleErrors. Causes are
// an amount beyond 19 digits, an unexpected null, too much work, a cancelled ctx, or a fault in
// the rule itself. A rule that does not apply, or lacks an include, a look-up or a table, becomes
// an entry of Skipped. A rule that could judge only some lines has both findings and an entry of
// Skipped for the other lines. Findings, Skipped and RuleErrors are never nil.
//
// If a rule is skipped because InFlow left something out, or was not asked for it, the entry is
// listed in Missing and the verdict is incomplete. See also [ordercheck.CheckedOrder.Truncate].
func (s *Set) Evaluate(
	ctx context.Context, order *inflow.SalesOrder, now time.Time, lookups ordercheck.Lookups,
) ordercheck.CheckedOrder {
	return s.EvaluateFetched(ctx, order, now, lookups, nil)
}

// EvaluateFetched is [Set.Evaluate] for an order whose fetch asked for the given includes and
// look-ups.
func (s *Set) EvaluateFetched(
	ctx context.Context, order *inflow.SalesOrder, now time.Time, lookups ordercheck.Lookups,
	asked []string,
) ordercheck.CheckedOrder {
	out := ordercheck.CheckedOrder{
		RuleSet:    s.RuleSet(),
		Findings:   []ordercheck.Finding{},
		Skipped:    []ordercheck.Skipped{},
		RuleErrors: []ordercheck.RuleError{},
	}
	subject := newSubject(order, now, lookups)
	subject.asked = asked
	for _, r := range s.enabled {
		result, err := r.evaluate(ctx, subject)
		if r.Shadow {
			addShadow(&out, r, result, err)
		} else {
			addOutcome(&out, r, result, err)
		}
	}
	slices.Sort(out.Missing)
	out.Missing = slices.Compact(out.Missing)
	out.Truncate()
	return out
}

// addOutcome adds what a rule found to the result of the evaluation.
func addOutcome(out *ordercheck.CheckedOrder, r *Rule, result outcome, err error) {
	out.Missing = append(out.Missing, result.missing...)
	if err != nil {
		out.RuleErrors = append(out.RuleErrors, ordercheck.RuleError{RuleID: r.ID, Error: err.Error()})
		return
	}
	skipped := func(reason string) {
		out.Skipped = append(out.Skipped, ordercheck.Skipped{
			RuleID: r.ID, Reason: reason, Missing: result.missing,
		})
	}
	if result.skipped != "" {
		skipped(result.skipped)
		return
	}
	// Keep no more findings per rule than a report lists, or many rules on many lines would
	// use up the memory.
	listed := min(len(result.findings), ordercheck.MaxFindings)
	out.Findings = append(out.Findings, result.findings[:listed]...)
	out.Omitted = ordercheck.OmittedFrom(out.Omitted, result.findings[listed:])
	if len(result.findings) > 0 && r.Terms != nil {
		out.Terms = append(out.Terms, *r.Terms)
	}
	if result.gaps != "" {
		skipped(result.gaps)
	}
}

// addShadow adds the result of a rule on trial, which only counts findings.
func addShadow(out *ordercheck.CheckedOrder, r *Rule, result outcome, err error) {
	shadow := ordercheck.ShadowResult{
		RuleID: r.ID, Findings: len(result.findings),
		Skipped: cmp.Or(result.skipped, result.gaps), Missing: result.missing,
	}
	if err != nil {
		shadow.Error = err.Error()
	}
	out.Shadow = append(out.Shadow, shadow)
}
