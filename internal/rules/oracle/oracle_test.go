package oracle

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// now is the time of the evaluation.
var now = date{time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)}

// found is a finding of the oracle. line is 0 for a finding on the order.
type found struct {
	rule     string
	line     int
	expected string
	warning  bool
}

// warnings are the checks whose findings never hold an order.
var warnings = map[string]bool{
	"no-tax": true, "line-discount-over-customer": true, "below-cost": true, "scheme-price": true,
	"price-missing":              true,
	"pricing-scheme-of-customer": true, "billing-address": true, "contact": true,
	"terms-rep-location": true, "zero-total": true,
	"repeated-product": true, "stock": true, "odd-quantity": true, "old-quote": true,
	"ship-before-order": true, "due-date": true,
	"overdue": true, "fulfilled-not-invoiced": true, "picked-quantity": true, "serial-numbers": true,
}

// The settings of the tests' company. companyRules is the rule file with the same settings.
var (
	productCaps    = map[string]*big.Rat{"Capped saw": integer(10)}
	categoryCaps   = map[string]*big.Rat{"Capped goods": integer(15)}
	surchargeTo    = integer(4)
	minimumFreight = integer(5)
	requiredFields = []string{"poNumber", "custom1"}
	companyRules   = "version: 1\nname: company\nrules:\n- {id: product-discount-cap, params: " +
		"{caps: {Capped saw: " +
		"10}}}\n- {id: category-discount-cap, params: {caps: {Capped goods: 15}}}\n- {id: surcharge, " +
		"params: {codes: [SURCHARGE]}}\n- {id: freight-minimum, params: {minimum: 5}}\n- {id: " +
		"required-fields, params: {fields: [poNumber, custom1]}}\n"
	// historyOfOrders lists the checks that compare several orders. The oracle leaves them out.
	historyOfOrders = []string{
		"repeated-po-number",
		"near-duplicate",
		"off-history",
		"changed-after-invoice",
	}
)

// verdict collects the oracle's findings on one order.
type verdict struct {
	o   *order
	out []found
}

// judge returns the oracle's findings on an order.
func judge(o *order) []found {
	v := &verdict{o: o}
	if o.IsCancelled {
		if o.AmountPaid.rat().Sign() > 0 {
			v.onOrder("cancelled-with-payment", "0.00")
		}
		return v.out
	}
	for _, look := range []func(){
		v.amounts, v.taxes, v.discounts, v.prices, v.charges, v.people, v.lines, v.goods, v.dates,
		v.payments, v.fulfilment,
	} {
		look()
	}
	return v.out
}

func (v *verdict) onOrder(rule, expected string) { v.onLine(rule, 0, expected) }

func (v *verdict) onLine(rule string, line int, expected string) {
	v.out = append(v.out, found{rule, line, expected, warnings[rule]})
}

func (v *verdict) places() int { return v.o.Currency.DecimalPlaces }

func (v *verdict) keyed(a *big.Rat) string { return money(rounded(a, v.places())) }

// cent returns the tolerance for two amounts: a cent, or one unit of a currency without cents.
func (v *verdict) cent() *big.Rat { return quo(integer(1), pow10(min(v.places(), 2))) }

// perLines returns the tolerance for a sum of lines: cent, plus half of it for rounding each line.
func (v *verdict) perLines() *big.Rat {
	half := quo(v.cent(), integer(2))
	return add(v.cent(), mul(half, integer(len(v.o.Lines))))
}

func within(a, b, tolerance *big.Rat) bool { return abs(sub(a, b)).Cmp(tolerance) <= 0 }

func fitsAny(a *big.Rat, readings []*big.Rat, tolerance *big.Rat) bool {
	return slices.ContainsFunc(readings, func(b *big.Rat) bool { return within(a, b, tolerance) })
}

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
	left := sub(o.Total.rat(), o.AmountPaid.rat())
	balances := []*big.Rat{left}
	if o.IsQuote {
		balances = append(balances, new(big.Rat))
	}
	if !fitsAny(o.Balance.rat(), balances, v.cent()) {
		v.onOrder("balance", v.keyed(left))
	}
}

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
	full, left, large := new(big.Rat), new(big.Rat), false
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
		left.Add(left, shown)
	}
	if large {
		v.onOrder("discount-remark", "")
	}
	if least := quo(full, integer(10)); blank && full.Sign() > 0 && left.Cmp(least) < 0 {
		v.onOrder("order-discount-cap", money(roundedUp(least, v.places())))
	}
}

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

