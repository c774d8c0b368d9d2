package ordercheck_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/ordercheck"
)

func TestCanonicalIDFoldsUUIDsOnly(t *testing.T) {
	for id, want := range map[string]string{
		"8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B11":   "8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11",
		"8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11":   "8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11",
		"8A3c6D4e-71c2-4D0a-9f53-2d6F0c1e7B11":   "8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11",
		"":                                       "",
		"SO-001051":                              "SO-001051",
		"8A3C6D4E71C24D0A9F532D6F0C1E7B11":       "8A3C6D4E71C24D0A9F532D6F0C1E7B11",
		"8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B1":    "8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B1",
		"8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B11A":  "8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B11A",
		"8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B1G":   "8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B1G",
		"8A3C6D4EA71C2-4D0A-9F53-2D6F0C1E7B11":   "8A3C6D4EA71C2-4D0A-9F53-2D6F0C1E7B11",
		"8A3C6D4-E71C2-4D0A-9F53-2D6F0C1E7B11":   "8A3C6D4-E71C2-4D0A-9F53-2D6F0C1E7B11",
		"8A3C6D4E.71C2.4D0A.9F53.2D6F0C1E7B11":   "8A3C6D4E.71C2.4D0A.9F53.2D6F0C1E7B11",
		"{8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B11}": "{8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B11}",
	} {
		assert.Equal(t, want, ordercheck.CanonicalID(id))
	}
}

func TestWorkflowIDIsOneForBothSpellings(t *testing.T) {
	const lower, upper = "8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11", "8A3C6D4E-71C2-4D0A-9F53-2D6F0C1E7B11"
	assert.Equal(t, "sales-order-"+lower, ordercheck.WorkflowID(upper))
	id, ok := ordercheck.SalesOrderID("sales-order-" + upper)
	assert.True(t, ok)
	assert.Equal(t, lower, id)
	assert.Equal(t, "sales-order-SO-1", ordercheck.WorkflowID("SO-1"), "not a UUID")
}
