package activities_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/activities"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulefile"
)

func version(n int) string { return fmt.Sprintf("%016X", n) }

func listed(n, v int) ordercheck.ListedOrder {
	return ordercheck.ListedOrder{
		SalesOrderID: fmt.Sprintf("order-%d", n),
		OrderNumber:  fmt.Sprintf("SO-%d", n),
		OrderVersion: version(v),
	}
}

// listJSON is InFlow's answer: order n has the version 100 + n and is of the given day of November.
func listJSON(day string, numbers ...int) string {
	entries := make([]string, len(numbers))
	for i, n := range numbers {
		entries[i] = fmt.Sprintf(
			`{"salesOrderId":"order-%d","orderNumber":"SO-%d","timestamp":%q,`+
				`"orderDate":"2026-11-%sT00:00:00Z"}`,
			n,
			n,
			version(100+n),
			day,
		)
	}
	return "[" + strings.Join(entries, ",") + "]"
}

func TestListOrdersReturnsOrdersAboveTheMark(t *testing.T) {
	from := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
	twelve := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for name, tt := range map[string]struct {
		status int
		list   string
		in     ordercheck.ListOrdersInput
		want   ordercheck.ListedOrders
	}{
		"the first page": {200, listJSON("20", twelve...), ordercheck.ListOrdersInput{},
			ordercheck.ListedOrders{Listed: 12, Highest: version(112)}},
		"a mark": {200, listJSON("20", twelve...), ordercheck.ListOrdersInput{Mark: version(111)},
			ordercheck.ListedOrders{Listed: 12, Highest: version(112),
				Orders: []ordercheck.ListedOrder{listed(12, 112)}}},
		"the next page": {200, listJSON("20", 1, 2), ordercheck.ListOrdersInput{After: listed(1, 101)},
			ordercheck.ListedOrders{Listed: 1, Highest: version(102),
				Orders: []ordercheck.ListedOrder{listed(2, 102)},
				Tail:   []ordercheck.ListedOrder{listed(2, 102)}}},
		"nothing follows": {200, listJSON("20", 1),
			ordercheck.ListOrdersInput{After: listed(1, 101)}, ordercheck.ListedOrders{Last: true}},
		"no orders": {200, `[]`, ordercheck.ListOrdersInput{},
			ordercheck.ListedOrders{Last: true}},
		"the entry has changed": {200, listJSON("20", 1, 2),
			ordercheck.ListOrdersInput{After: listed(1, 99)}, ordercheck.ListedOrders{Moved: true}},
		"the entry is elsewhere": {200, listJSON("20", 2, 1),
			ordercheck.ListOrdersInput{After: listed(1, 101)}, ordercheck.ListedOrders{Moved: true}},
		"the entry is gone": {400, `"no such entity"`,
			ordercheck.ListOrdersInput{After: listed(1, 101)}, ordercheck.ListedOrders{Moved: true}},
		"nothing at all": {200, `[]`, ordercheck.ListOrdersInput{After: listed(1, 101)},
			ordercheck.ListedOrders{Moved: true}},
		"a server without the filter": {200, listJSON("09", 1, 2), ordercheck.ListOrdersInput{},
			ordercheck.ListedOrders{Tail: []ordercheck.ListedOrder{listed(1, 101), listed(2, 102)}}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.in.From = from
			value, err := environment(t,
				answer(tt.status, nil, tt.list)).ExecuteActivity(ordercheck.ActivityListOrders, tt.in)
			require.NoError(t, err)
			var page ordercheck.ListedOrders
			require.NoError(t, value.Get(&page))
			if name == "the first page" {
				require.Len(t, page.Orders, 12)
				require.Len(t, page.Tail, 10)
				assert.Equal(t, listed(12, 112), page.Tail[9])
				page.Orders, page.Tail = nil, nil
			}
			if name == "a mark" {
				page.Tail = nil
			}
			for _, list := range []*[]ordercheck.ListedOrder{&page.Orders, &page.Tail} {
				if len(*list) == 0 {
					*list = nil
				}
			}
			// see TestListOrdersReturnsThePlacesOfItsEntries
			page.First, page.Entries, page.TailAt = "", 0, nil
			assert.Equal(t, tt.want, page)
		})
	}
}

