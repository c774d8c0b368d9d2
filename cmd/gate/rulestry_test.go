package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/backtest"
	"error-check-gate/internal/backtest/pastorders"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"
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

	// Swap the old and the new rules, so that the limit is exceeded.
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
		"a folder":          {[]string{"--rules", own, "--orders", t.TempDir()}, " is a folder: name a file"},
		"an order, no file": {[]string{"--rules", own, "--orders", "../../rules/examples/order.json"}, ":1: "},
		"cut off":           {[]string{"--rules", own, "--orders", cut}, cut + ":5: the file ends in the middle"},
		"a line of 20 MB":   {[]string{"--rules", own, "--orders", long}, long + ":2: is longer than"},
		"an order twice":    {[]string{"--rules", own, "--orders", twice}, twice + ":6: "},
		"another version":   {[]string{"--rules", own, "--orders", version}, version + ":1: has version 9"},
		"no limit":          {[]string{"--rules", own, "--orders", orders, "--fail-above", ""}, "--fail-above is empty"},
		"no rules now":      {[]string{"--rules", own, "--orders", orders, "--against", ""}, "--against is empty"},
		"page over orders":  {[]string{"--rules", own, "--orders", orders, "--html", orders}, "the command reads"},
		"page over rules":   {[]string{"--rules", own, "--orders", orders, "--html", own}, "the command reads"},
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
	content = append([]byte("\xef\xbb\xbf"), content...)
	out, _, status := runRules(t, string(content), "try", "--rules", own, "--orders", "-")
	assert.Equal(t, 0, status)
	assert.Contains(t, out, "(standard input)\n")
	t.Setenv("RULES_FILE", broken)
	_, stderr, status := runRules(t, "", "try", "--rules", own, "--orders", orders)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "RULES_FILE: 2 faults in the rule files")
	t.Setenv("RULES_FILE", "")
	t.Setenv("MAIL_TO", "nobody")
	out, _, status = runRules(t, "", "try", "--rules", own, "--orders", orders)
	assert.Equal(t, 0, status)
	assert.Contains(t, out, "note: Messages are not counted, because their settings are wrong")
}

// agreementRules need look-ups, the time, a table and data that not every order has. The set to try
// turns the rule on trial on, and makes others stricter.
const agreementRules = `
version: 1
name: agreement
defaults: {severity: error, when: "!order.isCancelled"}
tables:
  limits: {file: limits.csv, key: Customer}
rules:
- {id: over-limit, scope: order, params: {share: 100}, when: "order.customer.name in tables.limits && order.total > percent(params.share, dec(tables.limits[order.customer.name].Limit))", message: "'above ' + tables.limits[order.customer.name].Limit"}
- {id: old, scope: order, severity: warning, params: {age: 40}, when: "dec(daysBetween(order.orderDate, now)) > params.age", message: "string(daysBetween(order.orderDate, now)) + ' days old at ' + string(now)"}
- {id: today, scope: order, when: "order.orderDate.getDate() == now.getDate() && now.getHours() > 0", message: "'the day of the month of ' + string(now)"}
- {id: invoiced, scope: order, when: "daysBetween(order.invoicedDate, now) > 50", message: "'invoiced long ago'"}
- {id: half-price, scope: line, when: "line.unitPrice / line.standardQuantity < dec(2)", message: "line.label + ' is cheap'"}
- {id: twice, builtin: near-duplicate, params: {lines: 1, overlap: 50}, severity: error}
- {id: changed, builtin: changed-after-invoice}
- {id: trial, scope: line, shadow: true, when: "line.quantity > dec(11)", message: "line.label + ' is much'", warnIf: "order.isQuote"}
- {id: trial-lacks, builtin: changed-after-invoice, shadow: true}
- {id: trial-fails, scope: order, shadow: true, when: "daysBetween(order.dueDate, now) > 20", message: "'late'"}
- {id: off, scope: order, enabled: false, applies: "true", when: "true", message: "'x'"}
`

const agreementRulesToTry = `
version: 1
name: to-try
rules:
- {id: over-limit, params: {share: 50}}
- {id: old, severity: error, params: {age: 60}}
- {id: twice, severity: warning}
- {id: half-price, enabled: false}
- {id: trial, shadow: false}
- {id: trial-lacks, shadow: false}
- {id: trial-fails, shadow: false}
- {id: off, enabled: true, shadow: true}
`

// TestRulesTryAgreesWithEval compares a trial with the output of 'gate rules eval': each report,
// and the numbers and examples of the result. 'gate rules eval' gets each customer's orders from
// --lookups and the time from --now.
func TestRulesTryAgreesWithEval(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{
		"own.yaml": agreementRules, "try.yaml": agreementRulesToTry,
		"limits.csv": "Customer,Limit\nRiverside Hardware,800\nHarbor Hardware,1500\n",
	})
	own, try := filepath.Join(dir, "own.yaml"), filepath.Join(dir, "try.yaml")
	for name, files := range map[string][2]string{ // now and new
		"shipped": {"../../rules/default.yaml", "../../rules/cabinetry.yaml"},
		"own":     {own, own + "," + try},
	} {
		t.Run(name, func(t *testing.T) { tryAgreesWithEval(t, files) })
	}
}

