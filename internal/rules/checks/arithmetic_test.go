package checks_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulestest"
)

func TestArithmeticAndPresence(t *testing.T) {
	tests := []struct {
		name  string
		order string // fields changed in the sound order
		want  []string
	}{
		{"line subtotal off", `{"lines":[{"salesOrderLineId":"l1","quantity":{"uomQuantity":"2"},` +
			`"unitPrice":"100","subTotal":"200.02"}],"subTotal":"200.02"}`,
			[]string{"line-subtotal/l1", "order-total"}},
		{"subtotal at the tolerance", `{"subTotal":"200.01"}`, nil},
		{"subtotal of lines rounded one by one",
			`{"subTotal":"200.025","total":"243.525","balance":"143.525"}`, nil},
		{"subtotal past the tolerance", `{"subTotal":"200.0250001"}`,
			[]string{"order-subtotal", "order-total"}},
		{"total at the tolerance", `{"total":"243.49","balance":"143.49"}`, nil},
		{"total past the tolerance", `{"total":"243.48","balance":"143.48"}`, []string{"order-total"}},
		{"total without returns", `{"total":"241.00","balance":"141.00"}`, nil},
		{"total null", `{"total":null,"balance":"-100"}`, []string{"order-total"}},
		{"freight null", `{"orderFreight":null,"total":"218.5","balance":"118.5"}`, nil},
		{"tax-inclusive, tax in the subtotal",
			`{"isTaxInclusive":true,"total":"227.50","balance":"127.50"}`, nil},
		{"tax-inclusive, subtotal without tax", `{"isTaxInclusive":true}`, nil},
		{"tax-exclusive, tax forgotten", `{"total":"227.50","balance":"127.50"}`,
			[]string{"order-total"}},
		{"balance off", `{"balance":"143.52"}`, []string{"balance"}},
		{"balance at the tolerance", `{"balance":"143.51"}`, nil},
		{"overpaid", `{"amountPaid":"300","balance":"-56.50"}`, nil},
		{"quote with nothing owed", `{"isQuote":true,"amountPaid":null,"balance":"0"}`, nil},
		{"quote with its total owed", `{"isQuote":true,"amountPaid":null,"balance":"243.50"}`, nil},
		{"order with nothing owed and nothing paid", `{"amountPaid":null,"balance":"0"}`,
			[]string{"balance"}},
		{"no customer", `{"customerId":null,"customer":null}`, []string{"customer-and-lines/customer"}},
		{"customer by id only", `{"customer":null}`, nil},
		{"empty order", `{"customerId":"","customer":null,"lines":[],"subTotal":null,` +
			`"orderFreight":null,"tax1":null,"returnFee":null,"returnFreight":null,"total":"0",` +
			`"amountPaid":null,"balance":null}`,
			[]string{"customer-and-lines/customer", "customer-and-lines/lines"}},
		{"lines null and nothing sold",
			`{"lines":null,"subTotal":"0","total":"43.50","balance":"-56.50"}`,
			[]string{"customer-and-lines/lines"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t), rulestest.Changed(t, tt.order))
			assert.ElementsMatch(t, tt.want, rulestest.FindingIDs(checked))
			assert.Empty(t, checked.Skipped)
			assert.Empty(t, checked.RuleErrors)
		})
	}
}

