package rulefile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/cputime"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"
)

// faultsOf loads rule files with faults, and returns the faults. It removes the folders from the
// names of files.
func faultsOf(t *testing.T, dir string, names ...string) []string {
	t.Helper()
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	_, err := rulefile.Load(t.Context(), paths...)
	var faults rulefile.Faults
	require.ErrorAs(t, err, &faults)
	assert.Equal(t, strings.Count(err.Error(), "\n")+1, len(faults), "one line for each")
	var out []string
	for _, f := range faults {
		f.File = filepath.Base(f.File)
		out = append(out, f.String())
		content, err := os.ReadFile(filepath.Join(dir, f.File))
		if err == nil && f.Line > 0 && filepath.Ext(f.File) == ".yaml" {
			line := []rune(strings.Split(string(content), "\n")[f.Line-1])
			first, _, _ := strings.Cut(f.Text, " ")
			assert.Contains(t, string(line[f.Column-1:]), first, "%s: the file has the text at this place",
				f)
			assert.True(t, strings.HasPrefix(strings.TrimLeft(string(line[f.Column-1:]), `"'`),
				strings.TrimLeft(first, `"'`)), f.String())
		}
	}
	return out
}

// TestEveryFaultIsReportedAtOnceWithItsPlace loads a file of testdata/faults with many faults, and
// compares them with the list in that folder.
func TestEveryFaultIsReportedAtOnceWithItsPlace(t *testing.T) {
	dir := filepath.Join("testdata", "faults")
	want, err := os.ReadFile(filepath.Join(dir, "faults.txt"))
	require.NoError(t, err)
	assert.Equal(t, strings.Split(strings.TrimSpace(string(want)), "\n"),
		faultsOf(t, dir, "wrong.yaml"))
}

// TestTextThatBeginsWithABang reads an unquoted !order.isCancelled, although YAML takes its first
// word for a tag.
func TestTextThatBeginsWithABang(t *testing.T) {
	file := func(when string) string {
		return rulestest.Write(
			t, map[string]string{
				"a.yaml": "version: 1\nname: a\nrules:\n- id: a\n  scope: order\n  severity: error\n  when: " +
					when + "\n  message: \"'m'\"\n"})
	}
	for _, when := range []string{"!order.isCancelled",
		`"!order.isCancelled && order.total > dec(1)"`} {
		_, err := rulefile.Load(t.Context(), filepath.Join(file(when), "a.yaml"))
		require.NoError(t, err, when)
	}
	assert.Equal(
		t, []string{`a.yaml:7:16: unknown field of Order, did you mean isCancelled?: "isCanceled"`},
		faultsOf(t, file("!order.isCanceled"), "a.yaml"))
	faults := faultsOf(t, file("!order.isCancelled && order.total > dec(1)"), "a.yaml")
	require.Len(t, faults, 1)
	assert.Contains(t, faults[0], "put the expression in quotes")
}

func TestFaultsOfExamples(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{"wrong.yaml": `version: 1
name: wrong
rules:
- id: a
  builtin: balance
  severity: error
  examples:
    broken:
    - {name: no order}
    - {from: a.json, order: {}}
    - {from: a.json, now: tomorrow, expect: {findings: none, shade: red}}
    - [a.json]
    fine: a.json
    wrong: []
`})
	assert.Equal(t, []string{
		`wrong.yaml:9:7: an example has either from, the file of an order, or order, the order itself`,
		`wrong.yaml:10:7: an example has either from, the file of an order, or order, the order itself`,
		`wrong.yaml:11:27: now must be a date such as 2026-01-31, ` +
			`or a time such as 2026-01-31T12:00:00Z: "tomorrow"`,
		`wrong.yaml:11:56: findings must be a whole number from 1: "none"`,
		`wrong.yaml:11:62: unknown key of expect; there are actual, expected, findings, fix, line, ` +
			`message: "shade"`,
		`wrong.yaml:12:7: an example must be a mapping of keys to values`,
		`wrong.yaml:12:7: an example has either from, the file of an order, or order, the order itself`,
		`wrong.yaml:13:11: fine must be a list: "a.json"`,
		`wrong.yaml:14:5: unknown key of examples; there are broken, fine: "wrong"`,
	}, faultsOf(t, dir, "wrong.yaml"))
}

