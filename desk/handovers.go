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
	// maxHandOvers limits the hand-overs that are looked into. With more of them open, every order
	// counts as on its way.
	maxHandOvers = 20
	// maxHandOversKept limits the hand-overs whose orders are in memory.
	maxHandOversKept = 100
)

// handOvers knows the deliveries that Temporal has committed in batches. InFlow was told that they
// were received, and the orders' own runs may not know of them for some seconds.
type handOvers struct {
	temporal  client.Client
	converter converter.DataConverter

	mu     sync.Mutex
	orders map[string]map[string]bool // by run id
}

// contain reports whether a delivery of an order is on its way to the order's run.
func (h *handOvers) contain(ctx context.Context, salesOrderID string) (bool, error) {
	open, err := h.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query:    fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", ordercheck.HandOverWorkflowType),
		PageSize: maxHandOvers + 1,
	})
	if err != nil {
		return false, fmt.Errorf("look for deliveries on their way: %w", knownError(err))
	}
	if len(open.GetExecutions()) > maxHandOvers {
		return true, nil
	}
	for _, run := range open.GetExecutions() {
		orders, err := h.read(ctx, run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId())
		if err != nil {
			return false, err
		}
		if orders[salesOrderID] {
			return true, nil
		}
	}
	return false, nil
}

// read returns the orders of a hand-over. They are its input, which never changes.
func (h *handOvers) read(ctx context.Context, workflowID, runID string) (map[string]bool, error) {
	h.mu.Lock()
	known, ok := h.orders[runID]
	h.mu.Unlock()
	if ok {
		return known, nil
	}
	history := h.temporal.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	event, err := history.Next()
	if err != nil {
		return nil, fmt.Errorf("read the deliveries on their way: %w", knownError(err))
	}
	var handOver ordercheck.DeliveryBatch
	input := event.GetWorkflowExecutionStartedEventAttributes().GetInput()
	if err := h.converter.FromPayloads(input, &handOver); err != nil {
		return nil, fmt.Errorf("read the deliveries on their way: %w", err)
	}
	orders := make(map[string]bool, len(handOver.Orders))
	for i := range handOver.Orders {
		orders[ordercheck.CanonicalID(handOver.Orders[i].SalesOrderID)] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.orders == nil || len(h.orders) >= maxHandOversKept {
		h.orders = map[string]map[string]bool{} // those that ended are of no use any more
	}
	h.orders[runID] = orders
	return orders, nil
}
