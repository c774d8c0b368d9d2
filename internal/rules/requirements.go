package rules

import (
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
)

// What rules may require beyond the order itself, next to includes.
const (
	lookupRecentOrders = "recentOrders"
	lookupBilled       = "billed"
)

// includes are the related entities that rules may require.
var includes = []string{
	inflow.IncludeCurrency,
	inflow.IncludeCustomer,
	inflow.IncludeLines,
	inflow.IncludeLinesProduct,
	inflow.IncludeLinesProductCategory,
	inflow.IncludeLinesProductCost,
	inflow.IncludeLinesProductInventoryLines,
	inflow.IncludeLinesProductPrices,
	inflow.IncludePackLines,
	inflow.IncludePaymentLines,
	inflow.IncludePaymentTerms,
	inflow.IncludePickLines,
	inflow.IncludePricingScheme,
	inflow.IncludeShipLines,
	inflow.IncludeTaxingScheme,
	inflow.IncludeTaxingSchemeTaxCodes,
}

var requirements = append(slices.Clone(includes), lookupBilled, lookupRecentOrders)

// missing says which of the requirements is not there, or nothing. partial is true if some
// lines may be without their product.
func (s *subject) missing(requires []string, partial bool) string {
	for _, name := range requires {
		if partial && name == inflow.IncludeLinesProduct && slices.ContainsFunc(s.order.Lines, func(l inflow.SalesOrderLine) bool { return l.Product != nil }) {
			continue
		}
		reason, known := s.absent[name]
		if !known {
			reason = absence(s, name)
			s.absent[name] = reason
		}
		if reason != "" {
			return reason
		}
	}
	return ""
}

func absence(s *subject, name string) string {
	switch name {
	case lookupRecentOrders:
		if s.lookups.RecentOrders == nil {
			return "needs the customer's recent orders, which were not looked up"
		}
		return ""
	case lookupBilled:
		if s.order.IsInvoiced && s.lookups.Billed == nil {
			return "needs the order as it was invoiced, which was not seen"
		}
		return ""
	}
	if absent(s.order, name) {
		return withoutInclude(name)
	}
	return ""
}

func withoutInclude(name string) string {
	return fmt.Sprintf("needs %q, which the order was fetched without", name)
}

// absent reports whether an include is missing from the order. InFlow leaves out alike
// what was not asked for and what does not exist, so an entity counts as missing only
// where something else says that it exists.
func absent(o *inflow.SalesOrder, include string) bool {
	switch include {
	case inflow.IncludeCurrency:
		return o.CurrencyID != "" && o.Currency == nil
	case inflow.IncludeCustomer:
		return o.CustomerID != "" && o.Customer == nil
	case inflow.IncludeLines:
		return o.Lines == nil && !o.SubTotal.Decimal.IsZero()
	case inflow.IncludeLinesProduct:
		return slices.ContainsFunc(o.Lines, func(l inflow.SalesOrderLine) bool { return l.ProductID != "" && l.Product == nil })
	case inflow.IncludeLinesProductCategory:
		return ofNoProduct(o, func(p *inflow.Product) bool { return p.Category != nil })
	case inflow.IncludeLinesProductCost:
		return ofNoProduct(o, func(p *inflow.Product) bool { return p.Cost != nil })
	case inflow.IncludeLinesProductInventoryLines:
		return ofNoProduct(o, func(p *inflow.Product) bool { return p.TotalQuantityOnHand.Valid })
	case inflow.IncludeLinesProductPrices:
		return ofNoProduct(o, func(p *inflow.Product) bool { return p.Prices != nil })
	case inflow.IncludePackLines:
		return o.PackLines == nil && o.ShowShipping && fulfilled(o)
	case inflow.IncludePaymentLines:
		return o.PaymentLines == nil && !o.AmountPaid.Decimal.IsZero()
	case inflow.IncludePaymentTerms:
		return o.PaymentTermsID != "" && o.PaymentTerms == nil
	case inflow.IncludePickLines:
		return o.PickLines == nil && fulfilled(o)
	case inflow.IncludePricingScheme:
		return o.PricingSchemeID != "" && o.PricingScheme == nil
	case inflow.IncludeShipLines:
		return o.ShipLines == nil && o.ShowShipping && fulfilled(o)
	case inflow.IncludeTaxingScheme:
		return o.TaxingSchemeID != "" && o.TaxingScheme == nil
	case inflow.IncludeTaxingSchemeTaxCodes:
		return o.TaxingScheme != nil && o.TaxingScheme.TaxCodes == nil
	}
	return false
}

// ofNoProduct reports that there are products, and none has what a product has when it
// was asked for.
func ofNoProduct(o *inflow.SalesOrder, has func(*inflow.Product) bool) bool {
	products := 0
	for i := range o.Lines {
		p := o.Lines[i].Product
		if p == nil {
			continue
		}
		if has(p) {
			return false
		}
		products++
	}
	return products > 0
}

func fulfilled(o *inflow.SalesOrder) bool { return strings.EqualFold(o.InventoryStatus, "fulfilled") }
