package checks

import (
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/productcode"
)

// feeByCategory finds fee lines that are not the sum of the fees for the categories of the goods.
func feeByCategory(p *params) rules.Check {
	feeCode := p.requiredText("feeCode", "the code of the fee line, in name or SKU")
	keyColumn := p.column("productColumn", "Product", "the table's column of product names")
	categoryColumn := p.column("categoryColumn", "Category", "the table's column of categories")
	categories := p.table(
		"table",
		"the table of product names and their categories",
		keyColumn,
		categoryColumn,
	)
	p.missing("table")
	rates := p.amounts("rates", "the fee for one piece, by category; others cost nothing")
	p.missing("rates")
	prefix := p.pattern(
		"namePrefix",
		`^[A-Za-z][A-Za-z0-9]*-`,
		"what is left out of a product's name to look it up, a regular expression",
	)
	exempt := p.text("exemptPrefix", "Z_", "how name or SKU of lines start that are no goods")
	tolerance := p.tolerance()
	categoryOf := func(p *inflow.Product) string {
		if p == nil || categories == nil {
			return ""
		}
		name := p.Name
		if at := prefix.FindStringIndex(name); at != nil && at[0] == 0 {
			name = name[at[1]:]
		}
		rows := categories.Rows(name)
		if len(rows) == 0 {
			return ""
		}
		return rows[len(rows)-1].Text(categoryColumn)
	}
	return func(e *rules.Evaluation) error {
		var c money.Calc
		var expected money.Total
		var parts []string
		var withDiscount []string
		fees := 0
		for i := range e.Order.Lines {
			line := &e.Order.Lines[i]
			if productcode.Has(line.Product, feeCode) {
				fees++
				if discounted(line) {
					withDiscount = append(withDiscount, fmt.Sprint(i+1))
				}
			}
			if !quantity(line).IsPos() || productcode.HasPrefix(line.Product, exempt) {
				continue
			}
			category := categoryOf(line.Product)
			rate := rates[fold.Key(category)]
			if rate.IsZero() {
				continue
			}
			amount := c.Mul(quantity(line), rate)
			expected.Add(amount)
			parts = append(
				parts,
				fmt.Sprintf(
					"%s × %s (%s, %s) = %s",
					money.Plain(quantity(line)),
					money.Text(rate),
					ordercel.ProductName(line.Product),
					category,
					money.Text(amount),
				),
			)
		}
		if fees == 0 {
			return nil
		}
		want := c.SumOf(&expected)
		actual := linesSubtotal(
			&c,
			e.Order,
			func(l *inflow.SalesOrderLine) bool { return productcode.Has(l.Product, feeCode) },
		)
		fits := c.Near(actual, want, tolerance)
		if c.Err() != nil {
			return c.Err()
		}
		if fits && len(withDiscount) == 0 {
			return nil
		}
		var wrong, fixes []string
		if !fits {
			wrong = append(
				wrong,
				fmt.Sprintf("%s is %s, but the goods make %s", feeCode, money.Text(actual), money.Text(want)),
			)
			fixes = append(fixes, fmt.Sprintf("Set %s to %s: %s", feeCode, money.Text(want), listed(parts)))
		}
		if len(withDiscount) > 0 {
			wrong = append(
				wrong,
				fmt.Sprintf("%s on line %s has a discount", feeCode, strings.Join(withDiscount, ", ")),
			)
			fixes = append(fixes, "Remove the discount of "+feeCode)
		}
		e.OnOrder(rules.Breach{
			Message:  strings.Join(wrong, "; "),
			Expected: money.Text(want),
			Actual:   money.Text(actual),
			Fix:      strings.Join(fixes, "; "),
		})
		return nil
	}
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
