package checks

import (
	"fmt"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
)

// orderTotal finds orders whose total is not subtotal + freight + taxes ± returns.
func orderTotal(p *params) rules.Check {
	tolerance := p.tolerance()
	return func(e *rules.Evaluation) error {
		var c money.Calc
		readings := orderTotals(&c, e.Order)
		actual := e.Order.Total.Decimal
		fits := c.NearAny(actual, readings, within(e, tolerance))
		if c.Err() != nil {
			return c.Err()
		}
		if !fits {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf("The order's total is %s, but %s is %s", money.Text(actual),
					totalFormula(e.Order), keyed(e, readings[0])),
				Expected: keyed(e, readings[0]),
				Actual:   money.Text(actual),
				Fix: "Check freight, taxes and return charges, and save the order again, " +
					"so that InFlow recalculates the total",
			})
		}
		return nil
	}
}

// orderTotals returns the totals that are right for an order, the likeliest first. Returned goods
// are lines with a negative subtotal, so the order's subtotal already includes them. InFlow charges
// returnFee and pays returnFreight back. If they are settled separately, the total does not include
// them.
func orderTotals(c *money.Calc, order *inflow.SalesOrder) []decimal.Decimal {
	goods := c.Sum(order.SubTotal.Decimal, order.OrderFreight.Decimal)
	taxed := c.Sum(goods, order.Tax1.Decimal, order.Tax2.Decimal)
	bases := []decimal.Decimal{taxed}
	if order.IsTaxInclusive {
		// If prices include tax, so does the subtotal, unless InFlow took the tax out.
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

// totalFormula returns the calculation of the likeliest total in words.
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

// balance finds orders whose balance is not total − paid.
func balance(p *params) rules.Check {
	tolerance := p.tolerance()
	return func(e *rules.Evaluation) error {
		var c money.Calc
		total, paid, actual := e.Order.Total.Decimal, e.Order.AmountPaid.Decimal, e.Order.Balance.Decimal
		expected := c.Sub(total, paid)
		readings := []decimal.Decimal{expected}
		if e.Order.IsQuote {
			// Nothing is owed on a quote.
			readings = append(readings, decimal.Decimal{})
		}
		fits := c.NearAny(actual, readings, within(e, tolerance))
		if c.Err() != nil {
			return c.Err()
		}
		if !fits {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf("The balance is %s, but total %s less %s paid is %s", money.Text(actual),
					money.Text(total), money.Text(paid), keyed(e, expected)),
				Expected: keyed(e, expected),
				Actual:   money.Text(actual),
				Fix: "Check the payments of the order, and save it again, " +
					"so that InFlow recalculates the balance",
			})
		}
		return nil
	}
}
