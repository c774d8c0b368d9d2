package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/productcode"
)

// discountCap: a line's discount is above the cap of its product or category.
func discountCap(s *settings) check {
	by := s.choice("by", "what caps are given for", "product", "category")
	inline := s.amounts("caps", "", "the caps in percent, by product name or SKU, or by category")
	key := s.column("keyColumn", map[string]string{"product": "Product", "category": "Category"}[by], "the table's column of products or categories")
	column := s.column("capColumn", "Cap", "the table's column of caps, in percent")
	records := s.table("table", "", "a table of caps, next to or instead of caps", key, column)
	caps := s.tablePercents(records, s.values["table"], key, column)
	maps.Copy(caps, inline)
	switch {
	case len(inline) > 0:
		s.skip = "" // a table is not needed then
	case s.values["table"] == "":
		s.skip = "neither caps nor a table of caps is given"
	}
	return func(e *evaluation) error {
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if line.Product == nil || !discounted(line) {
				return nil
			}
			of, limit, found := capOf(caps, by, line.Product)
			if !found {
				return nil
			}
			var c money.Calc
			discount := discountPercent(&c, e.order, line)
			if c.Err() != nil {
				return c.Err()
			}
			if discount.Cmp(limit) > 0 {
				e.onLine(i, breach{
					message:  fmt.Sprintf("%s: the discount of %s %% is above the cap of %s %% for %s", e.lineName(i), money.Plain(c.Round(discount, 2)), money.Plain(limit), shorten(of)),
					expected: money.Plain(limit),
					actual:   money.Plain(c.Round(discount, 2)),
					fix:      fmt.Sprintf("Lower the discount to %s %% or less", money.Plain(limit)),
				})
			}
			return nil
		})
	}
}

