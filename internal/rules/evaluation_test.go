package rules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulestest"
)

func TestALineWithoutItsProductHidesNoOtherLine(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
rules:
- {id: coded, scope: line, severity: error, when: "line.product.hasCode('TUK') && line.discount.value > dec(0)", message: "'no discount'"}
- {id: gone, builtin: inactive, severity: error}
- {id: all, scope: order, severity: error, when: "order.lines.exists(l, l.product.hasCode('TUK'))", message: "'a kit'"}
`)
	order := rulestest.ParseOrder(t, `{"salesOrderId":"o","lines":[
		{"salesOrderLineId":"a","productId":"p","product":{"productId":"p","name":"TUK","isActive":false},"discount":{"value":"5"}},
		{"salesOrderLineId":"b","productId":"q"},
		{"salesOrderLineId":"c","productId":"r"},
		{"salesOrderLineId":"d","description":"a line without any product"}]}`)
	checked := rulestest.Evaluate(t, set, order)
	assert.Empty(t, checked.RuleErrors)
	assert.Equal(t, []string{"coded/a", "gone/product-p"}, rulestest.FindingIDs(checked))
	assert.Equal(t, []ordercheck.Skipped{
		{RuleID: "coded", Reason: `lines 2 and 3: needs "lines.product", ` +
			`which the order was fetched without`, Missing: []string{"lines.product"}},
		{RuleID: "gone", Reason: `lines 2 and 3: needs "lines.product", ` +
			`which the order was fetched without`, Missing: []string{"lines.product"}},
		{RuleID: "all", Reason: `needs "lines.product", which the order was fetched without`,
			Missing: []string{"lines.product"}},
	}, checked.Skipped)
	assert.Equal(t, []string{"lines.product"}, checked.Missing)
}

func TestARuleSkipsAndWarnsAsItsFileSays(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
rules:
- id: paid
  scope: order
  severity: error
  skip: "order.isQuote ? 'the order is a quote' : ''"
  warnIf: "order.lines.exists(l, l.quantity < dec(0))"
  when: "order.balance < dec(0)"
  message: "'overpaid'"
- {id: amounts, builtin: line-subtotal, severity: error, skip: "order.isQuote ? 'the order is a quote' : ''"}
`, `
version: 1
name: y
rules:
- {id: amounts, skip: "''"}
`)
	for order, want := range map[string]string{
		`{"balance":"-1","lines":[]}`:                                                    "error",
		`{"balance":"-1","lines":[{"quantity":{"uomQuantity":"-1"}}]}`:                   "warning",
		`{"balance":"-1","lines":[],"isQuote":true}`:                                     "the order is a quote",
		`{"balance":"1","lines":[]}`:                                                     "",
		`{"balance":"-1","lines":[{"quantity":{"uomQuantity":"-1"},"discount":null}]}`:   "warning",
		`{"balance":"-1","lines":[{"quantity":{"uomQuantity":"-1"}}],"isQuote":true}`:    "the order is a quote",
		`{"balance":"-0.01","lines":[{"quantity":{"uomQuantity":"1"}}],"isQuote":false}`: "error",
	} {
		checked := rulestest.Evaluate(t, set, rulestest.ParseOrder(t, order))
		got := ""
		for _, f := range checked.Findings {
			got += string(f.Severity)
		}
		for _, s := range checked.Skipped {
			require.Equal(t, "paid", s.RuleID, "the later file's rule also applies to quotes")
			got += s.Reason
		}
		assert.Empty(t, checked.RuleErrors)
		assert.Equal(t, want, got, order)
	}

	_, err := rulestest.TryLoad(t, `
version: 1
name: x
rules:
- {id: a, builtin: balance, severity: error, warnIf: "true"}
- {id: b, scope: order, severity: error, when: "true", message: "'x'", skip: "order.isQuote", warnIf: "''"}
`)
	require.ErrorContains(t, err, "a built-in rule has its own")
	require.ErrorContains(t, err, "must result in a text")
	require.ErrorContains(t, err, "must result in true or false")
}

func TestDaysCountInTheDatesOffsetOrTheZone(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
rules:
- {id: early, scope: order, severity: error, when: "daysBetween(order.orderDate, order.requestedShipDate) < 0", message: "'early'"}
- {id: late, scope: order, severity: error, when: "daysBetween(order.requestedShipDate, now) > 0", message: "'late'"}
`)
	newYork := time.FixedZone("New York", -5*60*60)
	for _, test := range []struct {
		name, ordered, ship string
		now                 time.Time
		want                []string
	}{
		{"an evening order for the same day", "2026-01-05T21:00:00-05:00", "2026-01-05T00:00:00-05:00",
			rulestest.Noon.AddDate(-1, 0, 0), []string{}},
		{"the day before", "2026-01-05T01:00:00-05:00", "2026-01-04T23:00:00-05:00",
			rulestest.Noon.AddDate(-1, 0, 0), []string{"early"}},
		{"the evening in UTC, for people in New York", "2026-01-06T02:00:00Z", "2026-01-05T00:00:00Z",
			rulestest.Noon.AddDate(-1, 0, 0).In(newYork), []string{}},
		{"the same, for people in UTC", "2026-01-06T02:00:00Z", "2026-01-05T00:00:00Z",
			rulestest.Noon.AddDate(-1, 0, 0), []string{"early"}},
		{"today is still today in New York", "2026-01-05T09:00:00Z", "2026-01-05T00:00:00Z",
			time.Date(2026, 1, 6, 3, 0, 0, 0, time.UTC).In(newYork), []string{}},
		{"and is tomorrow in UTC", "2026-01-05T09:00:00Z", "2026-01-05T00:00:00Z",
			time.Date(2026, 1, 6, 3, 0, 0, 0, time.UTC), []string{"late"}},
	} {
		order := rulestest.ParseOrder(t,
			`{"orderDate":"`+test.ordered+`","requestedShipDate":"`+test.ship+`"}`)
		before := *order
		checked := set.Evaluate(t.Context(), order, test.now, ordercheck.Lookups{})
		assert.Equal(t, test.want, rulestest.FindingIDs(checked), test.name)
		assert.Equal(t, before, *order, "the order is not changed")
	}
}
