package ordercel

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
)

func testOrder(n int) *inflow.SalesOrder {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"salesOrderLineId":"l%d","productId":"p%d","product":{"name":"SW-TUK-%d","sku":"x"},"quantity":{"uomQuantity":"2"},"unitPrice":"10.5","discount":{"value":"5","isPercent":true},"subTotal":"19.95"}`, i, i, i)
	}
	var o inflow.SalesOrder
	if err := json.Unmarshal([]byte(`{"orderNumber":"SO","subTotal":"19.95","total":"100","lines":[`+strings.Join(lines, ",")+`]}`), &o); err != nil {
		panic(err)
	}
	return &o
}

func TestScratch(t *testing.T) {
	e, err := NewEnv([]Table{{Name: "cat", Columns: []string{"Product", "My Cat"}, Row: func(k string) ([]string, bool) { return []string{k, "Base"}, k == "a" }}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []string{
		"order.total > 5", "order.total > 0.5", "order.total == 0.01 || order.subTotal + 3 < order.total * 'a'", "line.discout.value > dec(0)", "line.discount.valu > dec('abc')",
		"order.lines.exists(l, l.quantit > dec(0))", "foo(3)", "line.product.hasCode('TUK') && line.discount.value > dec(0)", "order.lines[0].number", "order.orderDate < now",
		"tables.cat['a'].`My Cat` == 'Base'", "tables.cat['b'].Product == 'Base'", "tables.dog['b']", "'b' in tables.cat", "'x' + 5 == ''", "sum(order.lines.map(l, l.subTotal)) > dec(3)",
		"sum([1,2]) > dec(2)", "order.total / dec(0) > dec(1)", "order.total > dec('1') ? true : ", "order.customer.name == 'x'", "has(order.customer)", "dyn(5) == 5", "Order{}", "order.total >", "order.lines.map(l, l.number).exists(n, n > 3)",
		"order.lines.exists(a, order.lines.exists(b, order.lines.exists(c, a.subTotal + b.subTotal < c.subTotal - dec(5000))))", "now > timestamp('x')", "order.total in [1,2]", "round(order.total, dec(2)) == dec(2)", "line.product == null", "cel.bind(x, order.total, x > dec(1))", "params.x > dec(1)", "order.customFields.custom11 == ''", "double(1) > 2.5", "order.poNumber.matches(order.orderRemarks)", "line.number > dec(1)", "line.number + 2 > 1",
	} {
		p, probs := e.Compile(x, LineScope, Bool)
		fmt.Println(">>", x)
		for _, pr := range probs {
			fmt.Printf("     %d:%d %q %s\n", pr.Line, pr.Column, pr.Text, pr.Message)
		}
		if p != nil {
			o := NewOrder(testOrder(3))
			if strings.Contains(x, "exists(c") {
				o = NewOrder(testOrder(10000))
			}
			ev := NewEvaluation(o, time.Now())
			b0 := ev.budget
			start := time.Now()
			ok, err := ev.Bool(p, o.Line(0))
			fmt.Println("    =", ok, err, "cost", b0-ev.budget, time.Since(start), p.includes)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	e, _ := NewEnv(nil)
	p, _ := e.Compile("line.product.hasCode('TUK') && line.discount.value > dec(0)", LineScope, Bool)
	o := NewOrder(testOrder(100))
	b.ReportAllocs()
	for b.Loop() {
		ev := NewEvaluation(o, time.Time{})
		for i := range o.Len() {
			_, _ = ev.Bool(p, o.Line(i))
		}
	}
	_ = money.Hundred
}

func BenchmarkCompile(b *testing.B) {
	e, _ := NewEnv(nil)
	b.ReportAllocs()
	for b.Loop() {
		e.Compile("line.product.hasCode('TUK') && line.discount.value > dec(0)", LineScope, Bool)
	}
}

func TestScratchCost(t *testing.T) {
	e, _ := NewEnv(nil)
	o := NewOrder(testOrder(10000))
	s := "cel.bind(a0, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxx', "
	for i := range 26 {
		s += fmt.Sprintf("cel.bind(a%d, a%d + a%d, ", i+1, i, i)
	}
	s += "a26 == ''" + strings.Repeat(")", 27)
	for _, x := range []string{
		"order.lines.exists(a, order.lines.exists(b, order.lines.exists(c, a.subTotal + b.subTotal < c.subTotal - dec(5000))))",
		"order.lines.map(a, order.lines.map(b, order.lines.map(c, [a.subTotal,b.subTotal]))).size() > 3",
		"order.lines.exists(a, order.lines.exists(b, a.product.name + b.product.name == 'x'))",
		"order.lines.exists(a, order.lines.exists(b, a.product.hasCode('Z')))",
		"order.lines.exists(a, sum(order.lines.map(b, b.subTotal)) == dec(1))",
		s,
		"order.lines.exists(a, a.subTotal > dec(100))",
	} {
		p, probs := e.Compile(x, OrderScope, Bool)
		fmt.Println(x[:30], probs)
		if p == nil {
			continue
		}
		ev := NewEvaluation(o, time.Now())
		b0 := ev.budget
		start := time.Now()
		ok, err := ev.Bool(p, nil)
		fmt.Println("    =", ok, err, "cost", b0-ev.budget, time.Since(start))
	}
}
