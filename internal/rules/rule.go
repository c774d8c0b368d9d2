package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

// Info describes a rule.
type Info struct {
	ID          string              `json:"id"`
	Severity    ordercheck.Severity `json:"severity"`
	Scope       ordercheck.Scope    `json:"scope"`
	Description string              `json:"description"`
	// Enabled is false if a rule file switches the rule off. Such a rule is listed, but not
	// evaluated.
	Enabled bool `json:"enabled"`
	// Shadow is true for a rule on trial. It is evaluated and counted, but has no findings.
	Shadow bool `json:"shadow,omitempty"`
	// Requires lists the includes and look-ups that the rule cannot do without.
	Requires []string `json:"requires,omitempty"`
}

// Rule is a rule, ready to evaluate. Do not change it once it is in a [Set].
type Rule struct {
	Info
	// Check finds faults. A nil Check is allowed only if Unavailable is set.
	Check Check
	// Applies is the condition that decides whether the rule is evaluated, and AppliesText is its
	// source. A nil Applies is always true.
	Applies     *ordercel.Program
	AppliesText string
	// SkipFor returns the reason to skip an order, or an empty string.
	SkipFor *ordercel.Program
	// Unavailable says why the rule cannot be evaluated on any order, such as for lack of a
	// table. It is empty if the rule can be evaluated.
	Unavailable string
	// Wants lists the includes that improve the rule's messages.
	Wants []string
	// Partial is true for an order rule that can judge an order without all of its products.
	// Line rules always can.
	Partial bool
	// Terms has the rule file's settings for the rule's findings, such as the grace period. It is
	// nil if the file sets none.
	Terms *ordercheck.Terms
	// Examples are the orders that the rule file gives to test the rule with.
	Examples []*Example
	// Written has parts of the rule as the rule file has them.
	Written Written
}

// Written is the part of a rule's source that goes into the digest as it is written.
type Written struct {
	Builtin                              string
	When, Message, Fix, Expected, Actual string
	SkipFor, WarnIf                      string
	Settings                             map[string]string
}

// Check examines an order and records findings. An error means that it cannot judge the order.
type Check func(*Evaluation) error

// needsProducts reports whether the rule cannot judge a line without its product.
func (r *Rule) needsProducts() bool {
	return slices.Contains(r.Requires, inflow.IncludeLinesProduct)
}

// outcome is the result of one rule on one order.
type outcome struct {
	findings []ordercheck.Finding
	// gaps says which lines could not be judged, and why.
	gaps string
	// skipped says why the rule was skipped. It is empty if the rule was evaluated.
	skipped string
	// missing lists the includes and look-ups that the rule needs and the order lacks.
	missing []string
	// deliberate is true if the rule was skipped because it is not meant for such an order, and
	// not because data is missing.
	deliberate bool
}

// evaluate runs the rule on one order.
func (r *Rule) evaluate(ctx context.Context, s *subject) (result outcome, err error) {
	defer func() {
		// The value may quote the order, so it stays out of reports and history.
		if p := recover(); p != nil {
			result, err = outcome{}, fmt.Errorf(
				"the rule panicked (%T): this is a fault in the gate, please report it", p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return outcome{}, fmt.Errorf("not evaluated: %w", err)
	}
	if s.order == nil {
		return outcome{}, errNoOrder
	}
	if r.Unavailable != "" {
		return outcome{skipped: r.Unavailable}, nil
	}
	if skipped, err := r.skips(s); err != nil || skipped.skipped != "" {
		return skipped, err
	}
	n := s.needs(r.Requires, r.Partial || r.Scope == ordercheck.ScopeLine)
	if n.reason != "" {
		return outcome{skipped: n.reason, missing: n.missing}, nil
	}
	e := newEvaluation(ctx, r, s)
	if err := r.Check(e); err != nil {
		var skip *skipError
		switch {
		case !errors.As(err, &skip):
			return outcome{}, err
		case skip.deliberate:
			return outcome{skipped: skip.reason, deliberate: true}, nil
		}
		return outcome{skipped: skip.reason, missing: n.missing}, nil
	}
	return outcome{findings: e.sorted(), gaps: e.gapText(), missing: n.missing}, nil
}

// skips says why the rule file's own conditions skip the order. The outcome is empty if they do
// not.
func (r *Rule) skips(s *subject) (outcome, error) {
	if r.Applies != nil {
		if n := s.needs(r.Applies.Includes(), false); n.reason != "" {
			return outcome{skipped: n.reason, missing: n.missing}, nil
		}
		applies, err := s.holds(r.Applies)
		if err != nil {
			return outcome{}, fmt.Errorf("whether the rule applies: %w", err)
		}
		if !applies {
			return outcome{skipped: r.inapplicable(s.order), deliberate: true}, nil
		}
	}
	if r.SkipFor != nil && s.needs(r.SkipFor.Includes(), false).reason == "" {
		reason, err := s.cel.Text(r.SkipFor, nil, money.Text)
		if err != nil {
			return outcome{}, fmt.Errorf("whether to skip the order: %w", err)
		}
		if reason != "" {
			return outcome{skipped: ordercel.Shorten(reason), deliberate: true}, nil
		}
	}
	return outcome{}, nil
}

const (
	cancelledReason    = "the order is cancelled"
	inapplicablePrefix = "applies only if "
)

// inapplicable says why the rule does not apply.
func (r *Rule) inapplicable(order *inflow.SalesOrder) string {
	if order.IsCancelled && strings.ReplaceAll(r.AppliesText, " ", "") == "!order.isCancelled" {
		return cancelledReason
	}
	return inapplicablePrefix + ordercel.Shorten(r.AppliesText)
}
