package rules

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

func TestLineKeys(t *testing.T) {
	lines := []inflow.SalesOrderLine{
		{
			SalesOrderLineID: "a",
		}, {ProductID: "p"}, {SalesOrderLineID: "a"}, {ProductID: "p"}, {ProductID: "q"}, {},
		{SalesOrderLineID: "a#2"}, {SalesOrderLineID: "a/b"}, {SalesOrderLineID: strings.Repeat("x", 65)},
	}
	keys := lineKeys(lines)
	assert.Equal(t, []string{"a", "product-p#1", "a#2", "product-p#2", "product-q#1", "product-#1"},
		keys[:6])
	for _, key := range keys[6:] {
		assert.Regexp(t, `^~[0-9a-f]{24}$`, key)
	}
	slices.Sort(keys)
	assert.Len(t, slices.Compact(keys), len(lines))
}

func TestEveryIncludeHasEvidenceOrBelongsToProducts(t *testing.T) {
	parse := func(text string) *inflow.SalesOrder {
		var order inflow.SalesOrder
		require.NoError(t, json.Unmarshal([]byte(text), &order))
		return &order
	}
	for _, name := range includes {
		lacks := false
		for _, order := range []string{
			`{"inventoryStatus":"Fulfilled","showShipping":true,"customerId":"c","currencyId":"c",` +
				`"paymentTermsId":"t","pricingSchemeId":"s","taxingSchemeId":"x",` +
				`"amountPaid":"1","subTotal":"1"}`,
			`{"lines":[{"productId":"p"}],"taxingScheme":{}}`,
			`{"lines":[{"product":{"categoryId":"k"}}]}`,
		} {
			lacks = lacks || parse(order).Lacks(name)
		}
		_, products := ofProducts[name]
		assert.True(t, lacks || products, name)
	}
	assert.True(t, parse(`{"salesRepTeamMemberId":"r"}`).Lacks(inflow.IncludeSalesRepTeamMember))
}

func TestPanicIsARuleErrorAndStopsNoOtherRule(t *testing.T) {
	secret := "c.oak@example.com"
	info := func(id string) Info {
		return Info{
			ID:       id,
			Severity: ordercheck.SeverityError,
			Scope:    ordercheck.ScopeOrder,
			Enabled:  true,
		}
	}
	set := NewSet("panic", []*Rule{
		{Info: info("panics"), Check: func(*Evaluation) error { panic(secret) }},
		{
			Info:  info("finds"),
			Check: func(e *Evaluation) error { e.OnOrder(Breach{Message: "x"}); return nil },
		},
	}, nil)
	checked := set.Evaluate(t.Context(), &inflow.SalesOrder{}, time.Now(), ordercheck.Lookups{})
	require.Len(t, checked.RuleErrors, 1)
	assert.Equal(t, "panics", checked.RuleErrors[0].RuleID)
	assert.NotContains(t, checked.RuleErrors[0].Error, secret)
	require.Len(t, checked.Findings, 1)
	assert.Equal(t, "finds", checked.Findings[0].RuleID)
}
