package desk

import "error-check-gate/internal/ordercheck"

// Release says whether an order may leave the warehouse.
type Release string

// The releases. Only [ReleaseYes] lets an order go.
const (
	ReleaseYes     Release = "yes"     // the latest known version was checked, and is right or answered for
	ReleaseNo      Release = "no"      // it has errors
	ReleaseUnknown Release = "unknown" // it was not checked, or not completely, or a newer version waits for a check
)

// release returns what a status means for the warehouse. owed is true while a delivery, or a person, waits
// for a check: the report then tells of an older version of the order.
func release(status ordercheck.Status, owed bool) Release {
	switch status {
	case ordercheck.StatusPassed, ordercheck.StatusWarning, ordercheck.StatusOverridden:
		if owed {
			return ReleaseUnknown
		}
		return ReleaseYes
	case ordercheck.StatusPending, ordercheck.StatusFailed:
		return ReleaseNo
	case ordercheck.StatusChecking, ordercheck.StatusIncomplete, ordercheck.StatusUnchecked:
	}
	return ReleaseUnknown
}
