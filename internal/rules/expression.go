package rules

import (
	"fmt"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

// Expressions is the check of a rule that is written in expressions. Only When and Message are
// required.
type Expressions struct {
	When, Message, Fix, Expected, Actual *ordercel.Program
	// WarnIf lowers the severity of a finding to warning.
	WarnIf *ordercel.Program
}

// Check is the [Check] of the rule.
func (x *Expressions) Check(e *Evaluation) error {
	if e.rule.Scope == ordercheck.ScopeOrder {
		broken, err := e.cel.Bool(x.When, nil)
		if err != nil || !broken {
			return err
		}
		b, err := x.breach(e, nil)
		if err != nil {
			return err
		}
		e.OnOrder(b)
		return nil
	}
	return e.EachLine(func(i int, _ *inflow.SalesOrderLine) error {
		line := e.view.Line(i)
		broken, err := e.cel.Bool(x.When, line)
		if err != nil || !broken {
			return err
		}
		b, err := x.breach(e, line)
		if err != nil {
			return err
		}
		e.OnLine(i, b)
		return nil
	})
}

// breach evaluates the texts of a finding. The condition is already true, so a failed text does not
// drop the finding: the message then says which text is missing.
func (x *Expressions) breach(e *Evaluation, line *ordercel.Line) (Breach, error) {
	var failed []string
	write := func(what string, program *ordercel.Program) string {
		if program == nil {
			return ""
		}
		text, err := e.cel.Text(program, line, money.Text)
		if err != nil {
			failed = append(failed, fmt.Sprintf("its %s could not be written: %v", what, err))
			return ""
		}
		return text
	}
	b := Breach{
		Message:  write("message", x.Message),
		Fix:      write("fix", x.Fix),
		Expected: write("expected value", x.Expected),
		Actual:   write("actual value", x.Actual),
	}
	if b.Message == "" {
		b.Message = "Rule " + e.rule.ID + " is broken"
	}
	if len(failed) > 0 {
		b.Message += " (" + strings.Join(failed, "; ") + ")"
	}
	if x.WarnIf != nil {
		var err error
		if b.Warning, err = e.cel.Bool(x.WarnIf, line); err != nil {
			return b, fmt.Errorf("whether the finding is only a warning: %w", err)
		}
	}
	return b, nil
}
