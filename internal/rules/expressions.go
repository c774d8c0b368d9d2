package rules

import (
	"fmt"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

// expressionRule is a rule that is written in expressions.
type expressionRule struct {
	id                                   string
	scope                                ordercheck.Scope
	when, message, fix, expected, actual *ordercel.Program
	// warnIf lowers a finding to a warning.
	warnIf *ordercel.Program
}

func (x *expressionRule) check(e *evaluation) error {
	if x.scope == ordercheck.ScopeOrder {
		broken, err := e.cel.Bool(x.when, nil)
		if err != nil || !broken {
			return err
		}
		b, err := x.breach(e, nil)
		if err != nil {
			return err
		}
		e.onOrder(b)
		return nil
	}
	return e.eachLine(func(i int, _ *inflow.SalesOrderLine) error {
		line := e.view.Line(i)
		broken, err := e.cel.Bool(x.when, line)
		if err != nil || !broken {
			return err
		}
		b, err := x.breach(e, line)
		if err != nil {
			return err
		}
		e.onLine(i, b)
		return nil
	})
}

// breach writes the texts of a finding. The condition holds, so a text that cannot be
// written takes nothing away from the finding: its message says so.
func (x *expressionRule) breach(e *evaluation, line *ordercel.Line) (breach, error) {
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
	b := breach{
		message:  write("message", x.message),
		fix:      write("fix", x.fix),
		expected: write("expected value", x.expected),
		actual:   write("actual value", x.actual),
	}
	if b.message == "" {
		b.message = "Rule " + x.id + " is broken"
	}
	if len(failed) > 0 {
		b.message += " (" + strings.Join(failed, "; ") + ")"
	}
	if x.warnIf != nil {
		var err error
		if b.warning, err = e.cel.Bool(x.warnIf, line); err != nil {
			return b, fmt.Errorf("whether the finding is only a warning: %w", err)
		}
	}
	return b, nil
}
