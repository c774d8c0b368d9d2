package orders

import "error-check-gate/internal/ordercheck"

// Release says whether an order may leave the warehouse.
type Release string

// The releases. Only [ReleaseYes] lets an order go.
const (
	// ReleaseYes means that the latest known version was checked, and that somebody has taken
	// responsibility for each of its errors, if any.
	ReleaseYes Release = "yes"
	// ReleaseNo means that the order has errors.
	ReleaseNo Release = "no"
	// ReleaseUnknown means that the order was not checked, or not completely, or that a newer
	// version waits for its check.
	ReleaseUnknown Release = "unknown"
)

// release returns what a status means for the warehouse. checkDue is true while a delivery or a
// person waits for a check: the report then describes an older version of the order.
func release(status ordercheck.Status, checkDue bool) Release {
	switch status {
	case ordercheck.StatusPassed, ordercheck.StatusWarning, ordercheck.StatusOverridden:
		if checkDue {
			return ReleaseUnknown
		}
		return ReleaseYes
	case ordercheck.StatusPending, ordercheck.StatusFailed:
		return ReleaseNo
	case ordercheck.StatusChecking, ordercheck.StatusIncomplete, ordercheck.StatusUnchecked:
	}
	return ReleaseUnknown
}
