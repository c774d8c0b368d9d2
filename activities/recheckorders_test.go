package activities_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/activities"
	"error-check-gate/internal/ordercheck"
)

// openRuns holds the open runs of n orders. The run of order number ended has ended.
type openRuns struct {
	n, ended int
	signal   func(workflowID string) error

	mu       sync.Mutex
	asked    map[string]int
	listed   []string // tokens of pages
	badToken string
}

func (o *openRuns) ListWorkflow(
	_ context.Context, request *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	token := string(request.GetNextPageToken())
	o.mu.Lock()
	o.listed = append(o.listed, token)
	o.mu.Unlock()
	if token != "" && token == o.badToken {
		return nil, serviceerror.NewInvalidArgument("a token of another server")
	}
	first := 0
	if token != "" {
		first, _ = strconv.Atoi(token)
	}
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	last := min(o.n, first+int(request.GetPageSize()))
	for i := first; i < last; i++ {
		answer.Executions = append(answer.Executions, &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: ordercheck.WorkflowID(fmt.Sprint(i))},
			Status:    enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		})
	}
	if last < o.n {
		answer.NextPageToken = []byte(strconv.Itoa(last))
	}
	return answer, nil
}

func (o *openRuns) SignalWorkflow(_ context.Context, workflowID, _, _ string, arg any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.signal != nil {
		if err := o.signal(workflowID); err != nil {
			return err
		}
	}
	if workflowID == ordercheck.WorkflowID(fmt.Sprint(o.ended)) && o.ended > 0 {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	deliveries := arg.([]ordercheck.Delivery)
	if len(deliveries) == 1 && deliveries[0].Event == ordercheck.EventRulesChanged &&
		deliveries[0].RulesDigest == "sha256:01" {
		if o.asked == nil {
			o.asked = map[string]int{}
		}
		o.asked[workflowID]++
	}
	return nil
}

func recheck(t *testing.T, runs *openRuns, details ...any) (ordercheck.RecheckedOrders, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	if len(details) > 0 {
		env.SetHeartbeatDetails(details[0])
	}
	(&activities.RecheckOrders{Temporal: runs}).Register(env)
	value, err := env.ExecuteActivity(ordercheck.ActivityRecheckOrders,
		ordercheck.RecheckOrders{RuleSet: ordercheck.RuleSet{Digest: "sha256:01"}})
	if err != nil {
		return ordercheck.RecheckedOrders{}, err
	}
	var done ordercheck.RecheckedOrders
	require.NoError(t, value.Get(&done))
	return done, nil
}

// 500 orders take at least 5 seconds. Each is asked once, and a run that has ended is no error.
func TestOpenOrdersAreAskedAtALimitedRate(t *testing.T) {
	t.Parallel()
	runs := &openRuns{n: 500, ended: 250}
	began := time.Now()
	done, err := recheck(t, runs)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(began), 5*time.Second)
	assert.Equal(t, 500, done.Orders)
	assert.Len(t, runs.asked, 499)
	for id, times := range runs.asked {
		assert.Equal(t, 1, times, id)
	}
	assert.Equal(t, []string{"", "200", "400"}, runs.listed)
}

func TestInterruptedRecheckResumesAtItsPage(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	runs := &openRuns{n: 410, signal: func(id string) error {
		if id == ordercheck.WorkflowID("405") {
			return away
		}
		return nil
	}}
	_, err := recheck(t, runs)
	require.ErrorContains(t, err, "away")

	runs.signal = nil
	done, err := recheck(t, runs, ordercheck.RecheckedOrders{Orders: 400, NextPage: []byte("400")})
	require.NoError(t, err)
	assert.Equal(t, 410, done.Orders)
	assert.Len(t, runs.asked, 410)
	assert.Equal(t, 1, runs.asked[ordercheck.WorkflowID("399")], "earlier pages are done")
	assert.Equal(t, 2, runs.asked[ordercheck.WorkflowID("400")])

	again := &openRuns{n: 3, badToken: "400"}
	done, err = recheck(t, again, ordercheck.RecheckedOrders{Orders: 400, NextPage: []byte("400")})
	require.NoError(t, err)
	assert.Equal(t, 3, done.Orders, "with a token that the server does not know, it starts again")
}
