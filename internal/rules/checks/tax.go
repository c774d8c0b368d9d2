package checks

import (
	"fmt"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
)

// taxAmounts finds taxes that do not match the tax rates.
func taxAmounts(p *params) rules.Check {
	tolerance := p.tolerance()
	rounding := p.rounding()
	return func(e *rules.Evaluation) error {
		if !ratesKnown(e.Order) {
			if e.Order.Tax1.Decimal.IsZero() && e.Order.Tax2.Decimal.IsZero() {
				return nil
			}
			return rules.MissingData("neither the order nor its lines say their tax rates")
		}
		var c money.Calc
		within := withinLines(e, &c, tolerance, rounding)
		unknown := false
		for i, tax := range []struct {
			name   string
			actual decimal.Decimal
		}{{"tax", e.Order.Tax1.Decimal}, {"second tax", e.Order.Tax2.Decimal}} {
			readings := taxReadings(&c, e.Order, i)
			fits := c.NearAny(tax.actual, readings, within)
			if c.Err() != nil {
				return c.Err()
			}
			switch {
			case !fits && freightRateUnknown(e.Order, i):
				unknown = true
			case !fits:
				e.OnOrder(rules.Breach{
					Discriminator: fmt.Sprintf("tax%d", i+1),
					Message: fmt.Sprintf("The %s is %s, but the rates make %s", tax.name, money.Text(tax.actual),
						keyed(e, readings[0])),
					Expected: keyed(e, readings[0]),
					Actual:   money.Text(tax.actual),
					Fix: "Check taxing scheme, tax codes and freight of the order, " +
						"and save it again, so that InFlow recalculates the taxes",
				})
			}
		}
		if unknown && !e.Broken() {
			return rules.MissingData("the freight is taxed, but the order does not say at what rate")
		}
		return nil
	}
}

// taxReadings returns the amounts that are right for tax 1 (which 0) or tax 2 (which 1) of an
// order, the likeliest first.
func taxReadings(c *money.Calc, order *inflow.SalesOrder, which int) []decimal.Decimal {
	one := decimal.One
	// part returns the tax in an amount, if inclusive is true, or on an amount.
	part := func(amount, rate1, rate2 decimal.Decimal, compound, inclusive bool) decimal.Decimal {
		base := amount
		if inclusive {
			divisor := c.Add(one, c.Add(rate1, rate2))
			if compound {
				divisor = c.Mul(c.Add(one, rate1), c.Add(one, rate2))
			}
			if divisor.IsZero() {
				return decimal.Decimal{}
			}
			base = c.Quo(amount, divisor)
		}
		first := c.Mul(base, rate1)
		if which == 0 {
			return first
		}
		if compound {
			base = c.Add(base, first)
		}
		return c.Mul(base, rate2)
	}
	reading := func(extra decimal.Decimal, compound, inclusive bool) decimal.Decimal {
		var total money.Total
		take := func(amount, rate1, rate2 decimal.Decimal) {
			total.Add(part(amount, rate1, rate2, compound, inclusive))
		}
		for i := range order.Lines {
			rate1, rate2 := taxRates(c, order, &order.Lines[i])
			take(order.Lines[i].SubTotal.Decimal, rate1, rate2)
		}
		rate1, rate2 := taxRates(c, order, &inflow.SalesOrderLine{})
		take(extra, rate1, rate2)
		// Freight bears only the taxes that apply to shipping, also within a tax-inclusive price.
		if !order.Tax1OnShipping {
			rate1 = decimal.Decimal{}
		}
		if !order.Tax2OnShipping {
			rate2 = decimal.Decimal{}
		}
		take(order.OrderFreight.Decimal, rate1, rate2)
		// A quotient may be slightly below half a cent, although the exact value rounds up.
		return c.Round(c.SumOf(&total), exactPlaces)
	}
	fee, freight := order.ReturnFee.Decimal, order.ReturnFreight.Decimal.Neg()
	extras := []decimal.Decimal{{}}
	if !fee.IsZero() || !freight.IsZero() {
		// Whether charges for returns are taxed is not documented.
		extras = append(extras, fee, freight, c.Add(fee, freight))
	}
	modes := []bool{false}
	if order.IsTaxInclusive {
		// Subtotals may or may not include the tax.
		modes = []bool{true, false}
	}
	var readings []decimal.Decimal
	for _, inclusive := range modes {
		for _, extra := range extras {
			readings = append(readings, reading(extra, order.CalculateTax2OnTax1, inclusive))
		}
	}
	return readings
}

