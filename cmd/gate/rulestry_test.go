package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/backtest"
	"error-check-gate/internal/backtest/pastorders"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/rulefile"
)

// agreementOrders is 10,000 in 'make oracle'.
var agreementOrders = flag.Int("orders", 1000, "how many orders a trial and 'gate rules eval' agree on")

// withoutNotices unsets the settings that say who gets notices.
func withoutNotices(t *testing.T) {
	t.Helper()
	for _, name := range []string{"RULES_FILE", "MAIL_TO", "SMTP_ADDR", "NOTIFY_URLS", "NOTIFY_REDIRECT"} {
		t.Setenv(name, "")
	}
}

func pastOrders(t *testing.T, shape pastorders.Shape) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	require.NoError(t, pastorders.Write(path, shape))
	return path
}

func TestRulesTry(t *testing.T) {
	withoutNotices(t)
	own := writeFile(t, "own.yaml", ownRules)
	orders := pastOrders(t, pastorders.Shape{Orders: 40, Lines: 2, PerCustomer: 4, WrongOneIn: 3, Seed: 1})
	page := filepath.Join(t.TempDir(), "report.html")

	out, stderr, status := runRules(t, "", "try", "--rules", own, "--orders", orders, "--html", page)
	assert.Equal(t, 0, status, stderr)
	assert.Empty(t, stderr)
	assert.Contains(t, out, "now  default  the rules that ship with the gate\n")
	assert.Contains(t, out, "new  own      "+own+"\n")
	assert.Contains(t, out, "large")
	assert.Contains(t, out, "note: Messages are not counted, because the settings name no receiver")
	info, err := os.Stat(page)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(content), "<h1>The new rules would hold ")

	// RULES_FILE names the rules in force, and mails are counted.
	t.Setenv("RULES_FILE", own)
	t.Setenv("SMTP_ADDR", "mail.example.com:25")
	t.Setenv("MAIL_FROM", "gate@example.com")
	t.Setenv("MAIL_TO", "a@example.com, b@example.com")
	t.Setenv("NOTIFY_SALES_REP", "true")
	t.Setenv("NOTIFY_URLS", "https://hooks.example.com/x")
	out, stderr, status = runRules(t, "", "try", "--rules", own+","+writeFile(t, "more.yaml",
		"version: 1\nname: more\nrules:\n- {id: large, params: {most: 0}}\n"),
		"--orders", orders, "--json", "--fail-above", "100")
	assert.Equal(t, 0, status, stderr)
	var result backtest.Result
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	assert.Equal(t, "RULES_FILE: "+own, result.Now.Source)
	assert.Equal(t, "own+more", result.New.Name)
	require.NotNil(t, result.Messages)
	assert.Greater(t, result.Messages.Mails.New, 2*result.Held.New)
	assert.Less(t, result.Messages.Mails.New, 3*result.Held.New, "not every order has a sales rep")
	assert.Equal(t, result.Held.New, result.Messages.Posts.New)
	assert.Equal(t, "a@example.com", result.Messages.Receivers[0])
	assert.NotContains(t, out, "hooks.example.com", "a webhook's URL is a secret")
	assert.False(t, result.FailAbove.Exceeded)

	// The limit is exceeded. Old and new rules change places.
	t.Setenv("RULES_FILE", "")
	_, stderr, status = runRules(t, "", "try", "--rules", own, "--against",
		writeFile(t, "none.yaml", "version: 1\nname: none\nrules:\n- {id: x, scope: order, severity: error, when: 'order.isCancelled', message: \"'x'\"}\n"),
		"--orders", orders, "--fail-above", "1.5")
	assert.Equal(t, 1, status)
	assert.Regexp(t, `the new rules hold \d+\.\d\d % of the orders that are not held now, .* --fail-above is 1\.5`, stderr)
}

