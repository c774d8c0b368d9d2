package activities_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
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

const listedOrders = `[
	{"salesOrderId":"` + orderID + `","orderNumber":"SO-000123","lines":[{"productId":"p1","quantity":{"uomQuantity":"2"}}]},
	{"salesOrderId":"other","orderNumber":"SO-000120","orderDate":"2026-01-01T00:00:00Z","poNumber":"PO-1","email":"jane@example.com","lines":[
		{"productId":"p1","quantity":{"uomQuantity":"3.000","uom":"ea."},"unitPrice":"10.50"},{"productId":"p9","quantity":{"uomQuantity":"1"}}]}]`

// lookupEnvironment runs activities against an InFlow that answers with order and list. lists
// counts the requests for the list.
func lookupEnvironment(
	t *testing.T, a *activities.Activities, order, list http.HandlerFunc,
) (env *testsuite.TestActivityEnvironment, lists *int) {
	t.Helper()
	lists = new(int)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /company/sales-orders",
		func(w http.ResponseWriter, r *http.Request) { *lists++; list(w, r) })
	mux.HandleFunc("GET /company/sales-orders/{id}", order)
	server := httptest.NewServer(mux)
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
	env = suite.NewTestActivityEnvironment()
	a.Orders, a.Rules = orders, rulefile.Default
	a.RegisterInflow(env)
	return env, lists
}

func TestRecentOrdersAreCachedPerCustomer(t *testing.T) {
	env, lists := lookupEnvironment(t, &activities.Activities{},
		answer(200, nil, orderWithLines(rightLine)), answer(200, nil, listedOrders))
	fetched, err := fetch(env)
	require.NoError(t, err)
	assert.Equal(t,
		&ordercheck.LookUpOrdersInput{SalesOrderID: orderID, CustomerID: "c", ProductIDs: []string{"p1"}},
		fetched.LookUp)
	assert.Nil(t, fetched.Lookups.RecentOrders)
	assert.Zero(t, *lists, "fetching an order doesn't list orders")

	value, err := env.ExecuteActivity(ordercheck.ActivityLookUpOrders, *fetched.LookUp)
	require.NoError(t, err)
	var recent ordercheck.RecentOrders
	require.NoError(t, value.Get(&recent))
	require.Len(t, recent.Orders, 1, "the order itself is left out")
	other := recent.Orders[0]
	assert.Equal(t, "SO-000120", other.OrderNumber)
	assert.Equal(t, 2, other.Lines)
	require.Len(t, other.Goods, 1, "only products that the order has too")
	assert.Equal(
		t,
		ordercheck.RecentGoods{
			ProductID: "p1",
			Quantity:  decimal.MustParse("3.000"),
			Uom:       "ea.",
			UnitPrice: decimal.MustParse("10.50"),
		},
		other.Goods[0],
	)

	again, err := fetch(env)
	require.NoError(t, err)
	assert.Nil(t, again.LookUp, "the recent orders are cached")
	assert.Equal(t, recent.Orders[0].SalesOrderID, again.Lookups.RecentOrders.Orders[0].SalesOrderID)
	_, err = env.ExecuteActivity(ordercheck.ActivityLookUpOrders, *fetched.LookUp)
	require.NoError(t, err)
	assert.Equal(t, 1, *lists)
}

func TestCacheOfCustomersIsLimited(t *testing.T) {
	env, lists := lookupEnvironment(t, &activities.Activities{}, answer(404, nil, ""),
		answer(200, nil, `[]`))
	for i := range 200 {
		_, err := env.ExecuteActivity(ordercheck.ActivityLookUpOrders,
			ordercheck.LookUpOrdersInput{CustomerID: fmt.Sprint(i)})
		require.NoError(t, err)
	}
	assert.Equal(t, 200, *lists)
	for _, id := range []string{"199", "0"} {
		_, err := env.ExecuteActivity(ordercheck.ActivityLookUpOrders,
			ordercheck.LookUpOrdersInput{CustomerID: id})
		require.NoError(t, err)
	}
	assert.Equal(t, 201, *lists, "the latest customer is cached, the first one was evicted")
}

