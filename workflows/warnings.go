package workflows

import (
	"error-check-gate/internal/ordercheck"
)

// warningsAreNews reports whether the order has only warnings, and people have not been told of one of them.
func (o *salesOrder) warningsAreNews() bool {
	if !o.settings.NotifyWarnings || o.report.Status != ordercheck.StatusWarning || o.report.Note == noteCancelled {
		return false
	}
	for f := range o.report.All() {
		if f.Severity == ordercheck.SeverityWarning && !f.Told {
			return true
		}
	}
	return false
}

// noteWarningsTold notes that people are told of the report's warnings: a notice of any kind lists them.
func (o *salesOrder) noteWarningsTold() {
	if !o.settings.NotifyWarnings {
		return
	}
	for f := range o.report.All() {
		f.Told = f.Severity == ordercheck.SeverityWarning
	}
}
