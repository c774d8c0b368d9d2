package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

// engineRevision is part of every digest. Raise it when a change of this package or
// the expression language can change the findings of an unchanged rule set: held
// orders are then evaluated anew.
const engineRevision = 5

// Description says what a rule is, for people.
type Description struct {
	ID          string              `json:"id"`
	Severity    ordercheck.Severity `json:"severity"`
	Scope       ordercheck.Scope    `json:"scope"`
	Description string              `json:"description"`
	// Enabled is false for a rule that a rule file switches off: it is listed, and not evaluated.
	Enabled bool `json:"enabled"`
	// Shadow is true for a rule on trial: it is evaluated and counted, and never a finding.
	Shadow bool `json:"shadow,omitempty"`
	// Requires lists what must have been included or looked up for the rule.
	Requires []string `json:"requires,omitempty"`
}

// Set is a list of rules, ready to evaluate. It is immutable and safe for
// concurrent use. Make one with [Load] or [Default].
type Set struct {
	name   string
	digest string
	// rules are those that are evaluated, order has those that are switched off too.
	rules, order []*rule
}

// rule is one compiled rule.
type rule struct {
	Description
	identity identity
	// skip says why the rule cannot be evaluated as long as its files stay as they are.
	skip string
	// skipFor gives the reason not to look at an order, or an empty text.
	skipFor     *ordercel.Program
	applies     *ordercel.Program
	appliesText string
	check       check
	// needsProducts is true if the rule cannot judge a line without its product.
	needsProducts bool
	// partial is true for a rule on the order that can do without some of the products.
	partial bool
	// terms are those that the file gives the rule's findings; nil where it gives none.
	terms *ordercheck.Terms
	// wants are includes that make messages better.
	wants    []string
	examples []*Example
}

// identity is what decides a rule's evaluation, for the digest.
type identity struct {
	ID, Severity, Scope, Builtin         string
	When, Message, Fix, Expected, Actual string
	Applies, Skip, SkipFor, WarnIf       string
	Settings                             map[string]string
	Requires                             []string
	Shadow                               bool
	Terms                                *ordercheck.Terms
}

// seal gives the set its digest.
func (s *Set) seal(tables map[string]string) {
	identities := make([]identity, len(s.rules))
	for i, r := range s.rules {
		identities[i] = r.identity
	}
	text, err := json.Marshal(struct {
		Engine int
		Name   string
		Rules  []identity
		Tables map[string]string
	}{engineRevision, s.name, identities, tables})
	if err != nil {
		panic(fmt.Sprintf("rules: the identity of set %q does not marshal: %v", s.name, err)) // it is made of texts
	}
	sum := sha256.Sum256(text)
	s.digest = "sha256:" + hex.EncodeToString(sum[:])
}

// Name is the set's name, as reports show it: that of each file, with a + between.
func (s *Set) Name() string { return s.name }

// Digest is "sha256:" and 64 hex digits over everything that decides an evaluation.
func (s *Set) Digest() string { return s.digest }

// RuleSet is name and digest as reports carry them.
func (s *Set) RuleSet() ordercheck.RuleSet {
	return ordercheck.RuleSet{Name: ordercheck.Keyword(s.name), Digest: s.digest}
}

