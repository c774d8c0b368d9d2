package ordercheck_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

func TestTextNamesOverridesAndTheirEnd(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
	report := ordercheck.Report{
		OrderNumber: "SO-001051", Status: ordercheck.StatusFailed, CheckedAt: at.Add(time.Minute),
		RuleSet: ordercheck.RuleSet{Name: "default"},
		Findings: []ordercheck.Finding{
			{
				ID:        "total",
				RuleID:    "total",
				Severity:  ordercheck.SeverityError,
				Message:   "The total is 5.",
				State:     ordercheck.FindingConfirmed,
				FirstSeen: at,
			},
			{
				ID:        "tax",
				RuleID:    "tax",
				Severity:  ordercheck.SeverityError,
				State:     ordercheck.FindingPending,
				ConfirmAt: at.Add(time.Hour),
			},
			{
				ID:       "po",
				RuleID:   "po",
				Severity: ordercheck.SeverityError,
				State:    ordercheck.FindingOverridden,
				Override: &ordercheck.Override{By: "Anna", Reason: "agreed", Until: at.AddDate(0, 0, 1)},
			},
		},
	}
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		report.Skipped = append(report.Skipped,
			ordercheck.Skipped{RuleID: id, Reason: "no table is given"})
	}
	var b strings.Builder
	require.NoError(t, report.WriteText(&b))
	text := b.String()
	assert.Contains(t, text, "(since 25 Nov 2026 12:00:00 ")
	assert.Contains(t, text, "(pending until 25 Nov 2026 13:00:00 ")
	assert.Contains(t, text, "(overridden by Anna until 26 Nov 2026 12:00:00 ")
	assert.Contains(t, text, ": agreed)")
	assert.Contains(t, text, "  7 rules skipped: a, b, c, d, e and 2 more; --json says why\n")
	assert.Equal(t, 1, strings.Count(text, "skipped"))
}
