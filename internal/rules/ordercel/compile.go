package ordercel

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// Problem is something wrong with an expression.
type Problem struct {
	// Line and Column count from 1, columns in characters.
	Line, Column int
	// Text is the faulty part of the expression.
	Text string
	// Message says what is wrong and what to write instead.
	Message string
}

// Compile compiles an expression whose result must be of that kind. If the expression has faults,
// it returns all of them, and no program.
func (e *Env) Compile(text string, scope Scope, kind Kind) (*Program, []Problem) {
	if strings.TrimSpace(text) == "" {
		return nil, []Problem{{Line: 1, Column: 1, Message: "the expression is empty"}}
	}
	c := compilation{env: e.scopes[scope], model: e.model, scope: scope, source: []rune(text)}
	parsed, issues := c.env.Parse(text)
	if issues.Err() != nil {
		c.explainAll(issues)
		return nil, c.sorted()
	}
	c.ast = parsed.NativeRep()
	checked, issues := c.env.Check(parsed)
	if issues.Err() != nil {
		c.explainAll(issues)
		return nil, c.sorted()
	}
	c.ast = checked.NativeRep()
	c.restrict()
	c.result(checked.OutputType(), kind)
	if len(c.problems) > 0 {
		return nil, c.sorted()
	}
	program, err := c.env.Program(checked,
		cel.EvalOptions(cel.OptOptimize),
		cel.CostLimit(maxCost),
		cel.CostTracking(functionCosts{}),
		cel.CustomDecorator(constantDecimals),
	)
	if err != nil {
		return nil, []Problem{{Line: 1, Column: 1, Text: text, Message: err.Error()}}
	}
	slices.Sort(c.includes)
	return &Program{
		program:  program,
		env:      e,
		includes: slices.Compact(c.includes),
		tables:   c.tables,
		columns:  c.columns,
	}, nil
}

// compilation is the compilation of one expression.
type compilation struct {
	env      *cel.Env
	model    *provider
	scope    Scope
	source   []rune
	ast      *ast.AST
	problems []Problem
	includes []string
	tables   []string
	columns  []ColumnUse
}

func (c *compilation) sorted() []Problem {
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return c.problems
}

// result checks the type of the expression's result.
func (c *compilation) result(got *cel.Type, want Kind) {
	fits := false
	wanted := ""
	switch want {
	case Bool:
		fits, wanted = got.IsExactType(cel.BoolType), "true or false"
	case Text:
		fits, wanted = got.IsExactType(cel.StringType), "a text"
	case TextOrDecimal:
		fits, wanted = got.IsExactType(cel.StringType) ||
			got.IsExactType(DecimalType), "a text or a Decimal"
	}
	if fits {
		return
	}
	message := fmt.Sprintf("must result in %s, but results in %s", wanted, typeName(got))
	if want == Text && (got.IsExactType(DecimalType) || got.IsExactType(cel.IntType)) {
		message += ": write string(…) around it"
	}
	c.report(c.ast.Expr(), message)
}

// restrict refuses parts of CEL that rules must not use, and collects includes.
func (c *compilation) restrict() {
	ast.PreOrderVisit(c.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.LiteralKind:
			if _, float := e.AsLiteral().(types.Double); float {
				text := c.literalText(e)
				c.report(e, fmt.Sprintf("amounts are decimals, never floats: write dec('%s')", text))
			}
		case ast.StructKind:
			c.report(e, e.AsStruct().TypeName()+" cannot be made in an expression")
		case ast.CallKind:
			c.restrictCall(e)
		case ast.SelectKind:
			selected := e.AsSelect()
			of := c.ast.GetType(selected.Operand().ID()).TypeName()
			if of == tablesTypeName {
				c.tables = append(c.tables, selected.FieldName())
			}
			if name, isRow := strings.CutPrefix(of, rowTypePrefix); isRow {
				c.columns = append(c.columns, ColumnUse{Table: name, Column: selected.FieldName()})
			}
			if o, found := c.model.objects[of]; found {
				if f, found := o.fields[selected.FieldName()]; found && f.include != "" {
					c.includes = append(c.includes, f.include)
				}
			}
		}
	}))
}

func (c *compilation) restrictCall(e ast.Expr) {
	call := e.AsCall()
	switch call.FunctionName() {
	case "_==_", "_!=_":
		for i, arg := range call.Args() {
			if arg.Kind() == ast.LiteralKind && arg.AsLiteral() == types.NullValue {
				c.report(arg, fmt.Sprintf("a value cannot be compared with null: write has(%s)",
					c.expressionText(call.Args()[1-i])))
			}
		}
	case "dec":
		arg := call.Args()[0]
		if arg.Kind() != ast.LiteralKind {
			c.decimalColumns(arg, map[string]bool{})
			return
		}
		if text, ok := arg.AsLiteral().(types.String); ok {
			if _, err := ParseDecimal(string(text)); err != nil {
				c.report(arg, err.Error())
			}
		}
	case "matches":
		if pattern := call.Args()[len(call.Args())-1]; pattern.Kind() != ast.LiteralKind {
			c.report(pattern, "the pattern of matches() must be written out as a text")
		}
	}
}

// decimalColumns collects the columns whose cells reach dec(): directly, through a function,
// through a name of cel.bind or a loop, or through a condition.
func (c *compilation) decimalColumns(e ast.Expr, followed map[string]bool) {
	switch e.Kind() {
	case ast.SelectKind:
		selected := e.AsSelect()
		if name, isRow := strings.CutPrefix(c.ast.GetType(selected.Operand().ID()).TypeName(),
			rowTypePrefix); isRow {
			c.columns = append(c.columns,
				ColumnUse{Table: name, Column: selected.FieldName(), Decimals: true})
		}
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch call.FunctionName() {
		case "_?_:_":
			args = args[1:]
		case "_[_]":
			args = args[:1]
		}
		if call.IsMemberFunction() {
			args = append([]ast.Expr{call.Target()}, args...)
		}
		for _, arg := range args {
			c.decimalColumns(arg, followed)
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			c.decimalColumns(element, followed)
		}
	case ast.ComprehensionKind:
		c.decimalColumns(e.AsComprehension().LoopStep(), followed)
		c.decimalColumns(e.AsComprehension().Result(), followed)
	case ast.IdentKind:
		name := e.AsIdent()
		if bound := c.bound(name); bound != nil && !followed[name] {
			followed[name] = true
			c.decimalColumns(bound, followed)
		}
	}
}

// bound returns the expression that cel.bind or a loop gave a name to, or nil.
func (c *compilation) bound(name string) ast.Expr {
	var found ast.Expr
	ast.PreOrderVisit(c.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.ComprehensionKind {
			return
		}
		loop := e.AsComprehension()
		switch name {
		case loop.AccuVar():
			found = loop.AccuInit()
		case loop.IterVar():
			found = loop.IterRange()
		}
	}))
	return found
}

// constantDecimals computes dec('0.01') once, when the program is made.
func constantDecimals(i interpreter.Interpretable) (interpreter.Interpretable, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || call.Function() != "dec" || len(call.Args()) != 1 {
		return i, nil
	}
	if _, constant := call.Args()[0].(interpreter.InterpretableConst); !constant {
		return i, nil
	}
	value := call.Eval(interpreter.EmptyActivation())
	if types.IsError(value) {
		return i, nil
	}
	return interpreter.NewConstValue(call.ID(), value), nil
}