// TestPlacesWithinExpressions checks the place of a fault within an expression, in every YAML
// style.
func TestPlacesWithinExpressions(t *testing.T) {
	for name, tt := range map[string]struct {
		when string
		want string
	}{
		"plain":               {`order.isQuot`, "5:15"},
		"plain, two lines":    {"order.isQuote\n    || order.isQuot", "6:14"},
		"double quotes":       {`"order.poNumber == \"x\" || order.isQuot"`, "5:43"},
		"double, escapes":     {`"'\u00e4\x41\t' == '' || order.isQuot"`, "5:40"},
		"double, two lines":   {"\"order.isQuote\n    || order.isQuot\"", "6:14"},
		"double, joined":      {"\"order.isQuote \\\n    || order.isQuot\"", "6:14"},
		"single quotes":       {`'order.poNumber == ''x'' || order.isQuot'`, "5:43"},
		"literal":             {"|\n    order.isQuote\n      || order.isQuot", "7:16"},
		"literal, blank line": {"|\n\n    order.isQuote\n\n    || order.isQuot", "9:14"},
		"folded":              {">\n    order.isQuote\n    || order.isQuot", "7:14"},
		"umlauts":             {`"'äöü€' == 'x' || order.isQuot"`, "5:33"},
		"tagged":              {`!!str "order.isQuot"`, "5:22"},
		"anchored":            {`&a "order.isQuot"`, "5:19"},
	} {
		dir := rulestest.Write(
			t, map[string]string{"r.yaml": "version: 1\nname: r\nrules:\n- id: a\n  when: " + tt.when +
				"\n  scope: order\n  severity: error\n  message: \"'x'\"\n"})
		assert.Equal(t, []string{"r.yaml:" + tt.want +
			`: unknown field of Order, did you mean isQuote?: "isQuot"`}, faultsOf(t, dir, "r.yaml"), name)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty": {"", `r.yaml:1:1: not YAML: the file is empty: it must have version, name and rules`},
		"not YAML": {"version: 1\nname: [\n",
			`r.yaml:2:1: not YAML: did not find expected node content: "name: ["`},
		"tabs": {"version: 1\n\tname: x\n",
			`r.yaml:2:2: not YAML: found a tab character that violates indentation: "name: x"`},
		"a list": {"- a\n", `r.yaml:1:1: a rule file must be a mapping of keys to values`},
		"two documents": {"version: 1\nname: x\nrules: []\n---\nversion: 1\n",
			`r.yaml:4:1: the file has a second YAML document: write one file per rule set`},
		"unknown alias": {"version: *v\n", `r.yaml:1:1: not YAML: unknown anchor 'v' referenced`},
	} {
		dir := rulestest.Write(t, map[string]string{"r.yaml": tt.text})
		assert.Equal(t, []string{tt.want}, faultsOf(t, dir, "r.yaml"), name)
	}
	dir := rulestest.Write(t, map[string]string{"r.yaml": "description: x\n"})
	assert.Equal(t, []string{
		"r.yaml:1:1: version is missing: write version: 1",
		"r.yaml:1:1: name is missing: reports show it", "r.yaml:1:1: rules is missing",
	}, faultsOf(t, dir, "r.yaml"))
	assert.Equal(t, []string{"none.yaml: cannot be read: no such file or directory"},
		faultsOf(t, dir, "none.yaml"))
	_, err := rulefile.Load(t.Context())
	require.Error(t, err)
}

