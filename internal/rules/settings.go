package rules

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/govalues/decimal"
	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/table"
)

// Setting describes a parameter of a built-in rule.
type Setting struct {
	Name string `json:"name"`
	// Kind is amount, percent, days, number, text, list, amounts, truth, choice or table.
	Kind string `json:"kind"`
	// Default is empty where the parameter must be given.
	Default     string `json:"default,omitempty"`
	Description string `json:"description"`
}

// settings reads the parameters of a built-in rule, each with its type. Faults are
// reported where the parameter is written; the result is then the default.
type settings struct {
	entry  *ruleEntry
	params map[string]*param
	tables map[string]*givenTable
	// values are what was read, as they go into the digest.
	values map[string]string
	read   []Setting
	// skip says why the rule cannot be evaluated as long as its file stays as it is.
	skip string
}

func newSettings(entry *ruleEntry, tables map[string]*givenTable) *settings {
	s := &settings{entry: entry, params: map[string]*param{}, tables: tables, values: map[string]string{}}
	if entry != nil {
		for i := range entry.params {
			s.params[entry.params[i].name] = &entry.params[i]
		}
	}
	return s
}

// finish refuses parameters that nobody asked for.
func (s *settings) finish() {
	var known []string
	for _, setting := range s.read {
		known = append(known, setting.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.params)) {
		if slices.Contains(known, name) {
			continue
		}
		p := s.params[name]
		if len(known) == 0 {
			p.in.fault(p.key, "%s has no parameters", s.entry.builtin)
			continue
		}
		p.in.fault(p.key, "unknown parameter of %s%s", s.entry.builtin, ordercel.SuggestionOr(name, known))
	}
}

// get is a parameter's node, or nil where the default holds.
func (s *settings) get(name, kind, standard, description string) *param {
	s.read = append(s.read, Setting{Name: name, Kind: kind, Default: standard, Description: description})
	s.values[name] = standard
	p := s.params[name]
	if p == nil || p.node.Kind == yaml.ScalarNode && p.node.Tag == "!!null" {
		return nil
	}
	return p
}

func (s *settings) decimal(name, kind, standard, description string, limits ...string) decimal.Decimal {
	value := decimal.MustParse(standard)
	p := s.get(name, kind, standard, description)
	if p == nil {
		return value
	}
	d, err := scalarDecimal(p.node)
	if err != nil {
		p.in.fault(p.node, "%s must be a number: %v", name, err)
		return value
	}
	if len(limits) > 0 && d.Cmp(decimal.MustParse(limits[0])) < 0 || len(limits) > 1 && d.Cmp(decimal.MustParse(limits[1])) > 0 {
		p.in.fault(p.node, "%s must be %s", name, span(limits))
		return value
	}
	s.values[name] = money.Plain(d)
	return d
}

func span(limits []string) string {
	if len(limits) == 1 {
		return "at least " + limits[0]
	}
	return "from " + limits[0] + " to " + limits[1]
}

// amount is an amount of money or a quantity, at least 0.
func (s *settings) amount(name, standard, description string) decimal.Decimal {
	return s.decimal(name, "amount", standard, description, "0")
}

// percent is a percentage, at least 0.
func (s *settings) percent(name, standard, description string) decimal.Decimal {
	return s.decimal(name, "percent", standard, description, "0", "10000")
}

// number is a whole number.
func (s *settings) number(name, kind, standard, description string, atLeast, atMost int) int {
	d := s.decimal(name, kind, standard, description, strconv.Itoa(atLeast), strconv.Itoa(atMost))
	whole, fraction, ok := d.Int64(0)
	if !ok || fraction != 0 || !d.IsInt() {
		p := s.params[name]
		p.in.fault(p.node, "%s must be a whole number", name)
		return atLeast
	}
	return int(whole)
}

func (s *settings) days(name, standard, description string) int {
	return s.number(name, "days", standard, description, 0, 10_000)
}

