package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/orderexport"
	"error-check-gate/internal/orderfile"
)

// runOrders runs a command of 'gate orders'.
func runOrders(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	stdout, stderr, status, err := runGate(t, "", append([]string{"orders"}, args...)...)
	return stdout, stderr + errorText(err), status
}

// addRecent adds the stand-in's samples with dates of the last days.
func addRecent(t *testing.T, fake *fakeinflow.Server) (ids []string) {
	t.Helper()
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	for _, sample := range samples {
		id, err := fake.AddOrder(sample.Recent(time.Now()).Order)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	return ids
}

func TestOrdersExport(t *testing.T) {
	fake := account(t)
	ids := addRecent(t, fake)
	t.Setenv("TZ", "Europe/Berlin")
	out, stderr, status := runOrders(t, "export")
	require.Zero(t, status, stderr)
	assert.Regexp(t, `^orders\.jsonl: 17 orders since 20..-..-.., 17 new or changed `+
		`\(1 request to InFlow\)\n$`, out)
	assert.Empty(t, stderr)
	require.NoError(t, fake.SetField(ids[0], "poNumber", "PO 1"))
	out, _, _ = runOrders(t, "export", "--days", "30", "--out", "orders.jsonl")
	assert.Contains(t, out, "17 orders since")
	assert.Contains(t, out, ", 1 new or changed")

	// Other tools can read the orders.
	content, err := os.ReadFile("orders.jsonl")
	require.NoError(t, err)
	_, orders, _ := strings.Cut(string(content), "\n")
	require.NoError(t, os.WriteFile("documents", []byte(orders), 0o600))
	out, stderr, status = runRules(t, "", "eval", "--order", "documents", "--json")
	assert.Equal(t, exitErrorsFound, status, stderr)
	assert.Equal(t, 17, strings.Count(out, "\n"))

	today := time.Now().Format(time.DateOnly)
	out, stderr, status = runOrders(t, "export", "--from", "2025-01-01", "--to", today,
		"--out", "all.jsonl")
	require.Zero(t, status, stderr)
	assert.Contains(t, out, "all.jsonl: 17 orders from 2025-01-01 to "+today)
}

func TestOrdersExportTakesTheHoldMarkOut(t *testing.T) {
	fake := account(t)
	ids := addRecent(t, fake)
	t.Setenv("INFLOW_HOLD_FIELD", "custom3")
	t.Setenv("INFLOW_HOLD_TEXT", "")
	require.NoError(t, fake.SetField(ids[0], "customFields.custom3",
		"HOLD since 3 Nov: the total is wrong"))
	require.NoError(t, fake.SetField(ids[1], "customFields.custom3", "by road"))
	_, stderr, status := runOrders(t, "export")
	require.Zero(t, status, stderr)
	content, err := os.ReadFile("orders.jsonl")
	require.NoError(t, err)
	assert.NotContains(t, string(content), "HOLD since")
	assert.Contains(t, string(content), "by road")
}

func TestOrdersExportErrors(t *testing.T) {
	fake := account(t)
	for want, args := range map[string][]string{
		"either --days, or --from":              {"--days", "3", "--from", "2026-01-01"},
		"--days: write a number from 1 to 3660": {"--days", "0"},
		"--from: write a day such as":           {"--from", "yesterday"},
		"--to: write a day such as":             {"--from", "2026-01-01", "--to", "2026"},
		"--to is before --from":                 {"--from", "2026-01-02", "--to", "2026-01-01"},
		"--requests-per-minute: write a number": {"--requests-per-minute", "0"},
		"--out: write the name of a file":       {"--out", "-"},
		"takes no arguments":                    {"orders.jsonl"},
		"unknown flag":                          {"--since", "3"},
		"is not a file":                         {"--out", t.TempDir()},
		"no such file or directory":             {"--out", filepath.Join("missing", "orders.jsonl")},
	} {
		out, stderr, status := runOrders(t, append([]string{"export"}, args...)...)
		assert.Equal(t, 1, status, want)
		assert.Contains(t, stderr, want)
		assert.Empty(t, out)
	}
	assert.Empty(t, fake.Requests())
	fake.SetAPIKey("another")
	_, stderr, status := runOrders(t, "export")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "INFLOW_API_KEY")
	t.Setenv("INFLOW_API_KEY", "")
	t.Setenv("INFLOW_COMPANY_ID", "")
	_, stderr, status = runOrders(t, "export", "--days", "0")
	assert.Equal(t, 1, status)
	for _, want := range []string{"INFLOW_API_KEY", "INFLOW_COMPANY_ID", "--days"} {
		assert.Contains(t, stderr, want)
	}
}

func TestExportWindow(t *testing.T) {
	cmd := newOrdersExportCommand()
	flags := exportFlags{days: 30}
	window, err := flags.window(cmd, time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	assert.Equal(t, orderfile.Window{From: "2026-10-29"}, window)
}

func TestExportProgress(t *testing.T) {
	for name, test := range map[string]struct {
		terminal bool
		want     []string
	}{
		"pipe": {false, []string{
			"gate: orders: 1000 of 2500 (40 %), about 3 min left\n",
			"gate: orders: 1100 of 2500 (44 %), about 2 min left, waiting 40s for InFlow\n",
			"gate: orders: 2300 of 2500 (92 %), under a minute left\n",
		}},
		"terminal": {true, []string{
			"\r\x1b[Kgate: [########------------] 40 %, 1000 of 2500 orders, about 3 min left",
			"\r\x1b[Kgate: [########------------] 44 %, 1100 of 2500 orders, about 2 min left, " +
				"waiting 40s for InFlow",
			"\r\x1b[Kgate: [##################--] 92 %, 2300 of 2500 orders, under a minute left",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				p := newExportProgress(&out)
				p.terminal = test.terminal
				p.set(orderexport.Progress{Read: 100, Total: 2500})
				time.Sleep(90 * time.Second)
				p.set(orderexport.Progress{Read: 1000, Total: 2500})
				time.Sleep(time.Second)
				p.set(orderexport.Progress{Read: 1100, Total: 2500, Wait: 40 * time.Second})
				time.Sleep(110 * time.Second)
				p.set(orderexport.Progress{Read: 2300, Total: 2500})
				for _, line := range test.want {
					assert.Contains(t, out.String(), line)
				}
			})
		})
	}
}
