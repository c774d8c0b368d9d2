package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

// offHistory finds quantities and prices that differ a lot from the customer's earlier orders.
func offHistory(p *params) rules.Check {
	samples := p.number("samples", "number", "5",
		"how many earlier lines of the product there must be", 2, 1000)
	quantityFactor := p.amount("quantityFactor", "10",
		"how many times more or less than the median quantity is far off; 0 for never")
	priceFactor := p.amount("priceFactor", "3",
		"how many times more or less than the median price is far off; 0 for never")
	return func(e *rules.Evaluation) error {
		quantities, prices := map[string][]decimal.Decimal{}, map[string][]decimal.Decimal{}
		key := func(product, uom string) string { return product + "\x00" + strings.ToLower(uom) }
		for _, o := range others(e) {
			for _, g := range o.Goods {
				if g.Quantity.IsPos() && g.UnitPrice.IsPos() {
					k := key(g.ProductID, g.Uom)
					quantities[k], prices[k] = append(quantities[k], g.Quantity), append(prices[k], g.UnitPrice)
				}
			}
		}
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			k := key(line.ProductID, ordercheck.ShortText(line.Quantity.Uom))
			if line.ProductID == "" || len(prices[k]) < samples || !quantity(line).IsPos() {
				return nil
			}
			for _, look := range []struct {
				name    string
				value   decimal.Decimal
				earlier []decimal.Decimal
				factor  decimal.Decimal
				text    func(decimal.Decimal) string
			}{
				{"quantity", quantity(line), quantities[k], quantityFactor, money.Plain},
				{"price", line.UnitPrice.Decimal, prices[k], priceFactor, money.Text},
			} {
				if !look.factor.IsPos() || !look.value.IsPos() {
					continue
				}
				var c money.Calc
				usual := median(&c, look.earlier)
				off := look.value.Cmp(c.Mul(usual, look.factor)) > 0 ||
					c.Mul(look.value, look.factor).Cmp(usual) < 0
				if c.Err() != nil {
					return c.Err()
				}
				if off {
					e.OnLine(i, rules.Breach{
						Discriminator: look.name,
						Message: fmt.Sprintf(
							"%s: the %s is %s, but the customer's usual one is %s (median of %d earlier lines)",
							e.LineName(i), look.name, look.text(look.value), look.text(usual), len(look.earlier)),
						Expected: look.text(usual),
						Actual:   look.text(look.value),
						Fix: fmt.Sprintf("Correct the %s if it was mistyped; leave it if it is meant",
							look.name),
					})
				}
			}
			return nil
		})
	}
}

// median returns the middle value or, if there are two, their mean.
func median(c *money.Calc, values []decimal.Decimal) decimal.Decimal {
	sorted := slices.SortedFunc(slices.Values(values), decimal.Decimal.Cmp)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return c.Quo(c.Add(sorted[middle-1], sorted[middle]), decimal.Two)
}
