package rules_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulestest"
)

func TestSoundOrderHasNothingToReport(t *testing.T) {
	set := rulestest.ArithmeticSet(t)
	checked := rulestest.Evaluate(t, set, rulestest.ParseOrder(t, rulestest.Sound))

	text, err := json.Marshal(checked)
	require.NoError(t, err)
	assert.JSONEq(
		t, `{"ruleSet":{"name":"arithmetic","digest":"`+set.Digest()+
			`"},"findings":[],"skipped":[],"ruleErrors":[]}`, string(text))
}

func TestCancelledOrderIsSkipped(t *testing.T) {
	checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t),
		rulestest.Changed(t, `{"isCancelled":true,"total":"1","customerId":""}`))
	assert.Empty(t, checked.Findings)
	assert.Len(t, checked.Skipped, len(rulestest.ArithmeticSet(t).Rules()))
	assert.Equal(t, ordercheck.Skipped{RuleID: "line-subtotal", Reason: "the order is cancelled"},
		checked.Skipped[0])
}

func TestOrderFetchedWithoutItsLinesIsSkipped(t *testing.T) {
	checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t),
		rulestest.Changed(t, `{"lines":null,"total":"1","balance":"-99"}`))
	assert.Equal(t, []string{"order-total"}, rulestest.FindingIDs(checked),
		"a rule that needs no lines is evaluated")
	var skipped []string
	for _, s := range checked.Skipped {
		skipped = append(skipped, s.RuleID)
		assert.Contains(t, s.Reason, `"lines"`)
	}
	assert.Equal(t, []string{"line-subtotal", "order-subtotal", "customer-and-lines", "quantity-zero"},
		skipped)
}

func TestUnevaluableRuleIsAnErrorAndNoFinding(t *testing.T) {
	const huge = `"9999999999999999999"`
	order := rulestest.Changed(t, `{"lines":[
		{"salesOrderLineId":"l1","quantity":{"uomQuantity":"1"},"unitPrice":"5","subTotal":"6"},
		{"salesOrderLineId":"l2","quantity":{"uomQuantity":`+huge+`},"unitPrice":`+huge+`,"subTotal":`+huge+`},
		{"salesOrderLineId":"l3","quantity":{"uomQuantity":`+huge+`},"unitPrice":`+huge+`,"subTotal":`+huge+`}]}`)
	checked := rulestest.Evaluate(t, rulestest.ArithmeticSet(t), order)
	assert.Equal(t, []ordercheck.RuleError{
		{RuleID: "line-subtotal", Error: "line 2: an amount is beyond the 19 digits that can be " +
			"calculated with (and 1 more lines)"},
		{RuleID: "order-subtotal",
			Error: "an amount is beyond the 19 digits that can be calculated with"},
	}, checked.RuleErrors)
	assert.Empty(t, checked.Findings,
		"the broken first line is not reported by a rule that could not be evaluated")
}

func TestNothingToEvaluate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, checked := range map[string]ordercheck.CheckedOrder{
		"no order": rulestest.Evaluate(t, rulestest.ArithmeticSet(t), nil),
		"cancelled": rulestest.ArithmeticSet(t).Evaluate(ctx, rulestest.ParseOrder(t, rulestest.Sound),
			rulestest.Noon, ordercheck.Lookups{}),
	} {
		assert.Len(t, checked.RuleErrors, len(rulestest.ArithmeticSet(t).Rules()), name)
		assert.Empty(t, checked.Findings, name)
	}
}

func TestDigest(t *testing.T) {
	base := rulestest.ArithmeticSet(t)
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, base.Digest())
	assert.Equal(t, base.Digest(), rulestest.ArithmeticSet(t).Digest())

	const expression = "- {id: extra, scope: order, severity: warning, params: {least: 5}, when: " +
		"'order.total < params.least', message: \"'small'\"}\n"
	extra := rulestest.LoadText(t, rulestest.Arithmetic+expression)
	for name, text := range map[string]string{
		"name": strings.Replace(rulestest.Arithmetic, "name: arithmetic", "name: other", 1),
		"number": strings.Replace(rulestest.Arithmetic, "builtin: balance",
			"builtin: balance, params: {tolerance: 1}", 1),
		"severity": strings.Replace(rulestest.Arithmetic, "builtin: balance",
			"builtin: balance, severity: warning", 1),
		"order": strings.Replace(rulestest.Arithmetic, "- {id: line-subtotal, builtin: line-subtotal}\n",
			"", 1) + "- {id: line-subtotal, builtin: line-subtotal}\n",
		"switch": strings.Replace(rulestest.Arithmetic, "builtin: balance",
			"builtin: balance, enabled: false", 1),
		"shadow": strings.Replace(rulestest.Arithmetic, "builtin: balance",
			"builtin: balance, shadow: true", 1),
		"applies": strings.Replace(rulestest.Arithmetic, "builtin: balance",
			"builtin: balance, applies: 'order.isQuote'", 1),
		"requirement": strings.Replace(rulestest.Arithmetic, "builtin: balance",
			"builtin: balance, requires: [customer]", 1),
	} {
		assert.NotEqual(t, base.Digest(), rulestest.LoadText(t, text).Digest(), name)
	}
	for name, change := range map[string][2]string{
		"condition": {"<", "<="}, "message": {"small", "tiny"}, "parameter": {"least: 5", "least: 6"},
		"kind of parameter": {"least: 5", "least: 5.0"},
	} {
		assert.NotEqual(t, extra.Digest(),
			rulestest.LoadText(t, rulestest.Arithmetic+strings.Replace(expression, change[0], change[1],
				1)).Digest(), name)
	}
	assert.Equal(t, base.Digest(),
		rulestest.LoadText(t, "# a comment\n"+strings.Replace(rulestest.Arithmetic, "balance, builtin",
			"balance,   builtin", 1)).Digest(), "how it is written")
}
