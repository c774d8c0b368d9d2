package oracle

import "math/big"

// taxOf returns both taxes on an amount. If inclusive is true, the amount already includes them.
func (o *order) taxOf(amount, a, b *big.Rat, inclusive bool) (first, second *big.Rat) {
	base := amount
	if inclusive {
		factor := add(integer(1), add(a, b))
		if o.CalculateTax2OnTax1 {
			factor = mul(add(integer(1), a), add(integer(1), b))
		}
		base = quo(amount, factor)
	}
	first = mul(base, a)
	if o.CalculateTax2OnTax1 {
		base = add(base, first)
	}
	return first, mul(base, b)
}

func (v *verdict) taxes() {
	o := v.o
	// Nobody knows how InFlow taxes return charges, so each reading counts: no tax on them, tax on
	// the fee, on the freight, or on both.
	modes := []bool{false}
	if o.IsTaxInclusive {
		modes = []bool{true, false}
	}
	fee, back := o.ReturnFee.rat(), neg(o.ReturnFreight.rat())
	var ones, twos []*big.Rat
	for _, inclusive := range modes {
		for _, charge := range []*big.Rat{new(big.Rat), fee, back, add(fee, back)} {
			one, two := new(big.Rat), new(big.Rat)
			take := func(amount, a, b *big.Rat) {
				x, y := o.taxOf(amount, a, b, inclusive)
				one.Add(one, x)
				two.Add(two, y)
			}
			for _, l := range o.Lines {
				a, b := o.rates(l)
				take(l.SubTotal.rat(), a, b)
			}
			a, b := o.rates(&line{})
			take(charge, a, b)
			if !o.Tax1OnShipping {
				a = new(big.Rat)
			}
			if !o.Tax2OnShipping {
				b = new(big.Rat)
			}
			take(o.OrderFreight.rat(), a, b)
			ones, twos = append(ones, one), append(twos, two)
		}
	}
	if !fitsAny(o.Tax1.rat(), ones, v.perLines()) {
		v.onOrder("tax-amounts", v.keyed(ones[0]))
	}
	if !fitsAny(o.Tax2.rat(), twos, v.perLines()) {
		v.onOrder("tax-amounts", v.keyed(twos[0]))
	}
	codes := map[string]taxCode{}
	for _, c := range o.TaxingScheme.TaxCodes {
		codes[c.TaxCodeID] = c
	}
	taxed := func(one, two num) bool { return one.rat().Sign() > 0 || two.rat().Sign() > 0 }
	lost := [2]*big.Rat{new(big.Rat), new(big.Rat)}
	lose := func(l *line, one, two num) {
		lost[0].Add(lost[0], percentOf(one.rat(), l.SubTotal.rat()))
		lost[1].Add(lost[1], percentOf(two.rat(), l.SubTotal.rat()))
	}
	for i, l := range o.Lines {
		code, listed := codes[l.TaxCodeID]
		if l.TaxCodeID != "" && !listed && l.TaxCodeID != o.TaxingScheme.DefaultTaxCodeID {
			v.onLine("line-tax-code", i+1, "")
		}
		switch {
		case taxed(l.Tax1Rate, l.Tax2Rate):
			lose(l, l.Tax1Rate, l.Tax2Rate)
		case listed && taxed(code.Tax1Rate, code.Tax2Rate):
			lose(l, code.Tax1Rate, code.Tax2Rate)
		case !listed && taxed(o.Tax1Rate, o.Tax2Rate):
			lose(l, o.Tax1Rate, o.Tax2Rate)
		}
	}
	if o.Tax1.rat().Sign() == 0 && o.Tax2.rat().Sign() == 0 && o.Customer != nil &&
		o.Customer.TaxExemptNumber == "" &&
		(lost[0].Cmp(v.perLines()) > 0 || lost[1].Cmp(v.perLines()) > 0) {
		v.onOrder("no-tax", "")
	}
}
