// Package checks has the built-in rules: the checks of sales orders that are written in Go, with
// parameters that a rule file can set. It knows nothing about the form of rule files.
package checks

import (
	"slices"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

// Builtin is a built-in rule.
type Builtin struct {
	Name        string           `json:"name"`
	Scope       ordercheck.Scope `json:"scope"`
	Description string           `json:"description"`
	Parameters  []Parameter      `json:"settings"`

	// requires lists the includes and look-ups that the check cannot do without. wants lists
	// includes that improve its messages.
	requires, wants []string
	// partial is true for an order check that can judge an order without all of its products.
	partial bool
	// newCheck reads the parameters and returns the check.
	newCheck func(*params) rules.Check
}

// builtins are the built-in rules: first the general checks, then the checks of single companies.
var builtins = []Builtin{
	{
		Name: "line-subtotal", Scope: ordercheck.ScopeLine,
		Description: "A line's subtotal is not its quantity × price less its discount.",
		requires:    []string{inflow.IncludeLines},
		wants:       []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludeCurrency},
		newCheck:    lineSubtotal,
	},
	{
		Name: "order-subtotal", Scope: ordercheck.ScopeOrder,
		Description: "The order's subtotal is not the sum of its lines.",
		requires:    []string{inflow.IncludeLines},
		wants:       []string{inflow.IncludeCurrency},
		newCheck:    orderSubtotal,
	},
	{
		Name: "order-total", Scope: ordercheck.ScopeOrder,
		Description: "The order's total is not its subtotal with freight, taxes and return charges.",
		wants:       []string{inflow.IncludeCurrency},
		newCheck:    orderTotal,
	},
	{
		Name: "tax-amounts", Scope: ordercheck.ScopeOrder,
		Description: "The order's taxes do not match its tax rates.",
		requires:    []string{inflow.IncludeLines},
		wants:       []string{inflow.IncludeCurrency},
		newCheck:    taxAmounts,
	},
	{
		Name: "no-tax", Scope: ordercheck.ScopeOrder,
		Description: "No tax on an order with taxable lines, for a customer without an exemption number.",
		requires: []string{
			inflow.IncludeCustomer,
			inflow.IncludeLines,
			inflow.IncludeTaxingScheme,
			inflow.IncludeTaxingSchemeTaxCodes,
		},
		newCheck: noTax,
	},
	{
		Name: "balance", Scope: ordercheck.ScopeOrder,
		Description: "The order's balance is not its total less its payments.",
		wants:       []string{inflow.IncludeCurrency},
		newCheck:    balance,
	},
	{
		Name: "discount-cap", Scope: ordercheck.ScopeLine,
		Description: "A line's discount is above the cap of its product or category.",
		requires:    []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		wants:       []string{inflow.IncludeLinesProductCategory},
		newCheck:    discountCap,
	},
	{
		Name: "below-cost", Scope: ordercheck.ScopeLine,
		Description: "A line is sold for less than its goods cost.",
		requires: []string{
			inflow.IncludeLines,
			inflow.IncludeLinesProduct,
			inflow.IncludeLinesProductCost,
		},
		wants:    []string{inflow.IncludeCurrency},
		newCheck: belowCost,
	},
	{
		Name: "order-discount-cap", Scope: ordercheck.ScopeOrder,
		Description: "The discounts of the whole order are above a cap, and no remark says why.",
		requires:    []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		wants:       []string{inflow.IncludeCurrency},
		partial:     true,
		newCheck:    orderDiscountCap,
	},
	{
		Name: "discount-remark", Scope: ordercheck.ScopeOrder,
		Description: "A line has a large discount, and no remark says why.",
		requires:    []string{inflow.IncludeLines},
		newCheck:    discountRemark,
	},
	{
		Name: "scheme-price", Scope: ordercheck.ScopeLine,
		Description: "A line's price differs from the order's pricing scheme.",
		requires: []string{
			inflow.IncludeLines,
			inflow.IncludeLinesProduct,
			inflow.IncludeLinesProductPrices,
		},
		wants: []string{
			inflow.IncludeLinesProductCost,
			inflow.IncludePricingScheme,
			inflow.IncludeCurrency,
		},
		newCheck: schemePrice,
	},
	{
		Name: "surcharge", Scope: ordercheck.ScopeOrder,
		Description: "A surcharge line is not within its percentages of the goods.",
		requires:    []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck:    surcharge,
	},
	{
		Name: "ship-to-address", Scope: ordercheck.ScopeOrder,
		Description: "Goods were shipped, but the order has no usable shipping address.",
		requires:    []string{inflow.IncludeShipLines},
		newCheck:    shipToAddress,
	},
	{
		Name: "required-fields", Scope: ordercheck.ScopeOrder,
		Description: "A field that must be filled in is blank.",
		newCheck:    requiredFields,
	},
	{
		Name: "customer-and-lines", Scope: ordercheck.ScopeOrder,
		Description: "The order has no customer, or no lines.",
		requires:    []string{inflow.IncludeLines},
		newCheck:    customerAndLines,
	},
	{
		Name: "repeated-po-number", Scope: ordercheck.ScopeOrder,
		Description: "Another order of the customer has the same PO number.",
		requires:    []string{ordercheck.LookupRecentOrders},
		newCheck:    repeatedPONumber,
	},
	{
		Name: "near-duplicate", Scope: ordercheck.ScopeOrder,
		Description: "A recent order of the customer has nearly the same goods.",
		requires:    []string{inflow.IncludeLines, ordercheck.LookupRecentOrders},
		newCheck:    nearDuplicate,
	},
	{
		Name: "repeated-product", Scope: ordercheck.ScopeOrder,
		Description: "The same product is on two lines.",
		requires:    []string{inflow.IncludeLines},
		wants:       []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck:    repeatedProduct,
	},
	{
		Name: "quantity-zero", Scope: ordercheck.ScopeLine,
		Description: "A line has quantity 0.",
		requires:    []string{inflow.IncludeLines},
		wants:       []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck:    quantityZero,
	},
	{
		Name: "return-details", Scope: ordercheck.ScopeLine,
		Description: "A return has no reason, or no date.",
		requires:    []string{inflow.IncludeLines},
		wants:       []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck:    returnDetails,
	},
	{
		Name: "inactive", Scope: ordercheck.ScopeOrder,
		Description: "The customer or a product was deactivated.",
		requires: []string{
			inflow.IncludeCustomer,
			inflow.IncludeLines,
			inflow.IncludeLinesProduct,
			inflow.IncludePickLines,
		},
		partial:  true,
		newCheck: inactive,
	},
	{
		Name: "stock", Scope: ordercheck.ScopeOrder,
		Description: "There is less in stock than the order still needs.",
		requires: []string{
			inflow.IncludeLines,
			inflow.IncludeLinesProduct,
			inflow.IncludeLinesProductInventoryLines,
			inflow.IncludePickLines,
		},
		partial:  true,
		newCheck: stock,
	},
	{
		Name: "odd-quantity", Scope: ordercheck.ScopeLine,
		Description: "A quantity is fractional, or not a multiple of the unit in which " +
			"the product is sold.",
		requires: []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck: oddQuantity,
	},
	{
		Name: "off-history", Scope: ordercheck.ScopeLine,
		Description: "A quantity or price is far off the customer's earlier orders of the product.",
		requires:    []string{inflow.IncludeLines, ordercheck.LookupRecentOrders},
		wants:       []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck:    offHistory,
	},
	{
		Name: "picked-quantity", Scope: ordercheck.ScopeOrder,
		Description: "The goods picked or packed differ from the goods ordered.",
		requires: []string{
			inflow.IncludeLines,
			inflow.IncludeLinesProduct,
			inflow.IncludePickLines,
			inflow.IncludePackLines,
		},
		partial:  true,
		newCheck: pickedQuantity,
	},
	{
		Name: "serial-numbers", Scope: ordercheck.ScopeLine,
		Description: "A line does not have one serial number per piece, " +
			"or shares one with another piece.",
		requires: []string{inflow.IncludeLines, inflow.IncludeLinesProduct, inflow.IncludePickLines},
		newCheck: serialNumbers,
	},
	{
		Name: "changed-after-invoice", Scope: ordercheck.ScopeOrder,
		Description: "The order was changed after it was invoiced.",
		requires:    []string{inflow.IncludeLines, ordercheck.LookupBilled},
		newCheck:    changedAfterInvoice,
	},
	{
		Name: "card-surcharge", Scope: ordercheck.ScopeOrder,
		Description: "An order paid by card has no surcharge line, or one of the wrong amount.",
		requires: []string{
			inflow.IncludeLines,
			inflow.IncludeLinesProduct,
			inflow.IncludePaymentLines,
		},
		newCheck: cardSurcharge,
	},
	{
		Name: "fee-by-category", Scope: ordercheck.ScopeOrder,
		Description: "A fee line is not the sum of its rates for the categories of the goods.",
		requires:    []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck:    feeByCategory,
	},
	{
		Name: "delivery-fee", Scope: ordercheck.ScopeOrder,
		Description: "The freight is below the amount in the delivery record.",
		requires:    []string{inflow.IncludeLines, inflow.IncludeLinesProduct},
		newCheck:    deliveryFee,
	},
}

