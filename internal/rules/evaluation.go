package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

var errNoOrder = errors.New("not evaluated: no order was given")

// skipError is a check's way to say that it does not judge this order.
type skipError struct {
	reason string
	// deliberate is true if the check is not for such orders, rather than something being missing.
	deliberate bool
}

func (e *skipError) Error() string { return e.reason }

// skip is for an order that lacks what the check needs.
func skip(reason string) error {
	return &skipError{reason: reason}
}

// outOfScope is for an order that the check is not for.
func outOfScope(format string, args ...any) error {
	return &skipError{reason: fmt.Sprintf(format, args...), deliberate: true}
}

// subject is an order under evaluation by all rules, one after the other.
type subject struct {
	order    *inflow.SalesOrder
	now      time.Time
	lookups  ordercheck.Lookups
	lineKeys []string

	view *ordercel.Order
	cel  *ordercel.Evaluation
	// held is what conditions that rules share came to.
	held map[*ordercel.Program]condition
	// met is what became of each requirement.
	met map[string]need
	// asked lists the includes and look-ups that were asked for; nil if that is not known.
	asked []string
}

type condition struct {
	holds bool
	err   error
}

func newSubject(order *inflow.SalesOrder, now time.Time, lookups ordercheck.Lookups) *subject {
	s := &subject{now: now, lookups: lookups, held: map[*ordercel.Program]condition{}, met: map[string]need{}}
	if order != nil {
		order = inZone(order, now.Location())
		s.order = order
		s.lineKeys = lineKeys(order.Lines)
		s.view = ordercel.NewOrder(order)
		s.cel = ordercel.NewEvaluation(s.view, now)
	}
	return s
}

func (s *subject) holds(program *ordercel.Program) (bool, error) {
	c, known := s.held[program]
	if !known {
		c.holds, c.err = s.cel.Bool(program, nil)
		s.held[program] = c
	}
	return c.holds, c.err
}

// evaluation is one rule at work on one order.
type evaluation struct {
	*subject
	ctx      context.Context //nolint:containedctx // lives as long as the call that it belongs to
	rule     *rule
	findings []ordercheck.Finding
	gaps     []gap
}

// gap is a line that a rule could not look at.
type gap struct {
	line   int // from 0
	reason string
}

// breach is what a check has to say about one place.
type breach struct {
	// discriminator tells apart findings of one rule at one place; it must not
	// change with amounts.
	discriminator    string
	message          string
	expected, actual string
	fix              string
	// warning lowers this one finding of an error rule to a warning.
	warning bool
}

// onOrder records a finding about the order as a whole.
func (e *evaluation) onOrder(b breach) {
	e.add(e.finding(b, e.rule.ID))
}

// onLine records a finding about the line at index i.
func (e *evaluation) onLine(i int, b breach) {
	f := e.finding(b, e.rule.ID+"/"+e.lineKeys[i])
	f.LineID = ordercheck.ShortID(e.order.Lines[i].SalesOrderLineID)
	f.LineNumber = i + 1
	e.add(f)
}

// add cuts the texts at once: a text of the order's may be in the message of each line.
func (e *evaluation) add(f ordercheck.Finding) {
	f.Cut(ordercheck.MaxText)
	e.findings = append(e.findings, f)
}

func (e *evaluation) finding(b breach, id string) ordercheck.Finding {
	if b.discriminator != "" {
		id += "/" + b.discriminator
	}
	severity := e.rule.Severity
	if b.warning {
		severity = ordercheck.SeverityWarning
	}
	return ordercheck.Finding{
		ID:       id,
		RuleID:   e.rule.ID,
		Severity: severity,
		Scope:    e.rule.Scope,
		Message:  b.message,
		Expected: b.expected,
		Actual:   b.actual,
		Fix:      b.fix,
	}
}

// inOrder is the findings by line number, those about one place by their ids.
func (e *evaluation) inOrder() []ordercheck.Finding {
	slices.SortStableFunc(e.findings, func(a, b ordercheck.Finding) int {
		if a.LineNumber != b.LineNumber {
			return a.LineNumber - b.LineNumber
		}
		return strings.Compare(a.ID, b.ID)
	})
	return e.findings
}

