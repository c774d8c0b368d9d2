package activities_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/activities"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulefile"
)

// withField returns the order with one field changed.
func withField(t *testing.T, order, field string, value any) string {
	t.Helper()
	var tree map[string]any
	require.NoError(t, json.Unmarshal([]byte(order), &tree))
	tree[field] = value
	text, err := json.Marshal(tree)
	require.NoError(t, err)
	return string(text)
}

func fetchInput(
	env *testsuite.TestActivityEnvironment, in ordercheck.FetchOrderInput,
) (ordercheck.FetchedOrder, error) {
	var fetched ordercheck.FetchedOrder
	value, err := env.ExecuteActivity(ordercheck.ActivityFetchOrder, in)
	if err != nil {
		return fetched, err
	}
	return fetched, value.Get(&fetched)
}

func TestFetchedOrderNamesMissingIncludes(t *testing.T) {
	whole := orderWithLines(rightLine)
	for name, tt := range map[string]struct {
		order string
		want  []string
	}{
		"nothing":     {whole, nil},
		"lines null":  {withField(t, whole, "lines", nil), []string{"lines"}},
		"lines empty": {withField(t, whole, "lines", []any{}), []string{"lines"}},
		"customer":    {withField(t, whole, "customer", nil), []string{"customer"}},
		"no customer": {withField(t, withField(t, whole, "customer", nil), "customerId", ""),
			nil},
		"product": {orderWithLines(`{"salesOrderLineId":"l1","productId":"p1","subTotal":"20.00"}`),
			[]string{"lines.product"}},
		"taxing scheme":         {withField(t, whole, "taxingSchemeId", "x"), []string{"taxingScheme"}},
		"the sales rep, unused": {withField(t, whole, "salesRepTeamMemberId", "r"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			env := environment(t, answer(200, nil, tt.order))
			fetched, err := fetch(env)
			require.NoError(t, err)
			assert.Equal(t, tt.want, fetched.Missing)
			assert.Equal(t, tt.want == nil, len(fetched.Order) > 0,
				"history holds no digest that is not checked")
			assert.Equal(t, "0000000000310AB6", fetched.OrderVersion)

			fetched, err = fetchInput(env,
				ordercheck.FetchOrderInput{SalesOrderID: orderID, AcceptMissing: true})
			require.NoError(t, err)
			assert.Equal(t, tt.want, fetched.Missing)
			assert.NotEmpty(t, fetched.Order)
			if slices.Contains(tt.want, "lines") {
				assert.Nil(t, fetched.Billed)
			}
		})
	}
}

func TestFetchedOrderNamesAMissingSalesRep(t *testing.T) {
	env, _ := lookupEnvironment(t, &activities.Activities{SalesRep: true},
		answer(200, nil, withField(t, orderWithLines(rightLine), "salesRepTeamMemberId", "r")),
		answer(200, nil, `[]`))
	fetched, err := fetch(env)
	require.NoError(t, err)
	assert.Equal(t, []string{"salesRepTeamMember"}, fetched.Missing)
}

// InFlow left out the sales rep. That does not mean that the order has none.
func TestNoticeIsRetriedIfInflowLeftOutTheSalesRep(t *testing.T) {
	var asked atomic.Int32
	notifier, err := notify.New(notify.Options{})
	require.NoError(t, err)
	env, _ := lookupEnvironment(
		t,
		&activities.Activities{SalesRep: true, Notifier: notifier},
		func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			answer(200, nil, `{"salesOrderId":"`+orderID+`","salesRepTeamMemberId":"r"}`)(w, r)
		},
		answer(200, nil, `[]`),
	)
	_, err = env.ExecuteActivity(ordercheck.ActivityNotify, ordercheck.NotifyInput{
		Target: ordercheck.TargetSalesRep,
		Notice: ordercheck.Notice{Report: ordercheck.Report{SalesOrderID: orderID}},
	})
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	assert.False(t, application.NonRetryable())
	assert.EqualValues(t, 1, asked.Load())
}

// The worker that checks may have other rules than the worker that fetched.
func TestCheckOrderAsksForDataThatItsRulesLack(t *testing.T) {
	var include []string
	env := environment(t, func(w http.ResponseWriter, r *http.Request) {
		include = strings.Split(r.URL.Query().Get("include"), ",")
		answer(200, nil,
			orderWithLines(strings.Replace(rightLine, `"subTotal":"20.00"`, `"subTotal":"19.00"`, 1)))(w, r)
	})
	check := func(in ordercheck.CheckOrderInput) ordercheck.CheckedOrder {
		t.Helper()
		in.SalesOrderID, in.At = orderID, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		value, err := env.ExecuteActivity(ordercheck.ActivityCheckOrder, in)
		require.NoError(t, err)
		var checked ordercheck.CheckedOrder
		require.NoError(t, value.Get(&checked))
		return checked
	}

	// This fetch is by a worker whose rules need nothing.
	bare := ordercheck.Digest(
		`{"salesOrderId":"` + orderID +
			`","customerId":"c","customer":{"name":"Acme"},"subTotal":"20.00","total":"20.00",` +
			`"balance":"20.00"}`,
	)
	checked := check(ordercheck.CheckOrderInput{Order: bare, Asked: []string{"customer"}})
	assert.NotContains(t, checked.NotAsked, "customer")
	assert.Subset(t, checked.NotAsked,
		[]string{"lines", "lines.product", ordercheck.LookupRecentOrders, ordercheck.LookupBilled})
	assert.Empty(t, checked.Findings)
	assert.Empty(t, checked.Skipped, "nothing was evaluated")

	fetched, err := fetchInput(
		env,
		ordercheck.FetchOrderInput{
			SalesOrderID: orderID,
			Also:         []string{"lines.product.reorderSettings", ordercheck.LookupBilled},
		},
	)
	require.NoError(t, err)
	assert.Contains(t, include, "lines.product.reorderSettings", "another worker's rules need it")
	assert.NotContains(t, include, ordercheck.LookupBilled, "a look-up is not an include")
	assert.NotContains(t, include, ordercheck.LookupRecentOrders)
	assert.Subset(t, fetched.Asked,
		append(rulefile.Default().Needs(nil), "lines.product.reorderSettings"))
	checked = check(ordercheck.CheckOrderInput{Order: fetched.Order, Asked: fetched.Asked})
	assert.Empty(t, checked.NotAsked)
	assert.NotEmpty(t, checked.Findings)

	final := check(ordercheck.CheckOrderInput{Order: bare, Asked: []string{"customer"}, Final: true})
	assert.Empty(t, final.NotAsked)
	assert.Contains(t, final.Missing, "lines", "rules that lack data are not evaluated")
}

func TestLookUpWithoutLinesIsRetried(t *testing.T) {
	env, _ := lookupEnvironment(t, &activities.Activities{}, answer(404, nil, ""),
		answer(200, nil, `[{"salesOrderId":"a","subTotal":"10.00","lines":null}]`))
	_, err := env.ExecuteActivity(ordercheck.ActivityLookUpOrders,
		ordercheck.LookUpOrdersInput{CustomerID: "c"})
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	assert.Equal(t, ordercheck.ErrorInflowUnavailable, application.Type())
	assert.False(t, application.NonRetryable())
}
