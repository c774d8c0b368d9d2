package rules

import (
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// Report is the report of an evaluation on its own: no time has passed and no grace is
// given, so findings are confirmed at once.
func Report(order *inflow.SalesOrder, checked ordercheck.CheckedOrder, at time.Time) ordercheck.Report {
	report := ordercheck.Report{
		SalesOrderID: order.SalesOrderID,
		OrderNumber:  order.OrderNumber,
		OrderVersion: order.Timestamp,
		Status:       ordercheck.StatusPassed,
		CheckedAt:    at,
		RuleSet:      checked.RuleSet,
		Findings:     checked.Findings,
		Skipped:      checked.Skipped,
		RuleErrors:   checked.RuleErrors,
	}
	if order.Customer != nil {
		report.Customer = order.Customer.Name
	}
	for i := range report.Findings {
		report.Findings[i].FirstSeen, report.Findings[i].State = at, ordercheck.FindingConfirmed
	}
	switch {
	case report.Errors() > 0:
		report.Status = ordercheck.StatusFailed
	case len(report.RuleErrors) > 0:
		report.Status = ordercheck.StatusIncomplete
	case report.Warnings() > 0:
		report.Status = ordercheck.StatusWarning
	}
	return report
}