func tryAgreesWithEval(t *testing.T, files [2]string) {
	const perCustomer = 100
	path := pastOrders(t, pastorders.Shape{
		Orders: *agreementOrders, Lines: 3, PerCustomer: perCustomer, WrongOneIn: 3, Seed: 11,
	})
	exportedInTurn(t, path)
	var o backtest.Options
	for i, source := range []*backtest.Source{&o.Now, &o.New} {
		set, err := rulefile.Load(t.Context(), strings.Split(files[i], ",")...)
		require.NoError(t, err)
		source.Set = set
	}
	var mu sync.Mutex
	reports := map[string]string{} // by set and line
	o.OnReport = func(proposed bool, line int, report *ordercheck.Report) {
		findings := findingsOf(t, report)
		mu.Lock()
		defer mu.Unlock()
		reports[fmt.Sprint(proposed, line)] = findings
	}
	result, err := backtestFile(t.Context(), nil, path, o)
	require.NoError(t, err)
	require.Len(t, reports, 2**agreementOrders)

	file, err := orderfile.Open(path)
	require.NoError(t, err)
	defer file.Close()
	expected := evalResult{rules: map[string]*evalRule{}}
	var customer []*orderfile.Order
	for order, err := range file.Orders() {
		require.NoError(t, err)
		customer = append(customer, order)
		if len(customer) < perCustomer && order.Line <= *agreementOrders {
			continue // the first order is on line 2
		}
		before, after := evalReports(t, files[0], customer), evalReports(t, files[1], customer)
		for i, order := range customer {
			for proposed, report := range map[bool]ordercheck.Report{false: before[i], true: after[i]} {
				key := fmt.Sprint(proposed, order.Line)
				require.Equal(t, findingsOf(t, &report), reports[key], key)
			}
			expected.add(t, order, &before[i], &after[i])
		}
		customer = nil
	}
	expected.require(t, result)
	if files[0] != files[1] && strings.HasPrefix(files[1], files[0]) { // the test's own rules
		for i := range result.Rules {
			rule := &result.Rules[i]
			assert.Positive(t, rule.Orders.Now+rule.Orders.New+rule.New.Skipped, rule.RuleID)
		}
	}
}

// exportedInTurn changes the export times in a file, so that its orders were exported on
// different days and at different hours.
func exportedInTurn(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(content), "\n")
	// 'gate rules eval' counts days in the machine's zone.
	lines[0] = strings.Replace(lines[0], `"timeZone":"UTC",`, "", 1)
	for i := range lines {
		at := pastorders.ExportedAt.Add(-time.Duration(i%3) * 197 * time.Hour)
		lines[i] = strings.Replace(lines[i], `{"exportedAt":"2026-03-31T18:00:00Z"`,
			`{"exportedAt":"`+at.Format(time.RFC3339)+`"`, 1)
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600))
}

// evalResult counts the reports of 'gate rules eval'.
type evalResult struct {
	orders           int
	held, incomplete backtest.Counts
	rules            map[string]*evalRule
}

type evalRule struct {
	orders                backtest.Counts
	notEvaluated, skipped [2]int
	// more, fewer and same hold the orders that break the rule in the new set only, in the
	// current set only, and in both.
	more, fewer, same []evalExample
}

// evalExample is an order and the values that examples are sorted by.
type evalExample struct {
	number string
	date   time.Time
	line   int
}

func countOrder(c *backtest.Counts, before, after bool) {
	number := map[bool]int{true: 1}
	c.Now += number[before]
	c.New += number[after]
	c.More += number[after && !before]
	c.Fewer += number[before && !after]
}

func (e *evalResult) rule(id string) *evalRule {
	if e.rules[id] == nil {
		e.rules[id] = &evalRule{}
	}
	return e.rules[id]
}

// add counts an order that exists in two reports.
func (e *evalResult) add(t *testing.T, order *orderfile.Order, before, after *ordercheck.Report) {
	digest, err := order.SalesOrder()
	require.NoError(t, err)
	e.orders++
	countOrder(&e.held, before.Errors() > 0, after.Errors() > 0)
	countOrder(&e.incomplete, before.Status == ordercheck.StatusIncomplete,
		after.Status == ordercheck.StatusIncomplete)
	breaks := map[string][2]bool{}
	for side, report := range []*ordercheck.Report{before, after} {
		for _, f := range report.Findings {
			sides := breaks[f.RuleID]
			sides[side] = true
			breaks[f.RuleID] = sides
		}
		for _, f := range report.RuleErrors {
			e.rule(f.RuleID).notEvaluated[side]++
		}
		for _, k := range report.Skipped {
			e.rule(k.RuleID).skipped[side]++
		}
	}
	for id, sides := range breaks {
		rule := e.rule(id)
		countOrder(&rule.orders, sides[0], sides[1])
		list := &rule.same
		switch {
		case !sides[0]:
			list = &rule.more
		case !sides[1]:
			list = &rule.fewer
		}
		*list = append(*list, evalExample{order.SalesOrderID, digest.OrderDate.Time, order.Line})
	}
}

