package backtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/backtest"
	"error-check-gate/internal/backtest/pastorders"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"
)

var update = flag.Bool("update", false, "write rules/examples/orders.jsonl")

// exportedAt is the time of export of the orders in these tests.
var exportedAt = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

// newOrder returns the order with that number. Its total is 100 times the number.
func newOrder(number int, change func(*inflow.SalesOrder)) *inflow.SalesOrder {
	order := &inflow.SalesOrder{
		SalesOrderID: fmt.Sprintf("0de40000-0000-4000-8000-%012d", number),
		OrderNumber:  fmt.Sprintf("SO-%d", number),
		Timestamp:    fmt.Sprintf("%016X", number),
		CustomerID:   "c", Customer: &inflow.Customer{CustomerID: "c", Name: "Oak & Sons"},
		OrderDate:    inflow.Time{Time: exportedAt.AddDate(0, 0, number-20)},
		OrderRemarks: "Agreed",
		Total:        inflow.NewAmount(decimal.MustNew(int64(number)*100, 0)),
		Lines:        []inflow.SalesOrderLine{},
	}
	if change != nil {
		change(order)
	}
	return order
}

// writeOrders writes a file of orders, and returns its path.
func writeOrders(t testing.TB, header orderfile.Header, orders ...*inflow.SalesOrder) string {
	t.Helper()
	header.MadeAt, header.Window.From = exportedAt, "2026-01-02"
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	w, err := orderfile.Create(path, header)
	require.NoError(t, err)
	slices.SortFunc(orders, orderfile.Compare)
	for _, order := range orders {
		require.NoError(t, w.Add(order, exportedAt))
	}
	require.NoError(t, w.Commit())
	return path
}

// whole returns the header of a complete export with everything that rules can need.
func whole() orderfile.Header {
	return orderfile.Header{Complete: true, TimeZone: "UTC", Asked: rules.Requirements}
}

func run(t testing.TB, path string, o backtest.Options) *backtest.Result {
	t.Helper()
	result, err := tryRun(t.Context(), path, o)
	require.NoError(t, err)
	return result
}

func tryRun(ctx context.Context, path string, o backtest.Options) (*backtest.Result, error) {
	file, err := orderfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return backtest.Run(ctx, file, o)
}

const inForce = `
version: 1
name: in-force
defaults: {severity: error}
rules:
- {id: large, scope: order, when: "order.total > dec(700)", message: "'above 700'"}
- {id: remark, scope: order, severity: warning, when: "blank(order.orderRemarks)", message: "'no remark'"}
- {id: gone, scope: order, when: "order.total > dec(900)", message: "'above 900'"}
- {id: quiet, scope: order, when: "order.total < dec(0)", message: "'below 0'"}
- {id: trial, scope: order, shadow: true, when: "order.total == dec(100)", message: "'100'"}
`

const toTry = `
version: 1
name: to-try
defaults: {severity: error}
rules:
- {id: added, scope: order, when: "order.isQuote", message: "'a quote'"}
- {id: large, scope: order, description: Too large., when: "order.total > dec(500)", message: "'above 500'"}
- {id: remark, scope: order, when: "blank(order.orderRemarks)", message: "'no remark'"}
- {id: quiet, scope: order, when: "order.total < dec(0)", message: "'below 0'"}
- {id: trial, scope: order, when: "order.total == dec(100)", message: "'100'"}
- {id: divides, scope: order, when: "dec(1) / order.orderFreight > dec(5)", message: "'little'"}
- {id: changed, builtin: changed-after-invoice}
- {id: off, scope: order, enabled: false, when: "true", message: "'x'"}
`

// sources returns the two sets of these tests.
func sources(t testing.TB) (now, proposed backtest.Source) {
	return backtest.Source{Set: rulestest.LoadText(t, inForce), From: "RULES_FILE: a.yaml"},
		backtest.Source{Set: rulestest.LoadText(t, toTry), From: "b.yaml"}
}