func usable(a *address) bool {
	return a != nil && strings.TrimSpace(a.Address1) != "" &&
		strings.TrimSpace(a.City)+strings.TrimSpace(a.PostalCode) != ""
}

func (v *verdict) people() {
	o := v.o
	done := o.InventoryStatus == "Fulfilled"
	if o.ShowShipping && !usable(o.ShippingAddress) &&
		!(o.SameBillingAndShipping && usable(o.BillingAddress)) {
		shipped, fetched := false, false
		for _, s := range o.ShipLines {
			if strings.Contains(strings.ToLower(s.Carrier), "pick-up") {
				fetched = true
			} else if !s.ShippedDate.IsZero() || done {
				shipped = true
			}
		}
		if shipped || fetched || done {
			v.out = append(v.out, found{"ship-to-address", 0, "", !shipped})
		}
	}
	owes := o.Balance.rat().Sign() > 0
	if owes && (o.IsInvoiced || o.PaymentTermsID != "") {
		if b := o.BillingAddress; b == nil || strings.TrimSpace(b.Address1+b.City+b.PostalCode) == "" {
			v.onOrder("billing-address", "")
		}
		if strings.TrimSpace(o.ContactName) == "" && strings.TrimSpace(o.Email) == "" {
			v.onOrder("contact", "")
		}
	}
	if owes {
		for _, id := range []string{o.PaymentTermsID, o.SalesRepTeamMemberID, o.LocationID} {
			if id == "" {
				v.onOrder("terms-rep-location", "")
			}
		}
	}
	values := map[string]string{"poNumber": o.PONumber, "custom1": o.CustomFields["custom1"]}
	for _, field := range requiredFields {
		if strings.TrimSpace(values[field]) == "" {
			v.onOrder("required-fields", "")
		}
	}
	if o.CustomerID == "" && o.Customer == nil {
		v.onOrder("customer-and-lines", "")
	}
	if len(o.Lines) == 0 {
		v.onOrder("customer-and-lines", "")
	}
}

func (v *verdict) lines() {
	o := v.o
	negative, free := false, strings.TrimSpace(o.OrderRemarks) != ""
	type key struct{ product, text, unit, price, discount, direction string }
	seen := map[key]int{}
	repeated := map[string]bool{}
	picked := map[string]bool{}
	for _, p := range o.PickLines {
		picked[p.ProductID] = true
	}
	gone := map[string]bool{}
	for i, l := range o.Lines {
		negative = negative || l.SubTotal.rat().Sign() < 0
		free = free && l.SubTotal.rat().Sign() == 0
		if l.qty().Sign() == 0 {
			v.onLine("quantity-zero", i+1, "")
		}
		if l.qty().Sign() < 0 && !l.isService() {
			why := strings.TrimSpace(o.ReturnRemarks+o.OrderRemarks+o.CustomFields["custom1"]) != ""
			if !why || l.ReturnDate.IsZero() {
				v.out = append(v.out, found{"return-details", i + 1, "", why})
			}
		}
		if l.qty().Sign() != 0 && !l.isService() {
			k := key{
				l.ProductID,
				strings.ToUpper(strings.TrimSpace(l.Description)),
				strings.ToLower(l.Quantity.Uom),
				plain(l.UnitPrice.rat()),
				"",
				strconv.Itoa(l.qty().Sign()),
			}
			if l.Discount != nil && l.Discount.Value.rat().Sign() != 0 {
				k.discount = plain(l.Discount.Value.rat()) + strconv.FormatBool(l.Discount.IsPercent)
			}
			if seen[k]++; seen[k] == 2 && !repeated[k.product+k.direction] {
				repeated[k.product+k.direction] = true
				v.onOrder("repeated-product", "")
			}
		}
		if !l.Product.IsActive && o.InventoryStatus != "Fulfilled" && !o.IsCompleted &&
			l.qty().Sign() >= 0 &&
			!picked[l.ProductID] &&
			!gone[l.ProductID] {
			gone[l.ProductID] = true
			v.onOrder("inactive", "")
		}
	}
	if o.Customer != nil && !o.Customer.IsActive && o.InventoryStatus != "Fulfilled" &&
		!o.IsCompleted {
		v.onOrder("inactive", "")
	}
	if o.Total.rat().Sign() == 0 && len(o.Lines) > 0 && !negative && !free {
		v.onOrder("zero-total", "")
	}
}

