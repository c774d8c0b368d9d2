package ordercel

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/govalues/decimal"
)

// Scope decides which variables an expression has.
type Scope int

// The scopes of an expression.
const (
	// OrderScope has order, now, params and tables.
	OrderScope Scope = iota
	// LineScope has line as well.
	LineScope
)

// The variables of expressions.
const (
	varOrder  = "order"
	varLine   = "line"
	varNow    = "now"
	varParams = "params"
	varTables = "tables"
)

// Limits of one expression.
const (
	// MaxExpression is the maximum length of an expression, in characters.
	MaxExpression = 4096
	maxNodes      = 2000 // nodes of the syntax tree
	maxDepth      = 50   // levels of nesting
	maxPattern    = 1000 // instructions of a compiled regular expression
	// maxCost is the maximum cost of one run, in units of CEL's cost model. A unit is about one
	// evaluated node, or ten characters read.
	maxCost = 1_000_000
)

// Env compiles expressions against the order model, with the parameters of a rule and
// the tables of a file. It is immutable and safe for concurrent use.
type Env struct {
	scopes [2]*cel.Env
	model  *provider
	params *objectValue
	tables *objectValue
}

// Param is a named value that a rule gives its expressions: a decimal, a string, a bool, or a list
// of strings or decimals.
type Param struct {
	Name  string
	Value any // decimal.Decimal, string, bool, []string, []decimal.Decimal
}

// Table is a table whose rows expressions look up by key.
type Table struct {
	Name    string
	Columns []string
	// Keys are the distinct keys of the rows.
	Keys []string
	// Row returns the row with that key, one string per column, in the order of Columns. It returns
	// false if there is none.
	Row func(key string) ([]string, bool)
}

// NewEnv makes an Env without parameters.
func NewEnv(tables []Table) (*Env, error) {
	base, err := baseEnvs()
	if err != nil {
		return nil, err
	}
	e := &Env{scopes: base, model: &provider{objects: model}}
	e.params = &objectValue{objectOf(paramsTypeName), (*Param)(nil)}
	e.tables = &objectValue{tablesType(tables, e.model.add), &tables}
	e.model.add(e.tables.of)
	e.model.add(e.params.of)
	return e.extended(nil, cel.Variable(varTables, e.tables.of.cel),
		cel.Variable(varParams, e.params.of.cel))
}

// WithParams returns an Env whose expressions also see the parameters.
func (e *Env) WithParams(params []Param) (*Env, error) {
	if len(params) == 0 {
		return e, nil
	}
	of, err := paramsType(params)
	if err != nil {
		return nil, err
	}
	return e.extended(&objectValue{of, &params})
}

func (e *Env) extended(params *objectValue, opts ...cel.EnvOption) (*Env, error) {
	out := &Env{model: e.model.clone(), params: e.params, tables: e.tables}
	if params != nil {
		out.params = params
		out.model.add(params.of)
	}
	opts = append(opts, cel.CustomTypeProvider(out.model), cel.CustomTypeAdapter(out.model))
	for i, scope := range e.scopes {
		extended, err := scope.Extend(opts...)
		if err != nil {
			return nil, fmt.Errorf("set up the expression language: %w", err)
		}
		out.scopes[i] = extended
	}
	return out, nil
}

// baseEnvs returns the environments that all rule sets extend, one per [Scope]. It builds them
// once. They are immutable.
var baseEnvs = sync.OnceValues(func() ([2]*cel.Env, error) {
	p := &provider{objects: model}
	opts := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(env.NewLibrarySubset().AddExcludedFunctions(
			// Amounts must not become floats, and dyn would hide floats from the type checker.
			env.NewFunction("double"),
			env.NewFunction("dyn"), env.NewFunction("bytes"), env.NewFunction("uint"),
		),
		)),
		ext.Bindings(),
		cel.CustomTypeProvider(p),
		cel.CustomTypeAdapter(p),
		cel.EnableIdentifierEscapeSyntax(),
		cel.EnableMacroCallTracking(), // for messages that quote an expression
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(false),
		cel.ParserExpressionSizeLimit(MaxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ExpressionNestingDepthLimit(maxDepth),
		cel.RegexProgramSizeLimit(maxPattern),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(),
			cel.ValidateTimestampLiterals(), cel.ValidateHomogeneousAggregateLiterals()),
		cel.Variable(varOrder, orderType.cel),
		cel.Variable(varNow, cel.TimestampType),
		operator("_+_", "add_decimal"), operator("_-_", "subtract_decimal"),
		operator("_*_", "multiply_decimal"),
		operator("_/_", "divide_decimal"),
		comparison("_<_", "less_decimal"), comparison("_<=_", "less_equals_decimal"),
		comparison("_>_", "greater_decimal"), comparison("_>=_", "greater_equals_decimal"),
		cel.Function("-_", cel.Overload("negate_decimal", []*cel.Type{DecimalType}, DecimalType)),
	}
	for _, f := range functions {
		opts = append(opts, cel.Function(f.Name, f.overloads...))
	}
	var envs [2]*cel.Env
	order, err := cel.NewCustomEnv(opts...)
	if err != nil {
		return envs, fmt.Errorf("set up the expression language: %w", err)
	}
	line, err := order.Extend(cel.Variable(varLine, lineType.cel))
	if err != nil {
		return envs, fmt.Errorf("set up the expression language: %w", err)
	}
	envs[OrderScope], envs[LineScope] = order, line
	return envs, nil
})

