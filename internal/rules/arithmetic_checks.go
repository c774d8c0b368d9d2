package rules

import (
	"error-check-gate/internal/money"
	"fmt"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

type toleranceSettings struct{ Tolerance decimal.Decimal }

// lineSubtotal is general check 1: quantity × price − discount ≠ subTotal.
func lineSubtotal(tolerance decimal.Decimal) rule {
	return rule{
		Description: Description{
			ID: "line-subtotal", Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeLine,
			Description: "A line's subtotal is not its quantity × price less its discount.",
		},
		requires: []string{includeLines, includeLinesProduct},
		settings: toleranceSettings{tolerance},
		check: func(e *evaluation) error {
			return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
				var c money.Calc
				readings := lineSubtotals(&c, e.order, line)
				subTotal := line.SubTotal.Decimal
				fits := c.NearAny(subTotal, readings, tolerance)
				if c.Err() != nil {
					return c.Err()
				}
				if fits {
					return nil
				}
				expected := money.Cents(readings[0])
				e.onLine(i, breach{
					message: fmt.Sprintf("%s: the subtotal is %s, but %s × %s%s is %s",
						e.lineName(i), money.Text(subTotal), money.Plain(quantity(line)), money.Text(line.UnitPrice.Decimal), lessDiscount(line.Discount), expected),
					expected: expected,
					actual:   money.Text(subTotal),
					fix:      "Enter quantity, price or discount of the line again, so that the subtotal is calculated anew",
				})
				return nil
			})
		},
	}
}

// lineSubtotals lists the subtotals that a line may rightly have, the likeliest first.
func lineSubtotals(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) []decimal.Decimal {
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
	// A tax-inclusive price may be met by a subtotal with the tax or without it.
	for _, divisor := range taxDivisors(c, order, line) {
		for _, withTax := range readings[:len(readings):len(readings)] {
			readings = append(readings, c.Quo(withTax, divisor))
		}
	}
	return readings
}

// taxDivisors are what a price with tax is divided by to get the one without: both
// taxes on the price, or the second on top of the first.
func taxDivisors(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) []decimal.Decimal {
	rate := func(ofLine, ofOrder inflow.Amount) decimal.Decimal {
		if ofLine.Valid {
			return c.Quo(ofLine.Decimal, money.Hundred)
		}
		return c.Quo(ofOrder.Decimal, money.Hundred)
	}
	rate1, rate2 := rate(line.Tax1Rate, order.Tax1Rate), rate(line.Tax2Rate, order.Tax2Rate)
	one := decimal.One
	var divisors []decimal.Decimal
	for _, divisor := range []decimal.Decimal{
		c.Add(one, c.Add(rate1, rate2)),
		c.Mul(c.Add(one, rate1), c.Add(one, rate2)),
	} {
		if divisor.IsPos() && !divisor.IsOne() {
			divisors = append(divisors, divisor)
		}
	}
	return divisors
}

func lessDiscount(d *inflow.PercentOrFixed) string {
	switch {
	case d == nil || d.Value.Decimal.IsZero():
		return ""
	case d.IsPercent:
		return fmt.Sprintf(" less %s %%", money.Plain(d.Value.Decimal))
	default:
		return fmt.Sprintf(" less a discount of %s", money.Text(d.Value.Decimal))
	}
}

// orderSubtotal is general check 2: Σ line subTotals ≠ order subTotal.
func orderSubtotal(tolerance decimal.Decimal) rule {
	return rule{
		Description: Description{
			ID: "order-subtotal", Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeOrder,
			Description: "The order's subtotal is not the sum of its lines.",
		},
		requires: []string{includeLines},
		settings: toleranceSettings{tolerance},
		check: func(e *evaluation) error {
			var c money.Calc
			subTotals := make([]decimal.Decimal, len(e.order.Lines))
			for i := range e.order.Lines {
				subTotals[i] = e.order.Lines[i].SubTotal.Decimal
			}
			expected, actual := c.Sum(subTotals...), e.order.SubTotal.Decimal
			readings := []decimal.Decimal{expected}
			if e.order.IsTaxInclusive {
				// The lines may be with tax where the subtotal is without.
				readings = append(readings, c.Sum(expected, e.order.Tax1.Decimal.Neg(), e.order.Tax2.Decimal.Neg()))
			}
			fits := c.NearAny(actual, readings, tolerance)
			if c.Err() != nil {
				return c.Err()
			}
			if !fits {
				e.onOrder(breach{
					message:  fmt.Sprintf("The order's subtotal is %s, but its lines add up to %s", money.Text(actual), money.Cents(expected)),
					expected: money.Cents(expected),
					actual:   money.Text(actual),
					fix:      "Save the order again in InFlow, so that the subtotal is calculated anew; if it stays, look for a line that is missing or doubled",
				})
			}
			return nil
		},
	}
}

