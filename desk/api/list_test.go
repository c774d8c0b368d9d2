package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

func TestList(t *testing.T) {
	a := startAPI(t)
	a.orders.Rows = append(a.orders.Rows, orders.Row{
		SalesOrderID: "2", OrderNumber: "SO-2", Status: ordercheck.StatusPending, Errors: 2,
		Since: orderstest.Now.Add(time.Second), // a row from a clock that is ahead
	})
	got := a.get(ordersPath + "?limit=1")
	require.Equal(t, 200, got.status)
	body, next, ok := strings.Cut(strings.TrimSuffix(string(got.body), `"}`), `,"next":"`)
	require.True(t, ok, "%s", got.body)
	assert.JSONEq(t, `{"orders":[{"salesOrderId":"`+orderstest.ID+`","orderNumber":"SO-000123",
		"customer":"Küchen <&> Söhne","status":"failed","heldSince":"2026-11-20T09:00:00Z","errors":1,
		"failedRules":["price"]}]}`, body+"}")

	got = a.get(ordersPath + "?limit=1&status=pending&cursor=" + next)
	require.Equal(t, 200, got.status)
	assert.JSONEq(t, `{"orders":[{"salesOrderId":"2","orderNumber":"SO-2","customer":"",
		"status":"pending","errors":2,"failedRules":[]}]}`, string(got.body))
}

func TestListParameters(t *testing.T) {
	a := startAPI(t)
	for query, want := range map[string]orders.Filter{
		"":                             {Limit: 50},
		"status=&rule=&limit=&cursor=": {Limit: 50},
		"limit=200":                    {Limit: 200},
		"status=held&rule=price":       {Status: orders.StatusHeld, Rule: "price", Limit: 50},
	} {
		assert.Equal(t, 200, a.get(ordersPath+"?"+query).status, query)
		assert.Equal(t, want, a.orders.Filters[len(a.orders.Filters)-1], query)
	}
	a.orders.Filters = nil
	for _, query := range []string{
		"limit=0", "limit=201", "limit=-1", "limit=ten", "limit=1&limit=2",
		"limit=9999999999999999999999", "limit=1e2", "status=sold", "status=failed&status=failed",
		"Status=failed", "rule=" + strings.Repeat("x", 65), "rule=%ff",
		"cursor=" + strings.Repeat("x", 513), "page=2", "token=" + readToken, "a;b", "%zz",
	} {
		got := a.get(ordersPath + "?" + query)
		assert.Equal(t, 400, got.status, query)
		assert.NotEmpty(t, got.problem(t).Faults, query)
	}
	assert.Empty(t, a.orders.Filters, "a refused request lists nothing")
	assert.Equal(t, 400, a.get(ordersPath+"?cursor=forged").status)
	faults := a.get(ordersPath + "?limit=0&status=sold&page=1").problem(t).Faults
	assert.Len(t, faults, 3, "all faults at once")
	assert.Equal(t, "1 parameter unknown; use only status, rule, limit, cursor", faults[0])
}

func TestHeadOfAnOrder(t *testing.T) {
	a := startAPI(t)
	got := a.do(http.MethodHead, testOrderPath, readToken, "")
	assert.Equal(t, 200, got.status)
	assert.Empty(t, got.body)
}