func (s *settings) text(name, standard, description string) string {
	p := s.get(name, "text", standard, description)
	if p == nil {
		return standard
	}
	value := p.in.text(p.node, name)
	s.values[name] = value
	return value
}

func (s *settings) truth(name string, standard bool, description string) bool {
	p := s.get(name, "truth", strconv.FormatBool(standard), description)
	if p == nil {
		return standard
	}
	value := p.in.truth(p.node, name)
	if value == nil {
		return standard
	}
	s.values[name] = strconv.FormatBool(*value)
	return *value
}

func (s *settings) choice(name, description string, choices ...string) string {
	p := s.get(name, "choice", choices[0], description+": "+strings.Join(choices, ", "))
	if p == nil {
		return choices[0]
	}
	value := p.in.text(p.node, name)
	if value != "" && !slices.Contains(choices, value) {
		p.in.fault(p.node, "%s must be one of %s", name, strings.Join(choices, ", "))
		return choices[0]
	}
	s.values[name] = value
	return value
}

// texts is a list of texts; allowed limits them where it is not empty.
func (s *settings) texts(name string, standard []string, description string, allowed ...string) []string {
	p := s.get(name, "list", strings.Join(standard, ", "), description)
	if p == nil {
		return standard
	}
	values := p.in.texts(p.node, name)
	if len(allowed) > 0 {
		for i, value := range values {
			if !slices.Contains(allowed, value) && i < len(p.node.Content) {
				p.in.fault(p.node.Content[i], "unknown entry of %s%s", name, ordercel.SuggestionOr(value, allowed))
			}
		}
	}
	s.values[name] = fmt.Sprintf("%q", values)
	return values
}

// amounts is a mapping of names to numbers, at least 0. The keys of the result are folded
// ([fold.Key]); two spellings of one name are a fault.
func (s *settings) amounts(name, standard, description string) map[string]decimal.Decimal {
	p := s.get(name, "amounts", standard, description)
	if p == nil {
		return nil
	}
	out, written := map[string]decimal.Decimal{}, map[string]pair{}
	for _, entry := range p.in.pairs(p.node, name) {
		key := fold.Key(entry.name)
		if first, twice := written[key]; twice {
			p.in.fault(entry.key, "%s has this name in line %d, column %d too, in another spelling, %q: write one of them",
				name, first.key.Line, first.key.Column, first.name)
			continue
		}
		written[key] = entry
		d, err := scalarDecimal(entry.value)
		switch {
		case err != nil:
			p.in.fault(entry.value, "%s of %q must be a number: %v", name, entry.name, err)
		case d.IsNeg():
			p.in.fault(entry.value, "%s of %q must be at least 0", name, entry.name)
		default:
			out[key] = d
		}
	}
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(out)) {
		fmt.Fprintf(&text, "%q: %s, ", key, money.Plain(out[key]))
	}
	s.values[name] = text.String()
	return out
}

// requiredText is a text that has no default.
func (s *settings) requiredText(name, description string) string {
	value := s.text(name, "", description)
	if value == "" && s.params[name] == nil {
		s.missing(name)
	}
	return value
}

func (s *settings) missing(name string) {
	if s.entry == nil {
		return
	}
	at := s.entry.builtinNode
	if at == nil {
		at = s.entry.idNode
	}
	s.entry.in.fault(&yaml.Node{Line: at.Line, Column: at.Column}, "%s needs the parameter %s", s.entry.builtin, name)
}