func (v *verdict) goods() {
	o := v.o
	done := o.InventoryStatus == "Fulfilled"
	ordered, picked, packed := map[string]*big.Rat{}, map[string]*big.Rat{}, map[string]*big.Rat{}
	products := map[string]*product{}
	put := func(m map[string]*big.Rat, id string, q *big.Rat) {
		if m[id] == nil {
			m[id] = new(big.Rat)
		}
		m[id].Add(m[id], q)
	}
	of := func(m map[string]*big.Rat, id string) *big.Rat {
		if m[id] == nil {
			return new(big.Rat)
		}
		return m[id]
	}
	onOrder := map[string]bool{}
	for i, l := range o.Lines {
		onOrder[l.ProductID] = true
		if l.qty().Sign() > 0 && !l.isService() {
			put(ordered, l.ProductID, l.Quantity.StandardQuantity.rat())
			products[l.ProductID] = l.Product
		}
		whole := slices.Contains([]string{"ea.", "box", "set", "pair"}, l.Quantity.Uom)
		if whole && !l.isService() && !l.qty().IsInt() {
			v.onLine("odd-quantity", i+1, "")
		}
	}
	numbersOnPicks := map[string]map[string]bool{}
	for _, p := range o.PickLines {
		put(picked, p.ProductID, p.Quantity.StandardQuantity.rat())
		for _, s := range p.Quantity.SerialNumbers {
			if numbersOnPicks[p.ProductID] == nil {
				numbersOnPicks[p.ProductID] = map[string]bool{}
			}
			numbersOnPicks[p.ProductID][s] = true
		}
	}
	for _, p := range o.PackLines {
		put(packed, p.ProductID, p.Quantity.StandardQuantity.rat())
	}
	for id, want := range ordered {
		have, boxed := of(picked, id), of(packed, id)
		switch {
		case have.Cmp(want) > 0, done && len(o.PickLines) > 0 && have.Cmp(want) < 0:
			v.onOrder("picked-quantity", plain(want))
		case done && len(o.PackLines) > 0 && boxed.Cmp(have) != 0:
			v.onOrder("picked-quantity", plain(have))
		}
		p := products[id]
		needed, stock := sub(want, have), p.TotalQuantityOnHand.rat()
		near := o.RequestedShipDate.IsZero() || now.days(o.RequestedShipDate) <= 14
		if p.ItemType == "StockedProduct" && !done && !o.IsCompleted && !o.IsQuote && near &&
			needed.Sign() > 0 &&
			stock.Sign() > 0 &&
			stock.Cmp(needed) < 0 {
			v.onOrder("stock", plain(needed))
		}
	}
	for id, have := range picked {
		if !onOrder[id] && have.Sign() > 0 {
			v.onOrder("picked-quantity", "0")
		}
	}
	v.serials(done, picked, numbersOnPicks)
}

