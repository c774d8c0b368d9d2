package oracle

import (
	"math/big"
	"slices"
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
		v.payments, v.fulfillment,
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