// tenOrders writes a file of ten orders with totals of 100 to 1,000.
func tenOrders(t testing.TB) string {
	var orders []*inflow.SalesOrder
	for number := 1; number <= 10; number++ {
		orders = append(orders, newOrder(number, func(o *inflow.SalesOrder) {
			o.OrderFreight = inflow.NewAmount(decimal.One)
			switch number {
			case 2:
				o.IsQuote = true
			case 3:
				o.OrderRemarks = ""
				o.SalesRepTeamMemberID = "rep"
			case 4:
				o.OrderFreight = inflow.Amount{}
			case 5:
				o.IsInvoiced = true
			}
		}))
	}
	return writeOrders(t, whole(), orders...)
}

func numbers(examples []backtest.Example) []string {
	list := []string{}
	for i := range examples {
		list = append(list, examples[i].Mark()+examples[i].OrderNumber)
	}
	return list
}

func TestWhatTheNewSetChanges(t *testing.T) {
	now, proposed := sources(t)
	result := run(t, tenOrders(t), backtest.Options{
		File: "orders.jsonl", Now: now, New: proposed,
		Notices: &backtest.Notices{
			Receivers: []string{"office@example.com"},
			Messages: func(hasSalesRep bool) (int, int) {
				if hasSalesRep {
					return 2, 1
				}
				return 1, 1
			},
		},
	})
	assert.Equal(t, 10, result.Orders.Count)
	assert.Equal(t, exportedAt, result.Orders.ExportedTo)
	assert.Equal(t, exportedAt.AddDate(0, 0, -19), result.Orders.From)
	assert.Equal(t, exportedAt.AddDate(0, 0, -10), result.Orders.To)
	assert.Equal(t, "in-force", result.Now.Name)
	assert.Equal(t, "b.yaml", result.New.Source)

	// Held now: 8, 9, 10. Held with the new set: 1 (no longer on trial), 2, 3, 6 and more.
	assert.Equal(t, backtest.Counts{
		Now: 3, New: 8, More: 5, NowPercent: 30, NewPercent: 80, MorePercent: 50,
	}, result.Held.Counts)
	assert.Equal(t, []string{"+SO-7", "+SO-6", "+SO-3", "+SO-2", "+SO-1"},
		numbers(result.Held.Examples))
	assert.Equal(t, "large", result.Held.Examples[0].RuleID)
	assert.Equal(t, backtest.Counts{New: 1, More: 1, NewPercent: 10, MorePercent: 10},
		result.Incomplete)
	assert.Equal(t, backtest.Messages{Now: 3, New: 9, More: 6}, result.Messages.Mails)
	assert.Equal(t, backtest.Messages{Now: 3, New: 8, More: 5}, result.Messages.Posts)

	type row struct {
		id                    string
		change                string
		now, new, more, fewer int
		examples              []string
	}
	var rows []row
	for i := range result.Rules {
		r := &result.Rules[i]
		rows = append(rows, row{
			r.RuleID, r.Change(), r.Orders.Now, r.Orders.New, r.Orders.More, r.Orders.Fewer,
			numbers(r.Examples),
		})
	}
	assert.Equal(t, []row{
		{"added", "new", 0, 1, 1, 0, []string{"+SO-2"}},
		{"large", "", 3, 5, 2, 0, []string{"+SO-7", "+SO-6"}},
		{"remark", "warning before", 1, 1, 0, 0, []string{" SO-3"}},
		{"quiet", "", 0, 0, 0, 0, []string{}},
		{"trial", "no longer on trial", 1, 1, 0, 0, []string{" SO-1"}},
		{"divides", "new", 0, 0, 0, 0, []string{}},
		{"changed", "new", 0, 0, 0, 0, []string{}},
		{"off", "new, off", 0, 0, 0, 0, []string{}},
		{"gone", "removed", 1, 0, 0, 1, []string{"-SO-10"}},
	}, rows)

	divides := result.Rules[5].New
	assert.Equal(t, 1, divides.NotEvaluated)
	assert.NotEmpty(t, divides.Error)
	changed := result.Rules[6].New
	assert.Equal(t, []backtest.Unknown{{Needs: "billed", Orders: 1}}, changed.Unknown)
	assert.Empty(t, result.Notes)
	assert.Equal(t, backtest.Example{
		SalesOrderID: "0de40000-0000-4000-8000-000000000002", OrderNumber: "SO-2",
		OrderDate: exportedAt.AddDate(0, 0, -18), Customer: "Oak & Sons", Message: "a quote",
		Findings: 1, New: true,
	}, withoutLine(result.Rules[0].Examples[0]))

	assert.False(t, result.Fail(50).Exceeded, "50 % is not above 50")
	assert.True(t, result.Fail(49.9).Exceeded)
}

