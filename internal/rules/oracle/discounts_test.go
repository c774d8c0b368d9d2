package oracle

import (
	"math/big"
	"slices"
	"strings"
)

// percentOff returns a line's discount in percent of its price.
func (o *order) percentOff(l *line) *big.Rat {
	if l.Discount == nil {
		return new(big.Rat)
	}
	d := l.Discount.Value.rat()
	full := abs(mul(l.qty(), l.UnitPrice.rat()))
	if l.Discount.IsPercent || full.Sign() == 0 {
		if !l.Discount.IsPercent {
			return new(big.Rat)
		}
		return d
	}
	perUnit, perLine := mul(d, abs(l.qty())), d
	off := perUnit
	if perLine.Cmp(perUnit) < 0 {
		off = perLine
	}
	if readings := discounted(l); len(readings) == 2 {
		factors := []*big.Rat{integer(1)}
		if o.IsTaxInclusive {
			factors = append(factors, o.taxFactors(l)...)
		}
		fits := func(reading *big.Rat) bool {
			return slices.ContainsFunc(factors, func(f *big.Rat) bool {
				return within(l.SubTotal.rat(), quo(reading, f), big.NewRat(1, 100))
			})
		}
		if unit, whole := fits(readings[0]), fits(readings[1]); unit && !whole {
			off = perUnit
		} else if whole && !unit {
			off = perLine
		}
	}
	return quo(mul(off, integer(100)), full)
}

func (v *verdict) discounts() {
	o := v.o
	blank := strings.TrimSpace(o.OrderRemarks) == ""
	full, remaining, large := new(big.Rat), new(big.Rat), false
	for i, l := range o.Lines {
		d, percent := new(big.Rat), o.percentOff(l)
		isPercent := l.Discount != nil && l.Discount.IsPercent
		if l.Discount != nil {
			d = l.Discount.Value.rat()
		}
		if o.Customer != nil && o.Customer.Discount.rat().Sign() > 0 && isPercent &&
			d.Cmp(o.Customer.Discount.rat()) > 0 {
			v.onLine("line-discount-over-customer", i+1, plain(o.Customer.Discount.rat()))
		}
		if limit := productCaps[l.Product.Name]; limit != nil && d.Sign() > 0 && percent.Cmp(limit) > 0 {
			v.onLine("product-discount-cap", i+1, plain(limit))
		}
		if limit := categoryCaps[l.Product.Category.Name]; limit != nil && d.Sign() > 0 &&
			percent.Cmp(limit) > 0 {
			v.onLine("category-discount-cap", i+1, plain(limit))
		}
		if d.Sign() > 0 &&
			slices.Contains([]string{"GIFT CARD", "GIFT CERTIFICATE", "DEPOSIT"},
				strings.ToUpper(l.Product.Name)) {
			v.onLine("no-discount-items", i+1, "")
		}
		line := abs(mul(l.qty(), l.UnitPrice.rat()))
		most := abs(l.UnitPrice.rat())
		if line.Cmp(most) > 0 {
			most = line
		}
		if d.Sign() < 0 || isPercent && d.Cmp(integer(100)) > 0 ||
			!isPercent && d.Sign() > 0 && d.Cmp(most) > 0 {
			v.onLine("discount-range", i+1, "")
		}
		large = large || blank && l.qty().Sign() >= 0 && percent.Cmp(integer(50)) > 0

		gross := mul(l.qty(), l.UnitPrice.rat())
		negative := gross.Sign() < 0 || l.SubTotal.rat().Sign() < 0
		if l.qty().Sign() < 0 || negative && l.isService() {
			continue
		}
		if gross.Sign() > 0 {
			full.Add(full, gross)
		}
		shown := l.SubTotal.rat()
		if o.IsTaxInclusive && !fitsAny(shown, discounted(l), big.NewRat(1, 100)) {
			shown = mul(shown, o.taxFactor(l)) // a subtotal without tax next to a price with tax
		}
		remaining.Add(remaining, shown)
	}
	if large {
		v.onOrder("discount-remark", "")
	}
	if least := quo(full, integer(10)); blank && full.Sign() > 0 && remaining.Cmp(least) < 0 {
		v.onOrder("order-discount-cap", money(roundedUp(least, v.places())))
	}
}
