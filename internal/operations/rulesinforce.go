package operations

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// ErrNoRulesInForce means that no worker has created the record of the rule set in force in this
// namespace.
var ErrNoRulesInForce = errors.New(
	"no rule set is in force in this namespace: the first worker that starts puts its own in force",
)

// RulesInForce reads which rule set is in force, without a worker. open is false if no run keeps
// the record now: then it is the record of an earlier run, or empty.
func RulesInForce(
	ctx context.Context, c client.Client,
) (inForce ordercheck.InForce, open bool, err error) {
	description, err := c.DescribeWorkflow(ctx, ordercheck.RulesWorkflowID, "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return inForce, false, nil
	}
	if err != nil {
		return inForce, false, fmt.Errorf("read the record of the rule set in force: %w", err)
	}
	if err := description.GetMemoValue(ordercheck.MemoInForce, &inForce); err != nil {
		return inForce, false, fmt.Errorf("read the record of the rule set in force: %w", err)
	}
	if inForce.Since.IsZero() {
		inForce.Since = description.WorkflowStartTime.UTC()
	}
	return inForce, description.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// UseRules goes back to an earlier rule set whose digest begins with a text, and returns the
// updated record. It needs a running worker.
func UseRules(ctx context.Context, c client.Client, digest, by string) (ordercheck.InForce, error) {
	inForce, open, err := RulesInForce(ctx, c)
	if err != nil {
		return inForce, err
	}
	if !open {
		return inForce, ErrNoRulesInForce
	}
	set, err := inForce.Find(digest)
	if err != nil {
		return inForce, err
	}
	err = update(ctx, c, client.UpdateWorkflowOptions{
		WorkflowID: ordercheck.RulesWorkflowID, UpdateName: ordercheck.UpdateUseRules,
		Args: []any{ordercheck.UseRules{Digest: set.Digest, By: by}},
	}, &inForce)
	if err != nil {
		return inForce, fmt.Errorf("go back to rule set %s: %w", set.Digest, err)
	}
	return inForce, nil
}
