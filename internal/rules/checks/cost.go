package checks

import (
	"fmt"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
)

// belowCost finds lines that are sold for less than their goods cost.
func belowCost(p *params) rules.Check {
	margin := p.percent("margin", "0", "the percentage that the price must be above the cost")
	tolerance := p.tolerance()
	return func(e *rules.Evaluation) error {
		rate := e.Order.ExchangeRate.Decimal
		switch {
		case !e.Order.ExchangeRate.Valid && e.Order.CurrencyID == "":
			rate = decimal.One
		case !rate.IsPos():
			return rules.MissingData("costs are in the home currency, and the order has no exchange rate")
		}
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			pieces := standardQuantity(line.Quantity)
			if line.Product == nil || !pieces.IsPos() || !line.SubTotal.Decimal.IsPos() {
				return nil
			}
			if line.Product.Cost == nil || !line.Product.Cost.Cost.Decimal.IsPos() {
				if !isService(line.Product) {
					e.SkipLine(i, "the cost of the product is not known")
				}
				return nil
			}
			var c money.Calc
			cost := c.Mul(c.Mul(line.Product.Cost.Cost.Decimal, pieces), rate)
			least := c.Add(cost, c.Percent(margin, cost))
			net, factor := netSubtotal(&c, e.Order, line)
			tooLow := belowBy(&c, net, least, within(e, tolerance))
			expected := c.RoundUp(c.Mul(least, factor), e.Order.Places())
			missing := c.Sub(expected, line.SubTotal.Decimal)
			if c.Err() != nil {
				return c.Err()
			}
			if !tooLow {
				return nil
			}
			e.OnLine(i, rules.Breach{
				Message: fmt.Sprintf(
					"%s: %s %s sold for %s, %s less than %s",
					e.LineName(i),
					withUnit(quantity(line), line.Quantity.Uom),
					isOrAre(quantity(line)),
					money.Text(
						line.SubTotal.Decimal,
					),
					keyed(e, missing),
					costText(e, cost, margin, rate, expected),
				),
				Expected: money.Text(expected),
				Actual:   money.Text(line.SubTotal.Decimal),
				Fix: fmt.Sprintf(
					"Raise the price or lower the discount until the line is at least %s; "+
						"if it is a clearance, leave it",
					money.Text(expected),
				),
			})
			return nil
		})
	}
}

// costText returns the minimum price of a line and its calculation, as text.
func costText(e *rules.Evaluation, cost, margin, rate, expected decimal.Decimal) string {
	text := "the cost of " + keyed(e, cost)
	if !rate.IsOne() {
		text += fmt.Sprintf(" at the exchange rate %s", money.Plain(rate))
	}
	if !margin.IsZero() {
		text += fmt.Sprintf(" and a margin of %s %%", money.Plain(margin))
	}
	if e.Order.IsTaxInclusive {
		text += " and tax"
	}
	if keyed(e, cost) != money.Text(expected) {
		text += ", " + money.Text(expected)
	}
	return text
}
