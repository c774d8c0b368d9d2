package inflow_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

// TestMissingEntities checks that an order lacks an entity if it has the entity's id, but the
// entity is null, empty, or another one.
func TestMissingEntities(t *testing.T) {
	for document, missing := range map[string]bool{
		`{"customerId":"C1","customer":{"customerId":"c1","name":"Acme"}}`: false,
		// without an id of its own
		`{"customerId":"C1","customer":{"name":"Acme"}}`: false,
		`{"customer":null}`:                 false,
		`{"customerId":"C1"}`:               true,
		`{"customerId":"C1","customer":{}}`: true,
		`{"customerId":"C1","customer":{"customerId":"C2","name":"Other"}}`: true,
	} {
		var order inflow.SalesOrder
		require.NoError(t, json.Unmarshal([]byte(document), &order))
		assert.Equal(t, missing, order.Lacks(inflow.IncludeCustomer), document)
	}
	for product, missing := range map[string]bool{
		`null`: true, `{}`: true, `{"productId":"P2","name":"Other"}`: true,
		`{"productId":"P1","name":"Panel"}`: false,
	} {
		var order inflow.SalesOrder
		require.NoError(t,
			json.Unmarshal([]byte(`{"lines":[{"productId":"P1","product":`+product+`}]}`), &order))
		assert.Equal(t, missing, order.Lacks(inflow.IncludeLinesProduct), product)
	}
	for _, include := range []string{inflow.IncludeCurrency, inflow.IncludePricingScheme,
		inflow.IncludePaymentTerms, inflow.IncludeSalesRepTeamMember} {
		var order inflow.SalesOrder
		require.NoError(t, json.Unmarshal([]byte(`{"`+include+`Id":"1","`+include+`":{}}`), &order))
		assert.True(t, order.Lacks(include), include)
	}
}
