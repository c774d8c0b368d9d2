package checks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/table"
)

// Parameter describes a parameter of a built-in rule.
type Parameter struct {
	Name string `json:"name"`
	// Kind is amount, percent, days, number, text, list, amounts, truth, choice or table.
	Kind string `json:"kind"`
	// Default is empty if the parameter is required, or if its default is empty.
	Default     string `json:"default,omitempty"`
	Description string `json:"description"`
}

// Source holds the parameters that a rule gives a check. It reports each value of a wrong type. The
// methods return false for such a value, and for a parameter that is not given.
type Source interface {
	// Given reports whether the rule gives the parameter.
	Given(name string) bool
	Number(name string) (decimal.Decimal, bool)
	Text(name string) (string, bool)
	Bool(name string) (bool, bool)
	// Texts returns a list of strings. An entry that is not a string is empty.
	Texts(name string) ([]string, bool)
	// Amounts returns numbers of at least 0 by name. The names are folded with [fold.Key].
	Amounts(name string) (map[string]decimal.Decimal, bool)
	// Table returns a table. The first column is its key. If the rule set declares the table but
	// does not give its file, the table is nil and declared is true.
	Table(param, name string, columns []string) (t *table.Table, declared bool)

	// Fault reports a fault of a parameter's value.
	Fault(param, format string, args ...any)
	// EntryFault reports a fault of one entry of a list.
	EntryFault(param string, entry int, format string, args ...any)
	// Missing reports that a required parameter is not given.
	Missing(param string)
	// TableFault reports a fault in a table's file.
	TableFault(table string, err error)
}

// params reads the parameters of one built-in rule. After a fault it returns the default. Without
// a source it returns only defaults, and collects the descriptions.
type params struct {
	source Source
	read   []Parameter
	// values has the values for the digest, by name.
	values map[string]string
	// unavailable says why the rule cannot be evaluated on any order.
	unavailable string
}

func newParams(source Source) *params {
	return &params{source: source, values: map[string]string{}}
}

// given describes a parameter, and reports whether the rule gives it.
func (p *params) given(name, kind, standard, description string) bool {
	p.read = append(p.read, Parameter{
		Name: name, Kind: kind, Default: standard, Description: description,
	})
	p.values[name] = standard
	return p.source != nil && p.source.Given(name)
}

// missing reports a required parameter that is not given.
func (p *params) missing(name string) {
	if p.source != nil && !p.source.Given(name) {
		p.source.Missing(name)
	}
}

// decimal reads a number. limits has the minimum and then the maximum. Both are optional.
func (p *params) decimal(
	name, kind, standard, description string, limits ...string,
) decimal.Decimal {
	value := decimal.MustParse(standard)
	if !p.given(name, kind, standard, description) {
		return value
	}
	d, ok := p.source.Number(name)
	if !ok {
		return value
	}
	if len(limits) > 0 && d.Cmp(decimal.MustParse(limits[0])) < 0 ||
		len(limits) > 1 && d.Cmp(decimal.MustParse(limits[1])) > 0 {
		p.source.Fault(name, "%s must be %s", name, limitsText(limits))
		return value
	}
	p.values[name] = money.Plain(d)
	return d
}

func limitsText(limits []string) string {
	if len(limits) == 1 {
		return "at least " + limits[0]
	}
	return "from " + limits[0] + " to " + limits[1]
}

// amount reads an amount of money or a quantity of at least 0.
func (p *params) amount(name, standard, description string) decimal.Decimal {
	return p.decimal(name, "amount", standard, description, "0")
}

// percent reads a percentage of at least 0.
func (p *params) percent(name, standard, description string) decimal.Decimal {
	return p.decimal(name, "percent", standard, description, "0", "10000")
}

// number reads a whole number.
func (p *params) number(
	name, kind, standard, description string, atLeast, atMost int,
) int {
	d := p.decimal(name, kind, standard, description, strconv.Itoa(atLeast), strconv.Itoa(atMost))
	whole, fraction, ok := d.Int64(0)
	if !ok || fraction != 0 || !d.IsInt() {
		p.source.Fault(name, "%s must be a whole number", name)
		return atLeast
	}
	return int(whole)
}

