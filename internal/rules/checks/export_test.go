package checks

// Exported for the property tests, which make orders that are right.
var (
	LineSubtotals = lineSubtotals
	OrderTotals   = orderTotals
	TaxReadings   = taxReadings
)