func TestLookUpErrorsHaveTheirTypes(t *testing.T) {
	env, _ := lookupEnvironment(t, &activities.Activities{}, answer(404, nil, ""),
		answer(429, map[string]string{"Retry-After": "42"}, "Jane Private"))
	_, err := env.ExecuteActivity(ordercheck.ActivityLookUpOrders,
		ordercheck.LookUpOrdersInput{CustomerID: "c"})
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	assert.Equal(t, ordercheck.ErrorInflowRateLimited, application.Type())
	assert.Equal(t, 42*time.Second, application.NextRetryDelay())
	assert.NotContains(t, err.Error(), "Jane")
}

func TestNothingIsLookedUpForACancelledOrder(t *testing.T) {
	env, _ := lookupEnvironment(t, &activities.Activities{},
		answer(200, nil, `{"salesOrderId":"`+orderID+`","customerId":"c","isCancelled":true}`),
		answer(500, nil, ""))
	fetched, err := fetch(env)
	require.NoError(t, err)
	assert.Nil(t, fetched.LookUp)
}

// pastRuns are the runs of an order, the latest first.
type pastRuns struct {
	runs []*workflowpb.WorkflowExecutionInfo
	err  error
}

func (p *pastRuns) ListWorkflow(
	context.Context, *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: p.runs}, p.err
}

func (p *pastRuns) GetWorkflow(context.Context, string, string) client.WorkflowRun { return nil }

func (p *pastRuns) WorkflowService() workflowservice.WorkflowServiceClient { return nil }

func pastRun(t *testing.T, memo any) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	run := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{
			WorkflowId: ordercheck.WorkflowID(orderID),
			RunId:      "before",
		},
	}
	if memo != nil {
		payload, err := converter.GetDefaultDataConverter().ToPayload(memo)
		require.NoError(t, err)
		run.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{ordercheck.MemoBilled: payload}}
	}
	return run
}

func TestInvoiceOfThePreviousRunIsRecalled(t *testing.T) {
	billed := &ordercheck.Billed{
		OrderVersion: "1",
		Total:        decimal.MustParse("18.00"),
		Fingerprint:  "abc",
	}
	invoiced := `{"salesOrderId":"` + orderID +
		`","customerId":"c","customer":{"name":"Acme"},"isInvoiced":true,"total":"20.00","lines":[` +
		rightLine + `]}`
	for name, tt := range map[string]struct {
		runs  *pastRuns
		order string
		want  *ordercheck.Billed
	}{
		"known": {&pastRuns{runs: []*workflowpb.WorkflowExecutionInfo{pastRun(t, billed)}},
			invoiced, billed},
		"not invoiced": {&pastRuns{runs: []*workflowpb.WorkflowExecutionInfo{pastRun(t, nil),
			pastRun(t, billed)}}, invoiced, nil},
		"taken back": {&pastRuns{runs: []*workflowpb.WorkflowExecutionInfo{pastRun(t,
			(*ordercheck.Billed)(nil))}}, invoiced, nil},
		"unreadable": {&pastRuns{runs: []*workflowpb.WorkflowExecutionInfo{pastRun(t, "x")}},
			invoiced, nil},
		"no run":           {&pastRuns{}, invoiced, nil},
		"Temporal is busy": {&pastRuns{err: errors.New("busy")}, invoiced, nil},
		"not an invoice": {&pastRuns{runs: []*workflowpb.WorkflowExecutionInfo{pastRun(t, billed)}},
			orderWithLines(rightLine), nil},
	} {
		env, _ := lookupEnvironment(t, &activities.Activities{PastRuns: tt.runs},
			answer(200, nil, tt.order), answer(200, nil, `[]`))
		fetched, err := fetch(env)
		require.NoError(t, err, name)
		assert.Equal(t, tt.want, fetched.Lookups.Billed, name)
		assert.Equal(t, tt.order == invoiced, fetched.Billed != nil, name)
		failed := name == "unreadable" || name == "Temporal is busy"
		assert.Equal(t, failed, slices.Contains(fetched.Lookups.Failed, ordercheck.LookupBilled),
			"%s: the order must not look as if it was never invoiced before", name)
	}
}