func TestListOrdersNewestFirst(t *testing.T) {
	badRequest := `"cannot sort by timestamp"`
	for name, tt := range map[string]struct {
		status int
		list   string
		mark   int
		want   ordercheck.ListedOrders
	}{
		"down to the mark": {200, listJSON("20", 9, 8, 7, 6), 107, ordercheck.ListedOrders{
			Listed: 2, Reached: true, Orders: []ordercheck.ListedOrder{listed(9, 109), listed(8, 108)},
		}},
		"orders older than the sweep's days": {200, listJSON("09", 9, 8), 108, ordercheck.ListedOrders{
			Listed: 1, Reached: true, Orders: []ordercheck.ListedOrder{listed(9, 109)},
		}},
		"the mark is on a later page": {200, listJSON("20", 9), 107, ordercheck.ListedOrders{
			Listed: 1, Orders: []ordercheck.ListedOrder{listed(9, 109)},
		}},
		"not sorted": {200, listJSON("20", 9, 6, 8), 107,
			ordercheck.ListedOrders{Unsorted: "InFlow lists them in another order"}},
		"sorted the other way": {200, listJSON("20", 6, 8, 9), 107,
			ordercheck.ListedOrders{Unsorted: "InFlow lists them in another order"}},
		"refused": {http.StatusBadRequest, badRequest, 107,
			ordercheck.ListedOrders{Unsorted: "InFlow refused to sort them"}},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := environment(t, answer(tt.status, nil, tt.list)).ExecuteActivity(
				ordercheck.ActivityListOrders, ordercheck.ListOrdersInput{
					From:        time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC),
					NewestFirst: true, Mark: version(tt.mark),
				})
			require.NoError(t, err)
			var page ordercheck.ListedOrders
			require.NoError(t, value.Get(&page))
			got := ordercheck.ListedOrders{
				Listed: page.Listed, Reached: page.Reached, Unsorted: page.Unsorted,
			}
			if len(page.Orders) > 0 {
				got.Orders = page.Orders
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestListOrdersReturnsThePlacesOfItsEntries(t *testing.T) {
	list := `["unreadable",` + strings.TrimPrefix(listJSON("20", 2, 3), "[")
	value, err := environment(t, answer(200, nil, list)).ExecuteActivity(ordercheck.ActivityListOrders,
		ordercheck.ListOrdersInput{})
	require.NoError(t, err)
	var page ordercheck.ListedOrders
	require.NoError(t, value.Get(&page))
	assert.Equal(t, 3, page.Entries)
	assert.Equal(t, 1, page.Unreadable)
	assert.Equal(t, []int{1, 2}, page.TailAt)
	assert.Equal(t, 2, page.Listed)

	in := ordercheck.ListOrdersInput{After: listed(9, 109), First: "order-2"}
	value, err = environment(t,
		answer(200, nil, listJSON("20", 2, 3))).ExecuteActivity(ordercheck.ActivityListOrders, in)
	require.NoError(t, err)
	page = ordercheck.ListedOrders{}
	require.NoError(t, value.Get(&page))
	assert.True(t, page.Moved && page.StartIgnored,
		"the list begins again in place of the entry that was asked for")
}

func TestListOrdersErrorsHaveTheirTypes(t *testing.T) {
	_, err := environment(t, answer(429, map[string]string{"Retry-After": "42"},
		"")).ExecuteActivity(ordercheck.ActivityListOrders, ordercheck.ListOrdersInput{})
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	assert.Equal(t, ordercheck.ErrorInflowRateLimited, application.Type())
	assert.Equal(t, 42*time.Second, application.NextRetryDelay())
}

// run is an order's latest run in Temporal.
type run struct {
	status  enumspb.WorkflowExecutionStatus
	version string // search attribute; empty means that it is not set
	gate    ordercheck.Status
	fetch   enumspb.PendingActivityState
}

const (
	running   = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	completed = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	failed    = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED

	terminated = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
)

// orderRuns stands in for Temporal.
type orderRuns struct {
	t       *testing.T
	runs    map[string]run
	look    func(id string) // called before an order's run is described
	started []string
	signal  map[string][]ordercheck.Delivery
	fail    error // error of the next start
}

func (r *orderRuns) DescribeWorkflowExecution(
	_ context.Context, workflowID, _ string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	id, _ := ordercheck.SalesOrderID(workflowID)
	if r.look != nil {
		r.look(id)
	}
	run, ok := r.runs[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such run")
	}
	attributes := map[string]*commonpb.Payload{}
	for name, value := range map[string]string{ordercheck.SearchOrderVersion: run.version,
		ordercheck.SearchGateStatus: string(run.gate)} {
		if value != "" {
			payload, err := converter.GetDefaultDataConverter().ToPayload(value)
			require.NoError(r.t, err)
			attributes[name] = payload
		}
	}
	answer := &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: "run"}, Status: run.status,
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: attributes},
		},
	}
	if run.fetch != 0 {
		answer.PendingActivities = []*workflowpb.PendingActivityInfo{{
			ActivityType: &commonpb.ActivityType{Name: ordercheck.ActivityFetchOrder}, State: run.fetch,
		}}
	}
	return answer, nil
}

