package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/rulefile"
)

// runRules runs a command as main does, and returns its output and its exit status.
func runRules(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	stdout, stderr, status, err := runGate(t, stdin, append([]string{"rules"}, args...)...)
	return stdout, stderr + errorText(err), status
}

const (
	ownRules = `version: 1
name: own
defaults: {severity: error}
rules:
- id: large
  scope: order
  description: The order is large.
  params: {most: 100}
  when: "order.total > params.most"
  message: "'more than ' + string(params.most)"
  examples:
    broken: [{order: {total: "100.01"}}]
    fine: [{order: {total: "100"}}]
- {id: on-trial, scope: order, shadow: true, when: "order.isQuote", message: "'a quote'"}
- {id: off, scope: order, enabled: false, when: "order.dueDate < now", message: "'due'"}
`
	brokenRules = "version: 1\nname: x\nrules:\n- {id: a, scope: order, severity: error, when: " +
		"\"order.total > 5\", message: \"'x'\"}\n- {id: b, builtin: balanc, severity: error}\n"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestRulesValidate(t *testing.T) {
	own, broken := writeFile(t, "own.yaml", ownRules), writeFile(t, "broken.yaml", brokenRules)

	out, _, status := runRules(t, "", "validate", own)
	assert.Equal(t, 0, status)
	assert.Regexp(t, `^own: 3 rules \(2 enabled\), no problems found\nsha256:[0-9a-f]{64}\n$`, out)
	spaced := filepath.Join(t.TempDir(), "our own.yaml")
	require.NoError(t, os.WriteFile(spaced, []byte(ownRules), 0o600))
	_, next, _ := runRules(t, "", "validate", own, spaced)
	assert.Contains(t, next, "gate rules try --rules '"+own+","+spaced+"' --orders FILE")

	out, stderr, status := runRules(t, "", "validate", broken)
	assert.Equal(t, 2, status)
	assert.Equal(t, broken+`:4:63: a Decimal does not mix with an int: write dec(5): "5"`+"\n"+
		broken+`:5:20: there is no built-in rule of this name, did you mean balance?; `+
		`gate rules list --builtins lists them: "balanc"`+"\n", out)
	assert.Contains(t, stderr, "2 faults in the rule files")

	out, _, status = runRules(t, "", "validate", "--json", broken)
	assert.Equal(t, 2, status)
	var faults rulefile.Faults
	require.NoError(t, json.Unmarshal([]byte(out), &faults))
	require.Len(t, faults, 2)
	assert.Equal(
		t,
		rulefile.Fault{
			File:    broken,
			Line:    4,
			Column:  63,
			Text:    "5",
			Message: "a Decimal does not mix with an int: write dec(5)",
		},
		faults[0],
	)
	out, _, status = runRules(t, "", "validate", "--json", own)
	assert.Equal(t, 0, status)
	assert.Equal(t, "[]\n", out)

	for _, args := range [][]string{{"validate"}, {"validate", "/no/such/file.yaml"},
		{"validate", "--nonsense"}, {"nonsense"}} {
		_, stderr, status = runRules(t, "", args...)
		assert.Equal(t, 2, status, args)
		assert.NotEmpty(t, stderr, args)
	}
}

func TestRulesEval(t *testing.T) {
	own := writeFile(t, "own.yaml", ownRules)
	for name, tt := range map[string]struct {
		stdin  string
		status int
		want   []string // statuses of the reports
		stderr string
	}{
		"passed": {`{"orderNumber":"SO-1","total":"100"}`, 0, []string{"passed"}, ""},
		"failed": {`{"orderNumber":"SO-1","total":"100.01"}`, 1, []string{"failed"}, ""},
		"several": {`{"total":"1"} {"total":"101"}` + "\n" + `{"total":"2"}`, 1,
			[]string{"passed", "failed", "passed"}, ""},
		"no order": {` `, 2, nil, "standard input has no order"},
		"not JSON": {`{"total":"1"} x`, 2, []string{"passed"}, "document 2 is not JSON"},
		"no amount": {`{"total":"much"} {"total":"1"}`, 2, []string{"passed"},
			"document 1 is no sales order"},
		"an error and one unchecked": {`{"total":"much"} {"total":"101"}`, 1, []string{"failed"},
			"document 1 is no sales order"},
	} {
		out, stderr, status := runRules(t, tt.stdin, "eval", "--rules", own, "--order", "-", "--json")
		assert.Equal(t, tt.status, status, name)
		assert.Contains(t, stderr, tt.stderr, name)
		var statuses []string
		for line := range strings.Lines(out) {
			var report ordercheck.Report
			require.NoError(t, json.Unmarshal([]byte(line), &report), name)
			statuses = append(statuses, string(report.Status))
		}
		assert.Equal(t, tt.want, statuses, name)
	}
}

func TestRulesEvalReport(t *testing.T) {
	own := writeFile(t, "own.yaml", ownRules)
	order := writeFile(
		t,
		"order.json",
		`{"salesOrderId":"o","orderNumber":"SO-1","timestamp":"0000000000310AB6","customer":{"name":"Oak"},"total":"101","isQuote":true}`,
	)
	out, _, status := runRules(t, "", "eval", "--rules", own, "--order", order, "--json", "--now",
		"2026-01-31")
	assert.Equal(t, 1, status)
	set, err := rulefile.Load(t.Context(), own)
	require.NoError(t, err)
	assert.JSONEq(
		t,
		`{"salesOrderId":"o","orderNumber":"SO-1","orderVersion":"0000000000310AB6","customer":"Oak","status":"failed","checkedAt":"2026-01-31T00:00:00Z",
		"ruleSet":{"name":"own","digest":"`+set.Digest()+`"},
		"findings":[{"id":"large","ruleId":"large","severity":"error","scope":"order","message":"more than 100","state":"confirmed","firstSeen":"2026-01-31T00:00:00Z"}],
		"skipped":[],"ruleErrors":[]}`,
		out,
	)

	out, _, _ = runRules(t, "", "eval", "--rules", own, "--order", order)
	assert.Contains(t, out, "SO-1  FAILED  Oak")
	assert.Contains(t, out, "rule on-trial is on trial: 1 finding\n")

	incomplete := writeFile(t, "incomplete.yaml", strings.Replace(ownRules, "enabled: false, ", "", 1))
	_, _, status = runRules(t, `{"total":"1"}`, "eval", "--rules", incomplete, "--order", "-")
	assert.Equal(t, 2, status, "a rule that could not be evaluated")

	t.Setenv(
		"RULES_FILE",
		own+","+writeFile(t, "more.yaml",
			"version: 1\nname: more\nrules:\n- {id: large, params: {most: 200}}\n"),
	)
	out, _, status = runRules(t, "", "eval", "--order", order, "--json")
	assert.Equal(t, 0, status)
	assert.Contains(t, out, `"name":"own+more"`)

	for name, args := range map[string][]string{
		"no order":       {"eval"},
		"no such order":  {"eval", "--order", "/no/such/file"},
		"no such rules":  {"eval", "--order", order, "--rules", "/no/such/file"},
		"broken rules":   {"eval", "--order", order, "--rules", writeFile(t, "broken.yaml", brokenRules)},
		"no time":        {"eval", "--order", order, "--now", "soon"},
		"no lookups":     {"eval", "--order", order, "--lookups", "/no/such/file"},
		"broken lookups": {"eval", "--order", order, "--lookups", writeFile(t, "lookups.json", "[]")},
		"an argument":    {"eval", order},
		"unknown flag":   {"eval", "--ordr", order},
	} {
		_, stderr, status := runRules(t, "", args...)
		assert.Equal(t, 2, status, name)
		assert.NotEmpty(t, stderr, name)
	}
}

// TestRulesEvalOfAnOrderFetchedWithoutIncludes checks that the report of an order without its
// includes is incomplete, and names the includes to fetch.
func TestRulesEvalOfAnOrderFetchedWithoutIncludes(t *testing.T) {
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	eval := func(order map[string]any, args ...string) (string, int) {
		t.Helper()
		text, err := json.Marshal(order)
		require.NoError(t, err)
		out, stderr, status := runRules(
			t,
			string(text),
			append([]string{"eval", "--order", "-", "--now", "2025-05-10"}, args...)...)
		assert.Empty(t, stderr)
		return out, status
	}
	order := samples[0].Order
	out, status := eval(order)
	assert.Equal(t, 0, status, out)
	assert.NotContains(t, out, "include=")

	for _, field := range []string{"lines", "customer", "paymentLines", "pickLines", "packLines",
		"shipLines", "taxingScheme", "pricingScheme", "paymentTerms", "currency", "salesRepTeamMember"} {
		delete(order, field)
	}
	out, status = eval(order)
	assert.Equal(t, 2, status)
	lines := strings.Split(out, "\n")
	assert.Contains(t, lines[0], "INCOMPLETE")
	assert.Regexp(
		t,
		`^  \d+ rules could not look at everything: fetch the order with `+
			`include=currency,customer,lines,lines.product,`,
		lines[1],
	)
	assert.Equal(t, 1, strings.Count(out, "include="))
	assert.Less(t, len(lines), 20, "not a line for each of the rules")

	out, status = eval(order, "--json")
	assert.Equal(t, 2, status)
	var report ordercheck.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Equal(t, ordercheck.StatusIncomplete, report.Status)
	assert.Subset(t, report.Missing, []string{"customer", "lines", "lines.product"})
	assert.Empty(t, report.Findings)

	order["total"] = "1.00" // rules that have their data still find errors
	out, status = eval(order)
	assert.Equal(t, 1, status)
	assert.Contains(t, out, "FAILED")
	assert.Contains(t, out, "include=")
}

func TestReportExit(t *testing.T) {
	for status, want := range map[ordercheck.Status]int{
		ordercheck.StatusPassed: 0, ordercheck.StatusWarning: 0, ordercheck.StatusOverridden: 0,
		ordercheck.StatusIncomplete: 2, ordercheck.StatusUnchecked: 2,
	} {
		err := reportExit(&ordercheck.Report{Status: status})
		var exit *exitError
		if errors.As(err, &exit) {
			assert.Equal(t, want, exit.code, status)
			continue
		}
		require.NoError(t, err)
		assert.Zero(t, want, status)
	}
}

func TestRulesEvalWithLookups(t *testing.T) {
	t.Setenv("RULES_FILE", "")
	order := filepath.Join("..", "..", "rules", "examples", "order.json")
	lookups := writeFile(
		t,
		"lookups.json",
		`{"recentOrders":{"orders":[{"salesOrderId":"x","orderNumber":"SO-7","orderDate":"2026-01-01T00:00:00Z","poNumber":"PO-4711","lines":2,
		"goods":[{"productId":"d4100000-0000-4000-8000-000000000001","quantity":"5","uom":"ea."},{"productId":"d4100000-0000-4000-8000-000000000002","quantity":"12.5","uom":"m"}]}]}}`,
	)
	out, _, status := runRules(t, "", "eval", "--order", order, "--lookups", lookups, "--json",
		"--now", "2026-01-06")
	assert.Equal(t, 0, status, "warnings only")
	var report ordercheck.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Findings, 1)
	assert.Equal(t, "The customer's PO number PO-4711 is on SO-7 too, with the same goods",
		report.Findings[0].Message)
	assert.Equal(t, ordercheck.StatusWarning, report.Status)
}

