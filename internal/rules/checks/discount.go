package checks

import (
	"fmt"
	"maps"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
)

// discountCap finds lines whose discount is above the cap of their product or category.
func discountCap(p *params) rules.Check {
	by := p.choice("by", "what caps are given for", "product", "category")
	inline := p.amounts("caps", "the caps in percent, by product name or SKU, or by category")
	key := p.column("keyColumn", map[string]string{"product": "Product", "category": "Category"}[by],
		"the table's column of products or categories")
	column := p.column("capColumn", "Cap", "the table's column of caps, in percent")
	records := p.table("table", "a table of caps, next to or instead of caps", key, column)
	caps := p.percentColumn(records, "table", key, column)
	maps.Copy(caps, inline)
	switch {
	case len(inline) > 0:
		p.unavailable = "" // a table is not needed then
	case p.values["table"] == "":
		p.unavailable = "neither caps nor a table of caps is given"
	}
	return func(e *rules.Evaluation) error {
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			if line.Product == nil || !discounted(line) {
				return nil
			}
			of, limit, found := capOf(caps, by, line.Product)
			if !found {
				return nil
			}
			var c money.Calc
			discount := discountPercent(&c, e.Order, line)
			if c.Err() != nil {
				return c.Err()
			}
			if discount.Cmp(limit) > 0 {
				e.OnLine(i, rules.Breach{
					Message: fmt.Sprintf("%s: the discount of %s %% is above the cap of %s %% for %s",
						e.LineName(i), money.Plain(c.Round(discount, 2)), money.Plain(limit), ordercel.Shorten(of)),
					Expected: money.Plain(limit),
					Actual:   money.Plain(c.Round(discount, 2)),
					Fix:      fmt.Sprintf("Lower the discount to %s %% or less", money.Plain(limit)),
				})
			}
			return nil
		})
	}
}

// capOf finds the cap of a product, and the name that the cap is given for.
func capOf(
	caps map[string]decimal.Decimal, by string, p *inflow.Product,
) (of string, limit decimal.Decimal, found bool) {
	names := []string{p.Name, p.SKU}
	if by == "category" {
		names = nil
		if p.Category != nil {
			names = []string{p.Category.Name}
		}
	}
	for _, name := range names {
		if key := fold.Key(name); key != "" {
			if limit, found := caps[key]; found {
				return name, limit, true
			}
		}
	}
	return "", decimal.Decimal{}, false
}

// discountPercent returns a line's discount in percent of its price. A fixed discount may be per
// unit or per line. The subtotal tells which. If it fits both or neither, the smaller one counts.
func discountPercent(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) decimal.Decimal {
	if line.Discount == nil {
		return decimal.Decimal{}
	}
	value := line.Discount.Value.Decimal
	if line.Discount.IsPercent {
		return value
	}
	gross := c.Mul(quantity(line), line.UnitPrice.Decimal).Abs()
	if gross.IsZero() {
		return decimal.Decimal{}
	}
	amounts := []decimal.Decimal{c.Mul(value, quantity(line).Abs()), value}
	var fits [2]bool
	for i, subTotal := range lineSubtotals(c, order, line) {
		fits[i%len(fits)] = fits[i%len(fits)] ||
			c.Near(line.SubTotal.Decimal, subTotal, decimal.MustParse(aCent))
	}
	off := amounts[0].Min(amounts[1])
	switch {
	case fits[0] && !fits[1]:
		off = amounts[0]
	case fits[1] && !fits[0]:
		off = amounts[1]
	}
	return c.Quo(c.Mul(off, money.Hundred), gross)
}

// orderDiscountCap finds orders whose discounts together are above a cap, without a remark that
// says why.
func orderDiscountCap(p *params) rules.Check {
	limit := p.percent("cap", "90", "the percentage that all discounts together may take off")
	return func(e *rules.Evaluation) error {
		if strings.TrimSpace(e.Order.OrderRemarks) != "" {
			return nil
		}
		var c money.Calc
		var full, net money.Total
		for i := range e.Order.Lines {
			line := &e.Order.Lines[i]
			gross := c.Mul(quantity(line), line.UnitPrice.Decimal)
			negative := line.SubTotal.Decimal.IsNeg() || gross.IsNeg()
			switch {
			case quantity(line).IsNeg(), negative && line.Product != nil && isService(line.Product):
				continue // a return; a deposit, coupon or credit
			case negative && line.Product == nil && line.ProductID != "":
				e.SkipLineWithoutProduct(i)
				continue
			case gross.IsPos():
				full.Add(gross)
			}
			shown, factor := asPriced(&c, e.Order, line)
			net.Add(c.Mul(shown, factor))
		}
		price, left := c.SumOf(&full), c.SumOf(&net)
		off := c.Sub(price, left)
		if c.Err() != nil || !price.IsPos() {
			return c.Err()
		}
		percent := c.Quo(c.Mul(off, money.Hundred), price)
		least := c.RoundUp(c.Sub(price, c.Percent(limit, price)), e.Order.Places())
		if c.Err() != nil {
			return c.Err()
		}
		if percent.Cmp(limit) > 0 {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf(
					"The discounts take %s %% off the prices of %s, more than %s %%, "+
						"and the order has no remark that says why",
					money.Plain(c.Round(percent, 2)),
					keyed(e, price),
					money.Plain(limit),
				),
				Expected: money.Text(least),
				Actual:   money.Text(left),
				Fix: fmt.Sprintf(
					"Lower the discounts until the lines make at least %s, "+
						"or write the reason into the remarks of the order",
					money.Text(least),
				),
			})
		}
		return nil
	}
}

// discountRemark finds orders with a large discount on a line and no remark that says why.
func discountRemark(p *params) rules.Check {
	above := p.percent("above", "50", "the percentage up to which a discount needs no remark")
	return func(e *rules.Evaluation) error {
		if strings.TrimSpace(e.Order.OrderRemarks) != "" {
			return nil
		}
		var at []int
		largest := decimal.Decimal{}
		err := e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			if quantity(line).IsNeg() {
				return nil
			}
			var c money.Calc
			percent := discountPercent(&c, e.Order, line)
			if c.Err() == nil && percent.Cmp(above) > 0 {
				at, largest = append(at, i), largest.Max(percent)
			}
			return c.Err()
		})
		if err != nil || len(at) == 0 {
			return err
		}
		var c money.Calc
		verb, have := "a discount", "has"
		if len(at) > 1 {
			verb, have = "discounts of up to", "have"
		} else {
			verb += " of"
		}
		e.OnOrder(rules.Breach{
			Message: fmt.Sprintf(
				"%s %s %s %s %%, and the order has no remark that says why; more than %s %% needs one",
				capital(rules.LinesText(at)), have, verb, money.Plain(c.Round(largest, 2)), money.Plain(above)),
			Fix: "Write the reason for the discount into the remarks of the order, or lower the discount",
		})
		return nil
	}
}