func (r *orderRuns) SignalWithStartWorkflow(
	_ context.Context, workflowID, signalName string, signalArg any,
	options client.StartWorkflowOptions, workflow any, args ...any,
) (client.WorkflowRun, error) {
	if err := r.fail; err != nil {
		r.fail = nil
		return nil, err
	}
	id, _ := ordercheck.SalesOrderID(workflowID)
	assert.Equal(r.t, ordercheck.SignalWebhookDelivered, signalName)
	assert.Equal(r.t, ordercheck.WorkflowType, workflow)
	assert.Equal(r.t, []any{ordercheck.Start{SalesOrderID: id}}, args)
	assert.Equal(r.t, ordercheck.PrioritySweep, options.Priority.PriorityKey)
	assert.Equal(r.t, ordercheck.Summary(id), options.StaticSummary)
	r.started = append(r.started, id)
	if r.signal == nil {
		r.signal = map[string][]ordercheck.Delivery{}
	}
	r.signal[id] = signalArg.([]ordercheck.Delivery)
	return nil, nil //nolint:nilnil // nobody looks at the run
}

func (r *orderRuns) ExecuteWorkflow(
	_ context.Context, options client.StartWorkflowOptions, workflow any, args ...any,
) (client.WorkflowRun, error) {
	if err := r.fail; err != nil {
		r.fail = nil
		return nil, err
	}
	id, _ := ordercheck.SalesOrderID(options.ID)
	assert.Equal(r.t, ordercheck.WorkflowType, workflow)
	assert.Equal(r.t, []any{ordercheck.Start{SalesOrderID: id}}, args)
	assert.Equal(r.t, ordercheck.PrioritySweep, options.Priority.PriorityKey)
	r.started = append(r.started, id)
	r.runs[id] = run{status: running, gate: "checking"}
	return nil, nil //nolint:nilnil // nobody looks at the run
}

func sweepEnvironment(runs *orderRuns) *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	a := &activities.Activities{Rules: rulefile.Default, Runs: runs, WebhookWait: time.Millisecond}
	a.RegisterLocal(env)
	return env
}

func checkMissed(
	t *testing.T, env *testsuite.TestActivityEnvironment, in ordercheck.CheckMissedInput,
) (ordercheck.CheckedMissed, error) {
	t.Helper()
	var result ordercheck.CheckedMissed
	value, err := env.ExecuteActivity(ordercheck.ActivityCheckMissed, in)
	if err != nil {
		return result, err
	}
	require.NoError(t, value.Get(&result))
	return result, nil
}

func TestOnlyVersionsThatNoCheckHasSeenAreChecked(t *testing.T) {
	old, now, newer := version(100), version(200), version(300)
	for name, tt := range map[string]struct {
		run            *run
		missed         bool
		alreadyRunning int
	}{
		"never checked": {nil, true, 0},
		"passed, as it is": {&run{status: completed, version: now, gate: "passed"}, false,
			0},
		"passed, newer than listed": {&run{status: completed, version: newer, gate: "passed"},
			false, 0},
		"passed, before it changed": {&run{status: completed, version: old, gate: "passed"}, true,
			0},
		"failed before any check": {&run{status: failed, gate: "unchecked"}, true, 0},
		"held, as it is": {&run{status: running, version: now, gate: "failed"}, false,
			0},
		"held, before it changed": {&run{status: running, version: old, gate: "failed"}, true,
			0},
		"cancelled by an operator, as is": {&run{status: enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED,
			version: now, gate: "failed"}, false, 0},
		"a fetch that is to begin": {&run{status: running, version: old, gate: "failed",
			fetch: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED}, false, 1},
		"a fetch that has begun": {&run{status: running, version: old, gate: "failed",
			fetch: enumspb.PENDING_ACTIVITY_STATE_STARTED}, true, 0},
		"a run whose workflow has not run": {&run{status: running}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			order := ordercheck.ListedOrder{SalesOrderID: orderID, OrderVersion: now}
			runs := &orderRuns{t: t, runs: map[string]run{}}
			if tt.run != nil {
				runs.runs[orderID] = *tt.run
			}
			result, err := checkMissed(t, sweepEnvironment(runs),
				ordercheck.CheckMissedInput{Orders: []ordercheck.ListedOrder{order}})
			require.NoError(t, err)
			assert.Equal(t, tt.alreadyRunning, result.AlreadyRunning)
			if !tt.missed {
				assert.Empty(t, result.Missed)
				assert.Empty(t, runs.started)
				return
			}
			assert.Equal(t, []ordercheck.ListedOrder{order}, result.Missed)
			require.Len(t, runs.signal[orderID], 1)
			delivery := runs.signal[orderID][0]
			assert.Equal(t, ordercheck.EventMissedWebhook, delivery.Event)
			assert.Equal(t, now, delivery.OrderVersion)
			assert.False(t, delivery.ReceivedAt.IsZero())
		})
	}
}