func (p *params) days(name, standard, description string) int {
	return p.number(name, "days", standard, description, 0, 10_000)
}

func (p *params) text(name, standard, description string) string {
	return p.string(name, "text", standard, description)
}

func (p *params) string(name, kind, standard, description string) string {
	if !p.given(name, kind, standard, description) {
		return standard
	}
	value, ok := p.source.Text(name)
	if !ok {
		return standard
	}
	p.values[name] = value
	return value
}

// requiredText reads a string that has no default.
func (p *params) requiredText(name, description string) string {
	value := p.text(name, "", description)
	p.missing(name)
	return value
}

func (p *params) truth(name string, standard bool, description string) bool {
	if !p.given(name, "truth", strconv.FormatBool(standard), description) {
		return standard
	}
	value, ok := p.source.Bool(name)
	if !ok {
		return standard
	}
	p.values[name] = strconv.FormatBool(value)
	return value
}

// choice reads one of several strings. The first is the default.
func (p *params) choice(name, description string, choices ...string) string {
	list := strings.Join(choices, ", ")
	value := p.string(name, "choice", choices[0], description+": "+list)
	if !slices.Contains(choices, value) {
		p.source.Fault(name, "%s must be one of %s", name, list)
		return choices[0]
	}
	return value
}

// texts reads a list of strings. If allowed is not empty, it lists the strings that are allowed.
func (p *params) texts(
	name string, standard []string, description string, allowed ...string,
) []string {
	if !p.given(name, "list", strings.Join(standard, ", "), description) {
		return standard
	}
	entries, ok := p.source.Texts(name)
	if !ok {
		return standard
	}
	var values []string
	for i, entry := range entries {
		if entry == "" {
			continue // the source has reported it
		}
		if len(allowed) > 0 && !slices.Contains(allowed, entry) {
			p.source.EntryFault(name, i,
				"unknown entry of %s%s", name, ordercel.SuggestionOr(entry, allowed))
		}
		values = append(values, entry)
	}
	p.values[name] = fmt.Sprintf("%q", values)
	return values
}

// amounts reads numbers of at least 0 by name. The names are folded with [fold.Key].
func (p *params) amounts(name, description string) map[string]decimal.Decimal {
	if !p.given(name, "amounts", "", description) {
		return nil
	}
	amounts, ok := p.source.Amounts(name)
	if !ok {
		return nil
	}
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(amounts)) {
		fmt.Fprintf(&text, "%q: %s, ", key, money.Plain(amounts[key]))
	}
	p.values[name] = text.String()
	return amounts
}

// column reads the name of a table's column.
func (p *params) column(name, standard, description string) string {
	return table.ColumnName(p.text(name, standard, description))
}

// table reads the name of a table that must have certain columns. The first column is its key.
// The table is nil if the rule set does not give it; the rule is then unavailable.
func (p *params) table(name, description string, columns ...string) *table.Table {
	wanted := p.string(name, "table", "", description)
	if wanted == "" || p.source == nil {
		return nil
	}
	t, declared := p.source.Table(name, wanted, columns)
	if t == nil && declared {
		p.unavailable = fmt.Sprintf("table %s is not given", wanted)
	}
	return t
}

// percentColumn reads a column of a table's percentages, by folded key. If several rows have the
// same key, the last one counts. name is the parameter that names the table.
func (p *params) percentColumn(
	t *table.Table, name, key, column string,
) map[string]decimal.Decimal {
	out := map[string]decimal.Decimal{}
	if t == nil {
		return out
	}
	for _, record := range t.All() {
		d, err := record.Percent(column)
		if err != nil {
			p.source.TableFault(p.values[name], err)
			continue
		}
		out[fold.Key(record.Text(key))] = d
	}
	return out
}

// pattern reads a regular expression.
func (p *params) pattern(name, standard, description string) *regexp.Regexp {
	const longest = 200
	text := p.text(name, standard, description)
	if len(text) <= longest {
		if re, err := regexp.Compile(text); err == nil {
			return re
		}
	}
	p.source.Fault(name, "%s must be a regular expression of at most %d characters", name, longest)
	return regexp.MustCompile(standard)
}
