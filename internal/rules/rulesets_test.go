package rules_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"
)

const (
	defaultFile   = "../../rules/default.yaml"
	cabinetryFile = "../../rules/cabinetry.yaml"
)

// shipped are the rule sets that ship with the gate, by name.
func shipped(t testing.TB) map[string]*rules.Set {
	t.Helper()
	sets, err := shippedOnce()
	require.NoError(t, err)
	return sets
}

var shippedOnce = sync.OnceValues(func() (map[string]*rules.Set, error) {
	sets := map[string]*rules.Set{}
	for _, files := range [][]string{{defaultFile}, {cabinetryFile}, {defaultFile, cabinetryFile}} {
		set, err := rulefile.Load(context.Background(), files...)
		if err != nil {
			return nil, err
		}
		sets[set.Name()] = set
	}
	return sets, nil
})

// TestExamples has a subtest for each example in the rule files. A rule with too few examples
// fails.
func TestExamples(t *testing.T) {
	for file, least := range map[string]int{defaultFile: 1, cabinetryFile: 3} {
		set, err := rulefile.Load(t.Context(), file)
		require.NoError(t, err)
		results := map[string][]rules.ExampleResult{}
		for _, result := range set.Test(t.Context()) {
			results[result.RuleID] = append(results[result.RuleID], result)
		}
		for _, rule := range set.Rules() {
			t.Run(set.Name()+"/"+rule.ID, func(t *testing.T) {
				broken, fine := set.ExampleCounts(rule.ID)
				assert.GreaterOrEqual(t, broken, least, "examples that break the rule")
				assert.GreaterOrEqual(t, fine, least, "examples that do not break the rule")
				for _, result := range results[rule.ID] {
					t.Run(result.Example, func(t *testing.T) {
						assert.Empty(t, result.Problem, result.Place)
					})
				}
			})
		}
	}
}

func TestExamplesThatDifferAreReported(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{
		"sound.json": rulestest.Sound, "two.json": "{} {}", "none.json": "x",
		"rules.yaml": `
version: 1
name: x
defaults: {severity: error, when: "!order.isCancelled"}
rules:
- id: a
  scope: line
  when: "line.quantity < dec(0)"
  message: "'returned'"
  expected: "dec(0)"
  examples:
    broken:
    - sound.json
    - {name: right, from: sound.json, expect: {findings: 1, line: 3, expected: "0.00", message: returned}}
    - {name: not broken, from: sound.json, change: {lines: {3: null}}}
    - {name: count, from: sound.json, expect: {findings: 2}}
    - {name: line, from: sound.json, expect: {line: 2}}
    - {name: text, from: sound.json, expect: {expected: "1.00"}}
    - {name: skipped, from: sound.json, change: {isCancelled: true}}
    - {name: no file, from: none.yaml}
    - {name: no JSON, from: none.json}
    - {name: two, from: two.json}
    - {name: no order, order: {lines: 5}}
    - {name: no such line, from: sound.json, change: {lines: {7: {}}}}
    - {name: no number, from: sound.json, change: {lines: {first: {}}}}
    fine:
    - {name: broken, from: sound.json}
    - {name: not judged, from: sound.json, change: {lines: null}}
    - {name: cancelled, from: sound.json, change: {isCancelled: true}}
- id: b
  scope: order
  when: "order.dueDate < now"
  message: "'due'"
  examples:
    broken:
    - {name: no date, from: sound.json}
    - {name: yesterday, from: sound.json, change: {dueDate: "2026-01-01"}, now: 2026-01-02}
    fine:
    - {name: today, order: {dueDate: "2026-01-01"}, now: 2026-01-01}
`})
	set, err := rulefile.Load(t.Context(), filepath.Join(dir, "rules.yaml"))
	require.NoError(t, err)
	var got []string
	for _, result := range set.Test(t.Context()) {
		if result.Problem != "" {
			got = append(
				got,
				result.RuleID+", "+result.Example+": "+strings.ReplaceAll(result.Problem,
					dir+string(filepath.Separator), ""),
			)
		}
	}
	assert.Equal(t, []string{
		"a, not broken: must break the rule, but there is no finding",
		"a, count: expected 2 findings, got 1",
		"a, line: the finding is on line 3, but must be on line 2",
		`a, text: expected is "0.00", but must be "1.00"`,
		"a, skipped: must break the rule, but it was skipped: the order is cancelled",
		"a, no file: the example none.yaml cannot be read: no such file or directory",
		"a, no JSON: the example none.json is not JSON: invalid character 'x' looking for " +
			"beginning of value",
		"a, two: the example two.json has more than one JSON document",
		"a, no order: the example is not a sales order: json: " +
			"cannot unmarshal number into Go struct field SalesOrder.lines of type []inflow.SalesOrderLine",
		"a, no such line: change: lines: the list has 3 entries: there is no entry 7",
		`a, no number: change: lines: to change a list, use the numbers of its entries as keys, ` +
			`from 1, not "first"`,
		"a, broken: must not break the rule, but there is a finding: returned",
		`a, not judged: must not break the rule, but it was skipped: needs "lines", ` +
			`which the order was fetched without`,
		"b, no date: the rule could not be evaluated: dueDate of Order is null, or Order itself is: " +
			"test it with has() first",
	}, got)
}

