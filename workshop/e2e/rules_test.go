package e2e_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/live"
)

// TestChangedRulesApplyFromTheNextCheck changes the rule file while an order is held.
func TestChangedRulesApplyFromTheNextCheck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	write := func(limit string) {
		require.NoError(t, os.WriteFile(path, []byte(`version: 1
name: limits
rules:
- id: too-large
  scope: order
  severity: error
  when: "order.total > dec(`+limit+`)"
  message: "'The order is too large'"
`), 0o600))
	}
	write("1")
	live, err := live.Follow(t.Context(), []string{path},
		live.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := newStack(t, options{settings: holding(0), rules: live.Set})
	id := s.create("plain")
	s.waitForStatus(id, ordercheck.StatusFailed)
	before := s.report(id)
	assert.Equal(t, []string{"too-large"}, brokenRules(before))

	write("broken")
	assert.False(t, live.Reload(t.Context()))
	assert.Equal(t, before.RuleSet, s.checkNow(id).RuleSet, "after a fault in the file, the "+
		"previous set stays")

	write("1000000")
	assert.True(t, live.Reload(t.Context()))
	s.waitForRules(live.Set())
	after := s.checkNow(id)
	assert.Equal(t, ordercheck.StatusPassed, after.Status, "the same version of the order is "+
		"evaluated again")
	assert.Equal(t, before.OrderVersion, after.OrderVersion)
	assert.NotEqual(t, before.RuleSet.Digest, after.RuleSet.Digest)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
}

// TestOtherOrdersAreLookedUpOnce checks that rules that compare orders cost one more request, but
// none for the customer's next order.
func TestOtherOrdersAreLookedUpOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	lists := func() (n int) {
		for _, request := range s.fake.Requests() {
			if request.Route == fakeinflow.RouteListSalesOrders {
				n++
			}
		}
		return n
	}
	first := s.create("plain")
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(first).Status)
	assert.Equal(t, 1, lists())
	second := s.create("plain")
	report := s.mustResult(second)
	assert.Equal(t, 1, lists())
	assert.Contains(t, brokenRules(report), "near-duplicate")
}
