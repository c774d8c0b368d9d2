package rules

import (
	"fmt"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/productcode"
)

// discountCap: a line's discount is above the cap of its product or category.
func discountCap(s *settings) check {
	by := s.choice("by", "what caps are given for", "product", "category")
	inline := s.amounts("caps", "", "the caps in percent, by product name or SKU, or by category")
	key := s.text("keyColumn", map[string]string{"product": "Product", "category": "Category"}[by], "the table's column of products or categories")
	column := s.text("capColumn", "Cap", "the table's column of caps, in percent")
	records := s.table("table", "", "a table of caps, next to or instead of caps", key, column)
	caps := map[string]decimal.Decimal{}
	for k, v := range s.tableAmounts(records, s.values["table"], key, column) {
		caps[foldKey(k)] = v
	}
	for k, v := range inline {
		caps[foldKey(k)] = v
	}
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
			discount := discountPercent(&c, line)
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

func foldKey(text string) string { return strings.ToUpper(strings.TrimSpace(text)) }

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
		if key := foldKey(name); key != "" {
			if limit, found := caps[key]; found {
				return name, limit, true
			}
		}
	}
	return "", decimal.Decimal{}, false
}

// discountPercent is a line's discount in percent. A fixed one is taken as what the
// subtotal shows of it, since it may be per unit or per line.
func discountPercent(c *money.Calc, line *inflow.SalesOrderLine) decimal.Decimal {
	if line.Discount == nil {
		return decimal.Decimal{}
	}
	if line.Discount.IsPercent {
		return line.Discount.Value.Decimal
	}
	gross := c.Mul(quantity(line), line.UnitPrice.Decimal)
	if gross.IsZero() {
		return decimal.Decimal{}
	}
	return c.Quo(c.Mul(c.Sub(gross, line.SubTotal.Decimal), money.Hundred), gross)
}

// schemePrice: a line's price is not that of the order's pricing scheme.
func schemePrice(s *settings) check {
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		if e.order.PricingSchemeID == "" {
			return nil
		}
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if line.Product == nil || !quantity(line).IsPos() || !line.UnitPrice.Valid {
				return nil
			}
			var c money.Calc
			price, known := priceInScheme(&c, e.order.PricingSchemeID, line)
			fits := !known || c.Near(line.UnitPrice.Decimal, price, tolerance)
			if c.Err() != nil {
				return c.Err()
			}
			if !fits {
				scheme := "the order's pricing scheme"
				if e.order.PricingScheme != nil && e.order.PricingScheme.Name != "" {
					scheme = "pricing scheme " + shorten(e.order.PricingScheme.Name)
				}
				e.onLine(i, breach{
					message:  fmt.Sprintf("%s: the price is %s, but %s has %s", e.lineName(i), money.Text(line.UnitPrice.Decimal), scheme, money.Cents(price)),
					expected: money.Cents(price),
					actual:   money.Text(line.UnitPrice.Decimal),
					fix:      "Check the price, or choose the pricing scheme that the customer has",
				})
			}
			return nil
		})
	}
}

// priceInScheme is a product's price in a scheme for the line's unit of measure. It is
// known only where that is the unit which the scheme prices.
func priceInScheme(c *money.Calc, schemeID string, line *inflow.SalesOrderLine) (price decimal.Decimal, known bool) {
	p := line.Product
	salesUnit := p.StandardUomName
	if p.SalesUom != nil && p.SalesUom.Name != "" {
		salesUnit = p.SalesUom.Name
	}
	if line.Quantity.Uom != "" && !strings.EqualFold(line.Quantity.Uom, salesUnit) {
		return decimal.Decimal{}, false
	}
	for i := range p.Prices {
		entry := &p.Prices[i]
		if entry.PricingSchemeID != schemeID {
			continue
		}
		switch {
		case strings.EqualFold(entry.PriceType, "FixedPrice") && entry.UnitPrice.Valid:
			return entry.UnitPrice.Decimal, true
		case strings.EqualFold(entry.PriceType, "FixedMarkup") && entry.FixedMarkup.Valid && p.Cost != nil && p.Cost.Cost.Valid && strings.EqualFold(salesUnit, p.StandardUomName):
			return c.Add(p.Cost.Cost.Decimal, c.Percent(entry.FixedMarkup.Decimal, p.Cost.Cost.Decimal)), true
		}
	}
	return decimal.Decimal{}, false
}

// surcharge: a surcharge line is not within its percentages of the goods.
func surcharge(s *settings) check {
	codes := s.texts("codes", []string{"SURCHARGE"}, "the codes of surcharge lines, in name or SKU")
	from := s.percent("from", "0", "the least percentage of the other lines")
	to := s.percent("to", "4", "the largest percentage of the other lines")
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		isSurcharge := func(line *inflow.SalesOrderLine) bool { return hasAnyCode(line.Product, codes) }
		found := false
		for i := range e.order.Lines {
			found = found || isSurcharge(&e.order.Lines[i])
		}
		if !found {
			return nil
		}
		var c money.Calc
		actual := linesSubtotal(&c, e.order, isSurcharge)
		base := linesSubtotal(&c, e.order, func(l *inflow.SalesOrderLine) bool { return !isSurcharge(l) })
		low, high := c.Percent(from, base), c.Percent(to, base)
		below, above := belowBy(&c, actual, low, tolerance), belowBy(&c, high, actual, tolerance)
		if c.Err() != nil {
			return c.Err()
		}
		if below || above {
			e.onOrder(breach{
				message: fmt.Sprintf("The surcharge is %s, but %s %% to %s %% of %s is %s to %s",
					money.Text(actual), money.Plain(from), money.Plain(to), money.Text(base), money.Cents(low), money.Cents(high)),
				expected: money.Cents(map[bool]decimal.Decimal{true: low, false: high}[below]),
				actual:   money.Text(actual),
				fix:      "Set the surcharge anew from the amount of the other lines",
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