// capOf finds the cap of a product, and what it is the cap of.
func capOf(caps map[string]decimal.Decimal, by string, p *inflow.Product) (of string, limit decimal.Decimal, found bool) {
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

// discountPercent is a line's discount in percent of its price. A fixed one may be per unit
// or per line: the subtotal tells which, and if it fits both or neither, the smaller counts.
func discountPercent(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) decimal.Decimal {
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
		fits[i%len(fits)] = fits[i%len(fits)] || c.Near(line.SubTotal.Decimal, subTotal, decimal.MustParse(aCent))
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

// orderDiscountCap: the discounts of the whole order are above a cap, and no remark says why.
func orderDiscountCap(s *settings) check {
	limit := s.percent("cap", "90", "the percentage that all discounts together may take off")
	return func(e *evaluation) error {
		if strings.TrimSpace(e.order.OrderRemarks) != "" {
			return nil
		}
		var c money.Calc
		var full, net money.Total
		for i := range e.order.Lines {
			line := &e.order.Lines[i]
			gross := c.Mul(quantity(line), line.UnitPrice.Decimal)
			negative := line.SubTotal.Decimal.IsNeg() || gross.IsNeg()
			switch {
			case quantity(line).IsNeg(), negative && line.Product != nil && isService(line.Product):
				continue // a return; a deposit, coupon or credit
			case negative && line.Product == nil && line.ProductID != "":
				e.notLookedAt(i, noProduct)
				continue
			case gross.IsPos():
				full.Add(gross)
			}
			shown, factor := asPriced(&c, e.order, line)
			net.Add(c.Mul(shown, factor))
		}
		price, left := c.SumOf(&full), c.SumOf(&net)
		off := c.Sub(price, left)
		if c.Err() != nil || !price.IsPos() {
			return c.Err()
		}
		percent := c.Quo(c.Mul(off, money.Hundred), price)
		least := c.RoundUp(c.Sub(price, c.Percent(limit, price)), e.order.Places())
		if c.Err() != nil {
			return c.Err()
		}
		if percent.Cmp(limit) > 0 {
			e.onOrder(breach{
				message: fmt.Sprintf("The discounts take %s %% off the prices of %s, more than %s %%, and the order has no remark that says why",
					money.Plain(c.Round(percent, 2)), e.keyed(price), money.Plain(limit)),
				expected: money.Text(least),
				actual:   money.Text(left),
				fix:      fmt.Sprintf("Lower the discounts until the lines make at least %s, or write the reason into the remarks of the order", money.Text(least)),
			})
		}
		return nil
	}
}

// netSubtotal is a line's subtotal without tax, and what to multiply such an amount by to
// compare it with the subtotal as it is shown.
func netSubtotal(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) (net, factor decimal.Decimal) {
	shown := line.SubTotal.Decimal
	if withTax, factor := taxWithin(c, order, line); withTax {
		return c.Quo(shown, factor), factor
	}
	return shown, decimal.One
}

// asPriced is a line's subtotal, and what to multiply it by to compare it with the line's
// price: a subtotal without tax may stand next to a price with tax.
func asPriced(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) (shown, factor decimal.Decimal) {
	if withTax, factor := taxWithin(c, order, line); !withTax {
		return line.SubTotal.Decimal, factor
	}
	return line.SubTotal.Decimal, decimal.One
}

// taxWithin reports whether the subtotal of a line is with the tax that its price has, and
// how many times the amount without tax one with tax is.
func taxWithin(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) (withTax bool, factor decimal.Decimal) {
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
	return c.NearAny(line.SubTotal.Decimal, readings[:len(readings)/(len(divisors)+1)], decimal.MustParse(aCent)), factor
}

// belowCost: a line is sold for less than its goods cost.
func belowCost(s *settings) check {
	margin := s.percent("margin", "0", "the percentage that the price must be above the cost")
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		rate := e.order.ExchangeRate.Decimal
		switch {
		case !e.order.ExchangeRate.Valid && e.order.CurrencyID == "":
			rate = decimal.One
		case !rate.IsPos():
			return skip("costs are in the home currency, and the order has no exchange rate")
		}
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			pieces := standardQuantity(line.Quantity)
			if line.Product == nil || !pieces.IsPos() || !line.SubTotal.Decimal.IsPos() {
				return nil
			}
			if line.Product.Cost == nil || !line.Product.Cost.Cost.Decimal.IsPos() {
				if !isService(line.Product) {
					e.notLookedAt(i, "the cost of the product is not known")
				}
				return nil
			}
			var c money.Calc
			cost := c.Mul(c.Mul(line.Product.Cost.Cost.Decimal, pieces), rate)
			least := c.Add(cost, c.Percent(margin, cost))
			net, factor := netSubtotal(&c, e.order, line)
			tooLow := belowBy(&c, net, least, e.within(tolerance))
			expected := c.RoundUp(c.Mul(least, factor), e.order.Places())
			missing := c.Sub(expected, line.SubTotal.Decimal)
			if c.Err() != nil {
				return c.Err()
			}
			if !tooLow {
				return nil
			}
			e.onLine(i, breach{
				message: fmt.Sprintf("%s: %s %s sold for %s, %s less than %s", e.lineName(i), unitsText(line), isOrAre(quantity(line)),
					money.Text(line.SubTotal.Decimal), e.keyed(missing), e.costText(cost, margin, rate, expected)),
				expected: money.Text(expected),
				actual:   money.Text(line.SubTotal.Decimal),
				fix:      fmt.Sprintf("Raise the price or lower the discount until the line is at least %s; if it is a clearance, leave it", money.Text(expected)),
			})
			return nil
		})
	}
}

// costText says what a line should cost, and how that comes about.
func (e *evaluation) costText(cost, margin, rate, expected decimal.Decimal) string {
	text := "the cost of " + e.keyed(cost)
	if !rate.IsOne() {
		text += fmt.Sprintf(" at the exchange rate %s", money.Plain(rate))
	}
	if !margin.IsZero() {
		text += fmt.Sprintf(" and a margin of %s %%", money.Plain(margin))
	}
	if e.order.IsTaxInclusive {
		text += " and tax"
	}
	if e.keyed(cost) != money.Text(expected) {
		text += ", " + money.Text(expected)
	}
	return text
}

// unitsText is a line's quantity with its unit of measure.
func unitsText(line *inflow.SalesOrderLine) string {
	return strings.TrimSpace(money.Plain(quantity(line)) + " " + shorten(line.Quantity.Uom))
}

func isOrAre(n decimal.Decimal) string {
	if n.IsOne() {
		return "is"
	}
	return "are"
}