func TestHostileRuleFilesAreRefused(t *testing.T) {
	// atMost is the maximum CPU time. Without the race detector, the files take milliseconds.
	const atMost = 5 * time.Second
	aliases :=
		"version: 1\nname: x\nrules:\n- id: a\n  builtin: balance\n  severity: " +
			"error\n  examples:\n    fine:\n    - order:\n        a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		aliases += fmt.Sprintf("        a%d: &a%d [%s]\n", i+1, i+1,
			strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	aliases += "        all: *a12\n"
	rule :=
		"version: 1\nname: x\nrules:\n- {id: a, scope: order, severity: error, message: " +
			"\"'x'\", when: %q}\n"
	for name, text := range map[string]string{
		"aliases that explode": aliases,
		"alias of itself": "version: 1\nname: x\nrules: &r\n- {id: a, builtin: balance, severity: " +
			"error, examples: {fine: [{order: {a: *r}}]}}\n",
		"deep nesting": "version: 1\nname: x\nrules: " + strings.Repeat("[", 20_000) +
			strings.Repeat("]", 20_000),
		"deep order": "version: 1\nname: x\nrules:\n- {id: a, builtin: balance, severity: error, " +
			"examples: {fine: [{order: " + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + "}]}}\n",
		"large": strings.Repeat("#", rulefile.MaxFileSize+1),
		"many rules": "version: 1\nname: x\nrules:\n" +
			strings.Repeat("- {id: a, builtin: balance, severity: error}\n", 20_000),
		"many keys":       "version: 1\nname: x\nrules:\n- {" + strings.Repeat("a: 1, ", 50_000) + "}\n",
		"long expression": fmt.Sprintf(rule, "'"+strings.Repeat("x", 500_000)+"' == ''"),
		"deep expression": fmt.Sprintf(rule,
			strings.Repeat("(", 50_000)+"true"+strings.Repeat(")", 50_000)),
		"nested loops": fmt.Sprintf(rule,
			strings.Repeat("order.lines.exists(l, ", 90)+"true"+strings.Repeat(")", 90)),
		"huge number": "version: 1\nname: x\nrules:\n- {id: a, builtin: balance, severity: error, " +
			"params: {tolerance: " + strings.Repeat("9", 100_000) + "}}\n",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var err error
		took := cputime.Of(func() { _, err = rulestest.TryLoad(t, text) })
		runtime.ReadMemStats(&after)
		require.Error(t, err, name)
		assert.Less(t, took, atMost, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20),
			"%s: all that was ever allocated, and so at any time", name)
		assert.Less(t, len(err.Error()), 200_000, name)
	}
}

func TestCostlyRulesAreCutOffAndNoFinding(t *testing.T) {
	text := "version: 1\nname: x\ndefaults: {severity: error}\nrules:\n"
	for i := range 6 {
		text += fmt.Sprintf(
			"- {id: costly-%d, scope: order, message: \"'x'\", when: \"order.lines.exists(a, "+
				"order.lines.exists(b, order.lines.exists(c, a.subTotal + b.subTotal + c.subTotal < "+
				"dec(%d))))\"}\n", i, -i)
	}
	text += "- {id: builtin, builtin: quantity-zero}\n"
	order := rulestest.Changed(t, `{}`)
	for len(order.Lines) < 1_000 {
		order.Lines = append(order.Lines, order.Lines...)
	}
	set := rulestest.LoadText(t, text)
	var checked ordercheck.CheckedOrder
	took := cputime.Of(func() { checked = rulestest.Evaluate(t, set, order) })
	assert.Less(t, took, 20*time.Second, "without the race detector it takes a second")
	assert.Empty(t, checked.Findings)
	require.Len(t, checked.RuleErrors, 6)
	assert.Contains(t, checked.RuleErrors[0].Error, "cut off")
	assert.Contains(t, checked.RuleErrors[5].Error, "earlier rules used up")
}

const base = `
version: 1
name: base
defaults: {when: "!order.isCancelled", severity: error}
tables:
  caps: {key: Product, columns: [Product, Cap]}
rules:
- {id: balance, builtin: balance, params: {tolerance: "0.05"}}
- {id: small, scope: order, params: {least: 100, name: total}, when: "order.total < params.least", message: "'The ' + params.name + ' is below ' + string(params.least)"}
- {id: capped, builtin: discount-cap, params: {table: caps}}
`

