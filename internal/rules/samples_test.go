package rules_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulefile"
)

// TestSampleOrdersOfToday checks the stand-in's sample orders, dated today: a correct one has no
// finding, and a faulty one only its own.
func TestSampleOrdersOfToday(t *testing.T) {
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	now := time.Now()
	for _, sample := range samples {
		text, err := json.Marshal(sample.Recent(now).Order)
		require.NoError(t, err)
		var order inflow.SalesOrder
		require.NoError(t, json.Unmarshal(text, &order))
		checked := rulefile.Default().
			Evaluate(t.Context(), &order, now, ordercheck.Lookups{RecentOrders: &ordercheck.RecentOrders{}})
		assert.Empty(t, checked.RuleErrors, sample.Name)
		if sample.Fault == "" {
			assert.Empty(t, checked.Findings, sample.Name)
		} else {
			assert.Len(t, checked.Findings, 1, sample.Name)
		}
	}
}