func TestRulesTrySaysWhyItCannot(t *testing.T) {
	withoutNotices(t)
	own, broken := writeFile(t, "own.yaml", ownRules), writeFile(t, "broken.yaml", brokenRules)
	orders := pastOrders(t, pastorders.Shape{Orders: 4, Lines: 1, PerCustomer: 2, Seed: 1})
	content, err := os.ReadFile(orders)
	require.NoError(t, err)
	cut := writeFile(t, "cut.jsonl", string(content[:len(content)-5]))
	lines := bytes.SplitAfter(content, []byte("\n"))
	long := writeFile(t, "long.jsonl", string(lines[0])+strings.Repeat("x", 20<<20)+"\n")
	twice := writeFile(t, "twice.jsonl", string(content)+string(lines[1]))
	version := writeFile(t, "version.jsonl",
		strings.Replace(string(content), `"version":1`, `"version":9`, 1))
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no rules":          {[]string{"--orders", orders}, "name the rule files to try with --rules"},
		"no orders":         {[]string{"--rules", own}, "name a file of orders with --orders"},
		"an argument":       {[]string{"--rules", own, "--orders", orders, "x"}, `does not take "x"`},
		"unknown flag":      {[]string{"--rule", own}, "unknown flag: --rule"},
		"no percentage":     {[]string{"--rules", own, "--orders", orders, "--fail-above", "few"}, `"few" is not a percentage`},
		"negative":          {[]string{"--rules", own, "--orders", orders, "--fail-above", "-1"}, `"-1" is not a percentage`},
		"not a number":      {[]string{"--rules", own, "--orders", orders, "--fail-above", "NaN"}, `"NaN" is not a percentage`},
		"faulty rules":      {[]string{"--rules", broken, "--orders", orders}, "2 faults in the rule files"},
		"faulty rules now":  {[]string{"--rules", own, "--against", broken, "--orders", orders}, "2 faults in the rule files"},
		"missing rules":     {[]string{"--rules", own + ".x", "--orders", orders}, "1 fault in the rule files"},
		"missing orders":    {[]string{"--rules", own, "--orders", orders + ".x"}, "no such file"},
		"a folder":          {[]string{"--rules", own, "--orders", t.TempDir()}, "directory"},
		"an order, no file": {[]string{"--rules", own, "--orders", "../../rules/examples/order.json"}, ":1: "},
		"cut off":           {[]string{"--rules", own, "--orders", cut}, cut + ":5: the file ends in the middle"},
		"a line of 20 MB":   {[]string{"--rules", own, "--orders", long}, long + ":2: is longer than"},
		"an order twice":    {[]string{"--rules", own, "--orders", twice}, twice + ":6: "},
		"another version":   {[]string{"--rules", own, "--orders", version}, version + ":1: has version 9"},
		"no limit":          {[]string{"--rules", own, "--orders", orders, "--fail-above", ""}, "--fail-above is empty"},
		"no rules now":      {[]string{"--rules", own, "--orders", orders, "--against", ""}, "--against is empty"},
		"page over orders":  {[]string{"--rules", own, "--orders", orders, "--html", orders}, "is what the command reads"},
		"page over rules":   {[]string{"--rules", own, "--orders", orders, "--html", own}, "is what the command reads"},
		"page in a device":  {[]string{"--rules", own, "--orders", orders, "--html", os.DevNull}, "is not a file"},
		"page is a folder":  {[]string{"--rules", own, "--orders", orders, "--html", t.TempDir()}, "is not a file"},
		"page in no folder": {[]string{"--rules", own, "--orders", orders, "--html", filepath.Join(orders, "x", "r.html")}, "write the page"},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, status := runRules(t, "", append([]string{"try"}, test.args...)...)
			assert.Equal(t, 2, status)
			assert.Contains(t, stderr, test.want)
			assert.Empty(t, out)
		})
	}
	t.Setenv("MAIL_TO", "nobody")
	out, _, status := runRules(t, "", "try", "--rules", own, "--orders", orders)
	assert.Equal(t, 0, status)
	assert.Contains(t, out, "note: Messages are not counted, because their settings are wrong")
}

// TestRulesTryAgreesWithEval compares the reports of a trial with the output of 'gate rules eval',
// which gets each customer's orders from --lookups.
func TestRulesTryAgreesWithEval(t *testing.T) {
	t.Setenv("TZ", "UTC")
	const perCustomer = 100
	path := pastOrders(t, pastorders.Shape{
		Orders: *agreementOrders, Lines: 3, PerCustomer: perCustomer, WrongOneIn: 3, Seed: 11,
	})
	cabinetry, err := rulefile.Load(t.Context(), "../../rules/cabinetry.yaml")
	require.NoError(t, err)
	o := backtest.Options{
		Now: backtest.Source{Set: rulefile.Default()}, New: backtest.Source{Set: cabinetry},
	}
	var mu sync.Mutex
	reports := map[string]string{} // by set and line
	o.OnReport = func(proposed bool, line int, report *ordercheck.Report) {
		findings := findingsOf(t, report)
		mu.Lock()
		defer mu.Unlock()
		reports[fmt.Sprint(proposed, line)] = findings
	}
	result, err := backtestFile(t.Context(), path, o)
	require.NoError(t, err)
	require.Len(t, reports, 2**agreementOrders)
	assert.Equal(t, *agreementOrders, result.Orders.Count)
	assert.Positive(t, result.Held.Now)
	assert.Positive(t, result.Held.New)

	file, err := orderfile.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var customer []*orderfile.Order
	for order, err := range file.Orders() {
		require.NoError(t, err)
		customer = append(customer, order)
		if len(customer) < perCustomer && order.Line <= *agreementOrders {
			continue // the first order is on line 2
		}
		for proposed, rules := range map[bool]string{
			false: "../../rules/default.yaml", true: "../../rules/cabinetry.yaml",
		} {
			for i, report := range evalReports(t, rules, customer) {
				key := fmt.Sprint(proposed, customer[i].Line)
				require.Equal(t, findingsOf(t, &report), reports[key], key)
			}
		}
		customer = nil
	}
}

// findingsOf returns everything that a report finds, or could not find, as JSON.
func findingsOf(t *testing.T, report *ordercheck.Report) string {
	t.Helper()
	encoded, err := json.Marshal([]any{
		report.SalesOrderID, report.Status, report.Findings, report.Omitted, report.RuleErrors,
		report.Skipped,
	})
	require.NoError(t, err)
	return string(encoded)
}

// evalReports runs 'gate rules eval' on the orders of a customer.
func evalReports(t *testing.T, rules string, customer []*orderfile.Order) []ordercheck.Report {
	t.Helper()
	var documents bytes.Buffer
	var digests []inflow.SalesOrder
	for _, order := range customer {
		documents.Write(order.JSON())
		documents.WriteByte('\n')
		digest, err := order.SalesOrder()
		require.NoError(t, err)
		digests = append(digests, *digest)
	}
	lookups, err := json.Marshal(ordercheck.Lookups{RecentOrders: checks.RecentOrders(digests)})
	require.NoError(t, err)
	out, stderr, _ := runRules(t, documents.String(), "eval", "--json", "--rules", rules, "--order", "-",
		"--lookups", writeFile(t, "lookups.json", string(lookups)),
		"--now", pastorders.ExportedAt.Format("2006-01-02T15:04:05Z07:00"))
	require.Empty(t, stderr)
	decoder := json.NewDecoder(strings.NewReader(out))
	reports := make([]ordercheck.Report, len(customer))
	for i := range reports {
		require.NoError(t, decoder.Decode(&reports[i]))
	}
	return reports
}
