package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

var (
	orderNumberKey  = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderNumber)
	gateStatusKey   = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchGateStatus)
	errorCountKey   = temporal.NewSearchAttributeKeyInt64(ordercheck.SearchErrorCount)
	failedRulesKey  = temporal.NewSearchAttributeKeyKeywordList(ordercheck.SearchFailedRules)
	warningRulesKey = temporal.NewSearchAttributeKeyKeywordList(ordercheck.SearchWarningRules)
	versionKey      = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderVersion)
	heldSinceKey    = temporal.NewSearchAttributeKeyTime(ordercheck.SearchHeldSince)
)

// published is what operators see of a run without opening it.
type published struct {
	orderNumber  string
	status       ordercheck.Status
	errors       int
	failedRules  []string
	warningRules []string
	heldSince    time.Time
	version      string
}

func (p published) equal(q published) bool {
	return p.orderNumber == q.orderNumber && p.status == q.status && p.errors == q.errors &&
		slices.Equal(p.failedRules, q.failedRules) && slices.Equal(p.warningRules, q.warningRules) && p.heldSince.Equal(q.heldSince) && p.version == q.version
}

// alreadyPublished is what was shown when the run started, by who started it or by the run before it.
func alreadyPublished(ctx workflow.Context) published {
	shown := workflow.GetTypedSearchAttributes(ctx)
	var p published
	p.orderNumber, _ = shown.GetKeyword(orderNumberKey)
	status, _ := shown.GetKeyword(gateStatusKey)
	p.status = ordercheck.Status(status)
	errorCount, _ := shown.GetInt64(errorCountKey)
	p.errors = int(errorCount)
	p.failedRules, _ = shown.GetKeywordList(failedRulesKey)
	p.warningRules, _ = shown.GetKeywordList(warningRulesKey)
	p.heldSince, _ = shown.GetTime(heldSinceKey)
	p.version, _ = shown.GetKeyword(versionKey)
	return p
}

// publish shows the report in the Web UI: search attributes for the list of
// runs, Markdown on the run's own page. An unchanged report costs no event.
func (o *salesOrder) publish(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, o.details())
	now := published{
		orderNumber:  ordercheck.Keyword(o.report.OrderNumber),
		status:       o.report.Status,
		errors:       o.report.Errors(),
		failedRules:  ordercheck.KeywordList(rulesWith(&o.report, ordercheck.SeverityError)),
		warningRules: ordercheck.KeywordList(rulesWith(&o.report, ordercheck.SeverityWarning)),
		heldSince:    o.hold.Since,
		version:      o.shownVersion(),
	}
	if o.published.equal(now) {
		return nil
	}
	updates := []temporal.SearchAttributeUpdate{
		gateStatusKey.ValueSet(string(now.status)),
		errorCountKey.ValueSet(int64(now.errors)),
		failedRulesKey.ValueSet(now.failedRules),
	}
	if !slices.Equal(now.warningRules, o.published.warningRules) {
		updates = append(updates, warningRulesKey.ValueSet(now.warningRules))
	}
	if now.orderNumber != "" {
		updates = append(updates, orderNumberKey.ValueSet(now.orderNumber))
	}
	if version := o.shownVersion(); version != "" {
		updates = append(updates, versionKey.ValueSet(version))
	}
	switch {
	case now.heldSince.Equal(o.published.heldSince):
	case now.heldSince.IsZero():
		updates = append(updates, heldSinceKey.ValueUnset())
	default:
		updates = append(updates, heldSinceKey.ValueSet(now.heldSince))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("show the order's status in its search attributes: %w", err)
	}
	o.published = now
	return nil
}

// shownVersion returns the newest version of the order that a check has seen. An order that InFlow lists and does
// not have counts as seen in the listed version: the next sweep must not find it missed again.
func (o *salesOrder) shownVersion() string {
	version := o.report.OrderVersion
	if ordercheck.CompareVersions(version, o.notFoundVersion) < 0 {
		version = o.notFoundVersion
	}
	return ordercheck.Keyword(version)
}

// rulesWith returns the ids of the rules with findings of a severity, each once, in report order.
func rulesWith(report *ordercheck.Report, severity ordercheck.Severity) []string {
	ids := []string{}
	for f := range report.All() {
		if f.Severity == severity && !slices.Contains(ids, f.RuleID) {
			ids = append(ids, f.RuleID)
		}
	}
	return ids
}

