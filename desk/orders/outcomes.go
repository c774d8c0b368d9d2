package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// RuleOutcomes returns the outcomes of errors by rule, from the day of from on. Days are in UTC.
// The result is empty until the first error is fixed, overridden or has another outcome.
func (r *Runs) RuleOutcomes(ctx context.Context, from time.Time) (ordercheck.RuleOutcomes, error) {
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	var outcomes ordercheck.RuleOutcomes
	answer, err := r.queryTwice(ctx, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: ordercheck.OutcomesWorkflowID, QueryType: ordercheck.QueryOutcomes,
		Args: []any{from},
	})
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return outcomes, nil
	case err != nil:
		return outcomes, fmt.Errorf("query the outcomes of errors: %w", classify(err))
	}
	if err := answer.QueryResult.Get(&outcomes); err != nil {
		return outcomes, fmt.Errorf("decode the outcomes of errors: %w", err)
	}
	return outcomes, nil
}