// Includes lists, sorted, the related entities that the rules look at: the values
// of InFlow's include parameter.
func (s *Set) Includes() []string {
	seen := map[string]bool{}
	for _, r := range s.rules {
		for _, name := range slices.Concat(r.Requires, r.wants) {
			// What is nested in an entity needs that one too.
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

// Needs lists the includes and look-ups that the set cannot be evaluated without, less those asked for.
func (s *Set) Needs(asked []string) []string {
	needs := s.Includes()
	for _, name := range []string{lookupBilled, lookupRecentOrders} {
		if s.needs(name) {
			needs = append(needs, name)
		}
	}
	return slices.DeleteFunc(needs, func(name string) bool { return slices.Contains(asked, name) })
}

// NotInForce lists those of some rules that the set does not have, or has switched off or on trial.
func (s *Set) NotInForce(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(s.rules, func(r *rule) bool { return r.ID == id && !r.Shadow })
	})
}

// NeedsRecentOrders reports whether a rule compares the order with other orders of its
// customer, so that they should be looked up.
func (s *Set) NeedsRecentOrders() bool { return s.needs(lookupRecentOrders) }

// NeedsBilled reports whether a rule compares the order with what it was when it was invoiced.
func (s *Set) NeedsBilled() bool { return s.needs(lookupBilled) }

func (s *Set) needs(name string) bool {
	return slices.ContainsFunc(s.rules, func(r *rule) bool { return slices.Contains(r.Requires, name) })
}

// Rules describes the rules in their order, those that are switched off included.
func (s *Set) Rules() []Description {
	out := make([]Description, len(s.order))
	for i, r := range s.order {
		out[i] = r.Description
	}
	return out
}

// Terms returns what the rule file says about the life of a rule's findings; nil if it says nothing.
func (s *Set) Terms(ruleID string) *ordercheck.Terms {
	for _, r := range s.order {
		if r.ID == ruleID {
			return r.terms
		}
	}
	return nil
}

// Evaluate runs every rule over the order, which it does not change. now is the time that
// rules see, and its location is the zone that they count days in; dates with an offset of
// their own keep that. Findings are ordered by rule, then line number; see also
// [ordercheck.CheckedOrder.Bound].
//
// A rule that cannot be evaluated (an amount beyond 19 digits, an unexpected null, too
// much work, a cancelled ctx, a fault in the rule itself) is an entry of RuleErrors and
// has no finding; one that does not apply, or lacks an include, a look-up or a table, is
// an entry of Skipped. A rule that could judge only some of the lines has its findings and
// an entry of Skipped for the others. Lists are never nil, but for Terms, Missing and Shadow.
//
// A rule that is skipped because InFlow left something out, or was not asked for it, makes the verdict
// incomplete: see Missing.
func (s *Set) Evaluate(ctx context.Context, order *inflow.SalesOrder, now time.Time, lookups ordercheck.Lookups) ordercheck.CheckedOrder {
	return s.EvaluateFetched(ctx, order, now, lookups, nil)
}

// EvaluateFetched is [Set.Evaluate] for an order of which it is known what InFlow was asked for: includes
// and look-ups.
func (s *Set) EvaluateFetched(ctx context.Context, order *inflow.SalesOrder, now time.Time, lookups ordercheck.Lookups, asked []string) ordercheck.CheckedOrder {
	out := ordercheck.CheckedOrder{
		RuleSet:    s.RuleSet(),
		Findings:   []ordercheck.Finding{},
		Skipped:    []ordercheck.Skipped{},
		RuleErrors: []ordercheck.RuleError{},
	}
	subject := newSubject(order, now, lookups)
	subject.asked = asked
	for _, r := range s.rules {
		result, err := r.evaluate(ctx, subject)
		if !r.Shadow {
			out.Missing = append(out.Missing, result.missing...)
		}
		switch {
		case r.Shadow:
			if shadow := (ordercheck.ShadowResult{RuleID: r.ID, Findings: len(result.findings)}); err != nil {
				shadow.Error = err.Error()
				out.Shadow = append(out.Shadow, shadow)
			} else if result.skipped == "" {
				out.Shadow = append(out.Shadow, shadow)
			}
		case err != nil:
			out.RuleErrors = append(out.RuleErrors, ordercheck.RuleError{RuleID: r.ID, Error: err.Error()})
		case result.skipped != "":
			out.Skipped = append(out.Skipped, ordercheck.Skipped{RuleID: r.ID, Reason: result.skipped, Missing: result.missing})
		default:
			// A report lists no more than that of one rule, and a thousand rules may find a thousand lines.
			listed := min(len(result.findings), ordercheck.MaxFindings)
			out.Findings = append(out.Findings, result.findings[:listed]...)
			out.Omitted = ordercheck.OmittedFrom(out.Omitted, result.findings[listed:])
			if len(result.findings) > 0 && r.terms != nil {
				out.Terms = append(out.Terms, *r.terms)
			}
			if result.gaps != "" {
				out.Skipped = append(out.Skipped, ordercheck.Skipped{RuleID: r.ID, Reason: result.gaps, Missing: result.missing})
			}
		}
	}
	slices.Sort(out.Missing)
	out.Missing = slices.Compact(out.Missing)
	out.Bound()
	return out
}

// outcome is what one rule says of one order.
type outcome struct {
	findings []ordercheck.Finding
	// gaps says which lines the findings leave out, and why.
	gaps string
	// skipped says why the order was not looked at at all.
	skipped string
	// missing lists includes and look-ups that the rule needs, and that should be there.
	missing []string
	// deliberate is true if the rule is not for such orders, rather than something being missing.
	deliberate bool
}

// evaluate runs one rule.
func (r *rule) evaluate(ctx context.Context, subject *subject) (result outcome, err error) {
	defer func() {
		// The order's text may be in the value: it stays out of reports and history.
		if p := recover(); p != nil {
			result, err = outcome{}, fmt.Errorf("the rule panicked (%T): this is a fault in the gate, please report it", p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return outcome{}, fmt.Errorf("not evaluated: %w", err)
	}
	if subject.order == nil {
		return outcome{}, errNoOrder
	}
	if r.skip != "" {
		return outcome{skipped: r.skip}, nil
	}
	if r.applies != nil {
		if n := subject.needs(r.applies.Includes(), false); n.reason != "" {
			return outcome{skipped: n.reason, missing: n.missing}, nil
		}
		applies, err := subject.holds(r.applies)
		if err != nil {
			return outcome{}, fmt.Errorf("whether the rule applies: %w", err)
		}
		if !applies {
			return outcome{skipped: r.inapplicable(subject.order), deliberate: true}, nil
		}
	}
	if r.skipFor != nil && subject.needs(r.skipFor.Includes(), false).reason == "" {
		switch reason, err := subject.cel.Text(r.skipFor, nil, money.Text); {
		case err != nil:
			return outcome{}, fmt.Errorf("whether to skip the order: %w", err)
		case reason != "":
			return outcome{skipped: shorten(reason), deliberate: true}, nil
		}
	}
	n := subject.needs(r.Requires, r.partial || r.Scope == ordercheck.ScopeLine)
	if n.reason != "" {
		return outcome{skipped: n.reason, missing: n.missing}, nil
	}
	e := &evaluation{subject: subject, rule: r, ctx: ctx}
	if err := r.check(e); err != nil {
		var skip *skipError
		if errors.As(err, &skip) {
			if skip.deliberate {
				return outcome{skipped: skip.reason, deliberate: true}, nil
			}
			return outcome{skipped: skip.reason, missing: n.missing}, nil
		}
		return outcome{}, err
	}
	return outcome{findings: e.inOrder(), gaps: e.gapText(), missing: n.missing}, nil
}

const (
	cancelledReason    = "the order is cancelled"
	inapplicablePrefix = "applies only where "
)

// inapplicable says why a rule does not apply.
func (r *rule) inapplicable(order *inflow.SalesOrder) string {
	if order.IsCancelled && strings.ReplaceAll(r.appliesText, " ", "") == "!order.isCancelled" {
		return cancelledReason
	}
	return inapplicablePrefix + shorten(r.appliesText)
}
