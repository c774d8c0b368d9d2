package rules

import (
	"fmt"
	"slices"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
)

const (
	settingTolerance     = "tolerance"
	toleranceDescription = "how far two amounts may be apart and still agree, inclusive"
	aCent                = "0.01"
	halfACent            = "0.005"
	exactPlaces          = 8 // what a sum of quotients is right to
)

func (s *settings) rounding() decimal.Decimal {
	return s.amount("rounding", halfACent, "what rounding each line may add to the tolerance")
}

func (s *settings) tolerance() decimal.Decimal {
	return s.amount(settingTolerance, aCent, toleranceDescription)
}

// within is a tolerance for amounts of the order's currency: at least one unit of a
// currency without cents.
func (e *evaluation) within(tolerance decimal.Decimal) decimal.Decimal {
	return tolerance.Max(e.wholeUnits(1))
}

// withinLines is within with an allowance for lines that were rounded one by one.
func (e *evaluation) withinLines(c *money.Calc, tolerance, rounding decimal.Decimal) decimal.Decimal {
	half := c.Quo(e.wholeUnits(1), decimal.Two)
	return c.Add(e.within(tolerance), c.Mul(rounding.Max(half), count(len(e.order.Lines))))
}

// wholeUnits is n of the smallest amounts of a currency that has less than two decimal
// places; 0 for any other.
func (e *evaluation) wholeUnits(n int64) decimal.Decimal {
	const cents = 2
	places := e.order.Places()
	if places >= cents {
		return decimal.Decimal{}
	}
	return decimal.MustNew(n, places)
}

// keyed writes an amount as people key it in: rounded to what the order's currency has.
func (e *evaluation) keyed(d decimal.Decimal) string {
	var c money.Calc
	if rounded := c.Round(d, e.order.Places()); c.Err() == nil {
		d = rounded
	}
	return money.Text(d)
}

// lineSubtotal: quantity × price − discount ≠ subTotal.
func lineSubtotal(s *settings) check {
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			var c money.Calc
			readings := lineSubtotals(&c, e.order, line)
			subTotal := line.SubTotal.Decimal
			fits := c.NearAny(subTotal, readings, e.within(tolerance))
			if c.Err() != nil {
				return c.Err()
			}
			if fits {
				return nil
			}
			expected := e.keyed(readings[0])
			e.onLine(i, breach{
				message: fmt.Sprintf("%s: the subtotal is %s, but %s × %s%s is %s",
					e.lineName(i), money.Text(subTotal), money.Plain(quantity(line)), money.Text(line.UnitPrice.Decimal), lessDiscount(line.Discount), expected),
				expected: expected,
				actual:   money.Text(subTotal),
				fix:      "Enter quantity, price or discount of the line again, so that the subtotal is calculated anew",
			})
			return nil
		})
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
	all := slices.Clone(readings)
	for _, divisor := range taxDivisors(c, order, line) {
		for _, withTax := range readings {
			all = append(all, c.Quo(withTax, divisor))
		}
	}
	return all
}

// taxRates are the rates of a line, as fractions: its own, or else the order's.
func taxRates(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) (rate1, rate2 decimal.Decimal) {
	rate := func(ofLine, ofOrder inflow.Amount) decimal.Decimal {
		if ofLine.Valid {
			return c.Quo(ofLine.Decimal, money.Hundred)
		}
		return c.Quo(ofOrder.Decimal, money.Hundred)
	}
	return rate(line.Tax1Rate, order.Tax1Rate), rate(line.Tax2Rate, order.Tax2Rate)
}

