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

// quantity returns the quantity to multiply by the unit price.
func quantity(line *inflow.SalesOrderLine) decimal.Decimal {
	return line.Quantity.Priced().Decimal
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

// linesSubtotal adds up the subtotals of the lines for which counted is true, or of all lines if
// counted is nil.
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

// isGoods reports whether people pick the product. They pick every product except services.
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

// withUnit formats a quantity with its unit of measure, if known.
func withUnit(n decimal.Decimal, unit string) string {
	return strings.TrimSpace(money.Plain(n) + " " + ordercel.Shorten(unit))
}

func isOrAre(n decimal.Decimal) string {
	if n.IsOne() {
		return "is"
	}
	return "are"
}

// tooManyOrMissing formats the error of a quantity, such as "2 too many" or "2 missing".
func tooManyOrMissing(off decimal.Decimal) string {
	if off.IsNeg() {
		return money.Plain(off.Abs()) + " missing"
	}
	return money.Plain(off) + " too many"
}

// moreOrLess formats the difference of two amounts, such as "2.00 more" or "2.00 less".
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
