package rules

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// noon is the time that tests evaluate at.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// sound is an order without a fault: two goods lines with discounts, a return, freight, taxes, a payment.
const sound = `{
	"salesOrderId": "0c0ffee0-0000-4000-8000-000000000001", "orderNumber": "SO-000123", "timestamp": "0000000000310AB6",
	"customerId": "c1", "customer": {"customerId": "c1", "name": "Oak & Sons", "discount": "10"},
	"lines": [
		{"salesOrderLineId": "l1", "productId": "p1", "product": {"productId": "p1", "name": "Base Cabinet", "sku": "SW-B12"},
		 "quantity": {"uomQuantity": "2.0000"}, "unitPrice": "100.00000", "discount": {"value": "10.0", "isPercent": true}, "subTotal": "180.00000"},
		{"salesOrderLineId": "l2", "productId": "p2", "product": {"productId": "p2", "name": "Wall Cabinet", "sku": "SW-W12"},
		 "quantity": {"uomQuantity": "3"}, "unitPrice": "20", "discount": null, "subTotal": "60"},
		{"salesOrderLineId": "l3", "productId": "p3", "quantity": {"uomQuantity": "-1"}, "unitPrice": "40.00", "subTotal": "-40.00"}
	],
	"subTotal": "200.00", "orderFreight": "25.00", "tax1": "16.00", "tax2": "0", "returnFee": "5.00", "returnFreight": "2.50",
	"total": "243.50", "amountPaid": "100", "balance": "143.5"
}`

// arithmetic is a rule file with the checks of arithmetic and presence.
const arithmetic = `
version: 1
name: arithmetic
defaults: {when: "!order.isCancelled", severity: error}
rules:
- {id: line-subtotal, builtin: line-subtotal}
- {id: order-subtotal, builtin: order-subtotal}
- {id: order-total, builtin: order-total}
- {id: balance, builtin: balance}
- {id: customer-and-lines, builtin: customer-and-lines}
- {id: quantity-zero, builtin: quantity-zero}
`

func arithmeticSet(t testing.TB) *Set { return loadText(t, arithmetic) }

// loadText compiles rule files from their texts.
func loadText(t testing.TB, texts ...string) *Set {
	t.Helper()
	set, err := tryLoad(t, texts...)
	require.NoError(t, err)
	return set
}

func tryLoad(t testing.TB, texts ...string) (*Set, error) {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, text := range texts {
		path := filepath.Join(dir, fmt.Sprintf("rules%d.yaml", i+1))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		paths = append(paths, path)
	}
	return Load(t.Context(), paths...)
}

func evaluate(t testing.TB, set *Set, order *inflow.SalesOrder) ordercheck.CheckedOrder {
	t.Helper()
	return set.Evaluate(t.Context(), order, noon, ordercheck.Lookups{})
}

func parseOrder(t testing.TB, text string) *inflow.SalesOrder {
	t.Helper()
	var order inflow.SalesOrder
	require.NoError(t, json.Unmarshal([]byte(text), &order))
	return &order
}

// changed is the sound order with top-level fields replaced.
func changed(t testing.TB, fields string) *inflow.SalesOrder {
	t.Helper()
	return changedFrom(t, sound, fields)
}

func changedFrom(t testing.TB, order, fields string) *inflow.SalesOrder {
	t.Helper()
	var tree map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(order), &tree))
	require.NoError(t, json.Unmarshal([]byte(fields), &tree))
	text, err := json.Marshal(tree)
	require.NoError(t, err)
	return parseOrder(t, string(text))
}

// withLine is an order that has one line and adds up with the line's subtotal.
func withLine(t testing.TB, line, orderFields string) *inflow.SalesOrder {
	t.Helper()
	order := parseOrder(t, `{"salesOrderId":"o","customerId":"c"}`)
	var parsed inflow.SalesOrderLine
	require.NoError(t, json.Unmarshal([]byte(line), &parsed))
	order.Lines = []inflow.SalesOrderLine{parsed}
	order.SubTotal, order.Total, order.Balance = parsed.SubTotal, parsed.SubTotal, parsed.SubTotal
	if orderFields != "" {
		require.NoError(t, json.Unmarshal([]byte(orderFields), order))
	}
	return order
}

func findingIDs(checked ordercheck.CheckedOrder) []string {
	ids := []string{}
	for _, f := range checked.Findings {
		ids = append(ids, f.ID)
	}
	return ids
}
