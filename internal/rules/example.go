package rules

import (
	"context"
	"errors"
	"fmt"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// Example is an order in a rule file that shows what a rule finds, or what it must not find.
type Example struct {
	// Name is the example's name in the rule file.
	Name string
	// Place is the example's place in the rule file, as file:line:column.
	Place string
	// Broken is true if the rule must have a finding. If it is false, the rule must be able to
	// judge the order and have none.
	Broken bool
	// Now is the time that the rule sees. Zero is noon of the order's day.
	Now time.Time
	// Want is the expected finding of a broken example.
	Want Expectation
	// Variant is the rule with this example's parameters. If it is nil, the example tests the rule
	// as it is.
	Variant *Rule
	// Read reads the order and its look-ups. The order may be in a separate file.
	Read func(context.Context) (*inflow.SalesOrder, ordercheck.Lookups, error)
}

// Expectation holds the expected findings of an example. Zero values are not compared.
type Expectation struct {
	// Findings is the number of findings. The other fields are about the first one.
	Findings                       int
	Line                           int
	Expected, Actual, Message, Fix string
}

// ExampleResult is the result of a rule on one of its examples.
type ExampleResult struct {
	RuleID  string `json:"ruleId"`
	Example string `json:"example"`
	Broken  bool   `json:"broken"`
	// Place is the example's place in its rule file, as file:line:column.
	Place string `json:"place"`
	// Problem says what differed. It is empty if nothing did.
	Problem string `json:"problem,omitempty"`
}

// Examples returns the examples of a rule.
func (s *Set) Examples(ruleID string) []*Example {
	for _, r := range s.all {
		if r.ID == ruleID {
			return r.Examples
		}
	}
	return nil
}

// ExampleCounts returns how many examples of a rule break it, and how many do not.
func (s *Set) ExampleCounts(ruleID string) (broken, fine int) {
	for _, e := range s.Examples(ruleID) {
		if e.Broken {
			broken++
		} else {
			fine++
		}
	}
	return broken, fine
}

// Test evaluates every rule on its examples, including rules that are switched off or on trial.
func (s *Set) Test(ctx context.Context) []ExampleResult {
	var out []ExampleResult
	for _, r := range s.all {
		for _, e := range r.Examples {
			result := ExampleResult{RuleID: r.ID, Example: e.Name, Broken: e.Broken, Place: e.Place}
			if err := e.test(ctx, r); err != nil {
				result.Problem = err.Error()
			}
			out = append(out, result)
		}
	}
	return out
}

// test evaluates the rule on the example. The error says how the outcome differs from the expected
// one, or why the example cannot be read.
func (e *Example) test(ctx context.Context, r *Rule) error {
	order, lookups, err := e.Read(ctx)
	if err != nil {
		return err
	}
	if e.Variant != nil {
		r = e.Variant
	}
	result, err := r.evaluate(ctx, newSubject(order, e.Time(order), lookups))
	switch {
	case err != nil:
		return fmt.Errorf("the rule could not be evaluated: %w", err)
	case e.Broken && result.skipped != "":
		return fmt.Errorf("must break the rule, but it was skipped: %s", result.skipped)
	case e.Broken && len(result.findings) == 0:
		return errors.New("must break the rule, but there is no finding")
	case !e.Broken && len(result.findings) > 0:
		return fmt.Errorf("must not break the rule, but there is a finding: %s",
			result.findings[0].Message)
	case !e.Broken && result.skipped != "" && !result.deliberate:
		return fmt.Errorf("must not break the rule, but it was skipped: %s", result.skipped)
	case e.Broken:
		return e.Want.differs(result.findings)
	}
	return nil
}

func (x *Expectation) differs(findings []ordercheck.Finding) error {
	if x.Findings > 0 && len(findings) != x.Findings {
		return fmt.Errorf("expected %d findings, got %d", x.Findings, len(findings))
	}
	f := findings[0]
	for _, part := range []struct{ name, want, got string }{
		{"expected", x.Expected, f.Expected},
		{"actual", x.Actual, f.Actual},
		{"message", x.Message, f.Message},
		{"fix", x.Fix, f.Fix},
	} {
		if part.want != "" && part.want != part.got {
			return fmt.Errorf("%s is %q, but must be %q", part.name, part.got, part.want)
		}
	}
	if x.Line > 0 && f.LineNumber != x.Line {
		return fmt.Errorf("the finding is on line %d, but must be on line %d", f.LineNumber, x.Line)
	}
	return nil
}

// Time returns the time that the rule sees: Now, or noon (UTC) of the order's day, or of
// 1 January 2026 if the order has no date.
func (e *Example) Time(order *inflow.SalesOrder) time.Time {
	if !e.Now.IsZero() {
		return e.Now
	}
	day := order.OrderDate.Time
	if day.IsZero() {
		day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return day.UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
}
