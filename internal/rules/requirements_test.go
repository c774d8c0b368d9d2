package rules_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulestest"
)

// whole returns an order with every entity that rules can require.
const whole = `{
	"salesOrderId": "o", "orderNumber": "SO-1", "timestamp": "01", "inventoryStatus": "Fulfilled", "showShipping": true, "isInvoiced": true,
	"customerId": "c", "customer": {"customerId": "c", "name": "Oak & Sons"}, "currencyId": "e", "currency": {"isoCode": "USD"},
	"paymentTermsId": "t", "paymentTerms": {"daysDue": "30"}, "pricingSchemeId": "s", "pricingScheme": {"name": "Retail"},
	"taxingSchemeId": "x", "taxingScheme": {"taxCodes": []},
	"lines": [{"salesOrderLineId": "l", "productId": "p", "quantity": {"standardQuantity": "1", "uomQuantity": "1"}, "unitPrice": "10", "subTotal": "10",
		"product": {"name": "Drill", "itemType": "StockedProduct", "categoryId": "k", "category": {"name": "Tools"}, "cost": {"cost": "5"},
			"prices": [{"pricingSchemeId": "s", "priceType": "FixedPrice", "unitPrice": "10"}], "totalQuantityOnHand": "9"}}],
	"pickLines": [], "packLines": [], "shipLines": [], "paymentLines": [{"amount": "10"}],
	"subTotal": "10", "total": "10", "amountPaid": "10", "balance": "0"}`

// everyNeed returns a rule set with one rule for each requirement, and one rule without any.
func everyNeed(t *testing.T) *rules.Set {
	text :=
		"version: 1\nname: x\ndefaults: {severity: error}\nrules:\n- {id: none, scope: order, when: " +
			"'order.isQuote', message: \"'x'\"}\n"
	for _, name := range rules.Requirements {
		text += "- {id: needs-" + name +
			", scope: order, when: 'order.isQuote', message: \"'x'\", requires: [" + name + "]}\n"
	}
	return rulestest.LoadText(t, text)
}