// withoutLine returns an example with only the fields of its JSON.
func withoutLine(e backtest.Example) (out backtest.Example) {
	encoded, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(encoded, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

// TestIncompleteOrdersExceedTheLimitToo tries a rule that cannot be evaluated on any order. The
// limit must not let it pass.
func TestIncompleteOrdersExceedTheLimitToo(t *testing.T) {
	now := backtest.Source{Set: rulestest.LoadText(t, inForce)}
	proposed := backtest.Source{Set: rulestest.LoadText(t, `
version: 1
name: fails
rules:
- {id: divides, scope: order, severity: error, when: "dec(1) / order.returnFee > dec(5)", message: "'little'"}
`)}
	result := run(t, tenOrders(t), backtest.Options{Now: now, New: proposed})
	assert.Equal(t, 0, result.Held.More)
	assert.Equal(t, 10, result.Incomplete.More)
	assert.True(t, result.Fail(20).Exceeded)
	assert.Nil(t, result.Messages)
}

func TestOnlyTheNewestExamplesAreKept(t *testing.T) {
	var orders []*inflow.SalesOrder
	for number := range 40 {
		orders = append(orders, newOrder(number, func(o *inflow.SalesOrder) {
			o.IsQuote = true
			o.CustomerID = fmt.Sprintf("c%d", number%7)
			o.Customer.CustomerID = o.CustomerID
			if number == 39 {
				o.OrderDate = inflow.Time{} // unknown dates come last
			}
		}))
	}
	now, proposed := sources(t)
	result := run(t, writeOrders(t, whole(), orders...), backtest.Options{Now: now, New: proposed})
	assert.Equal(t, []string{"+SO-38", "+SO-37", "+SO-36", "+SO-35", "+SO-34"},
		numbers(result.Rules[0].Examples))
}

// TestCustomersOtherOrdersComeFromTheFile tries a rule that compares an order with others.
func TestCustomersOtherOrdersComeFromTheFile(t *testing.T) {
	samePO := func(o *inflow.SalesOrder) { o.PONumber = "PO-7" }
	other := func(o *inflow.SalesOrder) {
		samePO(o)
		o.CustomerID, o.Customer.CustomerID = "d", "d"
	}
	cancelled := func(o *inflow.SalesOrder) {
		samePO(o)
		o.IsCancelled = true
	}
	nobody := func(o *inflow.SalesOrder) {
		samePO(o)
		o.CustomerID, o.Customer = "", nil
	}
	path := writeOrders(t, whole(), newOrder(1, samePO), newOrder(2, samePO), newOrder(3, other),
		newOrder(4, cancelled), newOrder(5, nobody), newOrder(6, nobody))
	set := rulestest.LoadText(t, `
version: 1
name: repeated
rules:
- {id: repeated, builtin: repeated-po-number, severity: error, params: {overlap: 0}}
`)
	o := backtest.Options{Now: backtest.Source{Set: set}, New: backtest.Source{Set: set}}
	result := run(t, path, o)
	assert.Equal(t, 2, result.Held.New)
	rule := &result.Rules[0]
	assert.Equal(t, []string{" SO-2", " SO-1"}, numbers(rule.Examples))
	assert.Equal(t, 3, rule.New.Skipped, "the gate would not look up other orders for these either")
	assert.Empty(t, rule.New.Unknown)
	require.Len(t, result.Notes, 1)
	assert.Contains(t, result.Notes[0], "begins with the orders of 2026-01-02")
	assert.Contains(t, result.Notes[0], ": repeated.")
}

func TestNotesSayWhatTheFileLacks(t *testing.T) {
	header := orderfile.Header{Asked: []string{"lines"}, Unreadable: 3, TimeZone: "Mars/Olympus"}
	path := writeOrders(t, header, newOrder(1, func(o *inflow.SalesOrder) { o.Customer = nil }))
	set := rulestest.LoadText(t, `
version: 1
name: customer
rules:
- {id: inactive, scope: order, severity: error, when: "order.customer.isActive == false", message: "'x'"}
`)
	o := backtest.Options{Now: backtest.Source{Set: set}, New: backtest.Source{Set: set}}
	result := run(t, path, o)
	require.Len(t, result.Notes, 3)
	assert.Contains(t, result.Notes[0], `The time zone "Mars/Olympus" of the file is not known`)
	assert.Contains(t, result.Notes[1], "not complete")
	assert.Contains(t, result.Notes[2], "3 orders could not be read")
	assert.Equal(t, []backtest.Unknown{{Needs: "customer", Orders: 1}}, result.Rules[0].New.Unknown)
	assert.Equal(t, 1, result.Incomplete.New)
}

// TestDaysCountInTheZoneOfTheExport evaluates an order of 23:00 in Auckland. It was exported at
// 01:00 Auckland time, two days later.
func TestDaysCountInTheZoneOfTheExport(t *testing.T) {
	set := rulestest.LoadText(t, `
version: 1
name: day
rules:
- {id: yesterday, scope: order, severity: error, when: "daysBetween(order.orderDate, now) == 1", message: "'x'"}
`)
	o := backtest.Options{Now: backtest.Source{Set: set}, New: backtest.Source{Set: set}}
	for zone, held := range map[string]int{"UTC": 1, "Pacific/Auckland": 0} {
		header := whole()
		header.TimeZone = zone
		result := run(t, writeOrders(t, header, newOrder(1, func(o *inflow.SalesOrder) {
			o.OrderDate.Time = exportedAt.Add(-26 * time.Hour)
		})), o)
		assert.Equal(t, held, result.Held.New, zone)
	}
}

// TestResultDoesNotDependOnScheduling compares the results of different numbers of workers.
func TestResultDoesNotDependOnScheduling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	require.NoError(t, pastorders.Write(path, pastorders.Shape{
		Orders: 600, Lines: 2, PerCustomer: 150, WrongOneIn: 2, Seed: 7,
	}))
	cabinetry, err := rulefile.Load(t.Context(), "../../rules/cabinetry.yaml")
	require.NoError(t, err)
	o := backtest.Options{
		Now: backtest.Source{Set: rulefile.Default()}, New: backtest.Source{Set: cabinetry},
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first []byte
	for _, workers := range []int{1, 2, 7, 7, 7} {
		runtime.GOMAXPROCS(workers)
		result := run(t, path, o)
		assert.Equal(t, 600, result.Orders.Count)
		assert.Positive(t, result.Held.Now)
		encoded, err := json.Marshal(result)
		require.NoError(t, err)
		if first == nil {
			first = encoded
		}
		require.Equal(t, string(first), string(encoded), "%d workers", workers)
	}
}

// TestFirstFaultIsReported runs on a file with several broken lines, which different goroutines
// find.
func TestFirstFaultIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	require.NoError(t, pastorders.Write(path, pastorders.Shape{
		Orders: 200, Lines: 1, PerCustomer: 5, Seed: 7,
	}))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.SplitAfter(content, []byte("\n"))
	for _, line := range []int{60, 61, 90} {
		lines[line-1] = bytes.Replace(lines[line-1], []byte(`"total":"`), []byte(`"total":"Jane`), 1)
	}
	lines[120] = []byte("{}\n")
	require.NoError(t, os.WriteFile(path, bytes.Join(lines, nil), 0o600))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runtime.GOMAXPROCS(4)
	now, proposed := sources(t)
	for range 10 {
		_, err := tryRun(t.Context(), path, backtest.Options{Now: now, New: proposed})
		var fault *orderfile.Fault
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, 60, fault.Line)
		assert.NotContains(t, err.Error(), "Jane")
	}
}

func TestRunCanBeInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	require.NoError(t, pastorders.Write(path, pastorders.Shape{
		Orders: 500, Lines: 1, PerCustomer: 5, Seed: 7,
	}))
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	now, proposed := sources(t)
	_, err := tryRun(ctx, path, backtest.Options{
		Now: now, New: proposed,
		Progress: func(done, total int) {
			assert.LessOrEqual(t, done, total)
			if done > 50 {
				cancel(interrupted)
			}
		},
	})
	require.ErrorIs(t, err, interrupted)
}

// TestManyFindingsOfManyRules counts findings that a report lists without their rule.
func TestManyFindingsOfManyRules(t *testing.T) {
	var rulesText strings.Builder
	rulesText.WriteString("version: 1\nname: many\ndefaults: {severity: error}\nrules:\n")
	for i := range 60 {
		fmt.Fprintf(&rulesText, "- {id: r%d, scope: line, when: 'true', message: \"'x'\"}\n", i)
	}
	set := rulestest.LoadText(t, rulesText.String())
	path := writeOrders(t, whole(), newOrder(1, func(o *inflow.SalesOrder) {
		o.Lines = make([]inflow.SalesOrderLine, 600)
	}))
	o := backtest.Options{Now: backtest.Source{Set: set}, New: backtest.Source{Set: set}}
	result := run(t, path, o)
	assert.Equal(t, 1, result.Held.New)
	broken := 0
	for i := range result.Rules {
		broken += result.Rules[i].Orders.New
	}
	assert.Equal(t, ordercheck.OtherRules, result.Rules[len(result.Rules)-1].RuleID)
	assert.Equal(t, 51, broken, "50 rules by name, and the others together")
}