func TestLateWebhookIsNotMissed(t *testing.T) {
	runs := &orderRuns{t: t, runs: map[string]run{}}
	looks := 0
	runs.look = func(id string) {
		if looks++; looks == 2 { // the webhook has come meanwhile
			runs.runs[id] = run{status: completed, version: version(5), gate: "passed"}
		}
	}
	result, err := checkMissed(t, sweepEnvironment(runs),
		ordercheck.CheckMissedInput{Orders: []ordercheck.ListedOrder{listed(1, 5)}})
	require.NoError(t, err)
	assert.Empty(t, result.Missed)
	assert.Equal(t, 2, looks)
}

// The sweep starts another check when a waiting one has made its fetch.
func TestFewChecksOfASweepWaitAtOnce(t *testing.T) {
	runs := &orderRuns{t: t, runs: map[string]run{}}
	orders := make([]ordercheck.ListedOrder, 45)
	for i := range orders {
		orders[i] = listed(i, 7)
	}
	most, waited := 0, map[string]int{}
	runs.look = func(string) {
		waiting := 0
		for _, id := range runs.started {
			now := run{status: running, gate: "checking", fetch: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED}
			if waited[id]++; waited[id] > 25 {
				now = run{status: completed, gate: "passed", version: version(7)}
			} else {
				waiting++
			}
			runs.runs[id] = now
		}
		most = max(most, waiting)
	}
	result, err := checkMissed(t, sweepEnvironment(runs), ordercheck.CheckMissedInput{Orders: orders})
	require.NoError(t, err)
	assert.Equal(t, orders, result.Missed)
	assert.Equal(t, 20, most)
	assert.LessOrEqual(t, len(result.Waiting), 20,
		"orders that still wait are counted with the next page")
	assert.NotEmpty(t, result.Waiting)
}

func TestInterruptedCheckMissedResumes(t *testing.T) {
	runs := &orderRuns{t: t, runs: map[string]run{}, fail: errors.New("Temporal is busy")}
	orders := []ordercheck.ListedOrder{listed(1, 5), listed(2, 5)}
	_, err := checkMissed(t, sweepEnvironment(runs), ordercheck.CheckMissedInput{Orders: orders})
	require.ErrorContains(t, err, "Temporal is busy")

	env := sweepEnvironment(runs)
	env.SetHeartbeatDetails(ordercheck.CheckedMissed{Missed: orders[:1], Waiting: orders[:1]})
	result, err := checkMissed(t, env, ordercheck.CheckMissedInput{Orders: orders})
	require.NoError(t, err)
	assert.Equal(t, orders, result.Missed)
	assert.Equal(t, []string{"order-2"}, runs.started, "once each")
}

func TestCheckMissedEndsWhenItsWorkerStops(t *testing.T) {
	runs := &orderRuns{t: t, runs: map[string]run{}}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	(&activities.Activities{Rules: rulefile.Default, Runs: runs,
		WebhookWait: time.Hour}).RegisterLocal(
		env,
	)
	stopping := make(chan struct{})
	close(stopping)
	env.SetWorkerStopChannel(stopping)
	_, err := checkMissed(t, env,
		ordercheck.CheckMissedInput{Orders: []ordercheck.ListedOrder{listed(1, 5)}})
	require.ErrorContains(t, err, "the worker stops")
	assert.Empty(t, runs.started)
}

func TestListOrdersEndsOnAServerThatRepeatsItsPage(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		answer(200, nil, listJSON("20", 1, 2, 3))(w, r)
	}))
	t.Cleanup(server.Close)
	orders, err := inflow.NewClient(
		inflow.Options{
			BaseURL:   server.URL,
			CompanyID: "company",
			APIKey:    "a-key-of-a-test",
			Timeout:   5 * time.Second,
		},
	)
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	(&activities.Activities{Orders: orders, Rules: rulefile.Default}).RegisterInflow(env)
	value, err := env.ExecuteActivity(ordercheck.ActivityListOrders,
		ordercheck.ListOrdersInput{After: listed(3, 103)})
	require.NoError(t, err)
	var page ordercheck.ListedOrders
	require.NoError(t, value.Get(&page))
	assert.True(t, page.Moved)
	assert.Equal(t, 1, requests)
}
