package orders

import (
	"context"
	"fmt"
	"sync"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"error-check-gate/internal/ordercheck"
)

const (
	// maxOpenBatches is the maximum number of open batches that we read. If more are open, we assume
	// that every order has a delivery in one of them.
	maxOpenBatches = 20
	// maxCachedBatches is the maximum number of batches whose orders we cache.
	maxCachedBatches = 100
)

// batches finds deliveries that Temporal has committed in a batch and not yet passed on. InFlow
// got a 200 for them, but they may reach the orders' own runs seconds later.
type batches struct {
	temporal  client.Client
	converter converter.DataConverter

	mu     sync.Mutex
	orders map[string]map[string]bool // order ids by run id of the batch
}

// contain reports whether an open batch has a delivery of the order.
func (b *batches) contain(ctx context.Context, salesOrderID string) (bool, error) {
	open, err := b.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'",
			ordercheck.HandOverWorkflowType),
		PageSize: maxOpenBatches + 1,
	})
	if err != nil {
		return false, fmt.Errorf("list the open batches of deliveries: %w", classify(err))
	}
	if len(open.GetExecutions()) > maxOpenBatches {
		return true, nil
	}
	for _, run := range open.GetExecutions() {
		orders, err := b.read(ctx, run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId())
		if err != nil {
			return false, err
		}
		if orders[salesOrderID] {
			return true, nil
		}
	}
	return false, nil
}

// read returns the ids of the orders in a batch: the input of its workflow, which never changes.
func (b *batches) read(ctx context.Context, workflowID, runID string) (map[string]bool, error) {
	b.mu.Lock()
	cached, ok := b.orders[runID]
	b.mu.Unlock()
	if ok {
		return cached, nil
	}
	history := b.temporal.GetWorkflowHistory(ctx, workflowID, runID, false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	started, err := history.Next()
	if err != nil {
		return nil, fmt.Errorf("read a batch of deliveries: %w", classify(err))
	}
	var batch ordercheck.DeliveryBatch
	input := started.GetWorkflowExecutionStartedEventAttributes().GetInput()
	if err := b.converter.FromPayloads(input, &batch); err != nil {
		return nil, fmt.Errorf("read a batch of deliveries: %w", err)
	}
	orders := make(map[string]bool, len(batch.Orders))
	for i := range batch.Orders {
		orders[ordercheck.CanonicalID(batch.Orders[i].SalesOrderID)] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.orders == nil || len(b.orders) >= maxCachedBatches {
		b.orders = map[string]map[string]bool{} // most of the old ones have ended
	}
	b.orders[runID] = orders
	return orders, nil
}