func (v *verdict) serials(
	done bool, picked map[string]*big.Rat, onPicks map[string]map[string]bool,
) {
	uses, left := map[string]int{}, map[string]*big.Rat{}
	use := func(l *line, s string) string {
		return l.ProductID + "|" + s + "|" + strconv.FormatBool(l.qty().Sign() < 0)
	}
	for _, l := range v.o.Lines {
		for _, s := range l.Quantity.SerialNumbers {
			uses[use(l, s)]++
		}
		if len(l.Quantity.SerialNumbers) == 0 && l.qty().Sign() > 0 {
			if left[l.ProductID] == nil {
				left[l.ProductID] = new(big.Rat)
			}
			left[l.ProductID].Add(left[l.ProductID], l.Quantity.StandardQuantity.rat())
		}
	}
	for i, l := range v.o.Lines {
		pieces := abs(l.Quantity.StandardQuantity.rat())
		if len(l.Quantity.SerialNumbers) > 0 {
			different, twice := map[string]bool{}, false
			for _, s := range l.Quantity.SerialNumbers {
				different[s] = true
				twice = twice || uses[use(l, s)] > 1
			}
			off := integer(len(different)).Cmp(pieces)
			inPart := !done && l.qty().Sign() > 0 && picked[l.ProductID] != nil
			if twice || off > 0 || off < 0 && !inPart {
				v.onLine("serial-numbers", i+1, plain(pieces))
			}
			continue
		}
		if !done || !l.Product.TrackSerials || l.qty().Sign() <= 0 {
			continue
		}
		want := pieces
		if len(onPicks[l.ProductID]) > 0 {
			want = left[l.ProductID]
		}
		if integer(len(onPicks[l.ProductID])).Cmp(want) < 0 {
			v.onLine("serial-numbers", i+1, plain(want))
		}
	}
}

func (v *verdict) dates() {
	o := v.o
	if o.IsQuote && !o.OrderDate.IsZero() && o.OrderDate.days(now) > 90 {
		v.onOrder("old-quote", "90")
	}
	if !o.OrderDate.IsZero() && !o.RequestedShipDate.IsZero() &&
		o.OrderDate.days(o.RequestedShipDate) < 0 {
		v.onOrder("ship-before-order", "")
	}
	if !o.DueDate.IsZero() && !o.InvoicedDate.IsZero() && o.PaymentTerms != nil {
		if off := o.InvoicedDate.days(o.DueDate) - o.PaymentTerms.DaysDue; off > 1 || off < -1 {
			v.onOrder("due-date", strconv.Itoa(o.PaymentTerms.DaysDue))
		}
	}
	if !o.IsQuote && !o.DueDate.IsZero() && o.Balance.rat().Sign() > 0 && o.DueDate.days(now) > 7 {
		v.onOrder("overdue", "")
	}
}

func (v *verdict) payments() {
	o := v.o
	negative := slices.ContainsFunc(o.Lines, func(l *line) bool { return l.SubTotal.rat().Sign() < 0 })
	cent := big.NewRat(1, 100)
	switch {
	case o.Balance.rat().Cmp(neg(cent)) < 0 && o.Total.rat().Sign() >= 0 &&
		o.AmountPaid.rat().Sign() > 0:
		v.out = append(v.out, found{"paid-with-balance", 0, "0.00", negative})
	case o.PaymentStatus == "Paid" && o.Balance.rat().Cmp(cent) > 0:
		v.out = append(v.out, found{"paid-with-balance", 0, "0.00", false})
	}
	rate := o.ExchangeRate
	pulled := o.ExchangeRateAutoPulled
	switch {
	case rate.rat().Sign() <= 0:
		v.out = append(v.out, found{"exchange-rate", 0, "", rate.isNull()})
	case rate.rat().Cmp(integer(1)) != 0 && !pulled.IsZero() && !o.OrderDate.IsZero() &&
		pulled.days(o.OrderDate) > 30:
		v.onOrder("exchange-rate", "")
	}
}

func (v *verdict) fulfilment() {
	o := v.o
	if o.InventoryStatus == "Fulfilled" && !o.IsInvoiced && o.Total.rat().Sign() > 0 &&
		!o.OrderDate.IsZero() {
		last := []date{o.OrderDate, o.RequestedShipDate}
		for _, s := range o.ShipLines {
			last = append(last, s.ShippedDate)
		}
		for _, p := range o.PickLines {
			last = append(last, p.PickDate)
		}
		if !slices.ContainsFunc(last, func(d date) bool { return !d.IsZero() && d.days(now) <= 7 }) {
			v.onOrder("fulfilled-not-invoiced", "")
		}
	}
	unconfirmed := o.NeedsConfirmation && o.ConfirmerTeamMemberID == "" && !o.IsQuote ||
		o.InventoryStatus == "Unconfirmed"
	if unconfirmed && len(o.PickLines) > 0 {
		v.onOrder("unconfirmed-picked", "")
	}
}