// Bounds of the details, so that those of an order with thousands of findings stay readable.
const (
	maxDetailRows  = 50
	maxDetailRules = 20  // that have findings which are not listed, or could not be evaluated
	maxDetailText  = 500 // characters
)

// details is the run's state as Markdown: what is wrong, what to do, what happens next.
func (o *salesOrder) details() string {
	report := &o.report
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
	if report.Note != "" {
		fmt.Fprintf(&b, "%s\n\n", markdownText(report.Note))
	}
	b.WriteString(o.cancellationText())
	if report.CheckedAt.IsZero() {
		if o.outcome != nil {
			fmt.Fprintf(&b, "%s\n", markdownText(applicationErrorMessage(o.outcome)))
		} else {
			b.WriteString("No check has ended yet.\n")
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s, %s. Checked %s with rules `%s`.\n",
		count(report.Errors(), "error"), count(report.Warnings(), "warning"), moment(report.CheckedAt), report.RuleSet.Name)
	if !o.hold.Since.IsZero() {
		fmt.Fprintf(&b, "\nHeld since %s.\n", moment(o.hold.Since))
	}
	if next := o.nextWake(); !next.at.IsZero() {
		fmt.Fprintf(&b, "\nNext, at %s: %s. A change of the order is checked at once.\n", moment(next.at), next.why)
	}
	if o.outcome != nil {
		fmt.Fprintf(&b, "\n%s\n", markdownText(applicationErrorMessage(o.outcome)))
	}
	o.writeFindings(&b)
	for i := range report.RuleErrors[:min(len(report.RuleErrors), maxDetailRules)] {
		e := &report.RuleErrors[i]
		fmt.Fprintf(&b, "\nRule `%s` could not be evaluated: %s\n", e.RuleID, markdownText(e.Error))
	}
	if more := len(report.RuleErrors) - maxDetailRules; more > 0 {
		fmt.Fprintf(&b, "\n%d more rules could not be evaluated: see the report.\n", more)
	}
	o.writeTimeline(&b)
	for _, unsent := range o.hold.Unsent {
		fmt.Fprintf(&b, "\nGiven up: %s\n", markdownText(unsent))
	}
	// The Web UI measures the text before it breaks the table's lines, and cuts off what it did not expect.
	b.WriteString(strings.Repeat("\n\u00a0\n", 1+min(len(report.Findings), maxDetailRows)+min(len(report.Omitted), maxDetailRules)))
	return b.String()
}

func (o *salesOrder) writeFindings(b *strings.Builder) {
	findings, omitted := o.report.Findings, o.report.Omitted
	if len(findings) == 0 {
		return
	}
	b.WriteString("\n| finding | what is wrong | what to do |\n|:---|:---|:---|\n")
	for i := range findings[:min(len(findings), maxDetailRows)] {
		f := &findings[i]
		where := "order"
		if f.LineNumber > 0 {
			where = fmt.Sprintf("line %d", f.LineNumber)
		}
		fmt.Fprintf(b, "| %s, %s%s | %s | %s |\n", f.Severity, where, o.stateText(f), markdownText(f.Message), markdownText(f.Fix))
	}
	for i := range omitted[:min(len(omitted), maxDetailRules)] {
		g := &omitted[i]
		fmt.Fprintf(b, "| %s, not listed%s | rule `%s`: %s | |\n", g.Severity, o.stateText(g), g.RuleID, markdownText(g.Message))
	}
	if more := len(findings) - maxDetailRows; more > 0 {
		fmt.Fprintf(b, "\nand %d more: see the report.\n", more)
	}
}

// stateText says how far a finding has come, where that is not plain.
func (o *salesOrder) stateText(f *ordercheck.Finding) string {
	switch {
	case f.Severity != ordercheck.SeverityError:
		return ""
	case f.State == ordercheck.FindingPending:
		return ", pending until " + moment(f.ConfirmAt)
	case f.State == ordercheck.FindingOverridden && f.Override != nil:
		return fmt.Sprintf(", overridden by %s until %s: %s", markdownText(f.Override.By), moment(f.Override.Until), markdownText(f.Override.Reason))
	default:
		return ", since " + moment(f.FirstSeen)
	}
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

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

func markdownText(s string) string { return markdownEscapes.Replace(ordercheck.Cut(s, maxDetailText)) }