func TestLineSubtotalReadings(t *testing.T) {
	tests := []struct {
		name  string
		line  string
		order string
		ok    bool
	}{
		{"no discount", `{"quantity":{"uomQuantity":"3"},"unitPrice":"9.99","subTotal":"29.97"}`, ``,
			true},
		{"one cent up", `{"quantity":{"uomQuantity":"3"},"unitPrice":"9.99","subTotal":"29.98"}`, ``,
			true},
		{"one cent down", `{"quantity":{"uomQuantity":"3"},"unitPrice":"9.99","subTotal":"29.96"}`, ``,
			true},
		{"two cents", `{"quantity":{"uomQuantity":"3"},"unitPrice":"9.99","subTotal":"29.99"}`, ``,
			false},
		{"price is per unit of measure",
			`{"quantity":{"uomQuantity":"2","standardQuantity":"24","uom":"dozen"},` +
				`"unitPrice":"12","subTotal":"24"}`, ``, true},
		{"not per standard unit", `{"quantity":{"uomQuantity":"2","standardQuantity":"24",` +
			`"uom":"dozen"},"unitPrice":"12","subTotal":"288"}`, ``, false},
		{"standard quantity only",
			`{"quantity":{"standardQuantity":"4"},"unitPrice":"12","subTotal":"48"}`, ``, true},
		{"percent", `{"quantity":{"uomQuantity":"2"},"unitPrice":"50","discount":{"value":"12.5",` +
			`"isPercent":true},"subTotal":"87.5"}`, ``, true},
		{"percent forgotten", `{"quantity":{"uomQuantity":"2"},"unitPrice":"50",` +
			`"discount":{"value":"12.5","isPercent":true},"subTotal":"100"}`, ``, false},
		{"100 percent", `{"quantity":{"uomQuantity":"2"},"unitPrice":"50","discount":{"value":"100",` +
			`"isPercent":true},"subTotal":"0"}`, ``, true},
		{"fixed per unit", `{"quantity":{"uomQuantity":"4"},"unitPrice":"50",` +
			`"discount":{"value":"5"},"subTotal":"180"}`, ``, true},
		{"fixed per line", `{"quantity":{"uomQuantity":"4"},"unitPrice":"50",` +
			`"discount":{"value":"5"},"subTotal":"195"}`, ``, true},
		{"fixed, neither", `{"quantity":{"uomQuantity":"4"},"unitPrice":"50",` +
			`"discount":{"value":"5"},"subTotal":"190"}`, ``, false},
		{"discount null value", `{"quantity":{"uomQuantity":"4"},"unitPrice":"50",` +
			`"discount":{"value":null,"isPercent":true},"subTotal":"200"}`, ``, true},
		{"return", `{"quantity":{"uomQuantity":"-2"},"unitPrice":"50","subTotal":"-100"}`, ``, true},
		{"return with percent", `{"quantity":{"uomQuantity":"-2"},"unitPrice":"50",` +
			`"discount":{"value":"10","isPercent":true},"subTotal":"-90"}`, ``, true},
		{"return with fixed per unit",
			`{"quantity":{"uomQuantity":"-2"},"unitPrice":"50","discount":{"value":"10"},"subTotal":"-80"}`,
			``, true},
		{"return with fixed per line",
			`{"quantity":{"uomQuantity":"-2"},"unitPrice":"50","discount":{"value":"10"},"subTotal":"-90"}`,
			``, true},
		{"return with the wrong sign",
			`{"quantity":{"uomQuantity":"-2"},"unitPrice":"50","subTotal":"100"}`, ``, false},
		{"nulls are 0", `{"quantity":{"uomQuantity":"1"},"unitPrice":null,"subTotal":null}`, ``, true},
		{"price but no subtotal", `{"quantity":{"uomQuantity":"1"},"unitPrice":"5","subTotal":null}`, ``,
			false},
		{"tax-inclusive with the tax",
			`{"quantity":{"uomQuantity":"1"},"unitPrice":"120","subTotal":"120","tax1Rate":"20"}`,
			`{"isTaxInclusive":true}`, true},
		{"tax-inclusive without the tax",
			`{"quantity":{"uomQuantity":"1"},"unitPrice":"120","subTotal":"100","tax1Rate":"20"}`,
			`{"isTaxInclusive":true}`, true},
		{"tax-inclusive, the order's rate",
			`{"quantity":{"uomQuantity":"1"},"unitPrice":"120","subTotal":"100"}`,
			`{"isTaxInclusive":true,"tax1Rate":"20"}`, true},
		{"tax-inclusive, two taxes side by side",
			`{"quantity":{"uomQuantity":"1"},"unitPrice":"115","subTotal":"100",` +
				`"tax1Rate":"5","tax2Rate":"10"}`, `{"isTaxInclusive":true}`, true},
		{"tax-inclusive, one tax on the other",
			`{"quantity":{"uomQuantity":"1"},"unitPrice":"115.5","subTotal":"100",` +
				`"tax1Rate":"5","tax2Rate":"10"}`, `{"isTaxInclusive":true}`, true},
		{"tax-inclusive, neither", `{"quantity":{"uomQuantity":"1"},"unitPrice":"120",` +
			`"subTotal":"110","tax1Rate":"20"}`, `{"isTaxInclusive":true}`, false},
		{"tax-exclusive, tax taken out",
			`{"quantity":{"uomQuantity":"1"},"unitPrice":"120","subTotal":"100","tax1Rate":"20"}`, ``,
			false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t),
				rulestest.WithLine(t, tt.line, tt.order))
			var got []string
			for _, f := range checked.Findings {
				got = append(got, f.RuleID)
			}
			if tt.ok {
				assert.NotContains(t, got, "line-subtotal")
			} else {
				assert.Contains(t, got, "line-subtotal")
			}
			assert.Empty(t, checked.RuleErrors)
		})
	}
}