func TestLaterFilesAddChangeAndSwitchOff(t *testing.T) {
	order := rulestest.Changed(t, `{"total":"150","balance":"50.03","amountPaid":"100"}`)
	order.Lines[2].Product = &inflow.Product{Name: "Hinge"}
	set := rulestest.LoadText(t, base)
	assert.Equal(t, "base", set.Name())
	assert.Empty(t, rulestest.FindingIDs(rulestest.Evaluate(t, set, order)))

	later := `
version: 1
name: company
tables:
  caps: {file: caps.csv, key: Product}
rules:
- {id: own, scope: order, severity: warning, when: "order.total > dec(100)", message: "'large'"}
- {id: balance, params: {tolerance: "0.02"}, severity: warning}
- {id: small, params: {least: 200}, message: "'less than ' + string(params.least)"}
`
	dir := rulestest.Write(t, map[string]string{"base.yaml": base, "later.yaml": later,
		"caps.csv": "Product,Cap\nSW-B12,5\n"})
	set, err := rulefile.Load(t.Context(), filepath.Join(dir, "base.yaml"),
		filepath.Join(dir, "later.yaml"))
	require.NoError(t, err)
	assert.Equal(t, "base+company", set.Name())
	checked := rulestest.Evaluate(t, set, order)
	assert.Equal(t, []string{"balance", "small", "capped/l1", "own"}, rulestest.FindingIDs(checked),
		"in the order of the first file, then the next")
	assert.Equal(t, ordercheck.SeverityWarning, checked.Findings[0].Severity)
	assert.Equal(t, "less than 200", checked.Findings[1].Message)

	off := rulestest.LoadText(t, base,
		"version: 1\nname: off\nrules:\n- {id: small, enabled: false}\n")
	assert.Empty(t, rulestest.FindingIDs(rulestest.Evaluate(t, off,
		rulestest.Changed(t, `{"total":"1","balance":"-99"}`))))
	assert.False(t, off.Rules()[1].Enabled)
	on := rulestest.LoadText(t, base, "version: 1\nname: off\nrules:\n- {id: small, enabled: false}\n",
		"version: 1\nname: on\nrules:\n- {id: small, enabled: true}\n")
	assert.Equal(t, []string{"small"},
		rulestest.FindingIDs(rulestest.Evaluate(t, on,
			rulestest.Changed(t, `{"total":"1","balance":"-99"}`))))

	anew := rulestest.LoadText(t, base,
		"version: 1\nname: anew\nrules:\n- {id: small, scope: line, severity: error, when: "+
			"\"line.number == 2\", message: \"'second'\"}\n")
	checked = rulestest.Evaluate(t, anew, order)
	assert.Equal(t, []string{"small/l2"}, rulestest.FindingIDs(checked),
		"a new definition takes the old one's place")
	cancelled := rulestest.Changed(t, `{"isCancelled":true}`)
	assert.Equal(t, []string{"small/l2"}, rulestest.FindingIDs(rulestest.Evaluate(t, anew, cancelled)),
		"with the defaults of its own file")
	assert.Equal(t, []ordercheck.Skipped{
		{RuleID: "balance", Reason: "the order is cancelled"},
		{RuleID: "capped", Reason: "table caps is not given"},
	}, rulestest.Evaluate(t, anew, cancelled).Skipped)

	dir = rulestest.Write(t, map[string]string{"base.yaml": base, "later.yaml": `
version: 1
name: wrong
tables:
  caps: {key: Product, columns: [Product, Cap]}
rules:
- {id: small, scope: line}
- {id: new, enabled: false}
- {id: balance, params: {tolerance: x}}
`})
	assert.Equal(t, []string{
		`later.yaml:5:3: this table is already declared in ` + filepath.Join(dir, "base.yaml") +
			`: name its file, or leave it out: "caps"`,
		`later.yaml:7:22: the scope of an earlier file's rule cannot be changed: ` +
			`define the rule again, with when or builtin: "line"`,
		`later.yaml:8:8: the rule has neither when nor builtin, ` +
			`and no earlier file has a rule of this id: "new"`,
		`later.yaml:9:37: tolerance must be a number: "x" is not a number: write digits with a point, ` +
			`such as 12.50: "x"`,
	}, faultsOf(t, dir, "base.yaml", "later.yaml"))
}

// TestFileWithoutEntries loads files whose last entry somebody has removed or made a comment.
func TestFileWithoutEntries(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{
		"own.yaml": "version: 1\nname: own\nrules:\n" +
			"- {id: a, scope: order, severity: error, when: order.isQuote, message: \"'x'\"}\n",
		"trial.yaml": "version: 1\nname: trial\ntables:\nrules:\n# - {id: a, shadow: true}\n",
	})
	set, err := rulefile.Load(t.Context(), filepath.Join(dir, "own.yaml"),
		filepath.Join(dir, "trial.yaml"))
	require.NoError(t, err)
	require.Len(t, set.Rules(), 1)
	assert.False(t, set.Rules()[0].Shadow)
}