// taxDivisors are what a price with tax is divided by to get the one without: both
// taxes on the price, or the second on top of the first.
func taxDivisors(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) []decimal.Decimal {
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

// orderSubtotal: Σ line subTotals ≠ order subTotal.
func orderSubtotal(s *settings) check {
	tolerance, rounding := s.tolerance(), s.rounding()
	return func(e *evaluation) error {
		var c money.Calc
		expected, actual := linesSubtotal(&c, e.order, nil), e.order.SubTotal.Decimal
		readings := []decimal.Decimal{expected}
		if e.order.IsTaxInclusive {
			// The lines may be with tax where the subtotal is without.
			readings = append(readings, c.Sum(expected, e.order.Tax1.Decimal.Neg(), e.order.Tax2.Decimal.Neg()))
		}
		fits := c.NearAny(actual, readings, e.withinLines(&c, tolerance, rounding))
		if c.Err() != nil {
			return c.Err()
		}
		if !fits {
			e.onOrder(breach{
				message:  fmt.Sprintf("The order's subtotal is %s, but its lines add up to %s", money.Text(actual), e.keyed(expected)),
				expected: e.keyed(expected),
				actual:   money.Text(actual),
				fix:      "Save the order again in InFlow, so that the subtotal is calculated anew; if it stays, look for a line that is missing or doubled",
			})
		}
		return nil
	}
}

// linesSubtotal sums the subtotals of the lines that are counted; nil counts all.
func linesSubtotal(c *money.Calc, order *inflow.SalesOrder, counted func(*inflow.SalesOrderLine) bool) decimal.Decimal {
	var total money.Total
	for i := range order.Lines {
		if line := &order.Lines[i]; counted == nil || counted(line) {
			total.Add(line.SubTotal.Decimal)
		}
	}
	return c.SumOf(&total)
}

// orderTotal: subTotal + freight + taxes ± returns ≠ total.
func orderTotal(s *settings) check {
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		var c money.Calc
		readings := orderTotals(&c, e.order)
		actual := e.order.Total.Decimal
		fits := c.NearAny(actual, readings, e.within(tolerance))
		if c.Err() != nil {
			return c.Err()
		}
		if !fits {
			e.onOrder(breach{
				message:  fmt.Sprintf("The order's total is %s, but %s is %s", money.Text(actual), totalFormula(e.order), e.keyed(readings[0])),
				expected: e.keyed(readings[0]),
				actual:   money.Text(actual),
				fix:      "Check freight, taxes and return charges, and save the order again in InFlow, so that the total is calculated anew",
			})
		}
		return nil
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

// balance: total − paid ≠ balance.
func balance(s *settings) check {
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		var c money.Calc
		total, paid, actual := e.order.Total.Decimal, e.order.AmountPaid.Decimal, e.order.Balance.Decimal
		expected := c.Sub(total, paid)
		readings := []decimal.Decimal{expected}
		if e.order.IsQuote {
			// Nothing is owed on a quote.
			readings = append(readings, decimal.Decimal{})
		}
		fits := c.NearAny(actual, readings, e.within(tolerance))
		if c.Err() != nil {
			return c.Err()
		}
		if !fits {
			e.onOrder(breach{
				message:  fmt.Sprintf("The balance is %s, but total %s less %s paid is %s", money.Text(actual), money.Text(total), money.Text(paid), e.keyed(expected)),
				expected: e.keyed(expected),
				actual:   money.Text(actual),
				fix:      "Check the payments of the order, and save it again in InFlow, so that the balance is calculated anew",
			})
		}
		return nil
	}
}

// taxAmounts: tax1, tax2 ≠ rates applied.
func taxAmounts(s *settings) check {
	tolerance := s.tolerance()
	rounding := s.rounding()
	return func(e *evaluation) error {
		if !ratesKnown(e.order) {
			if e.order.Tax1.Decimal.IsZero() && e.order.Tax2.Decimal.IsZero() {
				return nil
			}
			return skip("neither the order nor its lines say their tax rates")
		}
		var c money.Calc
		within := e.withinLines(&c, tolerance, rounding)
		unknown := false
		for i, tax := range []struct {
			name   string
			actual decimal.Decimal
		}{{"tax", e.order.Tax1.Decimal}, {"second tax", e.order.Tax2.Decimal}} {
			readings := taxReadings(&c, e.order, i)
			fits := c.NearAny(tax.actual, readings, within)
			if c.Err() != nil {
				return c.Err()
			}
			switch {
			case !fits && freightRateUnknown(e.order, i):
				unknown = true
			case !fits:
				e.onOrder(breach{
					discriminator: fmt.Sprintf("tax%d", i+1),
					message:       fmt.Sprintf("The %s is %s, but the rates make %s", tax.name, money.Text(tax.actual), e.keyed(readings[0])),
					expected:      e.keyed(readings[0]),
					actual:        money.Text(tax.actual),
					fix:           "Check taxing scheme, tax codes and freight of the order, and save it again in InFlow, so that the taxes are calculated anew",
				})
			}
		}
		if unknown && len(e.findings) == 0 {
			return skip("the freight is taxed, but the order does not say at what rate")
		}
		return nil
	}
}

// noTax: no tax on taxable lines, for a customer without an exemption number.
func noTax(*settings) check {
	return func(e *evaluation) error {
		o := e.order
		scheme := o.TaxingScheme
		if !o.Tax1.Decimal.IsZero() || !o.Tax2.Decimal.IsZero() || scheme == nil || o.Customer == nil || bool(o.Customer.TaxExemptNumber) {
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
		// The taxes of an even exchange cancel out, and those of a few cents round to 0.
		allowed := e.withinLines(&c, decimal.MustParse(aCent), decimal.MustParse(halfACent))
		if c.SumOf(&due1).Max(c.SumOf(&due2)).Cmp(allowed) > 0 {
			e.onOrder(breach{
				message: fmt.Sprintf("The order has no tax although %s %s taxable, and the customer has no tax exemption number", linesText(at), isOrAre(count(len(at)))),
				fix:     "Choose the tax codes that apply on the lines and save the order again, or enter the customer's exemption number",
			})
		}
		return c.Err()
	}
}

// ratesKnown reports whether the order or a line of it says a tax rate.
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

// freightRateUnknown reports whether freight bears tax 1 (which 0) or tax 2 (which 1) at a
// rate that only the lines say.
func freightRateUnknown(o *inflow.SalesOrder, which int) bool {
	if o.OrderFreight.Decimal.IsZero() {
		return false
	}
	if which == 0 {
		return o.Tax1OnShipping && !o.Tax1Rate.Valid
	}
	return o.Tax2OnShipping && !o.Tax2Rate.Valid
}

// taxReadings lists what tax 1 (which 0) or tax 2 (which 1) of an order may rightly be, the likeliest first.
func taxReadings(c *money.Calc, order *inflow.SalesOrder, which int) []decimal.Decimal {
	one := decimal.One
	// part is the tax in or on an amount.
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
		// Divisions may end a hair below half a cent, which must round up.
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
		// Subtotals may be with the tax or without it.
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
