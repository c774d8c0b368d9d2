package inflow_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

// listing returns a client of an InFlow that answers every request with status and body.
func listing(t *testing.T, status int, body string) (*inflow.Client, *[]*http.Request) {
	t.Helper()
	var requests []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	client, err := inflow.NewClient(inflow.Options{BaseURL: server.URL, CompanyID: "company",
		APIKey: "a-key-of-a-test", Timeout: time.Minute})
	require.NoError(t, err)
	return client, &requests
}

var listFrom = time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)

func TestListSalesOrdersMakesOneRequestWithoutRelatedEntities(t *testing.T) {
	client, requests := listing(t, 200, `[
		{"salesOrderId":"a","orderNumber":"SO-1","timestamp":"0000000000310ab6","orderDate":"2026-11-20T00:00:00Z","email":"jane@example.com","lines":[{}]},
		{"salesOrderId":"b","orderNumber":"SO-2","timestamp":"310AB7","orderDate":null}]`)
	list, err := client.ListSalesOrders(t.Context(), inflow.ListQuery{From: listFrom})
	require.NoError(t, err)
	orders := list.Orders
	require.Len(t, orders, 2)
	assert.Equal(t, "0000000000310AB6", orders[0].Timestamp)
	assert.Equal(t, "0000000000310AB7", orders[1].Timestamp, "versions can be compared as text")
	assert.True(t, orders[1].OrderDate.IsZero())

	require.Len(t, *requests, 1)
	query := (*requests)[0].URL.Query()
	assert.Equal(t, "/company/sales-orders", (*requests)[0].URL.Path)
	assert.JSONEq(t, `{"fromDate":"2026-10-25T00:00:00Z"}`, query.Get("filter[orderDate]"))
	assert.Equal(t, "100", query.Get("count"))
	assert.Equal(t, "orderNumber", query.Get("sort"))
	assert.Equal(t, "true", query.Get("includeCount"))
	assert.Len(t, query, 4, "no include, and no start on the first page: %v", query)

	_, err = client.ListSalesOrders(t.Context(),
		inflow.ListQuery{From: listFrom, Page: inflow.ListPage{Start: "b"}})
	require.NoError(t, err)
	assert.Equal(t, "b", (*requests)[1].URL.Query().Get("start"))
}

func TestListSalesOrdersNewestFirst(t *testing.T) {
	client, requests := listing(t, 200, `[]`)
	_, err := client.ListSalesOrders(t.Context(), inflow.ListQuery{NewestFirst: true})
	require.NoError(t, err)
	query := (*requests)[0].URL.Query()
	assert.Equal(t, "timestamp", query.Get("sort"))
	assert.Equal(t, "true", query.Get("sortDesc"))
	assert.Equal(t, "100", query.Get("count"))
	assert.Len(t, query, 3, "orders of any date, and no count of the whole list: %v", query)
}

func TestListSalesOrdersFromAnUnknownStart(t *testing.T) {
	client, _ := listing(t, 400, `"no entity of this list has the id"`)
	for start, kind := range map[string]inflow.Kind{"gone": inflow.KindNotFound,
		"": inflow.KindBadResponse} {
		_, err := client.ListSalesOrders(t.Context(),
			inflow.ListQuery{From: listFrom, Page: inflow.ListPage{Start: start}})
		var failed *inflow.Error
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, kind, failed.Kind, "start=%q", start)
	}
}

func TestListSalesOrdersRejectsUnusableResponses(t *testing.T) {
	for name, body := range map[string]string{
		"no list":             `{"items":[]}`,
		"null":                `null`,
		"null with spaces":    "\n null \n",
		"no id":               `[{"timestamp":"0000000000310AB6"}]`,
		"no version":          `[{"salesOrderId":"a"}]`,
		"no rowversion":       `[{"salesOrderId":"a","timestamp":"2026-11-20T00:00:00Z"}]`,
		"more than 16 digits": `[{"salesOrderId":"a","timestamp":"00000000000310AB6"}]`,
	} {
		client, _ := listing(t, 200, body)
		_, err := client.ListSalesOrders(t.Context(), inflow.ListQuery{From: listFrom})
		var failed *inflow.Error
		require.ErrorAs(t, err, &failed, name)
		assert.Equal(t, inflow.KindBadResponse, failed.Kind, name)
		assert.Contains(t, err.Error(), "INFLOW_API_VERSION", name)
	}
}

func TestUnreadableEntryDoesNotAffectOthers(t *testing.T) {
	client, requests := listing(t, 200, `[{"salesOrderId":"a","timestamp":"0000000000310AB6"},{"salesOrderId":"b","orderDate":17,"timestamp":"1"},{"salesOrderId":"c"},"d",
		{"salesOrderId":"e","timestamp":"0000000000310AB7"}]`)
	list, err := client.ListSalesOrders(t.Context(),
		inflow.ListQuery{From: listFrom, Page: inflow.ListPage{Skip: 7}})
	require.NoError(t, err)
	orders := list.Orders
	problems := make([]string, len(orders))
	for i := range orders {
		problems[i] = orders[i].Problem
	}
	assert.Equal(t, []string{"", "is not an order", "has no timestamp of at most 16 hex digits",
		"is not an order", ""}, problems)
	assert.Equal(t, "7", (*requests)[0].URL.Query().Get("skip"))
}
