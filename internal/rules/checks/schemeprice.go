package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/ordercel"
)

// schemePrice finds lines whose price differs from the order's pricing scheme.
func schemePrice(p *params) rules.Check {
	tolerance := p.tolerance()
	percent := p.percent("tolerancePercent", "0.5",
		"the same in percent of the price; the smaller of the two counts")
	return func(e *rules.Evaluation) error {
		if e.Order.PricingSchemeID == "" {
			return nil
		}
		scheme := "the order's pricing scheme"
		if of := e.Order.PricingScheme; of != nil {
			if of.Name != "" {
				scheme = "pricing scheme " + ordercel.Shorten(of.Name)
			}
			if of.CurrencyID != "" && e.Order.CurrencyID != "" && of.CurrencyID != e.Order.CurrencyID {
				return rules.OutOfScope("%s has its prices in another currency than the order", scheme)
			}
			if of.IsTaxInclusive != e.Order.IsTaxInclusive {
				taxed := map[bool]string{true: "with tax", false: "without tax"}
				return rules.OutOfScope("%s has its prices %s, and the order %s", scheme,
					taxed[of.IsTaxInclusive], taxed[e.Order.IsTaxInclusive])
			}
		}
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			if line.Product == nil || !quantity(line).IsPos() || !line.UnitPrice.Valid ||
				line.UnitPrice.Decimal.IsZero() {
				return nil
			}
			var c money.Calc
			price, gap := priceInScheme(&c, e.Order, line)
			if gap != "" {
				e.SkipLine(i, gap)
				return nil
			}
			actual := line.UnitPrice.Decimal
			fits := c.Near(actual, price, tolerance.Min(c.Percent(percent, price.Abs()))) ||
				isRounding(&c, actual, price, e.Order.Places())
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
			e.OnLine(i, rules.Breach{
				Message: fmt.Sprintf("%s: the price is %s, %s %s the %s of %s%s", e.LineName(i),
					money.Text(actual), money.Text(c.Round(difference.Abs(), pricePlaces)), direction, listed,
					scheme, forUnit(line)),
				Expected: listed,
				Actual:   money.Text(actual),
				Fix: fmt.Sprintf(
					"Set the price to %s, or choose the pricing scheme that it was agreed by; "+
						"if it is a special price, leave it",
					listed,
				),
			})
			return nil
		})
	}
}

// pricePlaces is the number of decimal places of InFlow's prices.
const pricePlaces = 5

// isRounding reports whether one price is another price, rounded to the decimal places of the
// currency or to more places.
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
	if q.Uom == "" || strings.EqualFold(q.Uom, line.Product.StandardUomName) ||
		!q.StandardQuantity.Valid {
		return ""
	}
	var c money.Calc
	each := c.Quo(q.StandardQuantity.Decimal, quantity(line))
	if c.Err() != nil {
		return ""
	}
	return strings.TrimRight(
		fmt.Sprintf(" for 1 %s of %s %s", ordercel.Shorten(q.Uom),
			money.Plain(c.Round(each, pricePlaces)), ordercel.Shorten(line.Product.StandardUomName)),
		" ",
	)
}

// priceInScheme returns a product's price in the order's pricing scheme, for the line's unit of
// measure. If the price is unknown, gap says why.
func priceInScheme(
	c *money.Calc, order *inflow.SalesOrder, line *inflow.SalesOrderLine,
) (price decimal.Decimal, gap string) {
	p := line.Product
	i := slices.IndexFunc(p.Prices,
		func(entry inflow.ProductPrice) bool { return entry.PricingSchemeID == order.PricingSchemeID })
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

// standardUnits returns the number of standard units in one unit of the line.
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

// salesUnits returns the number of sales units, which prices are for, in one unit of the line.
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
