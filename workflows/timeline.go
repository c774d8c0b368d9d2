package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// note adds an entry to the timeline.
func (o *salesOrder) note(ctx workflow.Context, kind ordercheck.TimelineKind, text string) {
	o.noteBy(ctx, kind, "", text)
}

// noteBy adds an entry about something that a person did.
func (o *salesOrder) noteBy(ctx workflow.Context, kind ordercheck.TimelineKind, by, text string) {
	o.report.AddToTimeline(ordercheck.TimelineEntry{At: workflow.Now(ctx).UTC(), Kind: kind, Text: text, By: by})
}

// noteDeliveries notes webhooks. Those that come one after the other are one entry.
func (o *salesOrder) noteDeliveries(ctx workflow.Context, webhooks int) {
	n := len(o.report.Timeline)
	if n == 0 || o.deliveriesNoted == 0 || o.report.Timeline[n-1].Kind != ordercheck.TimelineDelivery {
		o.deliveriesNoted = webhooks
		o.note(ctx, ordercheck.TimelineDelivery, deliveriesText(webhooks))
		return
	}
	o.deliveriesNoted += webhooks
	o.report.Timeline = slices.Clone(o.report.Timeline)
	o.report.Timeline[n-1].Text = deliveriesText(o.deliveriesNoted)
}

func deliveriesText(webhooks int) string {
	if webhooks == 1 {
		return "Announced by webhook."
	}
	return fmt.Sprintf("Announced by %s.", count(webhooks, "webhook"))
}

// noteCheck notes the outcome of a check.
func (o *salesOrder) noteCheck(ctx workflow.Context) {
	if o.outcome != nil {
		o.note(ctx, ordercheck.TimelineNotChecked, fmt.Sprintf("Could not be checked: %s", applicationErrorMessage(o.outcome)))
		return
	}
	switch o.report.Note {
	case noteDeleted:
		o.note(ctx, ordercheck.TimelineDeleted, noteDeleted)
		return
	case noteCancelled:
		o.note(ctx, ordercheck.TimelineCancelled, noteCancelled)
	}
	o.note(ctx, ordercheck.TimelineChecked, fmt.Sprintf("Checked: %s, %s, %s.", o.report.Status,
		count(o.report.Errors(), "error"), count(o.report.Warnings(), "warning")))
}

// maxNamedRules is the number of rules that a sentence names.
const maxNamedRules = 5

// noteConfirmed notes the errors that have outlasted their grace period.
func (o *salesOrder) noteConfirmed(ctx workflow.Context, confirmed []*ordercheck.Finding) {
	var rules []string
	number := 0
	for _, f := range confirmed {
		number += f.Findings()
		if !slices.Contains(rules, f.RuleID) {
			rules = append(rules, f.RuleID)
		}
	}
	named := strings.Join(rules[:min(len(rules), maxNamedRules)], ", ")
	if more := len(rules) - maxNamedRules; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	o.note(ctx, ordercheck.TimelineConfirmed, fmt.Sprintf("Confirmed: %s (%s).", count(number, "error"), named))
}

// noteOverride notes that somebody answers for findings.
func (o *salesOrder) noteOverride(ctx workflow.Context, override *ordercheck.Override, covered []*ordercheck.Finding) {
	number := 0
	for _, f := range covered {
		number += f.Findings()
	}
	o.noteBy(ctx, ordercheck.TimelineOverridden, override.By, fmt.Sprintf("%s overrides %s until %s: %s",
		override.By, count(number, "error"), moment(override.Until), override.Reason))
}

// noteEndedOverrides notes the overrides that a check has ended. found are the findings before it.
func (o *salesOrder) noteEndedOverrides(ctx workflow.Context, before []ordercheck.Override) {
	for _, ended := range before {
		if slices.ContainsFunc(o.overridesInForce(), ended.Same) {
			continue
		}
		why := "has ended"
		if workflow.Now(ctx).Before(ended.Until) {
			why = "is over: the error is gone, or its facts have changed"
		}
		o.noteBy(ctx, ordercheck.TimelineOverrideEnded, ended.By, fmt.Sprintf("The override by %s %s.", ended.By, why))
	}
}

// overridesInForce returns the report's overrides, each once.
func (o *salesOrder) overridesInForce() []ordercheck.Override {
	var all []ordercheck.Override
	for f := range o.report.All() {
		if f.Override != nil && !slices.ContainsFunc(all, f.Override.Same) {
			all = append(all, *f.Override)
		}
	}
	return all
}

// noteTold notes who has a notice.
func (o *salesOrder) noteTold(ctx workflow.Context, notice *ordercheck.Notice) {
	if len(notice.Sent) == 0 {
		return
	}
	kind, what := ordercheck.TimelineNotified, "Told"
	if notice.Kind == ordercheck.NoticeReminder {
		kind, what = ordercheck.TimelineReminded, "Reminded"
	}
	named := strings.Join(notice.Sent[:min(len(notice.Sent), maxNamedRules)], ", ")
	if more := len(notice.Sent) - maxNamedRules; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	o.note(ctx, kind, fmt.Sprintf("%s %s: %s.", what, named, notice.Kind))
}

// maxDetailTimeline is the number of timeline entries on the run's page in the Web UI.
const maxDetailTimeline = 20

func (o *salesOrder) writeTimeline(b *strings.Builder) {
	timeline := o.report.Timeline
	if len(timeline) == 0 {
		return
	}
	b.WriteString("\n**What happened**, the latest first:\n")
	for i := len(timeline) - 1; i >= max(0, len(timeline)-maxDetailTimeline); i-- {
		entry := &timeline[i]
		text := entry.Text
		if entry.Kind == ordercheck.TimelineCommented {
			text = entry.By + ": " + text
		}
		fmt.Fprintf(b, "\n- %s: %s", entry.At.UTC().Format(time.DateTime), markdownText(text))
	}
	b.WriteString("\n")
}
