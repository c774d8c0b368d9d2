package oracle

import (
	"math/big"
	"slices"
	"strings"
)

// open reports whether the order's prices can still be compared with today's list prices.
func (o *order) open() bool {
	switch {
	case o.InventoryStatus == "Fulfilled", o.IsCompleted, o.IsInvoiced && o.PaymentStatus == "Paid":
		return false
	}
	return !o.IsInvoiced || o.InvoicedDate.IsZero() || o.InvoicedDate.days(now) <= 30
}

func (v *verdict) prices() {
	o := v.o
	for i, l := range o.Lines {
		if l.UnitPrice.rat().Sign() == 0 && l.qty().Sign() != 0 {
			v.onLine("price-missing", i+1, "")
		}
		if !o.open() || l.qty().Sign() <= 0 {
			continue
		}
		v.cost(i, l)
		v.list(i, l)
	}
	if o.Customer != nil && o.Customer.PricingSchemeID != "" && o.PricingSchemeID != "" &&
		o.Customer.PricingSchemeID != o.PricingSchemeID {
		v.onOrder("pricing-scheme-of-customer", "")
	}
}

func (v *verdict) cost(i int, l *line) {
	o := v.o
	each := l.Product.Cost.Cost.rat()
	if each.Sign() <= 0 || l.SubTotal.rat().Sign() <= 0 || o.ExchangeRate.rat().Sign() <= 0 {
		return
	}
	least := mul(mul(each, l.Quantity.StandardQuantity.rat()), o.ExchangeRate.rat())
	shown := l.SubTotal.rat()
	factor := integer(1)
	if o.IsTaxInclusive && fitsAny(shown, discounted(l), big.NewRat(1, 100)) {
		factor = o.taxFactor(l)
	}
	if sub(least, quo(shown, factor)).Cmp(v.cent()) > 0 {
		v.onLine("below-cost", i+1, money(roundedUp(mul(least, factor), v.places())))
	}
}

func (v *verdict) list(i int, l *line) {
	o := v.o
	if o.PricingScheme == nil || o.PricingScheme.CurrencyID != o.CurrencyID ||
		o.PricingScheme.IsTaxInclusive != o.IsTaxInclusive ||
		l.UnitPrice.rat().Sign() == 0 {
		return
	}
	at := slices.IndexFunc(l.Product.Prices,
		func(p price) bool { return p.PricingSchemeID == o.PricingSchemeID })
	if at < 0 {
		return
	}
	entry := l.Product.Prices[at]
	perUnit := quo(l.Quantity.StandardQuantity.rat(), l.qty()) // standard units in one of the line's
	var want *big.Rat
	if entry.PriceType == "FixedPrice" {
		perSales := integer(1)
		if r := l.Product.SalesUom.ConversionRatio; r != nil {
			perSales = quo(r.StandardQuantity.rat(), r.UomQuantity.rat())
		}
		want = quo(mul(entry.UnitPrice.rat(), perUnit), perSales)
	} else {
		if o.ExchangeRate.rat().Cmp(integer(1)) != 0 || l.Product.Cost.Cost.rat().Sign() <= 0 {
			return
		}
		cost := mul(l.Product.Cost.Cost.rat(), perUnit)
		want = add(cost, percentOf(entry.FixedMarkup.rat(), cost))
	}
	have := l.UnitPrice.rat()
	tolerance := big.NewRat(1, 100)
	if half := quo(want, integer(200)); half.Cmp(tolerance) < 0 {
		tolerance = half
	}
	if within(have, want, tolerance) {
		return
	}
	for places := v.places(); places <= 5; places++ {
		if have.Cmp(rounded(want, places)) == 0 {
			return
		}
	}
	v.onLine("scheme-price", i+1, money(rounded(want, 5)))
}

func (v *verdict) charges() {
	o := v.o
	charge, rest, charged := new(big.Rat), new(big.Rat), false
	for _, l := range o.Lines {
		if strings.Contains(strings.ToUpper(l.Product.Name), "SURCHARGE") {
			charged = true
			charge.Add(charge, l.SubTotal.rat())
		} else {
			rest.Add(rest, l.SubTotal.rat())
		}
	}
	low, high := new(big.Rat), percentOf(surchargeTo, rest)
	if rest.Sign() < 0 {
		low, high = high, low
	}
	switch {
	case charged && sub(low, charge).Cmp(v.cent()) > 0:
		v.onOrder("surcharge", v.keyed(low))
	case charged && sub(charge, high).Cmp(v.cent()) > 0:
		v.onOrder("surcharge", v.keyed(high))
	}
	if o.ShowShipping && o.OrderFreight.rat().Cmp(minimumFreight) < 0 {
		v.onOrder("freight-minimum", money(minimumFreight))
	}
}
