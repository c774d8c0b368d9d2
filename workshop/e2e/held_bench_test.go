package e2e_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
)

// heldOrders is the number of orders. The cost per order is the same for thousands.
const heldOrders = 500

// BenchmarkHeldOrders holds 500 orders and measures the cost of idle ones, which should be only a
// timer each.
func BenchmarkHeldOrders(b *testing.B) {
	s := newStack(b, options{settings: holding(0), noWorker: true})
	s.startWorker()
	// The stand-in for InFlow runs in this process too. It has the orders before the first
	// measurement, so that the difference is the worker's share.
	lost := fakeinflow.DeliveryFault{Lost: true, Times: heldOrders}
	require.NoError(b, s.fake.SetDeliveryFault(lost))
	ids := make([]string, heldOrders)
	for i := range ids {
		order := s.sample("balance-wrong")
		order["orderNumber"] = fmt.Sprintf("SO-%06d", i)
		id, err := s.fake.AddOrder(order)
		require.NoError(b, err)
		ids[i] = id
	}
	heapBefore := heap()
	began := time.Now()
	s.deliver(ids)
	count := func(query string) int64 {
		answer, err := s.temporal.CountWorkflow(b.Context(),
			&workflowservice.CountWorkflowExecutionsRequest{Query: query})
		require.NoError(b, err)
		return answer.GetCount()
	}
	require.Eventually(b, func() bool {
		return count("GateStatus = 'failed' AND ExecutionStatus = 'Running'") == heldOrders
	},
		2*time.Minute, 250*time.Millisecond)
	b.ReportMetric(heldOrders/time.Since(began).Seconds(), "held/s")
	b.ReportMetric(float64(heap()-heapBefore)/heldOrders, "worker-B/held")

	last := ids[len(ids)-1]
	var described *workflowservice.DescribeWorkflowExecutionResponse
	require.Eventually(b, func() bool {
		var err error
		described, err = s.temporal.DescribeWorkflowExecution(b.Context(),
			ordercheck.WorkflowID(last), "")
		return err == nil && len(described.GetPendingActivities()) == 0
	}, waitFor, tick, "a held order has no pending activity after its notice")
	events := s.history(last)
	timers := 0
	for _, event := range events {
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_TIMER_STARTED:
			timers++
		case enumspb.EVENT_TYPE_TIMER_FIRED, enumspb.EVENT_TYPE_TIMER_CANCELED:
			timers--
		}
	}
	require.Equal(b, 1, timers, "one timer each")
	b.ReportMetric(float64(len(events)), "events/held")
	b.ReportMetric(float64(described.GetWorkflowExecutionInfo().GetHistorySizeBytes()),
		"history-B/held")
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // far below 2^63
}