// orderTotal is general check 3: subTotal + freight + taxes ± returns ≠ total.
func orderTotal(tolerance decimal.Decimal) rule {
	return rule{
		Description: Description{
			ID: "order-total", Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeOrder,
			Description: "The order's total is not its subtotal with freight, taxes and return charges.",
		},
		settings: toleranceSettings{tolerance},
		check: func(e *evaluation) error {
			var c money.Calc
			readings := orderTotals(&c, e.order)
			actual := e.order.Total.Decimal
			fits := c.NearAny(actual, readings, tolerance)
			if c.Err() != nil {
				return c.Err()
			}
			if !fits {
				e.onOrder(breach{
					message:  fmt.Sprintf("The order's total is %s, but %s is %s", money.Text(actual), totalFormula(e.order), money.Cents(readings[0])),
					expected: money.Cents(readings[0]),
					actual:   money.Text(actual),
					fix:      "Check freight, taxes and return charges, and save the order again in InFlow, so that the total is calculated anew",
				})
			}
			return nil
		},
	}
}

// orderTotals lists the totals that an order may rightly have, the likeliest first.
// Returned goods are lines with a negative subtotal, so they are in subTotal already.
// InFlow charges returnFee and gives returnFreight back; where they are settled
// apart they are not in the total.
func orderTotals(c *money.Calc, order *inflow.SalesOrder) []decimal.Decimal {
	goods := c.Sum(order.SubTotal.Decimal, order.OrderFreight.Decimal)
	taxed := c.Sum(goods, order.Tax1.Decimal, order.Tax2.Decimal)
	bases := []decimal.Decimal{taxed}
	if order.IsTaxInclusive {
		// Prices with tax have it in the subtotal already, unless InFlow took it out there.
		bases = []decimal.Decimal{goods, taxed}
		for _, tax := range []decimal.Decimal{order.Tax1.Decimal, order.Tax2.Decimal} {
			bases = append(bases, c.Add(goods, tax))
		}
	}
	fee, freight := order.ReturnFee.Decimal, order.ReturnFreight.Decimal.Neg()
	var readings []decimal.Decimal
	for _, returns := range []decimal.Decimal{c.Add(fee, freight), {}, fee, freight} {
		for _, base := range bases {
			readings = append(readings, c.Add(base, returns))
		}
	}
	return readings
}

// totalFormula says in words how the likeliest total was calculated.
func totalFormula(order *inflow.SalesOrder) string {
	text := "subtotal " + money.Text(order.SubTotal.Decimal)
	term := func(sign, name string, amount inflow.Amount) {
		if !amount.Decimal.IsZero() {
			text += fmt.Sprintf(" %s %s %s", sign, name, money.Text(amount.Decimal))
		}
	}
	term("+", "freight", order.OrderFreight)
	if !order.IsTaxInclusive {
		term("+", "tax", order.Tax1)
		term("+", "second tax", order.Tax2)
	}
	term("+", "return fee", order.ReturnFee)
	term("−", "return freight", order.ReturnFreight)
	return text
}

// balance is general check 7: total − paid ≠ balance.
func balance(tolerance decimal.Decimal) rule {
	return rule{
		Description: Description{
			ID: "balance", Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeOrder,
			Description: "The order's balance is not its total less what was paid.",
		},
		settings: toleranceSettings{tolerance},
		check: func(e *evaluation) error {
			var c money.Calc
			total, paid, actual := e.order.Total.Decimal, e.order.AmountPaid.Decimal, e.order.Balance.Decimal
			expected := c.Sub(total, paid)
			readings := []decimal.Decimal{expected}
			if e.order.IsQuote {
				// Nothing is owed on a quote.
				readings = append(readings, decimal.Decimal{})
			}
			fits := c.NearAny(actual, readings, tolerance)
			if c.Err() != nil {
				return c.Err()
			}
			if !fits {
				e.onOrder(breach{
					message:  fmt.Sprintf("The balance is %s, but total %s less %s paid is %s", money.Text(actual), money.Text(total), money.Text(paid), money.Cents(expected)),
					expected: money.Cents(expected),
					actual:   money.Text(actual),
					fix:      "Check the payments of the order, and save it again in InFlow, so that the balance is calculated anew",
				})
			}
			return nil
		},
	}
}
