package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/grpc"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulefile"
)

func TestFetchedOrdersAreBounded(t *testing.T) {
	fetch := func(id string, size int) ordercheck.FetchedOrder {
		return ordercheck.FetchedOrder{FetchID: id, Order: []byte(strings.Repeat("x", size))}
	}
	t.Run("in number", func(t *testing.T) {
		var f fetchedOrders
		for i := range 2 * maxFetchedOrders {
			f.put("run", fetch(fmt.Sprint(i), 1))
		}
		assert.Len(t, f.cached, maxFetchedOrders)
		_, ok := f.take("run", fmt.Sprint(maxFetchedOrders-1))
		assert.False(t, ok, "the oldest ones are gone")
		fetched, ok := f.take("run", fmt.Sprint(2*maxFetchedOrders-1))
		assert.True(t, ok)
		assert.Len(t, fetched.Order, 1)
	})
	t.Run("in size", func(t *testing.T) {
		var f fetchedOrders
		for i := range 20 {
			f.put("run", fetch(fmt.Sprint(i), maxFetchedSize/10))
		}
		assert.Len(t, f.cached, 10)
		f.put("run", fetch("large", maxFetchedSize+1))
		assert.Empty(t, f.cached)
		assert.Zero(t, f.size)
	})
	t.Run("each is taken once, by its run and fetch", func(t *testing.T) {
		var f fetchedOrders
		f.put("run", fetch("5/1", 1))
		_, ok := f.take("run", "5/2")
		assert.False(t, ok)
		_, ok = f.take("another run", "5/1")
		assert.False(t, ok)
		_, ok = f.take("run", "5/1")
		assert.True(t, ok)
		_, ok = f.take("run", "5/1")
		assert.False(t, ok)
	})
}

// history answers with a run's events, the latest first, two a page.
type history struct {
	workflowservice.WorkflowServiceClient
	PastRuns
	events []*historypb.HistoryEvent
	err    error
}

func (h *history) WorkflowService() workflowservice.WorkflowServiceClient { return h }

func (h *history) GetWorkflowExecutionHistoryReverse(
	_ context.Context, in *workflowservice.GetWorkflowExecutionHistoryReverseRequest,
	_ ...grpc.CallOption,
) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	const size = 2
	page := min(len(in.GetNextPageToken()), len(h.events)/size)
	out := &workflowservice.GetWorkflowExecutionHistoryReverseResponse{History: &historypb.History{
		Events: h.events[page*size : min(len(h.events), (page+1)*size)],
	}}
	if (page+1)*size < len(h.events) {
		out.NextPageToken = make([]byte, page+1)
	}
	return out, h.err
}

func (h *history) completed(t *testing.T, activityID string, fetched ordercheck.FetchedOrder) {
	t.Helper()
	result, err := converter.GetDefaultDataConverter().ToPayloads(fetched)
	require.NoError(t, err)
	id := int64(2*len(h.events) + 1)
	events := []*historypb.HistoryEvent{
		{EventId: id + 1, Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
				ScheduledEventId: id, Result: result,
			}}},
		{EventId: id, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
				ActivityId:   activityID,
				ActivityType: &commonpb.ActivityType{Name: ordercheck.ActivityFetchOrder},
			}}},
	}
	h.events = append(events, h.events...)
}

func TestOrderFetchedByAnotherWorkerIsReadFromTheHistory(t *testing.T) {
	const order = `{"salesOrderId":"4d4b6dd0-1f7b-4c3e-9a39-8a3c4c0a1a11","timestamp":"2"}`
	asked := rulefile.Default().Needs(nil)
	for name, tt := range map[string]struct {
		history   func(h *history)
		wantError string
	}{
		"latest": {history: func(h *history) {
			h.completed(t, "5", ordercheck.FetchedOrder{FetchID: "5/1", Order: []byte(order), Asked: asked})
		}},
		"many events ago": {history: func(h *history) {
			h.completed(t, "5", ordercheck.FetchedOrder{FetchID: "5/1", Order: []byte(order), Asked: asked})
			for i := range 10 {
				h.completed(t, fmt.Sprint(10+i), ordercheck.FetchedOrder{})
			}
		}},
		"not there": {
			history:   func(h *history) { h.completed(t, "6", ordercheck.FetchedOrder{}) },
			wantError: "no activity 5 has completed",
		},
		"Temporal is away": {
			history:   func(h *history) { h.err = errors.New("away") },
			wantError: "away",
		},
		"of another attempt": {
			history: func(h *history) {
				h.completed(t, "5", ordercheck.FetchedOrder{FetchID: "5/2", Order: []byte(order)})
			},
			wantError: `it has the result of fetch "5/2", not of "5/1"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			runs := &history{}
			tt.history(runs)
			a := &Activities{Rules: rulefile.Default, PastRuns: runs}
			a.RegisterLocal(env)
			value, err := env.ExecuteActivity(ordercheck.ActivityCheckOrder,
				ordercheck.CheckOrderInput{FetchID: "5/1"})
			if tt.wantError != "" {
				require.ErrorContains(t, err, tt.wantError)
				return
			}
			require.NoError(t, err)
			var checked ordercheck.CheckedOrder
			require.NoError(t, value.Get(&checked))
			assert.NotEmpty(t, checked.Findings, "the rules saw an order without lines")
		})
	}
}