// table is the table that a parameter names, with columns that it must have, the first
// of them its key. It is nil if the table is not given; the rule is skipped then.
// standard may be empty.
func (s *settings) table(name, standard, description string, columns ...string) *table.Table {
	p := s.get(name, "table", standard, description)
	wanted := standard
	if p != nil {
		wanted = p.in.text(p.node, name)
		s.values[name] = wanted
	}
	if wanted == "" || s.entry == nil {
		return nil
	}
	in, at := s.entry.in, s.entry.idNode
	if p != nil {
		in, at = p.in, p.node
	}
	given, found := s.tables[wanted]
	if !found {
		in.fault(at, "there is no table %q: name it under tables%s", wanted, ordercel.Suggestion(wanted, slices.Sorted(maps.Keys(s.tables))))
		return nil
	}
	for _, column := range columns {
		if have := given.columns(); !slices.Contains(have, column) && !given.faulty {
			in.fault(at, "table %s has no column %q; it has %s", wanted, column, strings.Join(have, ", "))
			return nil
		}
		given.use(column, false)
	}
	if given.key != columns[0] {
		in.fault(at, "the key of table %s is %q, but the rule looks rows up by %q", wanted, given.key, columns[0])
		return nil
	}
	if given.table == nil && !given.faulty {
		s.skip = fmt.Sprintf("table %s is not given", wanted)
	}
	return given.table
}

// column is the name of a table's column.
func (s *settings) column(name, standard, description string) string {
	return table.ColumnName(s.text(name, standard, description))
}

// tablePercents reads a column of percentages, by folded key; of a key's rows the last counts.
func (s *settings) tablePercents(t *table.Table, name, key, column string) map[string]decimal.Decimal {
	out := map[string]decimal.Decimal{}
	if t == nil {
		return out
	}
	for _, record := range t.All() {
		d, err := record.Percent(column)
		if err != nil {
			s.tables[name].fault(err)
			continue
		}
		out[fold.Key(record.Text(key))] = d
	}
	return out
}

// scalarDecimal reads a number however it is quoted; its text never becomes a float.
func scalarDecimal(node *yaml.Node) (decimal.Decimal, error) {
	if node.Kind != yaml.ScalarNode {
		return decimal.Decimal{}, fmt.Errorf("it is a list or a mapping")
	}
	return ordercel.ParseDecimal(strings.TrimSpace(node.Value))
}

// celParams are the parameters of a rule with expressions: numbers become decimals,
// and what is in quotes is text.
func celParams(params []param) []ordercel.Param {
	var out []ordercel.Param
	for i := range params {
		p := &params[i]
		if value, ok := celValue(p); ok {
			out = append(out, ordercel.Param{Name: p.name, Value: value})
		}
	}
	return out
}

func celValue(p *param) (any, bool) {
	if p.node.Kind == yaml.ScalarNode {
		return celScalar(p, p.node)
	}
	if p.node.Kind != yaml.SequenceNode || len(p.node.Content) == 0 {
		p.in.fault(p.node, "a parameter is a number, a text, true, false, or a list of numbers or texts")
		return nil, false
	}
	var texts []string
	var decimals []decimal.Decimal
	items := p.in.items(p.node, p.name)
	for _, item := range items {
		value, ok := celScalar(p, item)
		if !ok {
			return nil, false
		}
		switch v := value.(type) {
		case string:
			texts = append(texts, v)
		case decimal.Decimal:
			decimals = append(decimals, v)
		}
	}
	switch len(items) {
	case len(texts):
		return texts, true
	case len(decimals):
		return decimals, true
	}
	p.in.fault(p.node, "a list has only numbers, or only texts")
	return nil, false
}

func celScalar(p *param, node *yaml.Node) (any, bool) {
	switch {
	case node.Kind != yaml.ScalarNode, node.Tag == "!!null":
		p.in.fault(node, "a parameter is a number, a text, true, false, or a list of numbers or texts")
		return nil, false
	case node.Tag == "!!bool":
		return strings.EqualFold(node.Value, "true"), true
	case node.Tag == "!!int", node.Tag == "!!float":
		d, err := scalarDecimal(node)
		if err != nil {
			p.in.fault(node, "%v", err)
			return nil, false
		}
		return d, true
	}
	return node.Value, true
}