// schemePrice: a line's price is not that of the order's pricing scheme.
func schemePrice(s *settings) check {
	tolerance := s.tolerance()
	percent := s.percent("tolerancePercent", "0.5", "the same in percent of the price; the smaller of the two counts")
	return func(e *evaluation) error {
		if e.order.PricingSchemeID == "" {
			return nil
		}
		scheme := "the order's pricing scheme"
		if of := e.order.PricingScheme; of != nil {
			if of.Name != "" {
				scheme = "pricing scheme " + shorten(of.Name)
			}
			if of.CurrencyID != "" && e.order.CurrencyID != "" && of.CurrencyID != e.order.CurrencyID {
				return outOfScope("%s has its prices in another currency than the order", scheme)
			}
			if of.IsTaxInclusive != e.order.IsTaxInclusive {
				taxed := map[bool]string{true: "with tax", false: "without tax"}
				return outOfScope("%s has its prices %s, and the order %s", scheme, taxed[of.IsTaxInclusive], taxed[e.order.IsTaxInclusive])
			}
		}
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if line.Product == nil || !quantity(line).IsPos() || !line.UnitPrice.Valid || line.UnitPrice.Decimal.IsZero() {
				return nil
			}
			var c money.Calc
			price, gap := priceInScheme(&c, e.order, line)
			if gap != "" {
				e.notLookedAt(i, gap)
				return nil
			}
			actual := line.UnitPrice.Decimal
			fits := c.Near(actual, price, tolerance.Min(c.Percent(percent, price.Abs()))) || isRounding(&c, actual, price, e.order.Places())
			difference := c.Sub(actual, price)
			if c.Err() != nil {
				return c.Err()
			}
			if fits {
				return nil
			}
			direction := "above"
			if difference.IsNeg() {
				direction = "below"
			}
			listed := money.Text(c.Round(price, pricePlaces))
			e.onLine(i, breach{
				message: fmt.Sprintf("%s: the price is %s, %s %s the %s of %s%s", e.lineName(i), money.Text(actual),
					money.Text(c.Round(difference.Abs(), pricePlaces)), direction, listed, scheme, forUnit(line)),
				expected: listed,
				actual:   money.Text(actual),
				fix:      fmt.Sprintf("Set the price to %s, or choose the pricing scheme that it was agreed by; if it is a special price, leave it", listed),
			})
			return nil
		})
	}
}

// pricePlaces is the number of decimal places of InFlow's prices.
const pricePlaces = 5

// isRounding reports whether a price is another one, rounded to what the currency has or
// to more places.
func isRounding(c *money.Calc, rounded, price decimal.Decimal, places int) bool {
	for ; places <= pricePlaces; places++ {
		if rounded.Cmp(c.Round(price, places)) == 0 {
			return true
		}
	}
	return false
}

// forUnit names a unit of measure that is not the product's standard one.
func forUnit(line *inflow.SalesOrderLine) string {
	q := line.Quantity
	if q.Uom == "" || strings.EqualFold(q.Uom, line.Product.StandardUomName) || !q.StandardQuantity.Valid {
		return ""
	}
	var c money.Calc
	each := c.Quo(q.StandardQuantity.Decimal, quantity(line))
	if c.Err() != nil {
		return ""
	}
	return strings.TrimRight(fmt.Sprintf(" for 1 %s of %s %s", shorten(q.Uom), money.Plain(c.Round(each, pricePlaces)), shorten(line.Product.StandardUomName)), " ")
}

// priceInScheme is a product's price in the order's pricing scheme, for the line's unit of
// measure, or the reason why it is not known.
func priceInScheme(c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine) (price decimal.Decimal, gap string) {
	p := line.Product
	i := slices.IndexFunc(p.Prices, func(entry inflow.ProductPrice) bool { return entry.PricingSchemeID == order.PricingSchemeID })
	if i < 0 {
		return decimal.Decimal{}, "the product has no price in the pricing scheme"
	}
	entry := &p.Prices[i]
	switch {
	case strings.EqualFold(entry.PriceType, "FixedPrice") && entry.UnitPrice.Valid:
		units, known := salesUnits(c, line)
		if !known {
			return decimal.Decimal{}, "the pricing scheme has no price for the unit of measure"
		}
		return c.Mul(entry.UnitPrice.Decimal, units), ""
	case strings.EqualFold(entry.PriceType, "FixedMarkup") && entry.FixedMarkup.Valid:
		if p.Cost == nil || !p.Cost.Cost.Decimal.IsPos() {
			return decimal.Decimal{}, "the price is a markup, and the cost of the product is not known"
		}
		if order.ExchangeRate.Valid && !order.ExchangeRate.Decimal.IsOne() {
			return decimal.Decimal{}, "the price is a markup on a cost in another currency"
		}
		pieces, known := standardUnits(c, line)
		if !known {
			return decimal.Decimal{}, "the pricing scheme has no price for the unit of measure"
		}
		cost := c.Mul(p.Cost.Cost.Decimal, pieces)
		return c.Add(cost, c.Percent(entry.FixedMarkup.Decimal, cost)), ""
	}
	return decimal.Decimal{}, "the product has no price in the pricing scheme"
}

