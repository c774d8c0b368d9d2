package rules

import (
	"slices"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// Builtin describes a built-in rule.
type Builtin struct {
	Name        string           `json:"name"`
	Scope       ordercheck.Scope `json:"scope"`
	Description string           `json:"description"`
	Settings    []Setting        `json:"settings"`
}

// builtin is a kind of rule that is written in Go.
type builtin struct {
	Name        string
	Scope       ordercheck.Scope
	Description string
	// requires is what the rule cannot do without, wants what makes its messages better.
	requires, wants []string
	// partial is true if a rule on the order copes with lines without their product.
	partial bool
	// prepare reads the settings and answers with the check.
	prepare func(*settings) check
}

// check looks at an order and records what is wrong. An error means that the order
// cannot be judged.
type check func(*evaluation) error

var (
	lines           = []string{inflow.IncludeLines}
	linesAndProduct = []string{inflow.IncludeLines, inflow.IncludeLinesProduct}
	// currency says how amounts are rounded.
	currency           = []string{inflow.IncludeCurrency}
	productAndCurrency = []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludeCurrency}
)

// builtins is every built-in rule, in the order of the general checks and then the
// company rules.
var builtins = []builtin{
	{"line-subtotal", ordercheck.ScopeLine, "A line's subtotal is not its quantity × price less its discount.", lines, productAndCurrency, false, lineSubtotal},
	{"order-subtotal", ordercheck.ScopeOrder, "The order's subtotal is not the sum of its lines.", lines, currency, false, orderSubtotal},
	{"order-total", ordercheck.ScopeOrder, "The order's total is not its subtotal with freight, taxes and return charges.", nil, currency, false, orderTotal},
	{"tax-amounts", ordercheck.ScopeOrder, "The order's taxes are not what its tax rates make.", lines, currency, false, taxAmounts},
	{"no-tax", ordercheck.ScopeOrder, "No tax on an order with taxable lines, for a customer without an exemption number.", []string{inflow.IncludeCustomer, inflow.IncludeLines, inflow.IncludeTaxingScheme, inflow.IncludeTaxingSchemeTaxCodes}, nil, false, noTax},
	{"balance", ordercheck.ScopeOrder, "The order's balance is not its total less what was paid.", nil, currency, false, balance},
	{"discount-cap", ordercheck.ScopeLine, "A line's discount is above the cap of its product or category.", linesAndProduct, []string{inflow.IncludeLinesProductCategory}, false, discountCap},
	{"below-cost", ordercheck.ScopeLine, "A line is sold for less than its goods cost.", []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludeLinesProductCost}, currency, false, belowCost},
	{"order-discount-cap", ordercheck.ScopeOrder, "The discounts of the whole order are above a cap, and no remark says why.", linesAndProduct, currency, true, orderDiscountCap},
	{"discount-remark", ordercheck.ScopeOrder, "A line has a large discount, and the order no remark that says why.", lines, nil, false, discountRemark},
	{"scheme-price", ordercheck.ScopeLine, "A line's price is not that of the order's pricing scheme.", []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludeLinesProductPrices}, []string{inflow.IncludeLinesProductCost, inflow.IncludePricingScheme, inflow.IncludeCurrency}, false, schemePrice},
	{"surcharge", ordercheck.ScopeOrder, "A surcharge line is not within its percentages of the goods.", linesAndProduct, nil, false, surcharge},
	{"ship-to-address", ordercheck.ScopeOrder, "Goods were shipped, and the order has no usable address to ship to.", []string{inflow.IncludeShipLines}, nil, false, shipToAddress},
	{"required-fields", ordercheck.ScopeOrder, "A field that must be filled in is blank.", nil, nil, false, requiredFields},
	{"customer-and-lines", ordercheck.ScopeOrder, "The order has no customer, or no lines.", lines, nil, false, customerAndLines},
	{"repeated-po-number", ordercheck.ScopeOrder, "Another order of the customer has the same PO number.", []string{lookupRecentOrders}, nil, false, repeatedPONumber},
	{"near-duplicate", ordercheck.ScopeOrder, "A recent order of the customer has nearly the same goods.", []string{inflow.IncludeLines, lookupRecentOrders}, nil, false, nearDuplicate},
	{"repeated-product", ordercheck.ScopeOrder, "The same product is on two lines.", lines, linesAndProduct, false, repeatedProduct},
	{"quantity-zero", ordercheck.ScopeLine, "A line has quantity 0.", lines, linesAndProduct, false, quantityZero},
	{"return-details", ordercheck.ScopeLine, "A return has no reason, or no date.", lines, linesAndProduct, false, returnDetails},
	{"inactive", ordercheck.ScopeOrder, "The customer or a product was deactivated.", []string{inflow.IncludeCustomer, inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludePickLines}, nil, true, inactive},
	{"stock", ordercheck.ScopeOrder, "There is less in stock than the order still needs.", []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludeLinesProductInventoryLines, inflow.IncludePickLines}, nil, true, stock},
	{"odd-quantity", ordercheck.ScopeLine, "A quantity is fractional, or no multiple of what the product is sold in.", linesAndProduct, nil, false, oddQuantity},
	{"off-history", ordercheck.ScopeLine, "A quantity or price is far off what the customer ordered of the product before.", []string{inflow.IncludeLines, lookupRecentOrders}, linesAndProduct, false, offHistory},
	{"picked-quantity", ordercheck.ScopeOrder, "What was picked or packed is not what was ordered.", []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludePickLines, inflow.IncludePackLines}, nil, true, pickedQuantity},
	{"serial-numbers", ordercheck.ScopeLine, "A line has not as many serial numbers as pieces, or one that another piece has.", []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludePickLines}, nil, false, serialNumbers},
	{"changed-after-invoice", ordercheck.ScopeOrder, "The order was changed after it was invoiced.", []string{inflow.IncludeLines, lookupBilled}, nil, false, changedAfterInvoice},
	{"card-surcharge", ordercheck.ScopeOrder, "An order paid by card has no surcharge line, or one of the wrong amount.", []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludePaymentLines}, nil, false, cardSurcharge},
	{"fee-by-category", ordercheck.ScopeOrder, "A fee line is not the sum of its rates for the categories of the goods.", linesAndProduct, nil, false, feeByCategory},
	{"delivery-fee", ordercheck.ScopeOrder, "The freight is below what the delivery record asks for.", linesAndProduct, nil, false, deliveryFee},
}

func builtinByName(name string) (*builtin, bool) {
	i := slices.IndexFunc(builtins, func(b builtin) bool { return b.Name == name })
	if i < 0 {
		return nil, false
	}
	return &builtins[i], true
}

func builtinNames() []string {
	names := make([]string, len(builtins))
	for i := range builtins {
		names[i] = builtins[i].Name
	}
	return names
}

// Builtins lists the built-in rules with their settings.
func Builtins() []Builtin {
	out := make([]Builtin, len(builtins))
	for i, b := range builtins {
		s := newSettings(nil, nil)
		b.prepare(s)
		out[i] = Builtin{Name: b.Name, Scope: b.Scope, Description: b.Description, Settings: s.read}
	}
	return out
}