// notLookedAt records why the line at index i could not be judged. The report lists it
// next to the rule's findings.
func (e *evaluation) notLookedAt(i int, reason string) {
	e.gaps = append(e.gaps, gap{i, reason})
}

// gapText lists the gaps for the report, lines with the same reason together.
func (e *evaluation) gapText() string {
	var reasons []string
	lines := map[string][]int{}
	for _, g := range e.gaps {
		if lines[g.reason] == nil {
			reasons = append(reasons, g.reason)
		}
		lines[g.reason] = append(lines[g.reason], g.line)
	}
	slices.Sort(reasons) // the order of lines must not matter
	for i, reason := range reasons {
		reasons[i] = linesText(lines[reason]) + ": " + reason
	}
	return strings.Join(reasons, "; ")
}

// linesText names lines by their numbers: "line 2", "lines 2, 3 and 5".
func linesText(indexes []int) string {
	const most = 10
	numbers := make([]string, 0, len(indexes))
	for _, i := range indexes {
		numbers = append(numbers, strconv.Itoa(i+1))
	}
	switch n := len(numbers); {
	case n == 1:
		return "line " + numbers[0]
	case n > most:
		return fmt.Sprintf("lines %s and %d more", strings.Join(numbers[:most], ", "), n-most)
	default:
		return fmt.Sprintf("lines %s and %s", strings.Join(numbers[:n-1], ", "), numbers[n-1])
	}
}

// noProduct is why a rule does not look at a line whose product InFlow left out.
var noProduct = withoutInclude(inflow.IncludeLinesProduct)

// eachLine runs check over the lines, but for lines without the product that the rule
// needs: these become gaps. An error names the first line that could
// not be evaluated and how many more there were.
func (e *evaluation) eachLine(check func(i int, line *inflow.SalesOrderLine) error) error {
	const checkContextEvery = 256
	var first error
	failed := 0
	for i := range e.order.Lines {
		if i%checkContextEvery == 0 && e.ctx.Err() != nil {
			return fmt.Errorf("not evaluated: %w", e.ctx.Err())
		}
		if line := &e.order.Lines[i]; e.rule.needsProducts && line.ProductID != "" && line.Product == nil {
			e.notLookedAt(i, noProduct)
			continue
		}
		err := check(i, &e.order.Lines[i])
		if errors.Is(err, ordercel.ErrBudget) || errors.As(err, new(*skipError)) {
			return err
		}
		if err != nil {
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
		key := idPart(lines[i].SalesOrderLineID)
		counted := key == ""
		if counted {
			key = "product-" + idPart(lines[i].ProductID)
		}
		seen[key]++
		if n := seen[key]; counted || n > 1 {
			key = fmt.Sprintf("%s#%d", key, n)
		}
		keys[i] = key
	}
	return keys
}

// idPart is an id of InFlow's as a part of a finding's. InFlow's ids are UUIDs; what
// looks otherwise is hashed, so that parts stay short and apart.
func idPart(id string) string {
	const longest = 64
	plain := len(id) <= longest
	for i := 0; plain && i < len(id); i++ {
		c := id[i]
		plain = c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	if plain {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "~" + hex.EncodeToString(sum[:12])
}

// lineName is how messages speak of a line: its number, and its product if known.
func (e *evaluation) lineName(i int) string {
	return ordercel.LineLabel(i+1, e.order.Lines[i].Product)
}

func productName(p *inflow.Product) string { return ordercel.ProductName(p) }

func shorten(text string) string { return ordercel.Shorten(text) }

// quantity is what the unit price multiplies: the quantity in the line's own unit of measure.
func quantity(line *inflow.SalesOrderLine) decimal.Decimal {
	if line.Quantity.UomQuantity.Valid {
		return line.Quantity.UomQuantity.Decimal
	}
	return line.Quantity.StandardQuantity.Decimal
}

// discounted reports whether a line has a discount above 0.
func discounted(line *inflow.SalesOrderLine) bool {
	return line.Discount != nil && line.Discount.Value.Decimal.IsPos()
}
