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

// maxErrorText limits an error's message that is repeated, in characters.
const maxErrorText = 500

// explain turns an activity's failure into the failure of the check. Its message says what to do,
// because that is what the Web UI shows.
func (o *salesOrder) explain(err error) orderlife.Failure {
	kind := call.ErrorType(err)
	var advice string
	switch kind {
	case ordercheck.ErrorOrderNotFound:
		advice = "InFlow does not know this sales order; was it deleted?"
	case ordercheck.ErrorInflowUnauthorized:
		advice = "InFlow refused the API key; put INFLOW_API_KEY and INFLOW_COMPANY_ID right at the worker, then rerun"
	case ordercheck.ErrorInflowBadResponse:
		// The activity knows whether the address, the version or one field of the order is wrong.
		advice = "InFlow's answer could not be used (" + ordercheck.Cut(call.ErrorMessage(err), maxErrorText) + "); mend what it names, then rerun"
	case ordercheck.ErrorOrderTooLarge:
		advice = "it is too large for a check; check it by hand, or split it into several orders (" + call.ErrorMessage(err) + ")"
	case ordercheck.ErrorRulesNotInForce:
		advice = "no worker had the rule set in force for an hour; run one with these rules, or go back with 'gate rules use', then rerun"
	case ordercheck.ErrorInflowUnavailable, ordercheck.ErrorInflowRateLimited:
		advice = fmt.Sprintf("InFlow gave no answer within %v of retries; rerun when it is back", fetchScheduleToClose)
	default:
		var timeout *temporal.TimeoutError
		if errors.As(err, &timeout) {
			kind = "CheckTimedOut"
			advice = "an activity did not end in time; is a worker of both task queues running?"
			break
		}
		kind = cmp.Or(kind, "CheckFailed")
		advice = ordercheck.Cut(call.ErrorMessage(err), maxErrorText)
	}
	return orderlife.Failure{Type: kind, Message: fmt.Sprintf("sales order %s was not checked: %s", o.id, advice)}
}