// noTax finds orders without tax that have taxable lines and a customer without an exemption
// number.
func noTax(*params) rules.Check {
	return func(e *rules.Evaluation) error {
		o := e.Order
		scheme := o.TaxingScheme
		if !o.Tax1.Decimal.IsZero() || !o.Tax2.Decimal.IsZero() || scheme == nil || o.Customer == nil ||
			bool(o.Customer.TaxExemptNumber) {
			return nil
		}
		type rates [2]decimal.Decimal
		taxed := func(r rates) bool { return r[0].IsPos() || r[1].IsPos() }
		codes := make(map[string]rates, len(scheme.TaxCodes))
		for i := range scheme.TaxCodes {
			code := &scheme.TaxCodes[i]
			codes[code.TaxCodeID] = rates{code.Tax1Rate.Decimal, code.Tax2Rate.Decimal}
		}
		var c money.Calc
		var at []int
		var due1, due2 money.Total
		for i := range o.Lines {
			line := &o.Lines[i]
			rate := rates{line.Tax1Rate.Decimal, line.Tax2Rate.Decimal}
			ofCode, listed := codes[line.TaxCodeID]
			switch {
			case taxed(rate):
			case listed:
				rate = ofCode
			default: // the default code is not always listed; its rates are the order's
				rate = rates{o.Tax1Rate.Decimal, o.Tax2Rate.Decimal}
			}
			if taxed(rate) {
				due1.Add(c.Percent(rate[0], line.SubTotal.Decimal))
				due2.Add(c.Percent(rate[1], line.SubTotal.Decimal))
				at = append(at, i)
			}
		}
		// The taxes of an even exchange cancel out, and taxes on a few cents round to 0.
		allowed := withinLines(e, &c, decimal.MustParse(aCent), decimal.MustParse(halfACent))
		if c.SumOf(&due1).Max(c.SumOf(&due2)).Cmp(allowed) > 0 {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf(
					"The order has no tax although %s %s taxable, and the customer has no tax exemption number",
					rules.LinesText(at), isOrAre(fromInt(len(at)))),
				Fix: "Choose the tax codes that apply on the lines and save the order again, " +
					"or enter the customer's exemption number",
			})
		}
		return c.Err()
	}
}

// ratesKnown reports whether the order or one of its lines has a tax rate.
func ratesKnown(o *inflow.SalesOrder) bool {
	if o.Tax1Rate.Valid || o.Tax2Rate.Valid {
		return true
	}
	for i := range o.Lines {
		if o.Lines[i].Tax1Rate.Valid || o.Lines[i].Tax2Rate.Valid {
			return true
		}
	}
	return false
}

// freightRateUnknown reports whether freight bears tax 1 (which 0) or tax 2 (which 1) at a rate
// that only the lines have.
func freightRateUnknown(o *inflow.SalesOrder, which int) bool {
	if o.OrderFreight.Decimal.IsZero() {
		return false
	}
	if which == 0 {
		return o.Tax1OnShipping && !o.Tax1Rate.Valid
	}
	return o.Tax2OnShipping && !o.Tax2Rate.Valid
}

// taxRates returns the rates of a line as fractions. A line without a rate has the order's.
func taxRates(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) (rate1, rate2 decimal.Decimal) {
	rate := func(ofLine, ofOrder inflow.Amount) decimal.Decimal {
		if ofLine.Valid {
			return c.Quo(ofLine.Decimal, money.Hundred)
		}
		return c.Quo(ofOrder.Decimal, money.Hundred)
	}
	return rate(line.Tax1Rate, order.Tax1Rate), rate(line.Tax2Rate, order.Tax2Rate)
}

// taxDivisors returns the numbers that a price with tax is divided by to get the price without tax:
// for both taxes on the price, and for the second tax on top of the first.
func taxDivisors(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) []decimal.Decimal {
	rate1, rate2 := taxRates(c, order, line)
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

// taxWithin reports whether the subtotal of a line includes the tax that its price includes. factor
// is the amount with tax divided by the amount without tax.
func taxWithin(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) (withTax bool, factor decimal.Decimal) {
	if !order.IsTaxInclusive {
		return false, decimal.One
	}
	divisors := taxDivisors(c, order, line)
	if len(divisors) == 0 {
		return false, decimal.One
	}
	factor = divisors[0]
	if order.CalculateTax2OnTax1 {
		factor = divisors[len(divisors)-1]
	}
	readings := lineSubtotals(c, order, line)
	return c.NearAny(line.SubTotal.Decimal, readings[:len(readings)/(len(divisors)+1)],
		decimal.MustParse(aCent)), factor
}

// netSubtotal returns a line's subtotal without tax, and the factor by which to multiply such an
// amount to compare it with the subtotal as shown.
func netSubtotal(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) (net, factor decimal.Decimal) {
	shown := line.SubTotal.Decimal
	if withTax, factor := taxWithin(c, order, line); withTax {
		return c.Quo(shown, factor), factor
	}
	return shown, decimal.One
}

// asPriced returns a line's subtotal, and the factor by which to multiply it to compare it with the
// line's price: a subtotal without tax may stand next to a price with tax.
func asPriced(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) (shown, factor decimal.Decimal) {
	if withTax, factor := taxWithin(c, order, line); !withTax {
		return line.SubTotal.Decimal, factor
	}
	return line.SubTotal.Decimal, decimal.One
}
