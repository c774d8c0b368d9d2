// Package rulestest provides orders, rule files and helpers for the tests of the rules packages.
package rulestest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
)

// Noon is the time of evaluation in tests.
var Noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// Sound is an order without a fault: two goods lines with discounts, a return, freight, taxes and a
// payment.
const Sound = `{
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

// Arithmetic is a rule file with the checks of arithmetic and presence.
const Arithmetic = `
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

// ArithmeticSet returns the rule set of [Arithmetic].
func ArithmeticSet(t testing.TB) *rules.Set { return LoadText(t, Arithmetic) }

// LoadText compiles rule files from their texts.
func LoadText(t testing.TB, texts ...string) *rules.Set {
	t.Helper()
	set, err := TryLoad(t, texts...)
	require.NoError(t, err)
	return set
}

// TryLoad is [LoadText] for rule files that may have faults.
func TryLoad(t testing.TB, texts ...string) (*rules.Set, error) {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, text := range texts {
		path := filepath.Join(dir, fmt.Sprintf("rules%d.yaml", i+1))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		paths = append(paths, path)
	}
	return rulefile.Load(t.Context(), paths...)
}

// Evaluate evaluates a set on an order at [Noon], without look-ups.
func Evaluate(t testing.TB, set *rules.Set, order *inflow.SalesOrder) ordercheck.CheckedOrder {
	t.Helper()
	return set.Evaluate(t.Context(), order, Noon, ordercheck.Lookups{})
}

// ParseOrder reads an order from JSON.
func ParseOrder(t testing.TB, text string) *inflow.SalesOrder {
	t.Helper()
	var order inflow.SalesOrder
	require.NoError(t, json.Unmarshal([]byte(text), &order))
	return &order
}

// Changed returns the [Sound] order with top-level fields replaced.
func Changed(t testing.TB, fields string) *inflow.SalesOrder {
	t.Helper()
	return ChangedFrom(t, Sound, fields)
}

// ChangedFrom returns an order with top-level fields replaced.
func ChangedFrom(t testing.TB, order, fields string) *inflow.SalesOrder {
	t.Helper()
	var tree map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(order), &tree))
	require.NoError(t, json.Unmarshal([]byte(fields), &tree))
	text, err := json.Marshal(tree)
	require.NoError(t, err)
	return ParseOrder(t, string(text))
}

// WithLine returns an order with one line, whose totals fit the line's subtotal.
func WithLine(t testing.TB, line, orderFields string) *inflow.SalesOrder {
	t.Helper()
	order := ParseOrder(t, `{"salesOrderId":"o","customerId":"c"}`)
	var parsed inflow.SalesOrderLine
	require.NoError(t, json.Unmarshal([]byte(line), &parsed))
	order.Lines = []inflow.SalesOrderLine{parsed}
	order.SubTotal, order.Total, order.Balance = parsed.SubTotal, parsed.SubTotal, parsed.SubTotal
	if orderFields != "" {
		require.NoError(t, json.Unmarshal([]byte(orderFields), order))
	}
	return order
}

// FindingIDs returns the ids of the findings.
func FindingIDs(checked ordercheck.CheckedOrder) []string {
	ids := []string{}
	for _, f := range checked.Findings {
		ids = append(ids, f.ID)
	}
	return ids
}

// Write writes files into a new folder.
func Write(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// PadAmounts adds trailing zeros to every amount in a tree of JSON values, and returns the tree.
func PadAmounts(r *rand.Rand, node any) any {
	switch v := node.(type) {
	case map[string]any:
		for key, child := range v {
			v[key] = PadAmounts(r, child)
		}
	case []any:
		for i := range v {
			v[i] = PadAmounts(r, v[i])
		}
	case string:
		if _, err := decimal.Parse(v); err == nil {
			if !strings.Contains(v, ".") {
				v += "."
			}
			return v + strings.Repeat("0", 1+r.IntN(9))
		}
	}
	return node
}
