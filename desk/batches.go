package desk

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
	// maxOpenBatches is the maximum number of open batches that are read. If more are open, every
	// order counts as having a delivery on its way.
	maxOpenBatches = 20
	// maxBatchesKept is the maximum number of batches whose orders are kept in memory.
	maxBatchesKept = 100
)

// batches finds the deliveries that Temporal has committed in batches, until their orders' runs
// have got them. InFlow has its answer by then, and the runs may not know for some seconds.
type batches struct {
	temporal  client.Client
	converter converter.DataConverter

	mu     sync.Mutex
	orders map[string]map[string]bool // by run id
}

// contain reports whether a delivery of an order is on its way to the order's run.
func (b *batches) contain(ctx context.Context, salesOrderID string) (bool, error) {
	open, err := b.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'",
			ordercheck.HandOverWorkflowType),
		PageSize: maxOpenBatches + 1,
	})
	if err != nil {
		return false, fmt.Errorf("look for deliveries on their way: %w", knownError(err))
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

// read returns the orders of a batch, from the input of its run, which never changes.
func (b *batches) read(ctx context.Context, workflowID, runID string) (map[string]bool, error) {
	b.mu.Lock()
	known, ok := b.orders[runID]
	b.mu.Unlock()
	if ok {
		return known, nil
	}
	history := b.temporal.GetWorkflowHistory(ctx, workflowID, runID, false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	event, err := history.Next()
	if err != nil {
		return nil, fmt.Errorf("read the deliveries on their way: %w", knownError(err))
	}
	var batch ordercheck.DeliveryBatch
	input := event.GetWorkflowExecutionStartedEventAttributes().GetInput()
	if err := b.converter.FromPayloads(input, &batch); err != nil {
		return nil, fmt.Errorf("read the deliveries on their way: %w", err)
	}
	orders := make(map[string]bool, len(batch.Orders))
	for i := range batch.Orders {
		orders[ordercheck.CanonicalID(batch.Orders[i].SalesOrderID)] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.orders == nil || len(b.orders) >= maxBatchesKept {
		b.orders = map[string]map[string]bool{} // most of them have ended
	}
	b.orders[runID] = orders
	return orders, nil
}
