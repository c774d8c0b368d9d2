package rules_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/rulestest"
)

const docsFile = "../../docs/rules-reference.md"

// docEvaluator evaluates expressions on an order. The results are in docs/rules-reference.md.
type docEvaluator struct {
	t     *testing.T
	env   *ordercel.Env
	order *ordercel.Order
}

func newDocEvaluator(t *testing.T) *docEvaluator {
	t.Helper()
	content, err := os.ReadFile("../../rules/examples/fulfilled.json")
	require.NoError(t, err)
	env, err := ordercel.NewEnv(nil)
	require.NoError(t, err)
	return &docEvaluator{t, env, ordercel.NewOrder(rulestest.ParseOrder(t, string(content)))}
}

// value returns an expression's result as text.
func (d *docEvaluator) value(expression string) string {
	d.t.Helper()
	evaluation := ordercel.NewEvaluation(d.order, time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC))
	if program, problems := d.env.Compile(expression, ordercel.LineScope,
		ordercel.Bool); problems == nil {
		truth, err := evaluation.Bool(program, d.order.Line(0))
		require.NoError(d.t, err, expression)
		return fmt.Sprint(truth)
	}
	for _, text := range []string{expression, "string(" + expression + ")",
		"string(size(" + expression + ")) + ' of them'"} {
		program, problems := d.env.Compile(text, ordercel.LineScope, ordercel.TextOrDecimal)
		if problems != nil {
			continue
		}
		value, err := evaluation.Text(program, d.order.Line(0), money.Plain)
		require.NoError(d.t, err, expression)
		if value == "" {
			return "''"
		}
		return value
	}
	return ""
}

// docPaths maps each type of the order model to an expression of this type.
var docPaths = map[string]string{
	"Order": "order", "Line": "line", "Discount": "line.discount", "Product": "line.product",
	"Category": "line.product.category",
	"Customer": "order.customer", "Address": "order.billingAddress",
	"Payment": "order.paymentLines[0]", "Pick": "order.pickLines[0]",
	"Pack": "order.packLines[0]", "Shipment": "order.shipLines[0]",
	"TaxingScheme": "order.taxingScheme", "TaxCode": "order.taxingScheme.taxCodes[0]",
	"PricingScheme": "order.pricingScheme", "PaymentTerms": "order.paymentTerms",
	"Currency": "order.currency", "CustomFields": "order.customFields",
}

func (d *docEvaluator) fields() string {
	var b strings.Builder
	for _, object := range ordercel.Types() {
		path := docPaths[object.Name]
		require.NotEmpty(d.t, path, object.Name)
		fmt.Fprintf(
			&b,
			"\n#### %s\n\n| field | type | here | what it is | comes with |\n| --- | --- | --- | "+
				"--- | --- |\n",
			object.Name,
		)
		for _, f := range object.Fields {
			expression, here, with := path+"."+f.Name, "", ""
			if f.Name == "returnDate" {
				expression = "order.lines[2]." + f.Name // only a return has one
			}
			switch {
			case object.Name == "Order" && f.Name == "exchangeRateAutoPulled":
				here = "null"
			default:
				here = d.value(expression)
			}
			if here != "" {
				here = "`" + here + "`"
			}
			if f.Include != "" {
				with = "`" + f.Include + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", expression, docType(f.Type), here, f.Doc, with)
		}
	}
	return b.String()
}

// docType returns the name of a type for people.
func docType(name string) string {
	for from, to := range map[string]string{"string": "text", "bool": "truth", "int": "whole number",
		"Timestamp": "date"} {
		name = regexp.MustCompile(`\b`+from+`\b`).
			ReplaceAllString(strings.TrimPrefix(name, "google.protobuf."), to)
	}
	if inner, ok := strings.CutPrefix(name, "list("); ok {
		return "list of " + strings.TrimSuffix(inner, ")")
	}
	return name
}

func (d *docEvaluator) functions() string {
	var b strings.Builder
	b.WriteString("\n| function | gives | what it is |\n| --- | --- | --- |\n")
	for _, f := range ordercel.Functions() {
		value := d.value(f.Use)
		require.NotEmpty(d.t, value, f.Use)
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", f.Use, value, f.Doc)
	}
	return b.String()
}

func docBuiltins() string {
	var b strings.Builder
	b.WriteString(
		"\n| built-in rule | scope | what is wrong where it is broken | parameters |\n| --- | --- | " +
			"--- | --- |\n",
	)
	for _, builtin := range checks.All() {
		var settings []string
		for _, s := range builtin.Parameters {
			text := fmt.Sprintf("`%s` (%s", s.Name, s.Kind)
			if s.Default != "" {
				text += fmt.Sprintf(", `%s`", strings.ReplaceAll(s.Default, "|", `\|`))
			}
			settings = append(settings, text+"): "+s.Description)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", builtin.Name, builtin.Scope, builtin.Description,
			strings.Join(settings, "<br>"))
	}
	return b.String()
}

// TestDocsListEveryFunctionFieldAndBuiltin compares the tables of docs/rules-reference.md with the
// code. They have each function and field with its result.
func TestDocsListEveryFunctionFieldAndBuiltin(t *testing.T) {
	content, err := os.ReadFile(docsFile)
	require.NoError(t, err)
	d := newDocEvaluator(t)
	want := string(content)
	for name, table := range map[string]string{"functions": d.functions(), "fields": d.fields(),
		"builtins": docBuiltins(), "checks": docChecks(t, string(content))} {
		begin, end := "<!-- "+name+": written by the tests -->\n", "<!-- /"+name+" -->"
		before, rest, found := strings.Cut(want, begin)
		require.True(t, found, begin)
		_, after, found := strings.Cut(rest, end)
		require.True(t, found, end)
		want = before + begin + table + "\n" + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(docsFile, []byte(want), 0o600))
		return
	}
	have := strings.Split(string(content), "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(have) || have[i] != line {
			t.Fatalf("docs/rules-reference.md:%d must be %q: run make rules-reference", i+1,
				line)
		}
	}
}

// TestDocsNameEveryKey checks that the page has every key of a rule file.
func TestDocsNameEveryKey(t *testing.T) {
	content, err := os.ReadFile(docsFile)
	require.NoError(t, err)
	_, loadErr := rulestest.TryLoad(
		t,
		"x: 1\ntables: {a: {x: 1}}\ndefaults: {x: 1}\nrules:\n- {x: 1, examples: {x: 1, broken: [{x: "+
			"1, expect: {x: 1}}]}}\n",
	)
	require.Error(t, loadErr)
	keys := regexp.MustCompile(`there are ([A-Za-z, ]+)`).FindAllStringSubmatch(loadErr.Error(), -1)
	require.Len(t, keys, 7, "a rule file, a table, defaults, a rule, examples, an example, expect: %v",
		loadErr)
	for _, match := range keys {
		for key := range strings.SplitSeq(match[1], ", ") {
			assert.Contains(t, string(content), "`"+key+"`", "a key that the page does not name")
		}
	}
}
