package rules_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"
)

// everydayNow is the time of the evaluation.
var everydayNow = time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)

// TestEverydayOrders evaluates the general checks on ordinary orders. None has an error, and the
// few warnings are right.
func TestEverydayOrders(t *testing.T) {
	warnings := map[string]string{
		"agreed-price":         "scheme-price",
		"clearance-below-cost": "below-cost",
		"fetched-by-customer":  "ship-to-address",
		"half-a-box":           "odd-quantity",
		"promotion":            "line-discount-over-customer",
		"return-before-refund": "paid-with-balance",
		"short-for-next-week":  "stock",
	}
	require.LessOrEqual(t, len(warnings), 10)
	files, err := filepath.Glob("../../rules/examples/everyday/*.json")
	require.NoError(t, err)
	set, orders := rulefile.Default(), 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.HasSuffix(name, ".lookups") {
			continue
		}
		orders++
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(file) //nolint:gosec // a file in the repository
			require.NoError(t, err)
			var about struct{ About string }
			require.NoError(t, json.Unmarshal(content, &about))
			assert.Regexp(t, `^[A-Z].*\.$`, about.About, "about must be a sentence")

			order := rulestest.ParseOrder(t, string(content))
			lookups := ordercheck.Lookups{
				RecentOrders: &ordercheck.RecentOrders{},
				Billed:       checks.BilledOf(order),
			}
			if given, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".lookups.json"); err == nil {
				require.NoError(t, json.Unmarshal(given, &lookups))
			}
			checked := set.Evaluate(t.Context(), order, everydayNow, lookups)
			assert.Empty(t, checked.RuleErrors)
			var got []string
			for _, f := range checked.Findings {
				assert.Equal(t, ordercheck.SeverityWarning, f.Severity, f.Message)
				got = append(got, f.RuleID)
			}
			if want := warnings[name]; want != "" {
				assert.Equal(t, []string{want}, got)
			} else {
				assert.Empty(t, checked.Findings)
			}
		})
	}
	assert.GreaterOrEqual(t, orders, 80)
}

// TestMistakesThatOncePassed evaluates the general checks on wrong orders that earlier versions let
// pass.
func TestMistakesThatOncePassed(t *testing.T) {
	for name, want := range map[string]ordercheck.Finding{
		"below-cost-in-euros": {RuleID: "below-cost", Severity: "warning", LineNumber: 1,
			Expected: "368.00", Actual: "4.50"},
		"box-at-the-price-of-one": {RuleID: "scheme-price", Severity: "warning", LineNumber: 1,
			Expected: "1200.00", Actual: "120.00"},
		"cheap-goods-above-the-list": {RuleID: "scheme-price", Severity: "warning", LineNumber: 3,
			Expected: "0.037", Actual: "0.047"},
		"exchange-rate-missing": {RuleID: "exchange-rate", Severity: "warning"},
		"exchange-rate-zero":    {RuleID: "exchange-rate", Severity: "error"},
		"non-stocked-goods-not-picked": {RuleID: "picked-quantity", Severity: "warning", Expected: "3",
			Actual: "0"},
		"one-line-without-its-product": {RuleID: "below-cost", Severity: "warning", LineNumber: 1,
			Expected: "400.00", Actual: "360.00"},
		"serials-missing-on-picks": {RuleID: "serial-numbers", Severity: "warning", LineNumber: 1,
			Expected: "5", Actual: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(
				filepath.Join("testdata", "mistakes", name+".json"),
			) //nolint:gosec // a file in the repository
			require.NoError(t, err)
			checked := rulefile.Default().
				Evaluate(t.Context(), rulestest.ParseOrder(t, string(content)), everydayNow,
					ordercheck.Lookups{})
			assert.Empty(t, checked.RuleErrors)
			require.Len(t, checked.Findings, 1)
			got := checked.Findings[0]
			assert.Equal(
				t,
				want,
				ordercheck.Finding{
					RuleID:     got.RuleID,
					Severity:   got.Severity,
					LineNumber: got.LineNumber,
					Expected:   got.Expected,
					Actual:     got.Actual,
				},
			)
		})
	}
}