// TestDocsNameEveryKey checks the description of the JSON in docs/rules-reference.md.
func TestDocsNameEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/rules-reference.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Results of a trial\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || seen[of] {
			return
		}
		seen[of] = true
		for _, field := range reflect.VisibleFields(of) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.IsExported() && name != "" {
				assert.Contains(t, section, "`"+name+"`", "%v.%s", of, field.Name)
			}
			if field.IsExported() {
				visit(field.Type)
			}
		}
	}
	visit(reflect.TypeFor[backtest.Result]())
}

// TestSampleOrders checks that the orders of the docs' tutorial are those that pastorders
// generates.
func TestSampleOrders(t *testing.T) {
	const sample = "../../rules/examples/orders.jsonl"
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	if *update {
		path = sample
	}
	require.NoError(t, pastorders.Write(path, pastorders.Shape{
		Orders: 60, Lines: 2, PerCustomer: 4, WrongOneIn: 4, Seed: 4,
	}))
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	have, err := os.ReadFile(sample)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, have),
		"rules/examples/orders.jsonl is stale: run make rules-reference")
}

// BenchmarkRun evaluates 10,000 orders of 10 lines with one of the shipped sets, and with both.
func BenchmarkRun(b *testing.B) {
	path := filepath.Join(b.TempDir(), "orders.jsonl")
	shape := pastorders.Shape{Orders: 10_000, Lines: 10, PerCustomer: 20, WrongOneIn: 5, Seed: 7}
	require.NoError(b, pastorders.Write(path, shape))
	cabinetry, err := rulefile.Load(b.Context(), "../../rules/cabinetry.yaml")
	require.NoError(b, err)
	def := backtest.Source{Set: rulefile.Default()}
	for _, sets := range [][2]backtest.Source{{def, def}, {def, {Set: cabinetry}}} {
		o := backtest.Options{Now: sets[0], New: sets[1]}
		name := "one"
		if o.Now != o.New {
			name = "both"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				run(b, path, o)
			}
			b.ReportMetric(float64(b.N*shape.Orders)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}
