package checks

import (
	"fmt"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/productcode"
)

// quantity returns the quantity that the unit price multiplies, in the line's own unit of measure.
func quantity(line *inflow.SalesOrderLine) decimal.Decimal {
	if line.Quantity.UomQuantity.Valid {
		return line.Quantity.UomQuantity.Decimal
	}
	return line.Quantity.StandardQuantity.Decimal
}

// standardQuantity returns a quantity in the product's standard unit of measure, which stock and
// picks use.
func standardQuantity(q inflow.Quantity) decimal.Decimal {
	if q.StandardQuantity.Valid {
		return q.StandardQuantity.Decimal
	}
	return q.UomQuantity.Decimal
}

// discounted reports whether a line has a discount above 0.
func discounted(line *inflow.SalesOrderLine) bool {
	return line.Discount != nil && line.Discount.Value.Decimal.IsPos()
}

// linesSubtotal adds up the subtotals of the lines that are counted. A nil counted counts all.
func linesSubtotal(
	c *money.Calc, order *inflow.SalesOrder, counted func(*inflow.SalesOrderLine) bool,
) decimal.Decimal {
	var total money.Total
	for i := range order.Lines {
		if line := &order.Lines[i]; counted == nil || counted(line) {
			total.Add(line.SubTotal.Decimal)
		}
	}
	return c.SumOf(&total)
}

// isGoods reports whether a product is picked. All products are, except services.
func isGoods(p *inflow.Product) bool {
	return rules.IsStocked(p) || strings.EqualFold(p.ItemType, "NonstockedProduct")
}

func isService(p *inflow.Product) bool { return strings.EqualFold(p.ItemType, "Service") }

func hasAnyCode(p *inflow.Product, codes []string) bool {
	for _, code := range codes {
		if productcode.Has(p, code) {
			return true
		}
	}
	return false
}

// withUnit writes a quantity with its unit of measure, if known.
func withUnit(n decimal.Decimal, unit string) string {
	return strings.TrimSpace(money.Plain(n) + " " + ordercel.Shorten(unit))
}

func isOrAre(n decimal.Decimal) string {
	if n.IsOne() {
		return "is"
	}
	return "are"
}

// tooManyOrMissing says how far off a quantity is.
func tooManyOrMissing(off decimal.Decimal) string {
	if off.IsNeg() {
		return money.Plain(off.Abs()) + " missing"
	}
	return money.Plain(off) + " too many"
}

// moreOrLess says how far off an amount is.
func moreOrLess(off decimal.Decimal) string {
	if off.IsNeg() {
		return money.Text(off.Abs()) + " less"
	}
	return money.Text(off) + " more"
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

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func fromInt(n int) decimal.Decimal { return decimal.MustNew(int64(n), 0) }