func TestMissingDataMakesTheVerdictIncomplete(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
defaults: {severity: error}
rules:
- {id: currency, scope: order, when: "order.currency.isoCode == 'x'", message: "'x'"}
- {id: customer, scope: order, when: "has(order.customer) && order.customer.name == 'x'", message: "'x'"}
- {id: category, scope: line, when: "has(line.product.category) && line.product.category.name == 'x'", message: "'x'"}
- {id: cost, scope: line, when: "line.product.cost < dec(0)", message: "'x'"}
- {id: stock, scope: line, when: "line.product.totalQuantityOnHand < dec(0)", message: "'x'"}
- {id: scheme, builtin: scheme-price}
- {id: terms, scope: order, when: "order.paymentTerms.daysDue > dec(99)", message: "'x'"}
- {id: taxes, scope: order, when: "order.taxingScheme.taxCodes.size() > 99", message: "'x'"}
- {id: paid, scope: order, when: "order.paymentLines.size() > 99", message: "'x'"}
- {id: picked, scope: order, when: "order.pickLines.size() > 99", message: "'x'"}
- {id: packed, scope: order, when: "order.packLines.size() > 99", message: "'x'"}
- {id: shipped, scope: order, when: "order.shipLines.size() > 99", message: "'x'"}
- {id: named, scope: order, when: "order.pricingScheme.name == 'x'", message: "'x'"}
- {id: guarded, scope: order, applies: "order.lines.exists(l, l.product.hasCode('KIT'))", when: "true", message: "'x'"}
`)
	complete := set.Evaluate(t.Context(), rulestest.ParseOrder(t, whole), rulestest.Noon,
		ordercheck.Lookups{})
	assert.Empty(t, complete.Missing)
	assert.Empty(t, complete.Findings)
	assert.Empty(t, complete.RuleErrors)
	require.Len(t, complete.Skipped, 1, "only the rule that the file skips")
	assert.Equal(t, "guarded", complete.Skipped[0].RuleID)
	report := rules.Report(rulestest.ParseOrder(t, whole), complete, rulestest.Noon)
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Empty(t, report.Note)

	products := []string{"lines.product", "lines.product.category", "lines.product.cost",
		"lines.product.prices", "lines.product.inventoryLines"}
	for change, want := range map[string][]string{
		`{"lines":null}`:                 append([]string{"lines"}, products...),
		`{"lines":null,"subTotal":null}`: append([]string{"lines"}, products...),
		// it is fulfilled
		`{"lines":null,"subTotal":"0","total":"0"}`: append([]string{"lines"}, products...),
		`{"lines":null,"subTotal":"0","total":"0","inventoryStatus":"Started"}`: append([]string{"lines"},
			products...),
		// nothing shows that the order has lines
		`{"lines":null,"subTotal":"0","inventoryStatus":"Unfulfilled"}`:  nil,
		`{"lines":[],"inventoryStatus":"Unfulfilled"}`:                   {"lines"},
		`{"lines":[],"subTotal":"0.00","inventoryStatus":"Unfulfilled"}`: nil,
		`{"customer":null}`:                   {"customer"},
		`{"customer":null,"customerId":null}`: nil,
		`{"currency":null}`:                   {"currency"},
		`{"paymentTerms":null}`:               {"paymentTerms"},
		`{"pricingScheme":null}`:              {"pricingScheme"},
		`{"taxingScheme":null}`:               {"taxingScheme", "taxingScheme.taxCodes"},
		`{"taxingScheme":{"taxCodes":null}}`:  {"taxingScheme.taxCodes"},
		`{"paymentLines":null}`:               {"paymentLines"},
		`{"paymentLines":[]}`:                 {"paymentLines"},
		`{"paymentLines":null,"amountPaid":null,"paymentStatus":"Partial"}`: {"paymentLines"},
		`{"paymentLines":null,"amountPaid":"0.00"}`:                         nil,
		`{"pickLines":null}`:                                       {"pickLines"},
		`{"pickLines":null,"inventoryStatus":"Started"}`:           nil,
		`{"packLines":null,"shipLines":null}`:                      {"packLines", "shipLines"},
		`{"packLines":null,"shipLines":null,"showShipping":false}`: nil,
		`{"lines":[{"productId":"p","subTotal":"10"}]}`:            products,
		`{"lines":[{"productId":"p","product":{"itemType":"StockedProduct"}}]}`: {"lines.product.cost",
			"lines.product.prices", "lines.product.inventoryLines"},
		`{"lines":[{"productId":"p","product":{"itemType":"Service","prices":[]}}]}`: nil,
		`{"lines":[{"productId":"p","product":{"categoryId":"k","prices":[]}}]}`: {
			"lines.product.category"},
	} {
		t.Run(change, func(t *testing.T) {
			order := rulestest.ChangedFrom(t, whole, change)
			checked := set.Evaluate(t.Context(), order, rulestest.Noon, ordercheck.Lookups{})
			assert.ElementsMatch(t, want, checked.Missing)
			report := rules.Report(order, checked, rulestest.Noon)
			if want == nil {
				assert.Equal(t, ordercheck.StatusPassed, report.Status)
				return
			}
			assert.Equal(t, ordercheck.StatusIncomplete, report.Status)
			assert.ElementsMatch(t, want, report.Missing)
			assert.Contains(t, report.Note, "fetch the order with include=")
			for _, name := range want {
				assert.Contains(t, report.Note, name)
			}
			assert.Empty(t, checked.RuleErrors)
		})
	}
}

// TestIncludesThatWereAskedFor evaluates with the includes that the workflow asked for. An order
// alone does not show them.
func TestIncludesThatWereAskedFor(t *testing.T) {
	set := everyNeed(t)
	order := rulestest.ParseOrder(t,
		`{"salesOrderId":"o","lines":[{"productId":"p","product":{"itemType":"StockedProduct"}}],"subTotal":"0","taxingScheme":{"taxCodes":[]}}`)

	all := set.Needs(nil)
	assert.ElementsMatch(t, rules.Requirements, all)
	assert.Empty(t, set.Needs(all))
	assert.Equal(t, []string{"customer"}, set.Needs(without(all, "customer")))
	checked := set.EvaluateFetched(t.Context(), order, rulestest.Noon, ordercheck.Lookups{}, all)
	assert.Empty(t, checked.Missing, "it was asked for, and nothing says that it exists")

	for _, name := range rules.Requirements {
		checked := set.EvaluateFetched(t.Context(), order, rulestest.Noon, ordercheck.Lookups{},
			without(all, name))
		assert.Equal(t, []string{name}, checked.Missing, name)
		require.NotEmpty(t, checked.Skipped)
		for _, s := range checked.Skipped {
			if s.RuleID == "needs-"+name {
				assert.Equal(t, ordercheck.Skipped{RuleID: s.RuleID,
					Reason: `needs "` + name + `", which was not asked for`, Missing: []string{name}}, s)
			}
		}
	}

	for _, name := range []string{ordercheck.LookupRecentOrders, ordercheck.LookupBilled} {
		order.IsInvoiced = true
		checked := set.EvaluateFetched(t.Context(), order, rulestest.Noon,
			ordercheck.Lookups{Failed: []string{name}}, all)
		assert.Equal(t, []string{name}, checked.Missing, "a look-up that failed")
	}
}

func TestRulesOnTrialMakeNoVerdictIncomplete(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
rules:
- {id: trial, scope: order, severity: error, shadow: true, when: "order.customer.name == 'x'", message: "'x'"}
`)
	checked := set.Evaluate(t.Context(),
		rulestest.ParseOrder(t, `{"salesOrderId":"o","customerId":"c","lines":[]}`), rulestest.Noon,
		ordercheck.Lookups{})
	assert.Empty(t, checked.Missing)
	assert.Empty(t, checked.Skipped)
	require.Len(t, checked.Shadow, 1)
	assert.Equal(t, []string{ordercheck.IncludeCustomer}, checked.Shadow[0].Missing)
	assert.NotEmpty(t, checked.Shadow[0].Skipped)
}

func without(list []string, name string) []string {
	var out []string
	for _, entry := range list {
		if entry != name {
			out = append(out, entry)
		}
	}
	return out
}
