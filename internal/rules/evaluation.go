package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

var errNoOrder = errors.New("not evaluated: no order was given")

// The related entities that InFlow sends when asked to.
const (
	includeLines        = "lines"
	includeLinesProduct = "lines.product"
	includeCustomer     = "customer"
)

// missingInclude says which of the includes are not in the order, or nothing. InFlow
// leaves out alike what was not asked for and what does not exist, so an
// entity counts as missing only where something else says that it exists.
func missingInclude(order *inflow.SalesOrder, includes []string) string {
	for _, include := range includes {
		missing := false
		switch include {
		case includeLines:
			missing = order.Lines == nil && !order.SubTotal.Decimal.IsZero()
		case includeCustomer:
			missing = order.CustomerID != "" && order.Customer == nil
		}
		if missing {
			return fmt.Sprintf("needs %q, which the order was fetched without", include)
		}
	}
	return ""
}

// evaluation is one rule at work on one order.
type evaluation struct {
	rule     *rule
	order    *inflow.SalesOrder
	lineKeys []string
	now      time.Time
	findings []ordercheck.Finding
}

// breach is what a check has to say about one place.
type breach struct {
	// discriminator tells apart findings of one rule at one place; it must not
	// change with amounts.
	discriminator    string
	message          string
	expected, actual string
	fix              string
}

// onOrder records a finding about the order as a whole.
func (e *evaluation) onOrder(b breach) {
	e.findings = append(e.findings, e.finding(b, e.rule.ID))
}

// onLine records a finding about the line at index i.
func (e *evaluation) onLine(i int, b breach) {
	f := e.finding(b, e.rule.ID+"/"+e.lineKeys[i])
	f.LineID = e.order.Lines[i].SalesOrderLineID
	f.LineNumber = i + 1
	e.findings = append(e.findings, f)
}

func (e *evaluation) finding(b breach, id string) ordercheck.Finding {
	if b.discriminator != "" {
		id += "/" + b.discriminator
	}
	return ordercheck.Finding{
		ID:       id,
		RuleID:   e.rule.ID,
		Severity: e.rule.Severity,
		Scope:    e.rule.Scope,
		Message:  b.message,
		Expected: b.expected,
		Actual:   b.actual,
		Fix:      b.fix,
	}
}

func (e *evaluation) inOrder() []ordercheck.Finding {
	slices.SortStableFunc(e.findings, func(a, b ordercheck.Finding) int { return a.LineNumber - b.LineNumber })
	return e.findings
}

// eachLine runs check over the lines. An error names the first line that could
// not be evaluated and how many more there were.
func (e *evaluation) eachLine(check func(i int, line *inflow.SalesOrderLine) error) error {
	var first error
	failed := 0
	for i := range e.order.Lines {
		if err := check(i, &e.order.Lines[i]); err != nil {
			if failed++; first == nil {
				first = fmt.Errorf("line %d: %w", i+1, err)
			}
		}
	}
	if failed > 1 {
		return fmt.Errorf("%w (and %d more lines)", first, failed-1)
	}
	return first
}

// lineKeys names each line for the ids of findings: by its own id, which stays when
// lines move; a line without one by its product and a count among such lines. Keys
// are unique.
func lineKeys(lines []inflow.SalesOrderLine) []string {
	keys := make([]string, len(lines))
	seen := make(map[string]int, len(lines))
	for i := range lines {
		key := lines[i].SalesOrderLineID
		counted := key == ""
		if counted {
			key = "product-" + lines[i].ProductID
		}
		seen[key]++
		if n := seen[key]; counted || n > 1 {
			key = fmt.Sprintf("%s#%d", key, n)
		}
		keys[i] = key
	}
	return keys
}

// lineName is how messages speak of a line: its number, and its product where known.
func (e *evaluation) lineName(i int) string {
	line := &e.order.Lines[i]
	name := ""
	if line.Product != nil {
		name = strings.TrimSpace(line.Product.Name)
		if name == "" {
			name = strings.TrimSpace(line.Product.SKU)
		}
	}
	if name == "" {
		return fmt.Sprintf("Line %d", i+1)
	}
	return fmt.Sprintf("Line %d (%s)", i+1, shorten(name))
}

const maxNameInMessage = 80

// shorten keeps a name of the order's from swamping a message.
func shorten(name string) string {
	runes := []rune(strings.Join(strings.Fields(name), " "))
	if len(runes) <= maxNameInMessage {
		return string(runes)
	}
	return string(runes[:maxNameInMessage-1]) + "…"
}

// quantity is what the unit price multiplies: the quantity in the line's own unit of measure.
func quantity(line *inflow.SalesOrderLine) decimal.Decimal {
	if line.Quantity.UomQuantity.Valid {
		return line.Quantity.UomQuantity.Decimal
	}
	return line.Quantity.StandardQuantity.Decimal
}

// defaultTolerance is how far two amounts may be apart and still agree, inclusive: a cent.
var defaultTolerance = decimal.MustParse("0.01")
