package fakeinflow_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

// put sends a sales order as JSON.
func (a *account) put(order map[string]any) response {
	a.t.Helper()
	body, err := json.Marshal(order)
	require.NoError(a.t, err)
	return a.api(http.MethodPut, "/sales-orders", string(body))
}

// whole gets an order with everything that a write could damage.
func (a *account) whole(id string) map[string]any {
	a.t.Helper()
	answer := a.api(http.MethodGet, "/sales-orders/"+id+"?include=lines,pickLines,paymentLines", "")
	require.Equal(a.t, 200, answer.status)
	return answer.object(a.t)
}

func TestPutKeepsPropertiesThatTheRequestLacks(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(wholeOrder(t))
	before := a.whole(id)
	answer := a.put(map[string]any{
		"salesOrderId": id, "timestamp": before["timestamp"], "customFields": map[string]any{"custom1": "HOLD"},
	})
	require.Equal(t, 200, answer.status, string(answer.body))
	after := a.whole(id)
	assert.Equal(t, map[string]any{"custom1": "HOLD"}, after["customFields"])
	assert.NotEqual(t, before["timestamp"], after["timestamp"])
	assert.Equal(t, after["timestamp"], answer.object(t)["timestamp"])
	for _, field := range []string{"customFields", "timestamp", "lastModifiedById"} {
		delete(before, field)
		delete(after, field)
	}
	assert.Equal(t, before, after)
	requests := a.Requests()
	written := requests[len(requests)-2]
	assert.Equal(t, fakeinflow.RoutePutSalesOrder, written.Route)
	assert.Equal(t, id, written.SalesOrderID)
}

func TestPutRefusesAStaleTimestamp(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := a.add(wholeOrder(t))
	stale := a.whole(id)["timestamp"]
	require.NoError(t, a.SetField(id, "poNumber", "1"))
	write := map[string]any{"salesOrderId": id, "timestamp": stale, "poNumber": "2"}
	assert.Equal(t, 409, a.put(write).status)
	assert.Equal(t, "1", a.whole(id)["poNumber"])
	require.NoError(
		t,
		a.SetFault(fakeinflow.Fault{Times: 1, Write: fakeinflow.WriteFault{TimestampIgnored: true}}),
	)
	assert.Equal(t, 200, a.put(write).status)
	assert.Equal(t, "2", a.whole(id)["poNumber"])
	delete(write, "timestamp")
	assert.Equal(t, 200, a.put(write).status, "a write without a timestamp is never stale")
}

func TestPutMeetsTheFaultOfItsOrder(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	one, other := a.add(wholeOrder(t)), a.add(nil)
	require.NoError(t, a.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RoutePutSalesOrder, SalesOrderID: strings.ToUpper(one), Status: 503,
	}))
	write := func(id string) int { return a.put(map[string]any{"salesOrderId": id, "poNumber": "1"}).status }
	assert.Equal(t, 200, write(other))
	assert.Equal(t, 503, write(one))
	requests := a.Requests()
	assert.Equal(t, one, requests[len(requests)-1].SalesOrderID)
	assert.Equal(t, "1", a.whole(other)["poNumber"], "the body is still there for the handler")
	assert.Equal(t, 400, a.api(http.MethodPut, "/sales-orders", "[").status)
}

func TestPutDoesWhatIntegratorsReport(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	order := wholeOrder(t)
	line := within[map[string]any](t, order, "lines", 0)
	within[map[string]any](t, line, "quantity")["serialNumbers"] = []any{"S1"}
	id := a.add(order)
	fault, err := fakeinflow.ParseFault([]byte(
		`{"route":"PUT /{companyId}/sales-orders","serialsDropped":true,"changed":"lines.0.description"}`,
	))
	require.NoError(t, err)
	require.NoError(t, a.SetFault(fault))
	assert.Equal(t, 200, a.put(map[string]any{"salesOrderId": id, "poNumber": "1"}).status)
	line = within[map[string]any](t, a.whole(id), "lines", 0)
	assert.Empty(t, within[map[string]any](t, line, "quantity")["serialNumbers"])
	assert.Equal(t, "changed by a fault", line["description"])
}

func TestPutMayNotKeepCustomFields(t *testing.T) {
	for text, want := range map[string]map[string]any{
		`{"notKept":true,"times":1}`:   {"custom1": "before"},
		`{"shortenedTo":3,"times":1}`:  {"custom1": "bef", "custom3": "HÖL"},
		`{"shortenedTo":99,"times":1}`: {"custom1": "before", "custom3": "HÖLD"},
	} {
		t.Run(text, func(t *testing.T) {
			a := newAccount(t, fakeinflow.Options{})
			order := wholeOrder(t)
			order["customFields"] = map[string]any{"custom1": "before"}
			id := a.add(order)
			fault, err := fakeinflow.ParseFault([]byte(text))
			require.NoError(t, err)
			require.NoError(t, a.SetFault(fault))
			assert.Equal(t, 200, a.put(map[string]any{"salesOrderId": id, "poNumber": "1",
				"customFields": map[string]any{"custom1": "before", "custom3": "HÖLD"}}).status)
			assert.Equal(t, "1", a.whole(id)["poNumber"])
			assert.Equal(t, want, a.whole(id)["customFields"])
		})
	}
}

func TestPutInserts(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{})
	id := "5b1d0000-0000-4000-8000-0000000000bb"
	assert.Equal(t, 400, a.put(map[string]any{"salesOrderId": id, "customerId": id}).status)
	assert.Equal(t, 400, a.put(map[string]any{"customerId": id, "source": "a test"}).status)
	answer := a.put(map[string]any{"salesOrderId": id, "customerId": id, "source": "a test"})
	require.Equal(t, 200, answer.status, string(answer.body))
	assert.NotEmpty(t, a.whole(id)["orderNumber"])
}
