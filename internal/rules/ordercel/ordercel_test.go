package ordercel

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/cputime"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const orderText = `{
	"orderNumber": "SO-1", "paymentStatus": "paid", "customerId": "c", "customer": {"name": "Oak & Sons", "discount": "10"},
	"subTotal": "100.00", "orderFreight": null, "total": "12.50", "balance": "-3.456", "orderDate": "2026-02-01T10:00:00Z",
	"orderRemarks": " \t", "poNumber": " po-7 ", "customFields": {"custom4": "damaged"}, "email": "a@example.com",
	"lines": [
		{"salesOrderLineId": "l1", "productId": "p1", "product": {"name": "SW-TUK-01", "sku": "Z_9", "category": {"name": "Kits"}},
		 "quantity": {"uomQuantity": "2"}, "unitPrice": "10.5", "discount": {"value": "5.0", "isPercent": true}, "subTotal": "19.95"},
		{"salesOrderLineId": "l2", "quantity": {"standardQuantity": "-1"}, "unitPrice": "4", "subTotal": "-4"}
	],
	"paymentLines": [{"amount": "5", "paymentType": "Payment"}]
}`

func testOrder(t testing.TB) *Order {
	t.Helper()
	var order inflow.SalesOrder
	require.NoError(t, json.Unmarshal([]byte(orderText), &order))
	return NewOrder(&order)
}

// manyLines returns an order with n lines.
func manyLines(t testing.TB, n int) *Order {
	t.Helper()
	order := *testOrder(t).SalesOrder
	line := order.Lines[0]
	order.Lines = make([]inflow.SalesOrderLine, n)
	for i := range order.Lines {
		order.Lines[i] = line
		order.Lines[i].SalesOrderLineID = fmt.Sprintf("l%d", i)
	}
	return NewOrder(&order)
}

func testEnv(t testing.TB) *Env {
	t.Helper()
	env, err := NewEnv([]Table{{
		Name: "categories", Columns: []string{"Product", "Unit price"}, Keys: []string{"a"},
		Row: func(key string) ([]string, bool) { return []string{key, "12.50"}, key == "a" },
	}})
	require.NoError(t, err)
	env, err = env.WithParams([]Param{
		{"cap", decimal.MustParse("70")}, {"code", "TUK"}, {"strict", true},
		{"codes", []string{"A", "TUK"}}, {"steps", []decimal.Decimal{decimal.One, decimal.Ten}},
	})
	require.NoError(t, err)
	return env
}

func compile(t testing.TB, env *Env, text string, scope Scope, kind Kind) *Program {
	t.Helper()
	program, problems := env.Compile(text, scope, kind)
	require.Empty(t, problems, text)
	return program
}

func TestExpressions(t *testing.T) {
	env, order := testEnv(t), testOrder(t)
	for text, want := range map[string]bool{
		"order.total == dec('12.500')":                                                true,
		"order.total != dec(12)":                                                      true,
		"order.total + dec('0.1') * dec(3) - dec('0.3') == order.total":               true,
		"order.total / dec(8) == dec('1.5625')":                                       true,
		"-order.balance > dec(3)":                                                     true,
		"abs(order.balance) == dec('3.456')":                                          true,
		"dec('1.0') < dec('1.01') && dec('1') <= dec('1.00')":                         true,
		"round(order.balance, 2) == dec('-3.46') && round(dec('2.5'), 0) == dec(3)":   true,
		"roundUp(dec('2.001'), 2) == dec('2.01')":                                     true,
		"min(dec(1), dec(2)) == dec(1) && max(dec(1), dec(2)) == dec(2)":              true,
		"sum(order.lines.map(l, l.subTotal)) == dec('15.95')":                         true,
		"sum([]) == dec(0)":                                                           true,
		"percent(dec('2.9'), dec(1000)) == dec(29)":                                   true,
		"share(dec(1), dec(8)) == dec('12.5')":                                        true,
		"near(order.total, dec('12.51'), dec('0.01'))":                                true,
		"near(order.total, dec('12.5101'), dec('0.01'))":                              false,
		"string(dec('2.500')) == '2.5' && money(dec('2')) == '2.00'":                  true,
		"blank(order.orderRemarks) && !blank(order.poNumber)":                         true,
		"order.paymentStatus.is('PAID ') && !order.paymentStatus.is('owing')":         true,
		"order.poNumber.trim().upper() == 'PO-7' && 'ÄB'.lower() == 'äb'":             true,
		"line.product.hasCode('tuk') && !line.product.hasCode('TU')":                  true,
		"line.product.hasPrefix('Z_')":                                                true,
		"line.number == 1 && line.quantity == dec(2)":                                 true,
		"line.discount.value > dec(0) && line.discount.text == '5 %'":                 true,
		"order.lines[1].discount.value == dec(0) && !has(order.lines[1].discount)":    true,
		"order.lines[1].quantity == dec(-1)":                                          true,
		"!order.lines[1].product.hasCode('TUK') && !has(order.lines[1].product)":      true,
		"line.product.category.name == 'Kits'":                                        true,
		"order.orderFreight == dec(0) && !has(order.orderFreight)":                    true,
		"has(order.total) && has(order.customer) && !has(order.dueDate)":              true,
		"order.hasEmail && !order.hasPhone":                                           true,
		"order.customFields.custom4 == 'damaged' && order.customFields.custom1 == ''": true,
		"order.customer.discount < params.cap":                                        true,
		"params.strict && params.codes.exists(c, line.product.hasCode(c))":            true,
		"sum(params.steps) == dec(11)":                                                true,
		"now - order.orderDate > days(29) && daysBetween(order.orderDate, now) == 29": true,
		"now == timestamp('2026-03-02T12:00:00Z')":                                    true,
		"'a' in tables.categories && !('b' in tables.categories)":                     true,
		"dec(tables.categories['a'].`Unit price`) == order.total":                     true,
		"size(tables.categories) == 1 && tables.categories.all(k, k == 'a')":          true,
		"size(order.paymentLines) == 1 && order.pickLines.size() == 0":                true,
		"cel.bind(x, order.total, x * x == dec('156.25'))":                            true,
		"dec(line.number) == dec(1)":                                                  true,
		"order.lines.filter(l, l.quantity < dec(0)).exists_one(l, l.number == 2)":     true,
		"line.salesOrderLineId.matches('^l[0-9]$')":                                   true,
	} {
		program := compile(t, env, text, LineScope, Bool)
		got, err := NewEvaluation(order, noon).Bool(program, order.Line(0))
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
}

func TestTextsAndAmounts(t *testing.T) {
	env, order := testEnv(t), testOrder(t)
	evaluation := NewEvaluation(order, noon)
	for text, want := range map[string]string{
		"'Line ' + string(line.number) + ': ' + line.discount.text": "Line 1: 5 %",
		"order.total":         "12.50",
		"string(order.total)": "12.5",
	} {
		got, err := evaluation.Text(compile(t, env, text, LineScope, TextOrDecimal), order.Line(0),
			money.Text)
		require.NoError(t, err)
		assert.Equal(t, want, got, text)
	}
}

// faultyExpressions do not compile.
var faultyExpressions = []struct {
	text  string
	scope Scope
	want  []Problem
}{
	{"order.total > 5", OrderScope,
		[]Problem{{1, 15, "5", "a Decimal does not mix with an int: write dec(5)"}}},
	{"0.5 < order.total", OrderScope,
		[]Problem{{1, 1, "0.5", "a Decimal does not mix with a double: write dec('0.5')"}}},
	{"order.total == 0.01", OrderScope,
		[]Problem{{1, 16, "0.01", "a Decimal does not mix with a double: write dec('0.01')"}}},
	{"order.total * '2' > dec(1)", OrderScope,
		[]Problem{{1, 15, "'2'", "a Decimal does not mix with a string: write dec('2')"}}},
	{"order.total > line.number", LineScope,
		[]Problem{{1, 15, "line.number", "a Decimal does not mix with an int: write dec(line.number)"}}},
	{"order.total + 3 < order.balance * 0.5", OrderScope, []Problem{
		{1, 15, "3", "a Decimal does not mix with an int: write dec(3)"},
		{1, 35, "0.5", "a Decimal does not mix with a double: write dec('0.5')"},
	}},
	{"max(order.total, 5) > dec(1)", OrderScope,
		[]Problem{{1, 18, "5", "a Decimal does not mix with an int: write dec(5)"}}},
	{"(order.isQuote ? dec(1) : 2) > dec(1)", OrderScope,
		[]Problem{{1, 27, "2", "a Decimal does not mix with an int: write dec(2)"}}},
	{"order.total in [1, 2]", OrderScope,
		[]Problem{
			{1, 13, "in", "in does not take (Decimal, list(int)): write dec(…) " +
				"around each number of the list"}}},
	{"1.5 > 1.0", OrderScope, []Problem{
		{1, 1, "1.5", "amounts are decimals, never floats: write dec('1.5')"},
		{1, 7, "1.0", "amounts are decimals, never floats: write dec('1.0')"},
	}},
	{"double(1) > double(2)", OrderScope, []Problem{
		{1, 1, "double", "there are no floats here: amounts are decimals, write dec('0.01')"},
		{1, 13, "double", "there are no floats here: amounts are decimals, write dec('0.01')"},
	}},
	{"dec('12,50') > dec(1)", OrderScope,
		[]Problem{
			{1, 5, "'12,50'", `"12,50" is not a number: write digits with a point, such as 12.50`}}},
	{"line.discout.value > dec(0)", LineScope,
		[]Problem{{1, 6, "discout", "unknown field of Line, did you mean discount?"}}},
	{"order.lines.exists(l, l.quantty > dec(0))", OrderScope,
		[]Problem{{1, 25, "quantty", "unknown field of Line, did you mean quantity?"}}},
	{"order.customFields.custom11 == ''", OrderScope,
		[]Problem{{1, 20, "custom11", "unknown field of CustomFields, did you mean custom1?"}}},
	{"order.quite", OrderScope, []Problem{{1, 7, "quite", "unknown field of Order"}}},
	{"params.capp > dec(1)", OrderScope,
		[]Problem{{1, 8, "capp", "unknown field of Params, did you mean cap?"}}},
	{"'a' in tables.category", OrderScope,
		[]Problem{{1, 15, "category", "unknown field of Tables, did you mean categories?"}}},
	{"tables.categories['a'].Price == ''", OrderScope,
		[]Problem{{1, 24, "Price", "unknown field of Row of categories"}}},
	{"tables.categories['a'].Prodct == order.lines[0].discount.tex", OrderScope, []Problem{
		{1, 24, "Prodct", "unknown field of Row of categories, did you mean Product?"},
		{1, 58, "tex", "unknown field of Discount, did you mean text?"},
	}},
	{"line.number == 1", OrderScope,
		[]Problem{{1, 1, "line", "line is known only in a rule of scope line"}}},
	{"ordr.isQuote", OrderScope,
		[]Problem{
			{1, 1, "ordr", "unknown name, did you mean order?; there are now, order, params, tables, " +
				"and functions"}}},
	{"blnk(order.poNumber)", OrderScope,
		[]Problem{
			{1, 1, "blnk", "unknown name, did you mean blank?; there are now, order, params, tables, " +
				"and functions"}}},
	{"round(order.total, dec(2)) == dec(2)", OrderScope,
		[]Problem{
			{1, 1, "round",
				"round does not take (Decimal, Decimal): it is used as round(dec('2.345'), 2)"}}},
	{"'x' + 5 == ''", OrderScope,
		[]Problem{{1, 5, "+",
			"+ does not take (string, int): write string(…) around a value that is not a text"}}},
	{"order.total", OrderScope, []Problem{{1, 1, "order.total",
		"must result in true or false, but results in Decimal"}}},
	{"order.isQuote &&", OrderScope,
		[]Problem{{1, 17, "order.isQuote &&",
			"ends too early: something is missing, such as a closing bracket or quote"}}},
	{"order.isQuote\n  && order.isQuot", OrderScope,
		[]Problem{{2, 12, "isQuot", "unknown field of Order, did you mean isQuote?"}}},
	{"Order{} == Order{}", OrderScope, []Problem{
		{1, 6, "Order{}", "Order cannot be made in an expression"},
		{1, 17, "Order{}", "Order cannot be made in an expression"},
	}},
	{"order.poNumber.matches(order.orderNumber)", OrderScope,
		[]Problem{{1, 24, "order.orderNumber",
			"the pattern of matches() must be written out as a text"}}},
	{"line.product != null", LineScope,
		[]Problem{{1, 17, "null", "a value cannot be compared with null: write has(line.product)"}}},
	{" ", OrderScope, []Problem{{1, 1, "", "the expression is empty"}}},
}

func TestProblemsSayWhatWhereAndWhatToWrite(t *testing.T) {
	env := testEnv(t)
	for _, tt := range faultyExpressions {
		program, problems := env.Compile(tt.text, tt.scope, Bool)
		assert.Nil(t, program, tt.text)
		assert.Equal(t, tt.want, problems, tt.text)
	}

	_, problems := env.Compile("order.total", OrderScope, Text)
	assert.Equal(t, []Problem{{1, 1, "order.total",
		"must result in a text, but results in Decimal: write string(…) around it"}}, problems)
	_, problems = env.Compile("order.isQuote", OrderScope, TextOrDecimal)
	assert.Equal(t, []Problem{{1, 1, "order.isQuote",
		"must result in a text or a Decimal, but results in bool"}}, problems)
}

func TestRunErrors(t *testing.T) {
	env, order := testEnv(t), testOrder(t)
	for text, want := range map[string]string{
		"order.dueDate < now": "dueDate of Order is null, or Order itself is: test it with has() first",
		"order.lines[1].product.name == ''": "name of Product is null, or Product itself is: " +
			"test it with has() first",
		"order.taxingScheme.name == ''": "name of TaxingScheme is null, or TaxingScheme itself is: " +
			"test it with has() first",
		"order.total / order.orderFreight > dec(1)": "division by zero",
		"share(dec(1), dec(0)) > dec(1)":            "division by zero",
		"dec('9999999999999999999') + dec(1) > dec(1)": "an amount is beyond the 19 digits that can " +
			"be calculated with",
		"tables.categories['b'].Product == ''": "no such key: test it with in or has() first",
		"order.lines[7].number == 1":           "index out of bounds: 7",
		"dec(order.orderNumber) > dec(1)": "… is not a number: " +
			"write digits with a point, such as 12.50",
		"timestamp(order.orderNumber) < now": "",
		"round(order.total, 19) > dec(1)": "round to 19 decimals: " +
			"only 0 to 18 are possible",
		"now - now > days(100001)": "days(100001): at most 100000 are possible",
		"order.lines.all(l, order.total / (l.subTotal - l.subTotal) > dec(1))": "division by zero",
	} {
		program := compile(t, env, text, OrderScope, Bool)
		_, err := NewEvaluation(order, noon).Bool(program, nil)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
		assert.NotContains(t, err.Error(), "SO-1", "errors do not quote the order")
	}
}

func TestIncludesAreTheEntitiesThatTheExpressionReads(t *testing.T) {
	env := testEnv(t)
	for text, want := range map[string][]string{
		"order.total > dec(1)":                                    nil,
		"size(order.lines) > 0":                                   {"lines"},
		"line.product.hasCode('TUK')":                             {"lines.product"},
		"has(order.customer) && order.customer.discount > dec(1)": {"customer"},
		"order.lines.exists(l, l.product.category.name == 'x')": {"lines", "lines.product",
			"lines.product.category"},
		"order.taxingScheme.taxCodes.exists(c, c.name == 'x')": {"taxingScheme", "taxingScheme.taxCodes"},
		"cel.bind(p, line.product, p.cost > dec(1))":           {"lines.product", "lines.product.cost"},
	} {
		assert.Equal(t, want, compile(t, env, text, LineScope, Bool).Includes(), text)
	}
	assert.Equal(t, []string{"categories"},
		compile(t, env, "'a' in tables.categories", OrderScope, Bool).Tables())
}

// atMost is the maximum CPU time of a hostile expression. Without the race detector it takes 0.1 s.
const atMost = 5 * time.Second

func TestHostileExpressionsAreRefusedOrCutOff(t *testing.T) {
	env := testEnv(t)
	order := manyLines(t, 10_000)

	for name, text := range map[string]string{
		"too long":        "'" + strings.Repeat("x", MaxExpression) + "' == ''",
		"nested brackets": strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300),
		"nested loops": strings.Repeat("order.lines.exists(l, ", 80) + "true" +
			strings.Repeat(")", 80),
		"many parts": "true" + strings.Repeat(" && true", 500) +
			strings.Repeat(" || 1 == 1 + 1 + 1", 200),
		"huge number":  "dec('" + strings.Repeat("9", 1000) + "') > dec(1)",
		"huge int":     "9999999999999999999999 > 1",
		"huge pattern": "order.poNumber.matches('((((a{99}){99}){99}){99}){99}')",
	} {
		took := cputime.Of(func() {
			_, problems := env.Compile(text, OrderScope, Bool)
			assert.NotEmpty(t, problems, name)
		})
		assert.Less(t, took, atMost, name)
	}

	doubling := "cel.bind(a0, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', "
	const steps = 20
	for i := range steps {
		doubling += fmt.Sprintf("cel.bind(a%d, a%d + a%d, ", i+1, i, i)
	}
	doubling += fmt.Sprintf("a%d == ''", steps) + strings.Repeat(")", steps+1)
	for name, text := range map[string]string{
		"triple loop": "order.lines.exists(a, order.lines.exists(b, order.lines.exists(c, " +
			"a.subTotal + b.subTotal < c.subTotal - dec(5000))))",
		"lists of lists": "order.lines.map(a, order.lines.map(b, order.lines.map(c, [a.subTotal, " +
			"b.subTotal]))).size() > 3",
		"sum within": "order.lines.exists(a, sum(order.lines.map(b, b.subTotal)) == dec(1))",
		"texts within": "order.lines.exists(a, order.lines.exists(b, " +
			"a.product.name + b.product.name == 'x'))",
		"codes within":     "order.lines.exists(a, order.lines.exists(b, a.product.hasCode('ZZ')))",
		"doubling of text": doubling,
	} {
		program := compile(t, env, text, OrderScope, Bool)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var err error
		took := cputime.Of(func() { _, err = NewEvaluation(order, noon).Bool(program, nil) })
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrCost, name)
		assert.Less(t, took, atMost, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20),
			"%s: bytes allocated in total, which is never less than the bytes in use", name)
	}
}

func TestAllExpressionsShareOneBudget(t *testing.T) {
	env := testEnv(t)
	order := manyLines(t, 1000)
	program := compile(t, env, "order.lines.exists(a, order.lines.exists(b, a.subTotal > dec(5000)))",
		OrderScope, Bool)
	evaluation := NewEvaluation(order, noon)
	cutOff := 0
	for range 100 {
		_, err := evaluation.Bool(program, nil)
		if err == ErrBudget { //nolint:errorlint // never wrapped
			assert.Greater(t, cutOff, 1, "one costly expression does not use up the budget")
			return
		}
		require.ErrorIs(t, err, ErrCost)
		cutOff++
	}
	t.Fatal("the budget is never used up")
}

func TestOrdinaryExpressionsStayFarFromTheLimits(t *testing.T) {
	env := testEnv(t)
	order := manyLines(t, 10_000)
	evaluation := NewEvaluation(order, noon)
	before := evaluation.budget
	program := compile(
		t, env, "sum(order.lines.filter(l, !l.product.hasCode('Z_DISCOUNT')).map(l, "+
			"l.quantity * l.unitPrice)) > dec(1)", OrderScope, Bool)
	_, err := evaluation.Bool(program, nil)
	require.NoError(t, err)
	assert.Less(t, before-evaluation.budget, uint64(maxCost/2))
}

func TestEveryFunctionAndFieldIsDescribed(t *testing.T) {
	env := testEnv(t)
	for _, f := range Functions() {
		assert.NotEmpty(t, f.Doc, f.Name)
		assert.Contains(t, f.Use, f.Name)
		_, problems := env.Compile("["+f.Use+"] != []", LineScope, Bool)
		assert.Empty(t, problems, f.Use)
	}
	for _, object := range Types() {
		assert.NotEmpty(t, object.Fields, object.Name)
	}
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{
		"order.total > dec('0.01')", "order.lines.exists(l, l.product.hasCode('TUK'))", "order.total > 5",
		"((", "'\\x", "a.b.c(d)[0]{}", "cel.bind(x, 1, x + x) == 2", "`a` == ``",
	} {
		f.Add(text)
	}
	env := testEnv(f)
	order := testOrder(f)
	f.Fuzz(func(t *testing.T, text string) {
		program, problems := env.Compile(text, LineScope, Bool)
		if (program == nil) != (len(problems) > 0) {
			t.Fatalf("program %v with problems %v", program, problems)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Fatalf("problem without place or message: %+v", p)
			}
		}
		if program != nil {
			_, _ = NewEvaluation(order, noon).Bool(program, order.Line(0))
		}
	})
}

func BenchmarkLineExpression(b *testing.B) {
	env := testEnv(b)
	program := compile(b, env, "line.product.hasCode('TUK') && line.discount.value > dec(0)",
		LineScope, Bool)
	order := manyLines(b, 1)
	evaluation := NewEvaluation(order, noon)
	b.ReportAllocs()
	for b.Loop() {
		evaluation.budget = baseBudget
		if _, err := evaluation.Bool(program, order.Line(0)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	env := testEnv(b)
	b.ReportAllocs()
	for b.Loop() {
		compile(b, env, "line.product.hasCode('TUK') && line.discount.value > dec(0)", LineScope, Bool)
	}
}
