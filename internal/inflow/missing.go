package inflow

import (
	"reflect"
	"slices"
	"strings"

	"github.com/govalues/decimal"
)

// related says, for each related entity that an order can be asked for, what shows that InFlow left it
// out. InFlow writes null for what does not exist and leaves out what was not asked for, and the two
// look alike: only something else in the order can tell.
var related = map[string]struct {
	// lacks reports that the entity is not there, and that the order says that it exists.
	lacks func(*SalesOrder) bool
	// hollow reports that the list is there, but empty, and that the order says that it is not. A new
	// order looks like that for a second or two. nil is never.
	hollow func(*SalesOrder) bool
}{
	IncludeCurrency: {lacks: func(o *SalesOrder) bool { return without(o.CurrencyID, o.Currency, nil) }},
	IncludeCustomer: {lacks: func(o *SalesOrder) bool { return without(o.CustomerID, o.Customer, customerID) }},
	IncludeLines: {
		lacks:  func(o *SalesOrder) bool { return o.Lines == nil && o.mustHaveLines() },
		hollow: func(o *SalesOrder) bool { return o.Lines != nil && len(o.Lines) == 0 && !isZero(o.SubTotal) },
	},
	IncludeLinesProduct: {lacks: func(o *SalesOrder) bool {
		return slices.ContainsFunc(o.Lines, func(l SalesOrderLine) bool { return without(l.ProductID, l.Product, productID) })
	}},
	IncludeLinesProductCategory: {lacks: func(o *SalesOrder) bool {
		return slices.ContainsFunc(o.Lines, func(l SalesOrderLine) bool {
			return l.Product != nil && without(l.Product.CategoryID, l.Product.Category, nil)
		})
	}},
	IncludePackLines: {lacks: func(o *SalesOrder) bool { return o.PackLines == nil && o.ShowShipping && o.isFulfilled() }},
	IncludePaymentLines: {
		lacks: func(o *SalesOrder) bool {
			return o.PaymentLines == nil && (!isZero(o.AmountPaid) || !o.AmountPaid.Valid && isPaid(o.PaymentStatus))
		},
		hollow: func(o *SalesOrder) bool {
			return o.PaymentLines != nil && len(o.PaymentLines) == 0 && !isZero(o.AmountPaid)
		},
	},
	IncludePaymentTerms:       {lacks: func(o *SalesOrder) bool { return without(o.PaymentTermsID, o.PaymentTerms, nil) }},
	IncludePickLines:          {lacks: func(o *SalesOrder) bool { return o.PickLines == nil && o.isFulfilled() }},
	IncludePricingScheme:      {lacks: func(o *SalesOrder) bool { return without(o.PricingSchemeID, o.PricingScheme, nil) }},
	IncludeSalesRepTeamMember: {lacks: func(o *SalesOrder) bool { return without(o.SalesRepTeamMemberID, o.SalesRepTeamMember, nil) }},
	IncludeShipLines:          {lacks: func(o *SalesOrder) bool { return o.ShipLines == nil && o.ShowShipping && o.isFulfilled() }},
	IncludeTaxingScheme:       {lacks: func(o *SalesOrder) bool { return o.TaxingSchemeID != "" && o.TaxingScheme == nil }},
	IncludeTaxingSchemeTaxCodes: {lacks: func(o *SalesOrder) bool {
		return o.TaxingScheme != nil && o.TaxingScheme.TaxCodes == nil
	}},
}

// Lacks reports whether the entity that include names is not there although something else in the order
// says that it exists.
func (o *SalesOrder) Lacks(include string) bool {
	r, known := related[include]
	return known && r.lacks(o)
}

// Missing lists the entities of include that InFlow left out: those that the order [SalesOrder.Lacks],
// and lists that came empty although the order says that they are not. The result is sorted.
func (o *SalesOrder) Missing(include []string) []string {
	var missing []string
	for _, name := range include {
		if r := related[name]; o.Lacks(name) || r.hollow != nil && r.hollow(o) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

func (o *SalesOrder) mustHaveLines() bool {
	return !isZero(o.SubTotal) || !o.SubTotal.Valid && !isZero(o.Total) ||
		len(o.PickLines) > 0 || len(o.PackLines) > 0 || len(o.ShipLines) > 0 ||
		o.isFulfilled() || strings.EqualFold(o.InventoryStatus, "Started")
}

// without reports whether an entity of an order is missing: the order names its id, and it is not there, is
// empty, or is another one. own returns the entity's own id; nil is for an entity without.
func without[T any](id string, entity *T, own func(*T) string) bool {
	switch {
	case id == "":
		return false
	case entity == nil, reflect.ValueOf(entity).Elem().IsZero():
		return true
	default:
		return own != nil && own(entity) != "" && !strings.EqualFold(own(entity), id)
	}
}

func customerID(c *Customer) string { return c.CustomerID }

func productID(p *Product) string { return p.ProductID }

func (o *SalesOrder) isFulfilled() bool { return strings.EqualFold(o.InventoryStatus, "Fulfilled") }

func isPaid(status string) bool {
	return strings.EqualFold(status, "Paid") || strings.EqualFold(status, "Partial")
}

func isZero(a Amount) bool { return a.Decimal.Cmp(decimal.Decimal{}) == 0 }