func TestShippedSets(t *testing.T) {
	sets := shipped(t)
	assert.ElementsMatch(t, []string{"default", "cabinetry", "default+cabinetry"},
		slices.Collect(maps.Keys(sets)))
	assert.Equal(t, sets["default"].Digest(), rulefile.Default().Digest(),
		"the embedded rule set equals the file")
	assert.Len(t, sets["default"].Rules(), 48)
	assert.Len(t, sets["cabinetry"].Rules(), 9)
	for _, set := range sets {
		for _, d := range set.Rules() {
			assert.Regexp(t, `^[a-z]+(-[a-z]+)*$`, d.ID)
			assert.Regexp(t, `^[A-Z].*\.$`, d.Description, d.ID)
			assert.True(t, d.Enabled)
		}
	}
	ids := []string{}
	for _, d := range sets["cabinetry"].Rules() {
		ids = append(ids, string(d.Scope)+" "+d.ID)
		assert.Equal(t, ordercheck.SeverityError, d.Severity)
	}
	assert.Equal(t, []string{
		"line touch-up-kit-no-discount", "line discount-over-customer-default",
		"line fee-item-no-discount", "order total-discount-cap", "order card-surcharge",
		"order assembly-fee", "order delivery-fee", "order discount-needs-remark",
		"order return-needs-reason",
	}, ids)
	assert.Equal(t, []string{"customer", "lines", "lines.product", "paymentLines"},
		sets["cabinetry"].Includes())
}

// corpusEntry is the order of one example, with its look-ups and the time of its evaluation.
type corpusEntry struct {
	name    string
	order   *inflow.SalesOrder
	lookups ordercheck.Lookups
	now     time.Time
}

// corpus returns an entry for every example of the shipped rules.
func corpus(t testing.TB) []corpusEntry {
	t.Helper()
	entries, err := corpusOnce()
	require.NoError(t, err)
	assert.Greater(t, len(entries), 300)
	return entries
}

var corpusOnce = sync.OnceValues(func() ([]corpusEntry, error) {
	sets, err := shippedOnce()
	if err != nil {
		return nil, err
	}
	var out []corpusEntry
	set := sets["default+cabinetry"]
	for _, r := range set.Rules() {
		for _, e := range set.Examples(r.ID) {
			order, lookups, err := e.Read(context.Background())
			if err != nil {
				return nil, err
			}
			out = append(out, corpusEntry{r.ID + "/" + e.Name, order, lookups, e.Time(order)})
		}
	}
	return out, nil
})

// lineNumbers matches line numbers in a text, such as "lines 1, 2 and 3".
var lineNumbers = regexp.MustCompile(`[Ll]ines? \d+(( and |, )\d+)*`)

