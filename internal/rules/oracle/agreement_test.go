package oracle

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
)

var (
	orders = flag.Int("orders", 400, "number of right orders to test, and of orders with mistakes")
	seed   = flag.Uint64("seed", 1, "the first order's seed; each order has its own")
)

// generalChecks returns the general checks with the settings of the tests' company.
func generalChecks(t testing.TB) *rules.Set {
	t.Helper()
	company := filepath.Join(t.TempDir(), "company.yaml")
	require.NoError(t, os.WriteFile(company, []byte(companyRules), 0o600))
	set, err := rulefile.Load(t.Context(), "../../../rules/default.yaml", company)
	require.NoError(t, err)
	return set
}

func random(
	n uint64,
) *rand.Rand {
	return rand.New(rand.NewPCG(*seed+n, 21))
} //nolint:gosec // repeatable, not secret

// evaluated returns the findings of an order and the skipped rules with their reasons. There are no
// look-ups, so checks that read other orders are skipped.
func evaluated(
	t testing.TB, set *rules.Set, o *order,
) (findings []ordercheck.Finding, skipped map[string]string) {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	var read inflow.SalesOrder
	require.NoError(t, json.Unmarshal(text, &read))
	checked := set.Evaluate(t.Context(), &read, now.Time, ordercheck.Lookups{})
	require.Empty(t, checked.RuleErrors, "%s", text)
	skipped = map[string]string{}
	for _, s := range checked.Skipped {
		skipped[s.RuleID] = s.Reason
	}
	return checked.Findings, skipped
}

// texts formats the findings as sorted strings, so that two lists can be compared.
func texts(findings []found) []string {
	out := []string{}
	for _, f := range findings {
		severity := "error"
		if f.warning {
			severity = "warning"
		}
		out = append(out, fmt.Sprintf("%s of %s on line %d, expected %q", severity, f.rule, f.line,
			f.expected))
	}
	slices.Sort(out)
	return out
}

func ofRules(findings []ordercheck.Finding) []found {
	var out []found
	for _, f := range findings {
		out = append(out, found{f.RuleID, f.LineNumber, f.Expected,
			f.Severity == ordercheck.SeverityWarning})
	}
	return out
}

// describe returns the order and its findings as text, to debug a disagreement.
func describe(o *order, findings []ordercheck.Finding, skipped map[string]string) string {
	text, _ := json.MarshalIndent(o, "", " ")
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s: %s\n", f.RuleID, f.Message)
	}
	for id, reason := range skipped {
		fmt.Fprintf(&b, "skipped %s: %s\n", id, reason)
	}
	b.Write(text)
	return b.String()
}

// TestRightOrdersHaveNoFinding compares the rules with the oracle on right orders. Both find
// nothing, except on the few orders whose amounts also fit another reading. For example, 4 pieces
// at 0.83 less 0.17 per line, without the tax, are only one cent off 4 pieces at 0.83 less 0.17 per
// piece, with the tax.
func TestRightOrdersHaveNoFinding(t *testing.T) {
	set := generalChecks(t)
	ambiguous := 0
	for i := range uint64(*orders) {
		o := rightOrder(random(i))
		findings, skipped := evaluated(t, set, o)
		want := texts(judge(o))
		if !slices.Equal(want, texts(ofRules(findings))) {
			t.Fatalf("seed %d: the oracle finds %q\n%s", *seed+i, want, describe(o, findings, skipped))
		}
		if len(want) > 0 {
			t.Logf("seed %d: a right order fits another reading: %q", *seed+i, want)
			ambiguous++
		}
	}
	require.LessOrEqual(t, ambiguous, max(1, *orders/2000))
}

// TestMistakesAreFound makes mistakes in orders. The rules find each mistake, on its line and with
// the right amount. They find exactly what the oracle finds.
func TestMistakesAreFound(t *testing.T) {
	set := generalChecks(t)
	made, harmless := map[string]int{}, map[string]int{}
	for i := range uint64(*orders) {
		o, wants := mistakenOrder(random(1_000_000+i), harmless)
		findings, skipped := evaluated(t, set, o)
		got := ofRules(findings)
		if missed := notIn(wants, got); missed != "" {
			t.Fatalf("seed %d: %s is not found: %v\n%s", *seed+i, missed, wants,
				describe(o, findings, skipped))
		}
		if want := texts(judge(o)); !slices.Equal(want, texts(got)) {
			require.Equal(t, want, texts(got), "seed %d: %v\n%s", *seed+i, wants,
				describe(o, findings, skipped))
		}
		for _, want := range wants {
			made[want.rule]++
		}
	}
	total := 0
	for _, m := range mistakes {
		total += made[m.rule]
		if *orders >= 1000 {
			require.Positive(t, made[m.rule], "no order has the mistake %s", m.rule)
		}
	}
	fits := 0
	for rule, times := range harmless {
		fits += times
		t.Logf("%s: %d mistakes are harmless, because the amounts fit another reading", rule, times)
	}
	t.Logf("%d mistakes in %d orders, all found", total, *orders)
	require.LessOrEqual(t, fits*100, total*3, "too many mistakes are harmless")
	for _, d := range set.Rules() {
		if !slices.Contains(historyOfOrders, d.ID) {
			require.True(t, slices.ContainsFunc(mistakes, func(m mistake) bool { return m.rule == d.ID }),
				"no mistake breaks rule %s", d.ID)
		}
	}
}
