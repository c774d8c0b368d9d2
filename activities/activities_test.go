package activities_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/activities"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulefile"
)

const orderID = "8a3c6d4e-0000-4000-8000-000000000001"

// environment runs activities as a worker does, against an InFlow that answers with handler.
func environment(t *testing.T, handler http.HandlerFunc) *testsuite.TestActivityEnvironment {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := inflow.NewClient(inflow.Options{
		BaseURL: server.URL, CompanyID: "company", APIKey: "a-key-of-a-test", Timeout: 5 * time.Second,
	})
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	a := &activities.Activities{Orders: client, Rules: rulefile.Default}
	a.RegisterInflow(env)
	a.RegisterLocal(env)
	return env
}

func answer(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func orderWithLines(lines string) string {
	return `{"salesOrderId":"` + orderID + `","orderNumber":"SO-000123","timestamp":"0000000000310AB6",
		"customerId":"c","customer":{"customerId":"c","name":"Acme","email":"secret@example.com"},
		"subTotal":"20.00","total":"20.00","amountPaid":"0","balance":"20.0000",
		"contactName":"Jane Private","email":"jane@example.com","lines":[` + lines + `]}`
}

const rightLine = `{"salesOrderLineId":"l1","productId":"p1","product":{"name":"Base Cabinet"},
	"quantity":{"standardQuantity":"2","uomQuantity":"2.0000"},"unitPrice":"10.00000","subTotal":"20.00"}`

func fetch(env *testsuite.TestActivityEnvironment) (ordercheck.FetchedOrder, error) {
	var fetched ordercheck.FetchedOrder
	value, err := env.ExecuteActivity(ordercheck.ActivityFetchOrder,
		ordercheck.FetchOrderInput{SalesOrderID: orderID})
	if err != nil {
		return fetched, err
	}
	return fetched, value.Get(&fetched)
}

func TestFetchOrderReturnsOnlyWhatTheRulesNeed(t *testing.T) {
	var include string
	env := environment(t, func(w http.ResponseWriter, r *http.Request) {
		include = r.URL.Query().Get("include")
		answer(http.StatusOK, nil, orderWithLines(rightLine))(w, r)
	})
	fetched, err := fetch(env)
	require.NoError(t, err)
	assert.Subset(t, strings.Split(include, ","), rulefile.Default().Includes())
	assert.Contains(t, strings.Split(include, ","), "customer")
	assert.Equal(t, "SO-000123", fetched.OrderNumber)
	assert.Equal(t, "0000000000310AB6", fetched.OrderVersion)
	assert.Equal(t, "Acme", fetched.Customer)
	assert.Equal(t, rulefile.Default().Digest(), fetched.RuleSet.Digest)
	for _, private := range []string{"Jane", "jane@example.com", "secret@example.com"} {
		assert.NotContains(t, string(fetched.Order), private)
	}
}

func TestFetchOrderErrorsSayWhetherToRetry(t *testing.T) {
	for name, tc := range map[string]struct {
		handler   http.HandlerFunc
		errorType string
		retried   bool
		delay     time.Duration
	}{
		"404": {answer(404, nil, `{}`), ordercheck.ErrorOrderNotFound, false, 0},
		"401": {answer(401, nil, ``), ordercheck.ErrorInflowUnauthorized, false, 0},
		"403": {answer(403, nil, ``), ordercheck.ErrorInflowUnauthorized, false, 0},
		"garbage": {answer(200, nil, `<html>Jane Private</html>`),
			ordercheck.ErrorInflowBadResponse, false, 0},
		"500": {answer(500, nil, `Jane Private`),
			ordercheck.ErrorInflowUnavailable, true, 0},
		"503 with a delay": {answer(503, map[string]string{"Retry-After": "7"}, ``),
			ordercheck.ErrorInflowUnavailable, true, 7 * time.Second},
		"429 with a delay": {answer(429, map[string]string{"Retry-After": "42"}, ``),
			ordercheck.ErrorInflowRateLimited, true, 42 * time.Second},
		"429 without a delay": {answer(429, nil, ``), ordercheck.ErrorInflowRateLimited, true,
			20 * time.Second},
		"429 for a day": {answer(429, map[string]string{"Retry-After": "86400"}, ``),
			ordercheck.ErrorInflowRateLimited, true, 15 * time.Minute},
		"a cut connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			ordercheck.ErrorInflowUnavailable, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fetch(environment(t, tc.handler))
			var application *temporal.ApplicationError
			require.ErrorAs(t, err, &application)
			assert.Equal(t, tc.errorType, application.Type())
			assert.Equal(t, tc.retried, !application.NonRetryable())
			assert.Equal(t, tc.delay, application.NextRetryDelay())
			assert.NotContains(t, err.Error(), "Jane Private")
			assert.NotContains(t, err.Error(), "a-key-of-a-test")
		})
	}
}

func TestFetchedOrderIsCheckedFromItsDigest(t *testing.T) {
	for name, tc := range map[string]struct {
		lines string
		rules []string
	}{
		"right": {rightLine, nil},
		"wrong": {strings.Replace(rightLine, `"subTotal":"20.00"`,
			`"subTotal":"19.00"`, 1), []string{"line-subtotal", "order-subtotal"}},
		"large, so that it compresses": {strings.Repeat(strings.Replace(rightLine, "Base Cabinet",
			strings.Repeat("B", 500), 1)+",", 499) + rightLine, []string{"order-subtotal"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := environment(t, answer(200, nil, orderWithLines(tc.lines)))
			fetched, err := fetch(env)
			require.NoError(t, err)
			value, err := env.ExecuteActivity(ordercheck.ActivityCheckOrder, ordercheck.CheckOrderInput{
				SalesOrderID: orderID, Order: fetched.Order, Asked: fetched.Asked,
				At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			})
			require.NoError(t, err)
			var checked ordercheck.CheckedOrder
			require.NoError(t, value.Get(&checked))
			var broken []string
			for _, f := range checked.Findings {
				if f.Severity == ordercheck.SeverityError {
					broken = append(broken, f.RuleID)
				}
			}
			assert.Equal(t, tc.rules, broken)
			assert.Equal(t, fetched.RuleSet, checked.RuleSet)
		})
	}
}

func TestCheckOrderRefusesAnUnreadableDigest(t *testing.T) {
	env := environment(t, answer(200, nil, ``))
	_, err := env.ExecuteActivity(ordercheck.ActivityCheckOrder,
		ordercheck.CheckOrderInput{SalesOrderID: orderID})
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	assert.True(t, application.NonRetryable())
}