// require compares the counts with the result of a trial. The reports of 'gate rules eval' have
// no findings of rules on trial.
func (e *evalResult) require(t *testing.T, result *backtest.Result) {
	t.Helper()
	plain := func(c backtest.Counts) backtest.Counts {
		return backtest.Counts{Now: c.Now, New: c.New, More: c.More, Fewer: c.Fewer}
	}
	assert.Equal(t, e.orders, result.Orders.Count)
	assert.Equal(t, e.held, plain(result.Held.Counts))
	assert.Equal(t, e.incomplete, plain(result.Incomplete))
	assert.Positive(t, e.held.Now)
	assert.Positive(t, e.held.More)
	known := map[string]bool{}
	for i := range result.Rules {
		got, want := &result.Rules[i], e.rule(result.Rules[i].RuleID)
		known[got.RuleID] = true
		if got.Now.State == backtest.StateTrial {
			// If the rule is on in the new set, it finds there what it found on trial.
			assert.Equal(t, got.Orders.New, got.Orders.Now, got.RuleID)
			assert.Equal(t, got.New.NotEvaluated, got.Now.NotEvaluated, got.RuleID)
			assert.Equal(t, want.orders.New, got.Orders.New, got.RuleID)
			assert.Equal(t, want.notEvaluated[1], got.New.NotEvaluated, got.RuleID)
			assert.Equal(t, got.New.Skipped, got.Now.Skipped, got.RuleID)
			assert.Equal(t, got.New.Unknown, got.Now.Unknown, got.RuleID)
			continue
		}
		if got.New.State == backtest.StateTrial {
			assert.Equal(t, e.orders, got.Orders.New, got.RuleID) // every order breaks this rule
			continue
		}
		assert.Equal(t, want.orders, plain(got.Orders), got.RuleID)
		assert.Equal(t, want.notEvaluated, [2]int{got.Now.NotEvaluated, got.New.NotEvaluated}, got.RuleID)
		assert.Equal(t, want.skipped, [2]int{got.Now.Skipped, got.New.Skipped}, got.RuleID)
		examples := append(newestFive(want.more), newestFive(want.fewer)...)
		if len(examples) == 0 {
			examples = newestFive(want.same)
		}
		var shown []string
		for j := range got.Examples {
			shown = append(shown, got.Examples[j].SalesOrderID)
		}
		assert.Equal(t, examples, shown, got.RuleID)
	}
	for id := range e.rules {
		assert.True(t, known[id], id)
	}
}

// newestFive returns the ids of the five orders with the latest dates. Of orders with the same
// date, the last one in the file comes first.
func newestFive(orders []evalExample) []string {
	slices.SortFunc(orders, func(a, b evalExample) int {
		return cmp.Or(b.date.Compare(a.date), b.line-a.line)
	})
	var ids []string
	for _, o := range orders[:min(len(orders), 5)] {
		ids = append(ids, o.number)
	}
	return ids
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

// evalReports runs 'gate rules eval' on the orders of a customer, at the times of their exports.
func evalReports(t *testing.T, files string, customer []*orderfile.Order) []ordercheck.Report {
	t.Helper()
	documents, places := map[time.Time]*bytes.Buffer{}, map[time.Time][]int{}
	var digests []inflow.SalesOrder
	for i, order := range customer {
		at := order.ExportedAt.UTC()
		if documents[at] == nil {
			documents[at] = &bytes.Buffer{}
		}
		documents[at].Write(order.JSON())
		documents[at].WriteByte('\n')
		places[at] = append(places[at], i)
		digest, err := order.SalesOrder()
		require.NoError(t, err)
		digests = append(digests, *digest)
	}
	lookups, err := json.Marshal(ordercheck.Lookups{RecentOrders: checks.RecentOrders(digests)})
	require.NoError(t, err)
	lookupsFile := writeFile(t, "lookups.json", string(lookups))
	reports := make([]ordercheck.Report, len(customer))
	for at, lines := range documents {
		out, stderr, _ := runRules(t, lines.String(), "eval", "--json", "--rules", files,
			"--order", "-", "--lookups", lookupsFile, "--now", at.Format(time.RFC3339))
		require.Empty(t, stderr)
		decoder := json.NewDecoder(strings.NewReader(out))
		for _, i := range places[at] {
			require.NoError(t, decoder.Decode(&reports[i]))
		}
	}
	return reports
}
