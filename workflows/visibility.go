package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

var (
	orderNumberKey = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderNumber)
	gateStatusKey  = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchGateStatus)
	errorCountKey  = temporal.NewSearchAttributeKeyInt64(ordercheck.SearchErrorCount)
	failedRulesKey = temporal.NewSearchAttributeKeyKeywordList(ordercheck.SearchFailedRules)
)

// published is what operators see of a run without opening it.
type published struct {
	orderNumber string
	status      ordercheck.Status
	errors      int
	failedRules []string
}

func (p published) equal(q published) bool {
	return p.orderNumber == q.orderNumber && p.status == q.status && p.errors == q.errors &&
		slices.Equal(p.failedRules, q.failedRules)
}

// publish shows the report in the Web UI: search attributes for the list of
// runs, Markdown on the run's own page. An unchanged report costs no event.
func (o *salesOrder) publish(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, details(&o.report))
	now := published{
		orderNumber: o.report.OrderNumber,
		status:      o.report.Status,
		errors:      o.report.Errors(),
		failedRules: failedRules(&o.report),
	}
	if o.published.equal(now) {
		return nil
	}
	updates := []temporal.SearchAttributeUpdate{
		gateStatusKey.ValueSet(string(now.status)),
		errorCountKey.ValueSet(int64(now.errors)),
		failedRulesKey.ValueSet(now.failedRules),
	}
	if now.orderNumber != "" {
		updates = append(updates, orderNumberKey.ValueSet(now.orderNumber))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("show the order's status in its search attributes: %w", err)
	}
	o.published = now
	return nil
}

// failedRules are the ids of the rules with errors, each once, in report order.
func failedRules(report *ordercheck.Report) []string {
	ids := []string{}
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.Severity == ordercheck.SeverityError && !slices.Contains(ids, f.RuleID) {
			ids = append(ids, f.RuleID)
		}
	}
	return ids
}

// maxDetailRows keeps the details of an order with thousands of findings readable.
const maxDetailRows = 50

// details is the report as Markdown.
func details(report *ordercheck.Report) string {
	var b strings.Builder
	number := report.OrderNumber
	if number == "" {
		number = report.SalesOrderID
	}
	fmt.Fprintf(&b, "**%s: %s**", markdownText(number), report.Status)
	if report.Customer != "" {
		fmt.Fprintf(&b, " · %s", markdownText(report.Customer))
	}
	b.WriteString("\n\n")
	if report.CheckedAt.IsZero() {
		b.WriteString("No check has ended yet.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "%s, %s. Checked %s with rules `%s`.\n",
		count(report.Errors(), "error"), count(report.Warnings(), "warning"),
		report.CheckedAt.UTC().Format("2006-01-02 15:04:05 UTC"), report.RuleSet.Name)
	if len(report.Findings) > 0 {
		b.WriteString("\n| finding | what is wrong | what to do |\n|:---|:---|:---|\n")
		for i := range report.Findings {
			if i == maxDetailRows {
				fmt.Fprintf(&b, "\nand %d more: see the report.\n", len(report.Findings)-maxDetailRows)
				break
			}
			f := &report.Findings[i]
			where := "order"
			if f.LineNumber > 0 {
				where = fmt.Sprintf("line %d", f.LineNumber)
			}
			fmt.Fprintf(&b, "| %s, %s | %s | %s |\n", f.Severity, where, markdownText(f.Message), markdownText(f.Fix))
		}
	}
	for i := range report.RuleErrors {
		e := &report.RuleErrors[i]
		fmt.Fprintf(&b, "\nRule `%s` could not be evaluated: %s\n", e.RuleID, markdownText(e.Error))
	}
	// The Web UI measures the text before it breaks the table's lines, and cuts off what it did not expect.
	b.WriteString(strings.Repeat("\n\u00a0\n", 1+min(len(report.Findings), maxDetailRows)))
	return b.String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// markdownEscapes: text from an order must not become markup, nor break a table row.
var markdownEscapes = strings.NewReplacer(
	"\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]",
	"<", "\\<", ">", "\\>", "&", "\\&", "\r", " ", "\n", " ",
)

func markdownText(s string) string { return markdownEscapes.Replace(s) }
