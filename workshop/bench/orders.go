package main

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/ordercheck"
)

// orders adds n orders without errors at InFlow.
func (s *site) orders(n int) (ids []string, err error) {
	for range n {
		id, err := s.order(sampleRight)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// waitUntilNoRunIsOpen returns when no run is open.
func (s *site) waitUntilNoRunIsOpen(ctx context.Context) error {
	deadline := time.Now().Add(3 * time.Minute)
	for quiet := 0; quiet < 3; {
		answer, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("ExecutionStatus = '%s' AND WorkflowType NOT IN ('%s', '%s')",
				enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
				ordercheck.RulesWorkflowType, ordercheck.OutcomesWorkflowType),
		})
		switch {
		case err != nil:
			return err
		case answer.GetCount() == 0:
			quiet++
		case time.Now().After(deadline):
			return fmt.Errorf("%d runs are still open", answer.GetCount())
		default:
			quiet = 0
		}
		time.Sleep(300 * time.Millisecond)
	}
	return nil
}