func TestRulesList(t *testing.T) {
	t.Setenv("RULES_FILE", "")
	own := writeFile(t, "own.yaml", ownRules)
	out, _, status := runRules(t, "", "list", "--rules", own)
	assert.Equal(t, 0, status)
	assert.Equal(
		t,
		"large     error  order  The order is large.\non-trial  error  order  'a quote' (on "+
			"trial)\noff       error  order  'due' (switched off)\n",
		out,
	)

	out, _, _ = runRules(t, "", "list", "--rules", own, "--json")
	assert.JSONEq(
		t,
		`[{"id":"large","severity":"error","scope":"order","description":"The order is large.","enabled":true},
		{"id":"on-trial","severity":"error","scope":"order","description":"'a quote'","enabled":true,"shadow":true},
		{"id":"off","severity":"error","scope":"order","description":"'due'","enabled":false}]`,
		out,
	)

	out, _, _ = runRules(t, "", "list")
	assert.Equal(t, 48, strings.Count(out, "\n"), "the rules that ship")
	out, _, _ = runRules(t, "", "list", "--builtins")
	assert.Contains(t, out, "fee-by-category  (scope order)")
	assert.Contains(t, out, "default 0.01")
	out, _, _ = runRules(t, "", "list", "--builtins", "--json")
	var builtins []checks.Builtin
	require.NoError(t, json.Unmarshal([]byte(out), &builtins))
	assert.NotEmpty(t, builtins)
}