func TestFindingSaysWhatWhereAndWhatToDo(t *testing.T) {
	order := rulestest.Changed(t, `{"lines":[
		{"salesOrderLineId":"l1","quantity":{"uomQuantity":"1"},"unitPrice":"140","subTotal":"140"},
		{"salesOrderLineId":"l2","product":{"name":" Base  Cabinet "},"quantity":{"uomQuantity":"2"},"unitPrice":"50.00000","discount":{"value":"5.0","isPercent":true},"subTotal":"60.0000"}]}`)
	checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t), order)
	require.Len(t, checked.Findings, 1)
	assert.Equal(t, ordercheck.Finding{
		ID: "line-subtotal/l2", RuleID: "line-subtotal", Severity: "error", Scope: "line", LineID: "l2",
		LineNumber: 2,
		Message:    "Line 2 (Base Cabinet): the subtotal is 60.00, but 2 × 50.00 less 5 % is 95.00",
		Expected:   "95.00", Actual: "60.00",
		Fix: "Enter quantity, price or discount of the line again, " +
			"so that InFlow recalculates the subtotal",
	}, checked.Findings[0])

	checked = rulestest.Evaluate(t, rulestest.ArithmeticSet(t),
		rulestest.Changed(t, `{"total":"1","balance":"-99"}`))
	require.Len(t, checked.Findings, 1)
	assert.Equal(
		t, "The order's total is 1.00, but subtotal 200.00 + freight 25.00 + tax 16.00 + return fee "+
			"5.00 − return freight 2.50 is 243.50", checked.Findings[0].Message)
}

func TestQuantityZero(t *testing.T) {
	for line, want := range map[string]bool{
		`{"quantity":{"uomQuantity":"0.000"}}`:                     true,
		`{"quantity":{"uomQuantity":"0","standardQuantity":"12"}}`: true,
		`{"quantity":{}}`:                       true,
		`{}`:                                    true,
		`{"quantity":{"uomQuantity":"0.0001"}}`: false,
		`{"quantity":{"uomQuantity":"-1"}}`:     false,
		`{"quantity":{"uomQuantity":null,"standardQuantity":"12.0"}}`: false,
	} {
		checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t), rulestest.WithLine(t, line, ""))
		if want {
			assert.Equal(t, []string{"quantity-zero/product-#1"}, rulestest.FindingIDs(checked), line)
		} else {
			assert.Empty(t, rulestest.FindingIDs(checked), line)
		}
	}
}

func TestLongNamesAreCutInMessages(t *testing.T) {
	line := `{"product":{"name":"` + strings.Repeat("ä", 5000) + `"},"quantity":{"uomQuantity":"0"}}`
	checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t), rulestest.WithLine(t, line, ""))
	require.Len(t, checked.Findings, 1)
	assert.Less(t, len([]rune(checked.Findings[0].Message)), 150)
}
