package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// fetches returns InFlow's requests for an order, sorted by start.
func (s *stack) fetches(id string) []fakeinflow.Request {
	var fetches []fakeinflow.Request
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RouteGetSalesOrder && request.SalesOrderID == id {
			fetches = append(fetches, request)
		}
	}
	return fetches
}

// assertFetchedWhenQuiet checks, by the server's clock, that each fetch of an order began when no
// delivery had come for SettleQuiet, or SettleMax after the first delivery.
func (s *stack) assertFetchedWhenQuiet(id string) {
	s.t.Helper()
	fetches := 0
	for _, run := range s.runs(id) {
		var first, last time.Time // deliveries since the previous fetch
		for _, event := range s.runHistory(id, run) {
			at := event.GetEventTime().AsTime()
			if slices.ContainsFunc(signaled(s.t, event), isWebhook) {
				first, last = orderlife.Earlier(first, at), at
			}
			scheduled := event.GetActivityTaskScheduledEventAttributes()
			if scheduled.GetActivityType().GetName() != ordercheck.ActivityFetchOrder {
				continue
			}
			fetches++
			assert.True(s.t, at.Sub(last) >= s.settings.SettleQuiet ||
				at.Sub(first) >= s.settings.SettleMax,
				"order %s was fetched %v after its last delivery", id, at.Sub(last))
			first = time.Time{}
		}
	}
	assert.Positive(s.t, fetches)
}

// signaled returns the deliveries of a signal; none if the event is not a signal.
func signaled(t testing.TB, event *historypb.HistoryEvent) (list []ordercheck.Delivery) {
	t.Helper()
	if event.GetEventType() != enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
		return nil
	}
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(
		event.GetWorkflowExecutionSignaledEventAttributes().GetInput(), &list))
	return list
}

// isWebhook reports whether a delivery is not one of the gate's own, such as a change of the rules.
func isWebhook(d ordercheck.Delivery) bool { return d.RulesDigest == "" && d.OrderVersion == "" }

// runs returns the ids of an order's runs, oldest first.
func (s *stack) runs(id string) []string {
	s.t.Helper()
	var ids []string
	require.Eventually(s.t, func() bool {
		answer, err := s.temporal.ListWorkflow(s.t.Context(),
			&workflowservice.ListWorkflowExecutionsRequest{
				Query: fmt.Sprintf("WorkflowId = '%s'", ordercheck.WorkflowID(id)),
			})
		if err != nil || len(answer.GetExecutions()) == 0 {
			return false
		}
		ids = ids[:0]
		for _, execution := range answer.GetExecutions() {
			ids = append([]string{execution.GetExecution().GetRunId()}, ids...)
		}
		return true
	}, waitFor, tick)
	return ids
}

// history returns the events of all runs of an order.
func (s *stack) history(id string) []*historypb.HistoryEvent {
	s.t.Helper()
	var events []*historypb.HistoryEvent
	for _, run := range s.runs(id) {
		events = append(events, s.runHistory(id, run)...)
	}
	return events
}

func (s *stack) runHistory(id, run string) []*historypb.HistoryEvent {
	s.t.Helper()
	return s.events(ordercheck.WorkflowID(id), run)
}

// events returns the events of one run. An empty id means the latest run.
func (s *stack) events(workflowID, run string) []*historypb.HistoryEvent {
	s.t.Helper()
	var events []*historypb.HistoryEvent
	iterator := s.temporal.GetWorkflowHistory(s.t.Context(), workflowID, run, false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		require.NoError(s.t, err)
		events = append(events, event)
	}
	return events
}

// count returns the number of runs in Temporal's list that match a query.
func (s *stack) count(t require.TestingT, query string) int {
	answer, err := s.temporal.CountWorkflow(s.t.Context(),
		&workflowservice.CountWorkflowExecutionsRequest{Query: query})
	require.NoError(t, err)
	return int(answer.GetCount())
}

func (s *stack) runStatus(id string) enumspb.WorkflowExecutionStatus {
	s.t.Helper()
	answer, err := s.temporal.DescribeWorkflowExecution(s.t.Context(), ordercheck.WorkflowID(id),
		"")
	require.NoError(s.t, err)
	return answer.GetWorkflowExecutionInfo().GetStatus()
}

func (s *stack) fetchCounts(ids []string) map[string]int {
	counts := map[string]int{}
	for _, id := range ids {
		counts[id] = len(s.fetches(id))
	}
	return counts
}
