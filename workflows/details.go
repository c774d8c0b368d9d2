package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// Limits that keep the details readable, even for an order with thousands of findings.
const (
	maxDetailRows     = 50
	maxDetailRules    = 20 // for rules with unlisted findings, and for rules that failed
	maxDetailTimeline = 20
)

// details describes the run as Markdown for its page in the Web UI: the status, the findings, and
// the next step.
func (o *salesOrder) details(ctx workflow.Context) string {
	report := &o.state.Report
	var b strings.Builder
	o.writeHead(&b)
	if report.CheckedAt.IsZero() {
		if failure := o.state.Failure; failure != nil {
			fmt.Fprintf(&b, "%s\n", ordercheck.Markdown(failure.Message))
		} else {
			b.WriteString("The first check has not finished.\n")
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s, %s. Checked %s with rules `%s`.\n",
		ordercheck.Plural(report.Errors(), "error"), ordercheck.Plural(report.Warnings(), "warning"),
		ordercheck.Moment(report.CheckedAt), report.RuleSet.Name)
	if !o.state.HeldSince.IsZero() {
		fmt.Fprintf(&b, "\nHeld since %s.\n", ordercheck.Moment(o.state.HeldSince))
	}
	if next := o.state.Next(workflow.Now(ctx)); !next.Until.IsZero() {
		fmt.Fprintf(&b, "\nNext, at %s: %s. A change of the order is checked at once.\n",
			ordercheck.Moment(next.Until), next.Why)
	}
	if failure := o.state.Failure; failure != nil {
		fmt.Fprintf(&b, "\n%s\n", ordercheck.Markdown(failure.Message))
	}
	o.writeFindings(&b)
	for _, e := range report.RuleErrors[:min(len(report.RuleErrors), maxDetailRules)] {
		fmt.Fprintf(&b, "\nRule `%s` could not be evaluated: %s\n",
			e.RuleID, ordercheck.Markdown(e.Error))
	}
	if more := len(report.RuleErrors) - maxDetailRules; more > 0 {
		fmt.Fprintf(&b, "\nNot evaluated: %s; see the report.\n", ordercheck.Plural(more, "more rule"))
	}
	o.writeTimeline(&b)
	for _, unsent := range o.state.Unsent {
		fmt.Fprintf(&b, "\nNot sent: %s\n", ordercheck.Markdown(unsent))
	}
	// The Web UI sizes the text's box before it wraps the table's rows, and cuts off what no longer
	// fits. Blank lines make the box tall enough.
	rows := min(len(report.Findings), maxDetailRows) + min(len(report.Omitted), maxDetailRules)
	b.WriteString(strings.Repeat("\n\u00a0\n", 1+rows))
	return b.String()
}

func (o *salesOrder) writeHead(b *strings.Builder) {
	report := &o.state.Report
	name := cmp.Or(report.OrderNumber, report.SalesOrderID)
	fmt.Fprintf(b, "**%s: %s**", ordercheck.Markdown(name), report.Status)
	if report.Customer != "" {
		fmt.Fprintf(b, " · %s", ordercheck.Markdown(report.Customer))
	}
	b.WriteString("\n\n")
	if report.Note != "" {
		fmt.Fprintf(b, "%s\n\n", ordercheck.Markdown(report.Note))
	}
	b.WriteString(o.cancellationText())
}

func (o *salesOrder) writeFindings(b *strings.Builder) {
	findings, omitted := o.state.Report.Findings, o.state.Report.Omitted
	if len(findings) == 0 {
		return
	}
	b.WriteString("\n| finding | what is wrong | what to do |\n|:---|:---|:---|\n")
	for i := range findings[:min(len(findings), maxDetailRows)] {
		f := &findings[i]
		fmt.Fprintf(b, "| %s, %s%s | %s | %s |\n", f.Severity, f.Place(), stateText(f),
			ordercheck.Markdown(f.Message), ordercheck.Markdown(f.Fix))
	}
	for i := range omitted[:min(len(omitted), maxDetailRules)] {
		g := &omitted[i]
		fmt.Fprintf(b, "| %s, not listed%s | rule `%s`: %s | |\n",
			g.Severity, stateText(g), g.RuleID, ordercheck.Markdown(g.Message))
	}
	if more := len(findings) - maxDetailRows; more > 0 {
		fmt.Fprintf(b, "\nand %d more: see the report.\n", more)
	}
}

// stateText describes the state of an error, for example ", since …". It returns "" for a warning.
func stateText(f *ordercheck.Finding) string {
	switch {
	case f.Severity != ordercheck.SeverityError:
		return ""
	case f.State == ordercheck.FindingPending:
		return ", pending until " + ordercheck.Moment(f.ConfirmAt)
	case f.State == ordercheck.FindingOverridden && f.Override != nil:
		return fmt.Sprintf(", overridden by %s until %s: %s", ordercheck.Markdown(f.Override.By),
			ordercheck.Moment(f.Override.Until), ordercheck.Markdown(f.Override.Reason))
	default:
		return ", since " + ordercheck.Moment(f.FirstSeen)
	}
}

func (o *salesOrder) writeTimeline(b *strings.Builder) {
	timeline := o.state.Report.Timeline
	if len(timeline) == 0 {
		return
	}
	b.WriteString("\n**What happened**, the latest first:\n")
	recent := timeline[max(0, len(timeline)-maxDetailTimeline):]
	for _, entry := range slices.Backward(recent) {
		text := entry.Text
		if entry.Kind == ordercheck.TimelineCommented {
			text = entry.By + ": " + text
		}
		fmt.Fprintf(b, "\n- %s: %s", entry.At.UTC().Format(time.DateTime), ordercheck.Markdown(text))
	}
	b.WriteString("\n")
}
