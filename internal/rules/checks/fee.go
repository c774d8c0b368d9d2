package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/productcode"
	"error-check-gate/internal/rules/table"
)

// feeByCategory finds fee lines that are not the sum of the fees for the categories of the goods.
func feeByCategory(p *params) rules.Check {
	f := &categoryFee{}
	f.code = p.requiredText("feeCode", "the code of the fee line, in name or SKU")
	keyColumn := p.column("productColumn", "Product", "the table's column of product names")
	f.categoryColumn = p.column("categoryColumn", "Category", "the table's column of categories")
	f.categories = p.table("table", "the table of product names and their categories",
		keyColumn, f.categoryColumn)
	p.missing("table")
	f.rates = p.amounts("rates", "the fee for one piece, by category; others cost nothing")
	p.missing("rates")
	f.prefix = p.pattern("namePrefix", `^[A-Za-z][A-Za-z0-9]*-`,
		"a regular expression for the part of a product's name to leave out when it is looked up")
	f.exempt = p.text("exemptPrefix", "Z_", "how the name or SKU of a line starts if it is not goods")
	f.tolerance = p.tolerance()
	return f.check
}

// categoryFee is a fee line whose amount depends on the categories of the goods.
type categoryFee struct {
	code           string
	categories     *table.Table
	categoryColumn string
	rates          map[string]decimal.Decimal // for one piece, by folded category
	prefix         *regexp.Regexp             // of product names, left out to look them up
	exempt         string                     // prefix of lines that are not goods
	tolerance      decimal.Decimal
}

func (f *categoryFee) isFee(line *inflow.SalesOrderLine) bool {
	return productcode.Has(line.Product, f.code)
}

func (f *categoryFee) check(e *rules.Evaluation) error {
	var withDiscount []string // numbers of fee lines
	fees := 0
	for i := range e.Order.Lines {
		if line := &e.Order.Lines[i]; f.isFee(line) {
			fees++
			if discounted(line) {
				withDiscount = append(withDiscount, fmt.Sprint(i+1))
			}
		}
	}
	var c money.Calc
	want, parts := f.expected(&c, e.Order)
	actual := linesSubtotal(&c, e.Order, f.isFee)
	fits := c.Near(actual, want, f.tolerance)
	if fees == 0 {
		return nil
	}
	if c.Err() != nil {
		return c.Err()
	}
	var wrong, fixes []string
	if !fits {
		wrong = append(wrong, fmt.Sprintf("%s is %s, but the goods make %s",
			f.code, money.Text(actual), money.Text(want)))
		fixes = append(fixes, fmt.Sprintf("Set %s to %s: %s", f.code, money.Text(want), listed(parts)))
	}
	if len(withDiscount) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s on line %s has a discount",
			f.code, strings.Join(withDiscount, ", ")))
		fixes = append(fixes, "Remove the discount of "+f.code)
	}
	if len(wrong) > 0 {
		e.OnOrder(rules.Breach{
			Message:  strings.Join(wrong, "; "),
			Expected: money.Text(want),
			Actual:   money.Text(actual),
			Fix:      strings.Join(fixes, "; "),
		})
	}
	return nil
}

// expected returns the fee for the goods, and the parts of the sum.
func (f *categoryFee) expected(
	c *money.Calc, order *inflow.SalesOrder,
) (fee decimal.Decimal, parts []string) {
	var total money.Total
	for i := range order.Lines {
		line := &order.Lines[i]
		if !quantity(line).IsPos() || productcode.HasPrefix(line.Product, f.exempt) {
			continue
		}
		category := f.categoryOf(line.Product)
		rate := f.rates[fold.Key(category)]
		if rate.IsZero() {
			continue
		}
		amount := c.Mul(quantity(line), rate)
		total.Add(amount)
		parts = append(parts, fmt.Sprintf("%s × %s (%s, %s) = %s", money.Plain(quantity(line)),
			money.Text(rate), ordercel.ProductName(line.Product), category, money.Text(amount)))
	}
	return c.SumOf(&total), parts
}

// categoryOf returns the category that the table gives a product, or an empty string.
func (f *categoryFee) categoryOf(p *inflow.Product) string {
	if p == nil || f.categories == nil {
		return ""
	}
	name := p.Name
	if at := f.prefix.FindStringIndex(name); at != nil && at[0] == 0 {
		name = name[at[1]:]
	}
	rows := f.categories.Rows(name)
	if len(rows) == 0 {
		return ""
	}
	return rows[len(rows)-1].Text(f.categoryColumn)
}

// listed joins the parts of a sum, and leaves some out if there are many.
func listed(parts []string) string {
	const most = 20
	if len(parts) == 0 {
		return "no part has a rate"
	}
	slices.Sort(parts) // the order of lines must not matter
	if len(parts) > most {
		return fmt.Sprintf("%s, and %d more", strings.Join(parts[:most], ", "), len(parts)-most)
	}
	return strings.Join(parts, ", ")
}
