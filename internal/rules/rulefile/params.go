package rulefile

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/govalues/decimal"
	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/table"
)

// checkParams decodes the parameters that a rule gives a built-in check. It implements
// [checks.Source].
type checkParams struct {
	entry  *ruleEntry
	params map[string]*param
	tables map[string]*ruleTable
}

var _ checks.Source = (*checkParams)(nil)

func newCheckParams(entry *ruleEntry, tables map[string]*ruleTable) *checkParams {
	c := &checkParams{entry: entry, params: map[string]*param{}, tables: tables}
	for i := range entry.Params {
		c.params[entry.Params[i].name] = &entry.Params[i]
	}
	return c
}

// refuseUnknown reports the parameters that the check does not have.
func (c *checkParams) refuseUnknown(known []string) {
	check := c.entry.Builtin.value
	for _, name := range slices.Sorted(maps.Keys(c.params)) {
		p := c.params[name]
		switch {
		case slices.Contains(known, name):
		case len(known) == 0:
			p.file.fault(p.key, "%s has no parameters", check)
		default:
			p.file.fault(p.key, "unknown parameter of %s%s", check, ordercel.SuggestionOr(name, known))
		}
	}
}

// Given reports whether the rule gives the parameter. A null sets it back to its default.
func (c *checkParams) Given(name string) bool {
	p := c.params[name]
	return p != nil && (p.value.Kind != yaml.ScalarNode || p.value.Tag != "!!null")
}

// Number reads a number.
func (c *checkParams) Number(name string) (decimal.Decimal, bool) {
	p := c.params[name]
	d, err := scalarDecimal(p.value)
	if err != nil {
		p.file.fault(p.value, "%s must be a number: %v", name, err)
	}
	return d, err == nil
}

// Text reads a string.
func (c *checkParams) Text(name string) (string, bool) {
	p := c.params[name]
	value := p.file.str(p.value, name)
	return value, value != ""
}

// Bool reads true or false.
func (c *checkParams) Bool(name string) (value, ok bool) {
	p := c.params[name]
	var b boolean
	ok = b.decode(p.file, name, p.value)
	return bool(b), ok
}

// Texts reads a list of strings. An entry with a fault is empty.
func (c *checkParams) Texts(name string) ([]string, bool) {
	p := c.params[name]
	values := p.file.strs(p.value, name)
	return values, p.value.Kind == yaml.SequenceNode
}

// Amounts reads a mapping of names to numbers of at least 0. It folds the names with [fold.Key].
// Two spellings of one name are a fault.
func (c *checkParams) Amounts(name string) (map[string]decimal.Decimal, bool) {
	p := c.params[name]
	f := p.file
	out, written := map[string]decimal.Decimal{}, map[string]pair{}
	for _, entry := range f.pairs(p.value, name) {
		key := fold.Key(entry.name)
		if first, twice := written[key]; twice {
			f.fault(entry.key, "%s has this name twice: line %d, column %d spells it %q; keep one",
				name, first.key.Line, first.key.Column, first.name)
			continue
		}
		written[key] = entry
		d, err := scalarDecimal(entry.value)
		switch {
		case err != nil:
			f.fault(entry.value, "%s of %q must be a number: %v", name, entry.name, err)
		case d.IsNeg():
			f.fault(entry.value, "%s of %q must be at least 0", name, entry.name)
		default:
			out[key] = d
		}
	}
	return out, true
}

// Table returns a table that has the given columns. The first column is its key.
func (c *checkParams) Table(
	param, name string, columns []string,
) (t *table.Table, declared bool) {
	p := c.params[param]
	found, ok := c.tables[name]
	if !ok {
		p.file.fault(p.value, "there is no table %q: name it under tables%s",
			name, ordercel.Suggestion(name, slices.Sorted(maps.Keys(c.tables))))
		return nil, false
	}
	for _, column := range columns {
		if have := found.columns(); !slices.Contains(have, column) && !found.faulty {
			p.file.fault(p.value, "table %s has no column %q; it has %s",
				name, column, strings.Join(have, ", "))
			return nil, false
		}
		found.use(column, false)
	}
	if found.Key.value != columns[0] {
		p.file.fault(p.value, "the key of table %s is %q, but the rule looks rows up by %q",
			name, found.Key.value, columns[0])
		return nil, false
	}
	return found.table, !found.faulty
}

// Fault reports a fault of a parameter's value.
func (c *checkParams) Fault(param, format string, args ...any) {
	p := c.params[param]
	p.file.fault(p.value, format, args...)
}

// EntryFault reports a fault of one entry of a list.
func (c *checkParams) EntryFault(param string, entry int, format string, args ...any) {
	p := c.params[param]
	p.file.fault(p.value.Content[entry], format, args...)
}

// Missing reports that a required parameter is not given.
func (c *checkParams) Missing(param string) {
	e := c.entry
	e.file.faultWithoutText(e.Builtin.node, "%s needs the parameter %s", e.Builtin.value, param)
}

// TableFault reports a fault in a table's file.
func (c *checkParams) TableFault(table string, err error) { c.tables[table].fault(err) }

// scalarDecimal reads a number, with or without quotes. It never goes through a float.
func scalarDecimal(node *yaml.Node) (decimal.Decimal, error) {
	if node.Kind != yaml.ScalarNode {
		return decimal.Decimal{}, errors.New("it is a list or a mapping")
	}
	return ordercel.ParseDecimal(strings.TrimSpace(node.Value))
}

// celParams returns the parameters of a rule that is written in expressions. A number becomes a
// decimal, and anything in quotes a string.
func celParams(params []param) []ordercel.Param {
	var out []ordercel.Param
	for i := range params {
		p := &params[i]
		if value, ok := p.celValue(); ok {
			out = append(out, ordercel.Param{Name: p.name, Value: value})
		}
	}
	return out
}

const notAParam = "a parameter must be a number, a string, true, false, or a list of " +
	"numbers or strings"

func (p *param) celValue() (any, bool) {
	if p.value.Kind == yaml.ScalarNode {
		return p.celScalar(p.value)
	}
	if p.value.Kind != yaml.SequenceNode || len(p.value.Content) == 0 {
		p.file.fault(p.value, notAParam)
		return nil, false
	}
	var strs []string
	var decimals []decimal.Decimal
	items := p.file.items(p.value, p.name)
	for _, item := range items {
		value, ok := p.celScalar(item)
		if !ok {
			return nil, false
		}
		switch v := value.(type) {
		case string:
			strs = append(strs, v)
		case decimal.Decimal:
			decimals = append(decimals, v)
		}
	}
	switch len(items) {
	case len(strs):
		return strs, true
	case len(decimals):
		return decimals, true
	}
	p.file.fault(p.value, "a list must have only numbers, or only strings")
	return nil, false
}

func (p *param) celScalar(node *yaml.Node) (any, bool) {
	switch {
	case node.Kind != yaml.ScalarNode, node.Tag == "!!null":
		p.file.fault(node, notAParam)
		return nil, false
	case node.Tag == "!!bool":
		return strings.EqualFold(node.Value, "true"), true
	case node.Tag == "!!int", node.Tag == "!!float":
		d, err := scalarDecimal(node)
		if err != nil {
			p.file.fault(node, "%v", err)
			return nil, false
		}
		return d, true
	}
	return node.Value, true
}
