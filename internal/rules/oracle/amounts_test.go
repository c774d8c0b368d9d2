package oracle

import "math/big"

// rates returns the line's tax rates as fractions. A rate that is null is the order's.
func (o *order) rates(l *line) (first, second *big.Rat) {
	one, two := l.Tax1Rate, l.Tax2Rate
	if one.isNull() {
		one = o.Tax1Rate
	}
	if two.isNull() {
		two = o.Tax2Rate
	}
	return quo(one.rat(), integer(100)), quo(two.rat(), integer(100))
}

// discounted returns the possible amounts of a line after its discount. They include tax if the
// order's prices do. A fixed discount has two readings: per unit and per line.
func discounted(l *line) []*big.Rat {
	full := mul(l.qty(), l.UnitPrice.rat())
	if l.Discount == nil || l.Discount.Value.rat().Sign() == 0 {
		return []*big.Rat{full}
	}
	d := l.Discount.Value.rat()
	if l.Discount.IsPercent {
		return []*big.Rat{sub(full, percentOf(d, full))}
	}
	whole := d
	if l.qty().Sign() < 0 {
		whole = neg(d)
	}
	return []*big.Rat{sub(full, mul(d, l.qty())), sub(full, whole)}
}

// taxFactors returns the factors that turn an amount without tax into one with tax: with the second
// tax beside the first, and on top of it.
func (o *order) taxFactors(l *line) []*big.Rat {
	a, b := o.rates(l)
	one := integer(1)
	return []*big.Rat{add(one, add(a, b)), mul(add(one, a), add(one, b))}
}

// taxFactor returns the one of taxFactors that the order uses.
func (o *order) taxFactor(l *line) *big.Rat {
	if o.CalculateTax2OnTax1 {
		return o.taxFactors(l)[1]
	}
	return o.taxFactors(l)[0]
}

// lineReadings returns the possible subtotals of a line, the likeliest first.
func (o *order) lineReadings(l *line) []*big.Rat {
	readings := discounted(l)
	if o.IsTaxInclusive {
		for _, r := range readings[:len(readings):len(readings)] {
			for _, f := range o.taxFactors(l) {
				readings = append(readings, quo(r, f))
			}
		}
	}
	return readings
}

func (v *verdict) amounts() {
	o := v.o
	total := new(big.Rat)
	for i, l := range o.Lines {
		readings := o.lineReadings(l)
		if !fitsAny(l.SubTotal.rat(), readings, v.cent()) {
			v.onLine("line-subtotal", i+1, v.keyed(readings[0]))
		}
		total.Add(total, l.SubTotal.rat())
	}
	sums := []*big.Rat{total}
	if o.IsTaxInclusive {
		sums = append(sums, sub(total, add(o.Tax1.rat(), o.Tax2.rat())))
	}
	if !fitsAny(o.SubTotal.rat(), sums, v.perLines()) {
		v.onOrder("order-subtotal", v.keyed(total))
	}
	goods := add(o.SubTotal.rat(), o.OrderFreight.rat())
	sums = []*big.Rat{add(goods, add(o.Tax1.rat(), o.Tax2.rat()))}
	if o.IsTaxInclusive {
		sums = []*big.Rat{goods, sums[0], add(goods, o.Tax1.rat()), add(goods, o.Tax2.rat())}
	}
	fee, back := o.ReturnFee.rat(), neg(o.ReturnFreight.rat())
	first := add(sums[0], add(fee, back))
	var totals []*big.Rat
	for _, s := range sums {
		totals = append(totals, s, add(s, fee), add(s, back), add(s, add(fee, back)))
	}
	if !fitsAny(o.Total.rat(), totals, v.cent()) {
		v.onOrder("order-total", v.keyed(first))
	}
	unpaid := sub(o.Total.rat(), o.AmountPaid.rat())
	balances := []*big.Rat{unpaid}
	if o.IsQuote {
		balances = append(balances, new(big.Rat))
	}
	if !fitsAny(o.Balance.rat(), balances, v.cent()) {
		v.onOrder("balance", v.keyed(unpaid))
	}
}
