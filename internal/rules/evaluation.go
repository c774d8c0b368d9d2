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

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

var errNoOrder = errors.New("not evaluated: no order was given")

// Evaluation is the evaluation of one rule on one order. Checks read the order from it and record
// their findings in it.
type Evaluation struct {
	// Order is the order, with its dates in the time zone of Now. Checks must not change it.
	Order *inflow.SalesOrder
	// Now is the time that rules see. Days are counted in its time zone.
	Now time.Time
	// Lookups holds the results of look-ups for the order.
	Lookups ordercheck.Lookups

	*subject
	ctx      context.Context //nolint:containedctx // belongs to one call
	rule     *Rule
	findings []ordercheck.Finding
	gaps     []gap
}

func newEvaluation(ctx context.Context, r *Rule, s *subject) *Evaluation {
	return &Evaluation{
		Order: s.order, Now: s.now, Lookups: s.lookups, subject: s, ctx: ctx, rule: r,
	}
}

// gap is a line that a rule could not judge.
type gap struct {
	line   int // from 0
	reason string
}

// Breach is a fault that a check finds at one place.
type Breach struct {
	// Discriminator distinguishes several findings of one rule at the same place. It must not
	// contain amounts, because it is part of the finding's id.
	Discriminator    string
	Message          string
	Expected, Actual string
	Fix              string
	// Warning lowers the severity of this finding to warning.
	Warning bool
}

// OnOrder records a finding about the order as a whole.
func (e *Evaluation) OnOrder(b Breach) {
	e.add(e.finding(b, e.rule.ID))
}

// OnLine records a finding about the line at index i.
func (e *Evaluation) OnLine(i int, b Breach) {
	f := e.finding(b, e.rule.ID+"/"+e.lineKeys[i])
	f.LineID = ordercheck.ShortID(e.Order.Lines[i].SalesOrderLineID)
	f.LineNumber = i + 1
	e.add(f)
}

// Broken reports whether a finding has been recorded.
func (e *Evaluation) Broken() bool { return len(e.findings) > 0 }

// add shortens the texts at once, because each line's message may quote the same long text of
// the order.
func (e *Evaluation) add(f ordercheck.Finding) {
	f.Cut(ordercheck.MaxText)
	e.findings = append(e.findings, f)
}

func (e *Evaluation) finding(b Breach, id string) ordercheck.Finding {
	if b.Discriminator != "" {
		id += "/" + b.Discriminator
	}
	severity := e.rule.Severity
	if b.Warning {
		severity = ordercheck.SeverityWarning
	}
	return ordercheck.Finding{
		ID:       id,
		RuleID:   e.rule.ID,
		Severity: severity,
		Scope:    e.rule.Scope,
		Message:  b.Message,
		Expected: b.Expected,
		Actual:   b.Actual,
		Fix:      b.Fix,
	}
}

// sorted returns the findings by line number, then by id.
func (e *Evaluation) sorted() []ordercheck.Finding {
	slices.SortStableFunc(e.findings, func(a, b ordercheck.Finding) int {
		if a.LineNumber != b.LineNumber {
			return a.LineNumber - b.LineNumber
		}
		return strings.Compare(a.ID, b.ID)
	})
	return e.findings
}

// SkipLine records why the line at index i could not be judged. The report lists the reason next
// to the rule's findings.
func (e *Evaluation) SkipLine(i int, reason string) {
	e.gaps = append(e.gaps, gap{i, reason})
}

// SkipLineWithoutProduct records that InFlow left out the product of the line at index i.
func (e *Evaluation) SkipLineWithoutProduct(i int) { e.SkipLine(i, noProduct) }

var noProduct = withoutInclude(inflow.IncludeLinesProduct)

// EachLine runs check on every line. If the rule needs products, it skips the lines without one.
// The error comes from the first line that could not be evaluated, and says how many more there
// are.
func (e *Evaluation) EachLine(check func(i int, line *inflow.SalesOrderLine) error) error {
	const checkContextEvery = 256 // lines
	needsProducts := e.rule.needsProducts()
	var first error
	failed := 0
	for i := range e.Order.Lines {
		if i%checkContextEvery == 0 && e.ctx.Err() != nil {
			return fmt.Errorf("not evaluated: %w", e.ctx.Err())
		}
		line := &e.Order.Lines[i]
		if needsProducts && line.ProductID != "" && line.Product == nil {
			e.SkipLineWithoutProduct(i)
			continue
		}
		err := check(i, line)
		if err == nil {
			continue
		}
		if errors.Is(err, ordercel.ErrBudget) || errors.As(err, new(*skipError)) {
			return err
		}
		if failed++; first == nil {
			first = fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if failed > 1 {
		return fmt.Errorf("%w (and %d more lines)", first, failed-1)
	}
	return first
}

// LineName returns the name of the line at index i for messages: its number, and its product's name
// if known.
func (e *Evaluation) LineName(i int) string {
	return ordercel.LineLabel(i+1, e.Order.Lines[i].Product)
}

// gapText returns the gaps as text for the report, grouped by reason.
func (e *Evaluation) gapText() string {
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
		reasons[i] = LinesText(lines[reason]) + ": " + reason
	}
	return strings.Join(reasons, "; ")
}

// LinesText returns the names of the lines at these indexes, such as "line 2" or "lines 2, 3 and
// 5".
func LinesText(indexes []int) string {
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

// lineKeys returns a unique key for each line, for the ids of findings. The key is the line's own
// id, which stays the same when lines move. A line without an id gets its product's id and a
// count.
func lineKeys(lines []inflow.SalesOrderLine) []string {
	keys := make([]string, len(lines))
	seen := make(map[string]int, len(lines))
	for i := range lines {
		key := IDPart(lines[i].SalesOrderLineID)
		counted := key == ""
		if counted {
			key = "product-" + IDPart(lines[i].ProductID)
		}
		seen[key]++
		if n := seen[key]; counted || n > 1 {
			key = fmt.Sprintf("%s#%d", key, n)
		}
		keys[i] = key
	}
	return keys
}

// IDPart returns one of InFlow's ids as a part of a finding's id. InFlow's ids are UUIDs. Any id
// that is longer, or has other characters, is hashed, so that the part stays short and unique.
func IDPart(id string) string {
	const longest = 64
	plain := len(id) <= longest
	for i := 0; plain && i < len(id); i++ {
		c := id[i]
		plain = c == '-' || c == '_' || c == '.' ||
			'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	if plain {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "~" + hex.EncodeToString(sum[:12])
}

// skipError is returned by a check that does not judge the order.
type skipError struct {
	reason string
	// deliberate is true if the check is not meant for such orders.
	deliberate bool
}

func (e *skipError) Error() string { return e.reason }

// MissingData returns the error of a check that lacks data to judge the order.
func MissingData(reason string) error {
	return &skipError{reason: reason}
}

// OutOfScope returns the error of a check that is not meant for the order.
func OutOfScope(format string, args ...any) error {
	return &skipError{reason: fmt.Sprintf(format, args...), deliberate: true}
}
