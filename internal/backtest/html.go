package backtest

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"error-check-gate/internal/ordercheck"
)

//go:embed report.html
var reportHTML string

var reportPage = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"percent": percentText,
	"orDash":  orDash,
	"row":     func(name string, of any) tableRow { return tableRow{name, of} },
}).Parse(reportHTML))

// tableRow is a row of the summary.
type tableRow struct {
	Name string
	Of   any // Counts or Messages
}

// page is the data of report.html.
type page struct {
	*Result
	Headline, Orders, Quiet string
	// Shown are the rules in the table, and Changed the rules with examples or problems.
	Shown, Changed []*RuleResult
}

// WriteHTML writes the result as one self-contained page. It has no scripts, fonts or pictures, and
// makes no requests.
func (r *Result) WriteHTML(w io.Writer) error {
	p := page{Result: r, Headline: r.headline(), Orders: r.ordersText(), Quiet: r.quietText()}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if !rule.shown() {
			continue
		}
		p.Shown = append(p.Shown, rule)
		if rule.differs() || len(rule.Problems()) > 0 {
			p.Changed = append(p.Changed, rule)
		}
	}
	if err := reportPage.Execute(w, &p); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// headline says in one sentence what the new rules would do.
func (r *Result) headline() string {
	switch more, fewer := r.Held.More, r.Held.Fewer; {
	case more == 0 && fewer == 0:
		return "The new rules would hold the same orders as now."
	case fewer == 0:
		return fmt.Sprintf("The new rules would hold %s more than now.",
			ordercheck.Plural(more, "order"))
	case more == 0:
		return fmt.Sprintf("The new rules would hold %s fewer than now.",
			ordercheck.Plural(fewer, "order"))
	default:
		return fmt.Sprintf("The new rules would hold %s that are not held now, and release %d.",
			ordercheck.Plural(more, "order"), fewer)
	}
}