// All returns the built-in rules with their parameters.
func All() []Builtin {
	out := slices.Clone(builtins)
	for i := range out {
		p := newParams(nil)
		out[i].newCheck(p)
		out[i].Parameters = p.read
	}
	return out
}

// Names returns the names of the built-in rules.
func Names() []string {
	names := make([]string, len(builtins))
	for i := range builtins {
		names[i] = builtins[i].Name
	}
	return names
}

// Find returns the built-in rule of a name.
func Find(name string) (*Builtin, bool) {
	i := slices.IndexFunc(builtins, func(b Builtin) bool { return b.Name == name })
	if i < 0 {
		return nil, false
	}
	return &builtins[i], true
}

// Configure sets up a rule to use the check, with parameters from source. The rule gets the check's
// scope, and its description unless the rule has its own. Configure returns the names of the
// check's parameters.
func (b *Builtin) Configure(r *rules.Rule, source Source) (known []string) {
	p := newParams(source)
	r.Check = b.newCheck(p)
	r.Scope = b.Scope
	if r.Description == "" {
		r.Description = b.Description
	}
	r.Unavailable = p.unavailable
	r.Requires = append(r.Requires, b.requires...)
	r.Wants, r.Partial = b.wants, b.partial
	r.Written.Builtin, r.Written.Settings = b.Name, p.values
	for _, parameter := range p.read {
		known = append(known, parameter.Name)
	}
	return known
}
