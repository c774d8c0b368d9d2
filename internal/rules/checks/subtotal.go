package checks

import (
	"fmt"
	"slices"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
)

// lineSubtotal finds lines whose subtotal is not quantity × price − discount.
func lineSubtotal(p *params) rules.Check {
	tolerance := p.tolerance()
	return func(e *rules.Evaluation) error {
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			var c money.Calc
			readings := lineSubtotals(&c, e.Order, line)
			subTotal := line.SubTotal.Decimal
			fits := c.NearAny(subTotal, readings, within(e, tolerance))
			if c.Err() != nil {
				return c.Err()
			}
			if fits {
				return nil
			}
			expected := keyed(e, readings[0])
			e.OnLine(i, rules.Breach{
				Message: fmt.Sprintf(
					"%s: the subtotal is %s, but %s × %s%s is %s",
					e.LineName(
						i,
					),
					money.Text(subTotal),
					money.Plain(quantity(line)),
					money.Text(line.UnitPrice.Decimal),
					lessDiscount(line.Discount),
					expected,
				),
				Expected: expected,
				Actual:   money.Text(subTotal),
				Fix: "Enter quantity, price or discount of the line again, " +
					"so that InFlow recalculates the subtotal",
			})
			return nil
		})
	}
}

// lineSubtotals returns the subtotals that are right for a line, the likeliest first.
func lineSubtotals(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) []decimal.Decimal {
	qty := quantity(line)
	gross := c.Mul(qty, line.UnitPrice.Decimal)
	readings := []decimal.Decimal{gross}
	if d := line.Discount; d != nil && !d.Value.Decimal.IsZero() {
		value := d.Value.Decimal
		if d.IsPercent {
			readings = []decimal.Decimal{c.Sub(gross, c.Percent(value, gross))}
		} else {
			// A fixed discount is per unit in InFlow's manual, per line in other programs.
			perLine := value
			if qty.IsNeg() {
				perLine = value.Neg()
			}
			readings = []decimal.Decimal{c.Sub(gross, c.Mul(value, qty)), c.Sub(gross, perLine)}
		}
	}
	if !order.IsTaxInclusive {
		return readings
	}
	// If prices include tax, the subtotal may or may not include it.
	all := slices.Clone(readings)
	for _, divisor := range taxDivisors(c, order, line) {
		for _, withTax := range readings {
			all = append(all, c.Quo(withTax, divisor))
		}
	}
	return all
}

// orderSubtotal finds orders whose subtotal is not the sum of their lines.
func orderSubtotal(p *params) rules.Check {
	tolerance, rounding := p.tolerance(), p.rounding()
	return func(e *rules.Evaluation) error {
		var c money.Calc
		expected, actual := linesSubtotal(&c, e.Order, nil), e.Order.SubTotal.Decimal
		readings := []decimal.Decimal{expected}
		if e.Order.IsTaxInclusive {
			// The lines may include the tax although the subtotal does not.
			readings = append(readings, c.Sum(expected, e.Order.Tax1.Decimal.Neg(),
				e.Order.Tax2.Decimal.Neg()))
		}
		fits := c.NearAny(actual, readings, withinLines(e, &c, tolerance, rounding))
		if c.Err() != nil {
			return c.Err()
		}
		if !fits {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf("The order's subtotal is %s, but its lines add up to %s",
					money.Text(actual), keyed(e, expected)),
				Expected: keyed(e, expected),
				Actual:   money.Text(actual),
				Fix: "Save the order again, so that InFlow recalculates the subtotal; if it stays, " +
					"look for a line that is missing or doubled",
			})
		}
		return nil
	}
}
