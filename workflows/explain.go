package workflows

import (
	"cmp"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows/call"
)

// maxErrorText limits the part of an activity's message that explain repeats, in characters.
const maxErrorText = 500

// explain turns an activity's error into the failure of the check. The Web UI shows its message, so
// the message says what to do.
func (o *salesOrder) explain(err error) orderlife.Failure {
	kind := call.ErrorType(err)
	text := ordercheck.Cut(call.ErrorMessage(err), maxErrorText)
	var timeout *temporal.TimeoutError
	switch kind {
	case ordercheck.ErrorOrderNotFound:
		text = "InFlow does not know this sales order; was it deleted?"
	case ordercheck.ErrorInflowUnauthorized:
		text = "InFlow refused the API key; " +
			"correct INFLOW_API_KEY and INFLOW_COMPANY_ID at the worker, then rerun"
	case ordercheck.ErrorInflowBadResponse:
		// The activity knows whether the address, the version or one field of the order is wrong.
		text = "InFlow's answer could not be used (" + text + "); fix what it names, then rerun"
	case ordercheck.ErrorOrderTooLarge:
		text = "it is too large for a check; " +
			"check it by hand, or split it into several orders (" + text + ")"
	case ordercheck.ErrorRulesNotInForce:
		text = "no worker had the rule set in force for an hour; run one with these rules, " +
			"or go back with 'gate rules use', then rerun"
	case ordercheck.ErrorInflowUnavailable, ordercheck.ErrorInflowRateLimited:
		text = fmt.Sprintf("InFlow gave no answer within %v of retries; rerun when it is back",
			fetchScheduleToClose)
	default:
		kind = cmp.Or(kind, "CheckFailed")
		if errors.As(err, &timeout) {
			kind = "CheckTimedOut"
			text = "an activity did not end in time; is a worker of both task queues running?"
		}
	}
	return orderlife.Failure{
		Type: kind, Message: fmt.Sprintf("sales order %s was not checked: %s", o.id, text),
	}
}