// unnumbered returns checked without line numbers, and with its findings sorted by ID, so that
// results of reordered lines can be compared.
func unnumbered(checked ordercheck.CheckedOrder) ordercheck.CheckedOrder {
	checked.Findings = slices.Clone(checked.Findings)
	for i := range checked.Findings {
		f := &checked.Findings[i]
		f.LineNumber = 0
		f.Message, f.Fix = lineNumbers.ReplaceAllString(f.Message, "line"),
			lineNumbers.ReplaceAllString(f.Fix, "line")
	}
	slices.SortFunc(checked.Findings,
		func(a, b ordercheck.Finding) int { return strings.Compare(a.ID, b.ID) })
	checked.Skipped = slices.Clone(checked.Skipped)
	for i := range checked.Skipped {
		checked.Skipped[i].Reason = lineNumbers.ReplaceAllString(checked.Skipped[i].Reason, "line")
	}
	for i := range checked.RuleErrors {
		checked.RuleErrors[i].Error = lineNumbers.ReplaceAllString(checked.RuleErrors[i].Error, "line")
	}
	return checked
}

func TestReorderingLinesOfShippedSets(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12)) //nolint:gosec // repeatable, not secret
	set := shipped(t)["default+cabinetry"]
	for _, c := range corpus(t) {
		before := set.Evaluate(t.Context(), c.order, c.now, c.lookups)
		shuffled := *c.order
		shuffled.Lines = slices.Clone(c.order.Lines)
		for range 2 {
			r.Shuffle(len(shuffled.Lines),
				func(i, j int) { shuffled.Lines[i], shuffled.Lines[j] = shuffled.Lines[j], shuffled.Lines[i] })
			after := set.Evaluate(t.Context(), &shuffled, c.now, c.lookups)
			require.Equal(t, unnumbered(before), unnumbered(after), c.name)
		}
	}
}

func TestTrailingZerosChangeNothingInShippedSets(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14)) //nolint:gosec // repeatable, not secret
	set := shipped(t)["default+cabinetry"]
	for _, c := range corpus(t) {
		text, err := json.Marshal(c.order)
		require.NoError(t, err)
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var tree map[string]any
		require.NoError(t, decoder.Decode(&tree))
		poNumber, remarks := tree["poNumber"], tree["orderRemarks"]
		padded := rulestest.PadAmounts(r, tree).(map[string]any)
		padded["poNumber"], padded["orderRemarks"] = poNumber, remarks
		var order inflow.SalesOrder
		paddedText, err := json.Marshal(padded)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(paddedText, &order))
		for i := range order.Lines { // names are not amounts
			if order.Lines[i].Product != nil {
				order.Lines[i].Product.Name, order.Lines[i].Product.SKU = c.order.Lines[i].Product.Name,
					c.order.Lines[i].Product.SKU
			}
		}
		require.Equal(t, set.Evaluate(t.Context(), c.order, c.now, c.lookups),
			set.Evaluate(t.Context(), &order, c.now, c.lookups), c.name)
	}
}

func TestSameReportAgainFromShippedSets(t *testing.T) {
	first := shipped(t)["default+cabinetry"]
	second, err := rulefile.Load(t.Context(), defaultFile, cabinetryFile)
	require.NoError(t, err)
	for _, c := range corpus(t) {
		a, err := json.Marshal(first.Evaluate(t.Context(), c.order, c.now, c.lookups))
		require.NoError(t, err)
		b, err := json.Marshal(second.Evaluate(t.Context(), c.order, c.now, c.lookups))
		require.NoError(t, err)
		require.Equal(t, string(a), string(b), c.name)

		// A round trip through a workflow history does not change the result.
		digest, err := json.Marshal(c.order)
		require.NoError(t, err)
		var again inflow.SalesOrder
		require.NoError(t, json.Unmarshal(digest, &again))
		d, err := json.Marshal(first.Evaluate(t.Context(), &again, c.now, c.lookups))
		require.NoError(t, err)
		require.Equal(t, string(a), string(d), c.name)
	}
}