// operator declares an operator on decimals. [Decimal] has the method that implements it.
func operator(name, overload string) cel.EnvOption {
	return cel.Function(name, cel.Overload(overload, []*cel.Type{DecimalType, DecimalType},
		DecimalType))
}

func comparison(name, overload string) cel.EnvOption {
	return cel.Function(name, cel.Overload(overload, []*cel.Type{DecimalType, DecimalType},
		cel.BoolType))
}

// provider tells CEL the types of the model.
type provider struct{ objects map[string]*objectType }

func (p *provider) clone() *provider { return &provider{maps.Clone(p.objects)} }

func (p *provider) add(o *objectType) {
	p.objects = maps.Clone(p.objects)
	p.objects[o.cel.TypeName()] = o
}

func (p *provider) EnumValue(name string) ref.Val { return types.NewErr("unknown name %q", name) }

func (p *provider) FindIdent(string) (ref.Val, bool) { return nil, false }

func (p *provider) FindStructType(name string) (*types.Type, bool) {
	o, found := p.objects[name]
	if !found {
		return nil, false
	}
	return types.NewTypeTypeWithParam(o.cel), true
}

func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	o, found := p.objects[name]
	if !found {
		return nil, false
	}
	return o.names, true
}

func (p *provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	o, found := p.objects[name]
	if !found {
		return nil, false
	}
	f, found := o.fields[fieldName]
	if !found {
		return nil, false
	}
	return &types.FieldType{
		Type:  f.cel,
		IsSet: f.isSet,
		GetFrom: func(target any) (any, error) {
			value, err := f.get(target)
			if err != nil {
				return nil, f.explain(o, err)
			}
			return value, nil
		},
	}, true
}

func (p *provider) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("a %s cannot be made in an expression", name)
}

func (p *provider) NativeToValue(value any) ref.Val {
	return types.DefaultTypeAdapter.NativeToValue(value)
}

func paramsType(params []Param) (*objectType, error) {
	fields := make([]field, len(params))
	for i, p := range params {
		value, t, err := paramValue(p.Value)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		fields[i] = named(p.Name, "", constant(t, value))
	}
	return objectOf(paramsTypeName, fields...), nil
}

func constant(t *types.Type, value ref.Val) accessor {
	return accessor{
		cel:   t,
		get:   func(any) (ref.Val, error) { return value, nil },
		isSet: func(any) bool { return true },
	}
}

func paramValue(value any) (ref.Val, *types.Type, error) {
	switch v := value.(type) {
	case decimal.Decimal:
		return Decimal{v}, DecimalType, nil
	case string:
		return types.String(v), types.StringType, nil
	case bool:
		return types.Bool(v), types.BoolType, nil
	case []string:
		return types.NewStringList(types.DefaultTypeAdapter, slices.Clone(v)),
			types.NewListType(types.StringType), nil
	case []decimal.Decimal:
		values := make([]ref.Val, len(v))
		for i := range v {
			values[i] = Decimal{v[i]}
		}
		return types.NewRefValList(types.DefaultTypeAdapter, values), types.NewListType(DecimalType), nil
	}
	return nil, nil, fmt.Errorf("a %T is not a valid value in expressions", value)
}

const (
	paramsTypeName = "Params"
	tablesTypeName = "Tables"
	rowTypePrefix  = "Row of "
)

// tableRow is a row of a table: strings by column.
type tableRow []string

// tablesType returns the type of the variable tables. It has a field for each table, which maps
// keys to rows. add receives the row types.
func tablesType(tables []Table, add func(*objectType)) *objectType {
	fields := make([]field, len(tables))
	for i, t := range tables {
		columns := make([]field, len(t.Columns))
		for j, column := range t.Columns {
			columns[j] = named(column, "", text(func(r *tableRow) string { return (*r)[j] }))
		}
		row := objectOf(rowTypePrefix+t.Name, columns...)
		add(row)
		rows := &tableValue{table: &tables[i], row: row}
		fields[i] = named(t.Name, "", constant(types.NewMapType(types.StringType, row.cel), rows))
	}
	return objectOf(tablesTypeName, fields...)
}