func TestShadowIsCountedAndNeverAFinding(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: trial
defaults: {severity: error, when: "!order.isCancelled"}
rules:
- {id: trial, shadow: true, scope: line, when: "line.quantity > dec(0)", message: "'x'"}
- {id: broken-trial, shadow: true, scope: order, when: "order.dueDate < now", message: "'x'"}
- {id: quiet-trial, shadow: true, scope: order, when: "order.isQuote", message: "'x'"}
`)
	checked := rulestest.Evaluate(t, set, rulestest.Changed(t, `{}`))
	assert.Empty(t, checked.Findings)
	assert.Empty(t, checked.RuleErrors, "a rule on trial does not make a report incomplete")
	assert.Equal(t, []ordercheck.ShadowResult{
		{RuleID: "trial", Findings: 2},
		{RuleID: "broken-trial",
			Error: "dueDate of Order is null, or Order itself is: test it with has() first"},
		{RuleID: "quiet-trial"},
	}, checked.Shadow)
	const cancelled = "the order is cancelled"
	assert.Equal(t, []ordercheck.ShadowResult{
		{RuleID: "trial", Skipped: cancelled}, {RuleID: "broken-trial", Skipped: cancelled},
		{RuleID: "quiet-trial", Skipped: cancelled},
	}, rulestest.Evaluate(t, set, rulestest.Changed(t, `{"isCancelled":true}`)).Shadow)
}

func TestTermsOfFindings(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
defaults: {severity: error, grace: 1h30m}
rules:
- {id: a, scope: order, when: "true", message: "'x'"}
- {id: b, scope: order, when: "true", message: "'x'", grace: 0s, overridable: false}
- {id: c, scope: order, when: "false", message: "'x'", grace: 2h}
`)
	long, none := 90*time.Minute, time.Duration(0)
	assert.Equal(t, []ordercheck.Terms{{RuleID: "a", Grace: &long},
		{RuleID: "b", Grace: &none, NotOverridable: true}},
		rulestest.Evaluate(t, set, rulestest.Changed(t, `{}`)).Terms)
	assert.Nil(t, rulestest.Evaluate(t, rulestest.ArithmeticSet(t),
		rulestest.Changed(t, `{"total":"1"}`)).Terms)

	dir := rulestest.Write(
		t, map[string]string{
			"r.yaml": "version: 1\nname: x\ndefaults: {grace: soon}\nrules:\n- {id: a, builtin: balance, " +
				"severity: error, grace: -1h, overridable: no one}\n- {id: b, builtin: balance, severity: " +
				"error, grace: 10000h}\n"})
	assert.Equal(t, []string{
		`r.yaml:3:19: grace must be a duration from 0s to 2160h, such as 30m or 2h: "soon"`,
		`r.yaml:5:53: grace must be a duration from 0s to 2160h, such as 30m or 2h: "-1h"`,
		`r.yaml:5:71: overridable must be true or false: "no one"`,
		`r.yaml:6:53: grace must be a duration from 0s to 2160h, such as 30m or 2h: "10000h"`,
	}, faultsOf(t, dir, "r.yaml"))
}

func TestAppliesReplacesTheDefault(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
defaults: {severity: error, when: "!order.isCancelled"}
rules:
- {id: a, scope: order, when: "true", message: "'x'"}
- {id: b, scope: order, when: "true", message: "'x'", applies: "order.isCancelled"}
- {id: c, scope: order, when: "true", message: "'x'", applies: "order.dueDate < now"}
`)
	checked := rulestest.Evaluate(t, set, rulestest.Changed(t, `{}`))
	assert.Equal(t, []string{"a"}, rulestest.FindingIDs(checked))
	assert.Equal(t, []ordercheck.Skipped{{RuleID: "b",
		Reason: "applies only if order.isCancelled"}}, checked.Skipped)
	assert.Equal(t, []ordercheck.RuleError{{RuleID: "c",
		Error: "whether the rule applies: dueDate of Order is null, or Order itself is: test it with has() first"}}, checked.RuleErrors)
}

func TestUnexpectedNullIsARuleErrorAndNoFinding(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
defaults: {severity: error}
rules:
- {id: nulls, scope: line, when: "line.quantity > dec(0) && line.returnDate < now || line.quantity < dec(0)", message: "'x'"}
- {id: zero, scope: order, when: "order.total / order.tax2 > dec(1)", message: "'x'"}
- {id: message, scope: order, when: "true", message: "'due ' + string(order.dueDate)", fix: "'do'", expected: "order.total / order.tax2"}
`)
	checked := rulestest.Evaluate(t, set, rulestest.Changed(t, `{}`))
	assert.Equal(t, []ordercheck.RuleError{
		{RuleID: "nulls", Error: "line 1: returnDate of Line is null, or Line itself is: test it with " +
			"has() first (and 1 more lines)"},
		{RuleID: "zero", Error: "division by zero"},
	}, checked.RuleErrors)
	require.Len(t, checked.Findings, 1)
	f := checked.Findings[0]
	assert.Equal(
		t, "Rule message is broken (its message could not be written: dueDate of Order is null, "+
			"or Order itself is: test it with has() first; its expected value could not be written: "+
			"division by zero)", f.Message)
	assert.Equal(t, "do", f.Fix)
	assert.Empty(t, f.Expected)
}

