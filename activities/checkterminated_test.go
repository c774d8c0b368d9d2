package activities_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/activities"
	"error-check-gate/internal/ordercheck"
)

// terminatedRuns lists the ids of orders, three runs a page.
type terminatedRuns struct {
	pastRuns
	ids   []string
	query string
	err   error
}

func (r *terminatedRuns) ListWorkflow(
	_ context.Context, request *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	r.query = request.GetQuery()
	from, _ := strconv.Atoi(string(request.GetNextPageToken()))
	to := min(from+3, len(r.ids))
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, id := range r.ids[from:to] {
		answer.Executions = append(answer.Executions, &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: ordercheck.WorkflowID(id)},
		})
	}
	if to < len(r.ids) {
		answer.NextPageToken = []byte(strconv.Itoa(to))
	}
	return answer, r.err
}

func checkTerminated(
	t *testing.T, runs *orderRuns, past *terminatedRuns, in ordercheck.CheckTerminatedInput,
) (result ordercheck.CheckedTerminated, err error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	(&activities.Activities{Runs: runs, PastRuns: past}).RegisterLocal(env)
	value, err := env.ExecuteActivity(ordercheck.ActivityCheckTerminated, in)
	if err == nil {
		err = value.Get(&result)
	}
	return result, err
}

func TestOrdersWhoseLatestRunWasTerminatedAreChecked(t *testing.T) {
	runs := &orderRuns{t: t, runs: map[string]run{
		"left":      {status: terminated, version: version(5), gate: "failed"},
		"again":     {status: running, version: version(5), gate: "failed"},
		"right":     {status: completed, version: version(5), gate: "passed"},
		"failed":    {status: failed, version: version(5), gate: "unchecked"},
		"too-early": {status: terminated},
	}}
	past := &terminatedRuns{ids: []string{"again", "left", "right", "left", "failed", "gone",
		"too-early"}}
	since := time.Date(2026, 11, 24, 9, 0, 0, 5, time.UTC)
	result, err := checkTerminated(t, runs, past, ordercheck.CheckTerminatedInput{Since: since})
	require.NoError(t, err)
	assert.Equal(t, []string{"left", "too-early"}, runs.started, "once each")
	assert.Equal(t, 2, result.Checked)
	assert.Len(t, result.Waiting, 2)
	assert.False(t, result.More)
	assert.Equal(t, "WorkflowType = 'SalesOrderCheck' AND ExecutionStatus = 'Terminated' "+
		"AND CloseTime >= '2026-11-24T09:00:00Z'", past.query)
}

func TestNotAllTerminatedOrdersAreCheckedAtOnce(t *testing.T) {
	runs := &orderRuns{t: t, runs: map[string]run{}}
	past := &terminatedRuns{}
	for i := range 501 {
		id := fmt.Sprintf("order-%d", i)
		past.ids = append(past.ids, id)
		runs.runs[id] = run{status: terminated, version: version(5)}
	}
	runs.look = func(id string) { // the started run has had its check by the next look
		if now := runs.runs[id]; now.status == running {
			runs.runs[id] = run{status: completed, version: version(5), gate: "passed"}
		}
	}
	result, err := checkTerminated(t, runs, past, ordercheck.CheckTerminatedInput{})
	require.NoError(t, err)
	assert.Equal(t, 500, result.Checked)
	assert.True(t, result.More)
	assert.NotContains(t, past.query, "CloseTime")

	result, err = checkTerminated(t, runs, past, ordercheck.CheckTerminatedInput{})
	require.NoError(t, err)
	assert.Equal(t, 1, result.Checked)
	assert.False(t, result.More)
	assert.Len(t, runs.started, 501, "once each")
}

func TestCheckTerminatedFailsIfTemporalDoes(t *testing.T) {
	left := map[string]run{"left": {status: terminated}}
	past := func(err error) *terminatedRuns { return &terminatedRuns{ids: []string{"left"}, err: err} }
	_, err := checkTerminated(t, &orderRuns{t: t, runs: left}, past(errors.New("no list")),
		ordercheck.CheckTerminatedInput{})
	require.ErrorContains(t, err, "list the terminated runs: no list")
	_, err = checkTerminated(t, &orderRuns{t: t, runs: left, fail: errors.New("busy")}, past(nil),
		ordercheck.CheckTerminatedInput{})
	require.ErrorContains(t, err, "start sales order left again: busy")

	// A webhook has started a run of the order since.
	overtaken := &orderRuns{t: t, runs: left,
		fail: serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "")}
	result, err := checkTerminated(t, overtaken, past(nil), ordercheck.CheckTerminatedInput{})
	require.NoError(t, err)
	assert.Zero(t, result.Checked)
}
