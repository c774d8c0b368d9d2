package inflow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

func TestAmountUnmarshalJSON(t *testing.T) {
	tests := map[string]struct {
		json string
		want string // as text; empty means null
	}{
		"string, scale 4": {`"9.0000"`, "9.0000"},
		"string, scale 5": {`"50.00000"`, "50.00000"},
		"string":          {`"19.99"`, "19.99"},
		"negative":        {`"-19.99"`, "-19.99"},
		"no scale":        {`"7"`, "7"},
		"blanks around":   {`" 7.5 "`, "7.5"},
		"19 digits":       {`"1234567890123456.789"`, "1234567890123456.789"},
		"number":          {`1.24`, "1.24"},
		"negative number": {`-3`, "-3"},
		"null":            {`null`, ""},
		"empty":           {`""`, ""},
		"blank":           {`"  "`, ""},
		"zero":            {`"0.00"`, "0.00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, answer(200, orderJSON(`,"total":`+tt.json)))
			order, err := client.SalesOrder(t.Context(), orderID, nil)
			require.NoError(t, err)
			if tt.want == "" {
				assert.Equal(t, inflow.Amount{}, order.Total)
				return
			}
			assert.Equal(t, inflow.NewAmount(decimal.MustParse(tt.want)), order.Total)
		})
	}
}

func TestAbsentAmountIsNull(t *testing.T) {
	var order inflow.SalesOrder
	require.NoError(t, json.Unmarshal([]byte(orderJSON("")), &order))
	assert.False(t, order.Total.Valid)
	assert.True(t, order.Total.Decimal.IsZero())
}

func TestTimeUnmarshalJSON(t *testing.T) {
	tests := map[string]struct {
		json string
		want time.Time
	}{
		"UTC": {`"2025-10-28T12:30:00Z"`,
			time.Date(2025, 10, 28, 12, 30, 0, 0, time.UTC)},
		"offset": {`"2025-10-28T12:30:00-04:00"`,
			time.Date(2025, 10, 28, 16, 30, 0, 0, time.UTC)},
		"fraction": {`"2025-10-28T12:30:00.1234567+00:00"`,
			time.Date(2025, 10, 28, 12, 30, 0, 123456700, time.UTC)},
		"no zone": {`"2025-10-28T12:30:00"`,
			time.Date(2025, 10, 28, 12, 30, 0, 0, time.UTC)},
		"no zone, seconds": {`"2025-10-28T12:30:00.5"`,
			time.Date(2025, 10, 28, 12, 30, 0, 5e8, time.UTC)},
		"date":  {`"2025-10-28"`, time.Date(2025, 10, 28, 0, 0, 0, 0, time.UTC)},
		"null":  {`null`, time.Time{}},
		"empty": {`""`, time.Time{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var order inflow.SalesOrder
			require.NoError(t, json.Unmarshal([]byte(orderJSON(`,"orderDate":`+tt.json)), &order))
			assert.True(t, tt.want.Equal(order.OrderDate.Time), "%s", order.OrderDate)
			assert.Equal(t, tt.want.IsZero(), order.OrderDate.IsZero())
		})
	}
}

func TestPresenceUnmarshalJSON(t *testing.T) {
	for text, want := range map[string]inflow.Presence{
		`"Jane"`: true, `" "`: false, `""`: false, `"\t\n"`: false, `null`: false, `true`: true,
		`false`: false,
	} {
		var order inflow.SalesOrder
		require.NoError(t, json.Unmarshal([]byte(orderJSON(`,"contactName":`+text)), &order), text)
		assert.Equal(t, want, order.ContactName, text)
	}
	for _, text := range []string{`1`, `{}`, `[]`} {
		var p inflow.Presence
		assert.Error(t, json.Unmarshal([]byte(text), &p), text)
	}
}

func TestDecodingDropsPersonalData(t *testing.T) {
	const sent = `,"contactName":"` + private + `","email":"` + private + `","phone":"` + private + `",
		"billingAddress":{"address1":"` + private + `","address2":"` + private + `","city":"` + private + `",
			"postalCode":"` + private + `","state":"Ontario","country":"Canada","remarks":"` + private + `"},
		"shippingAddress":{"address1":" ","address2":null,"city":"` + private + `"},
		"customer":{"name":"Oak & Co","email":"` + private + `","contactName":"` + private + `"}`
	var order inflow.SalesOrder
	require.NoError(t, json.Unmarshal([]byte(orderJSON(sent)), &order))
	assert.True(t, bool(order.ContactName && order.Email && order.Phone))
	assert.Equal(t, &inflow.Address{Address1: true, Address2: true, City: true, PostalCode: true,
		State: "Ontario", Country: "Canada"}, order.BillingAddress)
	assert.Equal(t, &inflow.Address{City: true}, order.ShippingAddress)

	encoded, err := json.Marshal(order)
	require.NoError(t, err)
	assert.NotContains(t, string(encoded), private)
}

func TestEncodedOrderDecodesToItself(t *testing.T) {
	const sent = `,"total":"9.0000","tax1":null,"orderFreight":0,"balance":"","orderDate":"2025-10-28T12:30:00.5-04:00",
		"dueDate":"2025-11-01","invoicedDate":null,"email":"a@b","phone":" ","billingAddress":{},"shippingAddress":null,
		"customFields":{"custom1":null,"custom4":"damaged <in> transit"},"customer":{"discount":"5.00"},"paymentLines":[],
		"lines":[{"quantity":{"uomQuantity":"2.0000","serialNumbers":[]},"discount":{"value":"0"}},{"quantity":null,"discount":null}]`
	var first, second inflow.SalesOrder
	require.NoError(t, json.Unmarshal([]byte(orderJSON(sent)), &first))
	once, err := json.Marshal(first)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(once, &second))
	twice, err := json.Marshal(second)
	require.NoError(t, err)
	assert.Equal(t, string(once), string(twice))
}

func TestDecodingMakesIDsCanonical(t *testing.T) {
	const upper, lower = "8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B11",
		"8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11"
	sent := `{"salesOrderId":"ID","customerId":"ID","customer":{"customerId":"ID","pricingSchemeId":"ID"},"pricingSchemeId":"ID",
		"pricingScheme":{"pricingSchemeId":"ID"},"paymentTermsId":"ID","paymentTerms":{"paymentTermsId":"ID"},
		"taxingSchemeId":"ID","taxingScheme":{"taxingSchemeId":"ID","defaultTaxCodeId":"ID","taxCodes":[{"taxCodeId":"ID"}]},
		"currencyId":"ID","currency":{"currencyId":"ID"},"locationId":"ID","salesRepTeamMemberId":"ID","confirmerTeamMemberId":"ID",
		"lines":[{"salesOrderLineId":"ID","productId":"ID","taxCodeId":"ID","product":{"productId":"ID","categoryId":"ID",
			"category":{"categoryId":"ID"},"prices":[{"pricingSchemeId":"ID"}]}}],
		"pickLines":[{"productId":"ID"}],"packLines":[{"productId":"ID"}]}`
	var fromUpper, fromLower inflow.SalesOrder
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(sent, "ID", upper)), &fromUpper))
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(sent, "ID", lower)), &fromLower))
	assert.Equal(t, fromLower, fromUpper)

	var other inflow.SalesOrder
	require.NoError(t,
		json.Unmarshal([]byte(`{"salesOrderId":"SO-A","lines":[{"productId":"P-1"}]}`), &other))
	assert.Equal(t, "SO-A", other.SalesOrderID, "not a UUID")
	assert.Equal(t, "P-1", other.Lines[0].ProductID)
}