func TestSetIsSafeForConcurrentUse(t *testing.T) {
	set := shipped(t)["default+cabinetry"]
	entries := corpus(t)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i, c := range entries {
				if i%4 != worker {
					continue
				}
				once := set.Evaluate(t.Context(), c.order, c.now, c.lookups)
				assert.Equal(t, once, set.Evaluate(t.Context(), c.order, c.now, c.lookups), c.name)
			}
		})
	}
	group.Wait()
}

func TestHealthyOrdersHaveNoFindingAtAll(t *testing.T) {
	set := shipped(t)["default"]
	always := []string{
		"product-discount-cap",
		"category-discount-cap",
		"surcharge",
		"freight-minimum",
		"required-fields",
		"cancelled-with-payment",
	}
	for name, also := range map[string][]string{
		"order.json": nil,
		"fulfilled.json": {"below-cost", "scheme-price", "billing-address", "contact",
			"terms-rep-location", "inactive", "stock"},
	} {
		content, err := os.ReadFile(filepath.Join("../../rules/examples", name))
		require.NoError(t, err)
		order := rulestest.ParseOrder(t, string(content))
		checked := set.Evaluate(t.Context(), order, new(rules.Example).Time(order),
			ordercheck.Lookups{RecentOrders: &ordercheck.RecentOrders{}, Billed: checks.BilledOf(order)})
		assert.Empty(t, checked.RuleErrors)
		assert.Empty(t, checked.Findings, name)
		var skipped []string
		for _, s := range checked.Skipped {
			skipped = append(skipped, s.RuleID)
		}
		assert.ElementsMatch(t, slices.Concat(always, also), skipped, "all other rules were evaluated")
	}
}

var update = flag.Bool("update", false, "rewrite the golden reports")

// TestGoldenReports compares the reports of both rule sets with golden files. The orders are the
// samples of the InFlow stand-in.
func TestGoldenReports(t *testing.T) {
	samples, err := filepath.Glob("../dev/fakeinflow/samples/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(samples), 10)
	now := time.Date(2025, 5, 10, 12, 0, 0, 0, time.UTC)
	for name, set := range shipped(t) {
		if strings.Contains(name, "+") {
			continue
		}
		for _, sample := range samples {
			content, err := os.ReadFile(sample) //nolint:gosec // a file in the repository
			require.NoError(t, err)
			report := rules.Report(rulestest.ParseOrder(t, string(content)),
				set.Evaluate(t.Context(), rulestest.ParseOrder(t, string(content)), now, ordercheck.Lookups{}),
				now)
			report.RuleSet.Digest = "" // changes with every rule
			got, err := json.MarshalIndent(report, "", "  ")
			require.NoError(t, err)
			golden := filepath.Join("testdata", "golden", name, filepath.Base(sample))
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o750))
				require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(golden) //nolint:gosec // a file in the repository
			require.NoError(t, err, "run go test -update to write it")
			assert.Equal(
				t,
				string(want),
				string(got)+"\n",
				"%s: if you meant this change, run go test -update; raise engineRevision if no "+
					"rule file changed",
				golden,
			)
			if name == "default" && !strings.Contains(sample, "wrong") &&
				!strings.Contains(sample, "-no-") &&
				!strings.Contains(sample, "zero") {
				assert.Empty(t, report.Findings, sample)
			}
		}
	}
}