func TestRuleWithoutItsIncludeIsSkippedWithTheReason(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: x
defaults: {severity: error}
rules:
- {id: product, scope: line, when: "line.product.name == 'x'", message: "'x'"}
- {id: customer, scope: order, when: "order.customer.name == 'x'", message: "'x'"}
- {id: terms, scope: order, when: "has(order.paymentTerms) && order.paymentTerms.daysDue > dec(1)", message: "'x'"}
- {id: named, scope: order, when: "order.isQuote", message: "'x'", requires: [pickLines, lines.product.cost]}
- {id: recent, builtin: near-duplicate}
`)
	assert.Equal(t, []string{"customer", "lines", "lines.product", "lines.product.cost",
		"paymentTerms", "pickLines"}, set.Includes())
	assert.True(t, set.NeedsRecentOrders())
	assert.False(t, set.NeedsBilled())

	order := rulestest.Changed(t,
		`{"customer":null,"paymentTermsId":"t","inventoryStatus":"Fulfilled"}`)
	var reasons []string
	for _, s := range rulestest.Evaluate(t, set, order).Skipped {
		reasons = append(reasons, s.RuleID+": "+s.Reason)
	}
	assert.Equal(t, []string{
		`product: line 3: needs "lines.product", which the order was fetched without`,
		`customer: needs "customer", which the order was fetched without`,
		`terms: needs "paymentTerms", which the order was fetched without`,
		`named: needs "lines.product.cost", which no product of the order has`,
		`recent: needs the customer's recent orders, which were not looked up`,
	}, reasons)
}

func TestTablesInExpressions(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{
		"caps.csv": "Customer,Limit,VIP\nOak & Sons,200.00,yes\n",
		"rules.yaml": `
version: 1
name: x
defaults: {severity: error}
tables:
  limits: {file: caps.csv, key: Customer}
  not-given: {key: A, columns: [A, B C]}
rules:
- id: limit
  scope: order
  when: "order.customer.name in tables.limits && order.total > dec(tables.limits[order.customer.name].Limit)"
  message: "'more than ' + tables.limits[order.customer.name].Limit"
- {id: other, scope: order, when: "tables.` + "`not-given`['x'].`B C`" + ` == ''", message: "'x'"}
`})
	set, err := rulefile.Load(t.Context(), filepath.Join(dir, "rules.yaml"))
	require.NoError(t, err)
	checked := rulestest.Evaluate(t, set, rulestest.Changed(t, `{}`))
	require.Len(t, checked.Findings, 1)
	assert.Equal(t, "more than 200.00", checked.Findings[0].Message)
	assert.Equal(t, []ordercheck.Skipped{{RuleID: "other", Reason: "table not-given is not given"}},
		checked.Skipped)

	before := set.Digest()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "caps.csv"),
		[]byte("Customer,Limit,VIP\nOak & Sons,900.00,yes\n"), 0o600))
	set, err = rulefile.Load(t.Context(), filepath.Join(dir, "rules.yaml"))
	require.NoError(t, err)
	assert.Empty(t, rulestest.Evaluate(t, set, rulestest.Changed(t, `{}`)).Findings)
	assert.NotEqual(t, before, set.Digest(), "the digest covers tables")
}

// FuzzLoad reads arbitrary rule files: they compile, or every fault has its place.
func FuzzLoad(f *testing.F) {
	for _, file := range []string{"../../../rules/default.yaml", "../../../rules/cabinetry.yaml"} {
		content, err := os.ReadFile(file) //nolint:gosec // a file in the repository
		require.NoError(f, err)
		for i, rule := range strings.Split(string(content), "\n- id: ") {
			if i > 0 {
				f.Add("version: 1\nname: x\ndefaults: {severity: error}\ntables:\n  t: {file: t.csv, key: " +
					"A}\nrules:\n- id: " + rule)
			}
		}
	}
	f.Add(base)
	f.Add("version: 1\nname: &n x\nrules: [*n, {id: *n}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		from := fstest.MapFS{"r.yaml": {Data: []byte(text)}, "t.csv": {Data: []byte("A,B\nx,1\n")}}
		set, err := rulefile.LoadFS(t.Context(), from, "r.yaml")
		if err == nil {
			rulestest.Evaluate(t, set, rulestest.Changed(t, `{}`))
			set.Test(t.Context())
			return
		}
		var faults rulefile.Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("no faults: %v", err)
		}
		for _, fault := range faults {
			if fault.File == "" || fault.Message == "" || fault.Line < 0 {
				t.Fatalf("a fault without place or message: %+v", fault)
			}
		}
	})
}