func TestRulesTest(t *testing.T) {
	own := writeFile(t, "own.yaml", ownRules)
	out, _, status := runRules(t, "", "test", own)
	assert.Equal(t, 0, status)
	assert.Equal(
		t,
		"rules without an example that breaks them, or without one that does not: on-trial, off\nown: "+
			"3 rules, 2 examples, 0 differed\n",
		out,
	)
	out, _, _ = runRules(t, "", "test", "-v", own)
	assert.Contains(t, out, own+`:13:12: large, example "fine 1": ok`)

	wrong := writeFile(
		t,
		"wrong.yaml",
		strings.Replace(ownRules, `fine: [{order: {total: "100"}}]`, `fine: [{order: {total: "500"}}]`,
			1),
	)
	out, _, status = runRules(t, "", "test", wrong)
	assert.Equal(t, 1, status)
	assert.Contains(
		t, out, wrong+`:13:12: large, example "fine 1": must not break the rule, `+
			`but there is a finding: more than 100`)
	out, _, status = runRules(t, "", "test", "--json", wrong)
	assert.Equal(t, 1, status)
	var results []rules.ExampleResult
	require.NoError(t, json.Unmarshal([]byte(out), &results))
	require.Len(t, results, 2)
	assert.NotEmpty(t, results[1].Problem)

	_, _, status = runRules(t, "", "test", writeFile(t, "broken.yaml", brokenRules))
	assert.Equal(t, 2, status)
}

