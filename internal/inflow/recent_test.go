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

func TestRecentSalesOrdersMakesOneRequest(t *testing.T) {
	var requests []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r)
		fmt.Fprint(w, `[{"salesOrderId":"a","poNumber":"PO-1","lines":[{"productId":"p",`+
			`"quantity":{"uomQuantity":"2.0"}}]},{"salesOrderId":"b"}]`)
	}))
	t.Cleanup(server.Close)
	client, err := inflow.NewClient(inflow.Options{BaseURL: server.URL, CompanyID: "company",
		APIKey: "a-key-of-a-test", Timeout: time.Minute})
	require.NoError(t, err)

	orders, err := client.RecentSalesOrders(t.Context(), "c/1&x", []string{inflow.IncludeLines})
	require.NoError(t, err)
	require.Len(t, orders, 2)
	assert.Equal(t, "PO-1", orders[0].PONumber)
	require.Len(t, requests, 1)
	assert.Equal(t, "/company/sales-orders", requests[0].URL.Path)
	query := requests[0].URL.Query()
	assert.Equal(t, "c/1&x", query.Get("filter[customerId]"))
	assert.Equal(t, "100", query.Get("count"))
	assert.Equal(t, "orderDate", query.Get("sort"))
	assert.Equal(t, "true", query.Get("sortDesc"))
	assert.Equal(t, "lines", query.Get("include"))
}

func TestRecentSalesOrdersRejectsNonLists(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[]}`)
	}))
	t.Cleanup(server.Close)
	client, err := inflow.NewClient(inflow.Options{BaseURL: server.URL, CompanyID: "company",
		APIKey: "a-key-of-a-test", Timeout: time.Minute})
	require.NoError(t, err)
	_, err = client.RecentSalesOrders(t.Context(), "c", nil)
	var failure *inflow.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, inflow.KindBadResponse, failure.Kind)
}