// standardUnits is how many standard units one unit of the line is.
func standardUnits(c *money.Calc, line *inflow.SalesOrderLine) (decimal.Decimal, bool) {
	q := line.Quantity
	switch {
	case q.Uom == "" || strings.EqualFold(q.Uom, line.Product.StandardUomName):
		return decimal.One, true
	case q.StandardQuantity.Decimal.IsPos() && q.UomQuantity.Decimal.IsPos():
		return c.Quo(q.StandardQuantity.Decimal, q.UomQuantity.Decimal), true
	}
	return decimal.Decimal{}, false
}

// salesUnits is how many of the units that prices are for one unit of the line is.
func salesUnits(c *money.Calc, line *inflow.SalesOrderLine) (decimal.Decimal, bool) {
	p := line.Product
	sales := p.StandardUomName
	if p.SalesUom != nil && p.SalesUom.Name != "" {
		sales = p.SalesUom.Name
	}
	if line.Quantity.Uom == "" || strings.EqualFold(line.Quantity.Uom, sales) {
		return decimal.One, true
	}
	units, known := standardUnits(c, line)
	if !known {
		return decimal.Decimal{}, false
	}
	if strings.EqualFold(sales, p.StandardUomName) {
		return units, true
	}
	ratio := p.SalesUom.ConversionRatio
	if ratio == nil || !ratio.StandardQuantity.Decimal.IsPos() || !ratio.UomQuantity.Decimal.IsPos() {
		return decimal.Decimal{}, false
	}
	return c.Quo(c.Mul(units, ratio.UomQuantity.Decimal), ratio.StandardQuantity.Decimal), true
}

// surcharge: a surcharge line is not within its percentages of the goods.
func surcharge(s *settings) check {
	codes := s.texts("codes", nil, "the codes of surcharge lines, in name or SKU")
	from := s.percent("from", "0", "the least percentage of the other lines")
	to := s.percent("to", "4", "the largest percentage of the other lines")
	tolerance := s.tolerance()
	if len(codes) == 0 {
		s.skip = "no surcharge lines are named in its parameter codes"
	}
	return func(e *evaluation) error {
		isSurcharge := func(line *inflow.SalesOrderLine) bool { return hasAnyCode(line.Product, codes) }
		var at []int
		for i := range e.order.Lines {
			if isSurcharge(&e.order.Lines[i]) {
				at = append(at, i)
			}
		}
		if len(at) == 0 {
			return nil
		}
		var c money.Calc
		actual := linesSubtotal(&c, e.order, isSurcharge)
		base := linesSubtotal(&c, e.order, func(l *inflow.SalesOrderLine) bool { return !isSurcharge(l) })
		low, high := c.Percent(from, base), c.Percent(to, base)
		low, high = low.Min(high), low.Max(high) // on a refund both are negative
		below, above := belowBy(&c, actual, low, e.within(tolerance)), belowBy(&c, high, actual, e.within(tolerance))
		if c.Err() != nil {
			return c.Err()
		}
		if below || above {
			expected := e.keyed(map[bool]decimal.Decimal{true: low, false: high}[below])
			e.onOrder(breach{
				message: fmt.Sprintf("The surcharge on %s is %s, but %s %% to %s %% of the other lines' %s is %s to %s", linesText(at),
					money.Text(actual), money.Plain(from), money.Plain(to), money.Text(base), e.keyed(low), e.keyed(high)),
				expected: expected,
				actual:   money.Text(actual),
				fix:      fmt.Sprintf("Set the surcharge to an amount from %s to %s", e.keyed(low), e.keyed(high)),
			})
		}
		return nil
	}
}

// belowBy reports whether x is below y by more than tolerance.
func belowBy(c *money.Calc, x, y, tolerance decimal.Decimal) bool {
	difference := c.Sub(y, x)
	return c.Err() == nil && difference.Cmp(tolerance) > 0
}

func hasAnyCode(p *inflow.Product, codes []string) bool {
	for _, code := range codes {
		if productcode.Has(p, code) {
			return true
		}
	}
	return false
}