func TestShippedRuleSetsByCommand(t *testing.T) {
	for _, name := range []string{"default.yaml", "cabinetry.yaml"} {
		file := filepath.Join("..", "..", "rules", name)
		_, stderr, status := runRules(t, "", "validate", file)
		assert.Equal(t, 0, status, stderr)
		out, _, status := runRules(t, "", "test", file)
		assert.Equal(t, 0, status, out)
		assert.NotContains(t, out, "without an example")
	}
}

// TestGoldenReportsByCommand compares the reports that the command prints for the stand-in's
// sample orders with the golden reports of internal/rules. To write these, run go test -update
// there.
func TestGoldenReportsByCommand(t *testing.T) {
	for _, name := range []string{"default", "cabinetry"} {
		golden, err := filepath.Glob(
			filepath.Join("..", "..", "internal", "rules", "testdata", "golden", name, "*.json"),
		)
		require.NoError(t, err)
		require.NotEmpty(t, golden)
		for _, file := range golden {
			sample := filepath.Join("..", "..", "internal", "dev", "fakeinflow", "samples",
				filepath.Base(file))
			out, stderr, status := runRules(t, "", "eval", "--json", "--now", "2025-05-10T12:00:00Z",
				"--rules", filepath.Join("..", "..", "rules", name+".yaml"), "--order", sample)
			require.Empty(t, stderr, file)
			var report ordercheck.Report
			require.NoError(t, json.Unmarshal([]byte(out), &report))
			assert.Equal(
				t,
				map[ordercheck.Status]int{ordercheck.StatusFailed: 1,
					ordercheck.StatusIncomplete: 2}[report.Status],
				status,
				file,
			)
			report.RuleSet.Digest = ""
			got, err := json.Marshal(report)
			require.NoError(t, err)
			want, err := os.ReadFile(file) //nolint:gosec // a file in the repository
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(got), file)
		}
	}
}
