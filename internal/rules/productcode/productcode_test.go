package productcode

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/inflow"
)

func TestHas(t *testing.T) {
	tests := []struct {
		text, code string
		want       bool
	}{
		{"TUK", "TUK", true},
		{"SW-TUK-01", "TUK", true},
		{"tuk kit", "TUK", true},
		{"Kit (Tuk)", "tuk", true},
		{"STUKEL", "TUK", false},
		{"TUKS", "TUK", false},
		{"1TUK", "TUK", false},
		{"TUK2", "TUK", false},
		{"ÄTUK", "TUK", false},
		{"A\u0308TUK", "TUK", false},
		{"TUK\u0302", "TUK", false},
		{"SW-KU\u0308CHE-01", "K\u00dcCHE", true},
		{"SW-K\u00fcche-01", "KU\u0308CHE", true},
		{"TUKé", "TUK", false},
		{"TUK_01", "TUK", true},
		{"STUKEL TUK", "TUK", true},
		{"TUKTUK", "TUK", false},
		{"TUKTUK-TUK", "TUK", true},
		{"Z_DISCOUNT", "Z_DISCOUNT", true},
		{"z_discount 10%", "Z_DISCOUNT", true},
		{"Z_DISCOUNTS", "Z_DISCOUNT", false},
		{"Z_CREDIT TRANSACTION FEE", "Z_CREDIT TRANSACTION FEE", true},
		{"Z_CREDIT  TRANSACTION FEE", "Z_CREDIT TRANSACTION FEE", false},
		{"Z_CREDIT_TRANSACTION_FEE", "Z_CREDIT TRANSACTION FEE", false},
		{"", "TUK", false},
		{"TUK", "", false},
		{"\xff TUK \xff", "TUK", true},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, Has(&inflow.Product{Name: tt.text}, tt.code), "name %q, code %q",
			tt.text, tt.code)
		assert.Equal(t, tt.want, Has(&inflow.Product{Name: "other", SKU: tt.text}, tt.code),
			"SKU %q, code %q", tt.text, tt.code)
	}
	assert.False(t, Has(nil, "TUK"))
}

func TestHasPrefix(t *testing.T) {
	assert.True(t, HasPrefix(&inflow.Product{Name: "Z_HANDLING"}, "Z_"))
	assert.True(t, HasPrefix(&inflow.Product{Name: "Handling", SKU: "Z_HANDLING"}, "Z_"))
	assert.False(t, HasPrefix(&inflow.Product{Name: "A Z_HANDLING"}, "Z_"))
	assert.False(t, HasPrefix(&inflow.Product{Name: "z_handling"}, "Z_"))
	assert.False(t, HasPrefix(nil, "Z_"))
}
