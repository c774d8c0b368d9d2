package rules

import (
	"fmt"
	"strings"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// Report returns the report of a single evaluation. There is no grace period, so findings are
// confirmed at once.
func Report(
	order *inflow.SalesOrder, checked ordercheck.CheckedOrder, at time.Time,
) ordercheck.Report {
	report := ordercheck.Report{
		SalesOrderID: order.SalesOrderID,
		OrderNumber:  ordercheck.Keyword(order.OrderNumber),
		OrderVersion: ordercheck.ShortID(order.Timestamp),
		Status:       ordercheck.StatusPassed,
		CheckedAt:    at,
		RuleSet:      checked.RuleSet,
		Skipped:      checked.Skipped,
		RuleErrors:   checked.RuleErrors,
		Missing:      checked.Missing,
	}
	if len(checked.Missing) > 0 {
		report.Note = missingNote(checked)
	}
	report.SetFindings(checked.Findings, checked.Omitted)
	if order.Customer != nil {
		report.Customer = ordercheck.Keyword(order.Customer.Name)
	}
	for f := range report.All() {
		f.FirstSeen, f.State = at, ordercheck.FindingConfirmed
	}
	switch {
	case report.Errors() > 0:
		report.Status = ordercheck.StatusFailed
	case len(report.RuleErrors) > 0, len(report.Missing) > 0:
		report.Status = ordercheck.StatusIncomplete
	case report.Warnings() > 0:
		report.Status = ordercheck.StatusWarning
	}
	return report
}

// missingNote says what the order lacks, and how to fetch it.
func missingNote(checked ordercheck.CheckedOrder) string {
	rules := map[string]bool{}
	for _, s := range checked.Skipped {
		if len(s.Missing) > 0 {
			rules[s.RuleID] = true
		}
	}
	what := fmt.Sprintf("%d rules", len(rules))
	switch len(rules) {
	case 0:
		what = "Some rules" // nothing was skipped, but a list that must have entries is empty
	case 1:
		what = "1 rule"
	}
	return fmt.Sprintf("%s could not look at everything: fetch the order with include=%s",
		what, strings.Join(checked.Missing, ","))
}