// FuzzEvaluate feeds arbitrary JSON to both rule sets.
func FuzzEvaluate(f *testing.F) {
	for _, c := range corpus(f) {
		text, err := json.Marshal(c.order)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add(
		[]byte(
			`{"lines":[{"quantity":{"uomQuantity":"9999999999999999999"},` +
				`"unitPrice":"9999999999999999999","subTotal":"-9999999999999999999"},{},{}],` +
				`"subTotal":"0.0000000000000000001"}`,
		),
	)
	set := shipped(f)["default+cabinetry"]
	lookups := ordercheck.Lookups{
		RecentOrders: &ordercheck.RecentOrders{
			Orders: []ordercheck.RecentOrder{{SalesOrderID: "x", PONumber: "PO-4711", Lines: 2}},
		},
		Billed: &ordercheck.Billed{},
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var order inflow.SalesOrder
		if json.Unmarshal(text, &order) != nil {
			return
		}
		checked := set.Evaluate(t.Context(), &order, rulestest.Noon, lookups)
		first, err := json.Marshal(checked)
		if err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(set.Evaluate(t.Context(), &order, rulestest.Noon, lookups))
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("two evaluations of the same order differ: %s, %s", first, second)
		}
		unevaluated := map[string]bool{}
		for _, e := range checked.RuleErrors {
			if strings.Contains(e.Error, "panic") {
				t.Fatalf("%s: %s", e.RuleID, e.Error)
			}
			unevaluated[e.RuleID] = true
		}
		for _, s := range checked.Skipped {
			unevaluated[s.RuleID] = true
		}
		ids := map[string]bool{}
		for _, finding := range checked.Findings {
			if unevaluated[finding.RuleID] {
				t.Fatalf("a finding of rule %s, which could not be evaluated", finding.RuleID)
			}
			if ids[finding.ID] {
				t.Fatalf("two findings have the id %s", finding.ID)
			}
			ids[finding.ID] = true
			if finding.Message == "" || strings.Contains(finding.Message, "could not be written") {
				t.Fatalf("finding %s says %q", finding.ID, finding.Message)
			}
		}
	})
}

// wide returns a picked order with n lines. Its amounts are right, except on every tenth line.
func wide(t testing.TB, n int) *inflow.SalesOrder {
	t.Helper()
	content, err := os.ReadFile("../../rules/examples/order.json")
	require.NoError(t, err)
	order := rulestest.ParseOrder(t, string(content))
	lines := order.Lines
	order.Lines = make([]inflow.SalesOrderLine, n)
	for i := range order.Lines {
		line := lines[i%len(lines)]
		product := *line.Product
		product.ProductID = fmt.Sprintf("d4100000-0000-4000-8000-%012d", i)
		product.Name = fmt.Sprintf("%s %d", product.Name, i)
		line.SalesOrderLineID = fmt.Sprintf("11e00000-0000-4000-8000-%012d", i)
		line.ProductID, line.Product = product.ProductID, &product
		if i%10 == 9 {
			line.SubTotal = inflow.Amount{}
		}
		order.Lines[i] = line
	}
	order.PickLines = make([]inflow.PickLine, n)
	for i := range order.PickLines {
		order.PickLines[i] = inflow.PickLine{
			ProductID: order.Lines[i].ProductID,
			Quantity:  order.Lines[i].Quantity,
		}
	}
	var c money.Calc
	var total money.Total
	for i := range order.Lines {
		total.Add(order.Lines[i].SubTotal.Decimal)
	}
	subTotal := c.SumOf(&total)
	order.SubTotal = inflow.NewAmount(subTotal)
	order.Tax1 = inflow.NewAmount(c.Percent(order.Tax1Rate.Decimal, subTotal))
	order.Total = inflow.NewAmount(c.Sum(subTotal, order.Tax1.Decimal, order.OrderFreight.Decimal))
	order.Balance = inflow.NewAmount(c.Sub(order.Total.Decimal, order.AmountPaid.Decimal))
	require.NoError(t, c.Err())
	return order
}

func BenchmarkEvaluate(b *testing.B) {
	sets := shipped(b)
	for _, name := range []string{"default", "cabinetry", "default+cabinetry"} {
		for _, lines := range []int{10, 100, 10_000} {
			b.Run(fmt.Sprintf("%s/lines=%d", name, lines), func(b *testing.B) {
				set, order := sets[name], wide(b, lines)
				lookups := ordercheck.Lookups{RecentOrders: &ordercheck.RecentOrders{}}
				b.ReportAllocs()
				for b.Loop() {
					if checked := set.Evaluate(b.Context(), order, rulestest.Noon, lookups); len(
						checked.RuleErrors,
					) > 0 {
						b.Fatal(checked.RuleErrors)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(lines*len(set.Rules())),
					"ns/rule/line")
			})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, file := range map[string]string{"default": defaultFile, "cabinetry": cabinetryFile} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rulefile.Load(b.Context(), file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
