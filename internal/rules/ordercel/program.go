package ordercel

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
	"github.com/govalues/decimal"
)

// Kind is the kind of an expression's result.
type Kind int

// The kinds of expressions.
const (
	Bool Kind = iota
	Text
	// TextOrDecimal is a string or a decimal. A decimal is formatted as an amount.
	TextOrDecimal
)

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	program  cel.Program
	env      *Env
	includes []string
	tables   []string
	columns  []ColumnUse
}

// ColumnUse is a column of a table that an expression reads.
type ColumnUse struct {
	Table, Column string
	// Decimals is true if dec() reads it.
	Decimals bool
}

// Includes returns the related entities that the expression reads, as InFlow names them.
func (p *Program) Includes() []string { return p.includes }

// Tables returns the tables that the expression looks rows up in.
func (p *Program) Tables() []string { return p.tables }

// Columns returns the columns of tables that the expression reads.
func (p *Program) Columns() []ColumnUse { return p.columns }

// Errors of [Evaluation.Bool] and [Evaluation.Text] if a run exceeds a limit.
var (
	ErrCost = errors.New(
		"the expression costs too much and was cut off: loop over less, or avoid nested loops",
	)
	ErrBudget = errors.New(
		"earlier rules used up the cost limit of one check: look for nested loops",
	)
)

// Evaluation is the evaluation of many expressions on one order. It is not safe for concurrent use.
type Evaluation struct {
	order *objectValue
	now   types.Timestamp
	line  *Line
	env   *Env
	// budget is the remaining cost for all further runs together, in the units of maxCost.
	budget uint64
}

// Limits of one evaluation, in the units of an expression's cost.
const (
	baseBudget    = 2_000_000
	budgetPerLine = 600
)

// NewEvaluation starts an evaluation. now is the time that the expressions see.
func NewEvaluation(order *Order, now time.Time) *Evaluation {
	return &Evaluation{
		order:  &objectValue{orderType, order},
		now:    types.Timestamp{Time: now},
		budget: baseBudget + budgetPerLine*uint64(order.Len()), //nolint:gosec // a length
	}
}

// ResolveName returns the value of a variable. CEL calls it.
func (e *Evaluation) ResolveName(name string) (any, bool) {
	switch name {
	case varOrder:
		return e.order, true
	case varLine:
		if e.line == nil {
			return nil, false
		}
		return &e.line.value, true
	case varNow:
		return e.now, true
	case varParams:
		return e.env.params, true
	case varTables:
		return e.env.tables, true
	}
	return nil, false
}

// Parent returns nil: there is no outer activation.
func (e *Evaluation) Parent() interpreter.Activation { return nil }

// AsPartialActivation returns nothing: the activation is complete.
func (e *Evaluation) AsPartialActivation() (interpreter.PartialActivation, bool) {
	return nil,
		false
}

// Bool runs a program of kind [Bool]. line is nil if the program is of [OrderScope].
func (e *Evaluation) Bool(p *Program, line *Line) (bool, error) {
	value, err := e.run(p, line)
	if err != nil {
		return false, err
	}
	result, ok := value.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the result is a %s, not true or false", value.Type().TypeName())
	}
	return bool(result), nil
}

// Text runs a program of kind [Text] or [TextOrDecimal]. amount formats decimals.
func (e *Evaluation) Text(
	p *Program, line *Line, amount func(decimal.Decimal) string,
) (string, error) {
	value, err := e.run(p, line)
	if err != nil {
		return "", err
	}
	switch v := value.(type) {
	case types.String:
		return string(v), nil
	case Decimal:
		return amount(v.Decimal), nil
	}
	return "", fmt.Errorf("the result is a %s, not a text", value.Type().TypeName())
}

func (e *Evaluation) run(p *Program, line *Line) (ref.Val, error) {
	if e.budget == 0 {
		return nil, ErrBudget
	}
	e.line, e.env = line, p.env
	value, details, err := p.program.Eval(e)
	if cost := details.ActualCost(); cost != nil {
		e.budget -= min(*cost, e.budget)
	}
	if err != nil {
		return nil, runError(err)
	}
	return value, nil
}

// runError turns an error of CEL into one that people understand.
func runError(err error) error {
	var null *NullError
	switch text := err.Error(); {
	case strings.Contains(text, "cost limit exceeded"):
		return ErrCost
	case errors.As(err, &null):
		return null
	case strings.HasPrefix(text, "no such key"):
		return errors.New("no such key: test it with in or has() first")
	default:
		// The error may quote the order.
		return errors.New(quoted.ReplaceAllString(text, "…"))
	}
}

var quoted = regexp.MustCompile(`"[^"]*"|'[^']*'`)
