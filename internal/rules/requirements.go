package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// includes lists the related entities that rules can require.
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

// Requirements lists the includes and look-ups that rules can require.
var Requirements = append(slices.Clone(includes),
	ordercheck.LookupBilled, ordercheck.LookupRecentOrders)

// Includes returns the related entities that any rule set can require.
func Includes() []string { return slices.Clone(includes) }

// need is the state of a requirement, or of several, on one order.
type need struct {
	// reason says why a rule with the requirement cannot judge the order. It is empty if it can.
	reason string
	// missing lists the includes and look-ups that InFlow should have sent, or that the gate should
	// have asked for.
	missing []string
}

// needs returns the unmet requirements of a rule. The reason comes from the first unmet one. If
// partial is true, some lines may lack their product.
func (s *subject) needs(requires []string, partial bool) need {
	var all need
	for _, name := range requires {
		n, cached := s.checked[name]
		if !cached {
			n = s.need(name)
			s.checked[name] = n
		}
		all.missing = append(all.missing, n.missing...)
		if partial && name == inflow.IncludeLinesProduct && hasProducts(s.order) {
			continue // lines without a product become gaps
		}
		all.reason = cmp.Or(all.reason, n.reason)
	}
	return all
}

func (s *subject) need(name string) need {
	none, unusual := ofNoProduct(s.order, name)
	switch {
	case !s.askedFor(name):
		return need{fmt.Sprintf("needs %q, which was not asked for", name), []string{name}}
	case name == ordercheck.LookupRecentOrders:
		if s.lookups.RecentOrders != nil {
			return need{}
		}
		return s.lookup(name, noRecentOrders)
	case name == ordercheck.LookupBilled:
		if !s.order.IsInvoiced || s.lookups.Billed != nil {
			return need{}
		}
		return s.lookup(name, notSeenInvoiced)
	case s.lacks(name):
		return need{withoutInclude(name), []string{name}}
	case none && unusual && s.asked == nil:
		return need{withoutInclude(name), []string{name}}
	case none:
		return need{reason: fmt.Sprintf("needs %q, which no product of the order has", name)}
	}
	// A list that must have entries may be empty. Then the rule is evaluated, but the verdict is
	// incomplete.
	return need{missing: s.order.Missing([]string{name})}
}

// Reasons to skip a rule whose look-up has no result.
const (
	noRecentOrders  = "needs the customer's recent orders, which were not looked up"
	notSeenInvoiced = "needs the order as it was invoiced, which was not seen"
)

// LookupLacking returns the look-up whose missing result made the gate skip the rule. It returns ""
// if the rule was skipped for another reason.
func LookupLacking(s *ordercheck.Skipped) string {
	switch {
	case strings.HasPrefix(s.Reason, noRecentOrders):
		return ordercheck.LookupRecentOrders
	case strings.HasPrefix(s.Reason, notSeenInvoiced):
		return ordercheck.LookupBilled
	default:
		return ""
	}
}

// askedFor reports whether an include or a look-up was asked for. It is true if that is unknown.
func (s *subject) askedFor(name string) bool {
	return s.asked == nil || slices.Contains(s.asked, name)
}

// lookup returns the need for a look-up that has no result.
func (s *subject) lookup(name, reason string) need {
	if slices.Contains(s.lookups.Failed, name) {
		return need{reason + ": it failed", []string{name}}
	}
	return need{reason: reason}
}

// lacks reports whether the order lacks an include, or an entity around it.
func (s *subject) lacks(include string) bool {
	for i := range include {
		if include[i] != '.' || !s.order.Lacks(include[:i]) {
			continue
		}
		if include[:i] != inflow.IncludeLinesProduct || !hasProducts(s.order) {
			return true
		}
	}
	return s.order.Lacks(include)
}

func hasProducts(o *inflow.SalesOrder) bool {
	return slices.ContainsFunc(o.Lines, func(l inflow.SalesOrderLine) bool { return l.Product != nil })
}

func withoutInclude(name string) string {
	return fmt.Sprintf("needs %q, which the order was fetched without", name)
}

// ofProducts has the includes that a product may legitimately lack, so that the order alone does
// not show whether InFlow left them out.
var ofProducts = map[string]struct {
	has func(*inflow.Product) bool
	// usual reports whether most products of such an order have it.
	usual func(*inflow.SalesOrder, *inflow.Product) bool
}{
	inflow.IncludeLinesProductCategory: {
		func(p *inflow.Product) bool { return p.Category != nil },
		func(_ *inflow.SalesOrder, p *inflow.Product) bool { return p.CategoryID != "" },
	},
	inflow.IncludeLinesProductCost: {
		func(p *inflow.Product) bool { return p.Cost != nil },
		func(_ *inflow.SalesOrder, p *inflow.Product) bool { return IsStocked(p) },
	},
	inflow.IncludeLinesProductInventoryLines: {
		func(p *inflow.Product) bool { return p.TotalQuantityOnHand.Valid },
		func(_ *inflow.SalesOrder, p *inflow.Product) bool { return IsStocked(p) },
	},
	inflow.IncludeLinesProductPrices: {
		func(p *inflow.Product) bool { return p.Prices != nil },
		func(o *inflow.SalesOrder, _ *inflow.Product) bool { return o.PricingSchemeID != "" },
	},
}

// ofNoProduct reports whether the order has products but none has the include, and whether that
// is unusual.
func ofNoProduct(o *inflow.SalesOrder, include string) (none, unusual bool) {
	of, found := ofProducts[include]
	if !found {
		return false, false
	}
	for i := range o.Lines {
		p := o.Lines[i].Product
		if p == nil {
			continue
		}
		if of.has(p) {
			return false, false
		}
		none, unusual = true, unusual || of.usual(o, p)
	}
	return none, unusual
}

// IsStocked reports whether InFlow keeps stock of the product.
func IsStocked(p *inflow.Product) bool { return strings.EqualFold(p.ItemType, "StockedProduct") }
