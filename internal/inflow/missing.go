package inflow

import (
	"reflect"
	"slices"
	"strings"

	"github.com/govalues/decimal"
)

// related says, for each related entity, how to recognize that InFlow left it out. An entity that
// does not exist (null) and one that was left out look alike once decoded, so we look for other
// fields of the order that say that the entity exists.
var related = map[string]struct {
	// lacks reports whether the entity is missing although the order says that it exists.
	lacks func(*SalesOrder) bool
	// wronglyEmpty reports whether the list is empty although the order says that it has
	// entries. A new order looks like that for a second or two. May be nil.
	wronglyEmpty func(*SalesOrder) bool
}{
	IncludeCurrency: {lacks: func(o *SalesOrder) bool {
		return without(o.CurrencyID, o.Currency, nil)
	}},
	IncludeCustomer: {lacks: func(o *SalesOrder) bool {
		return without(o.CustomerID, o.Customer, customerID)
	}},
	IncludeLines: {
		lacks: func(o *SalesOrder) bool { return o.Lines == nil && o.mustHaveLines() },
		wronglyEmpty: func(o *SalesOrder) bool {
			return o.Lines != nil && len(o.Lines) == 0 && !isZero(o.SubTotal)
		},
	},
	IncludeLinesProduct: {lacks: func(o *SalesOrder) bool {
		return slices.ContainsFunc(o.Lines, func(l SalesOrderLine) bool {
			return without(l.ProductID, l.Product, productID)
		})
	}},
	IncludeLinesProductCategory: {lacks: func(o *SalesOrder) bool {
		return slices.ContainsFunc(o.Lines, func(l SalesOrderLine) bool {
			return l.Product != nil && without(l.Product.CategoryID, l.Product.Category, nil)
		})
	}},
	IncludePackLines: {lacks: func(o *SalesOrder) bool {
		return o.PackLines == nil && o.ShowShipping && o.IsFulfilled()
	}},
	IncludePaymentLines: {
		lacks: func(o *SalesOrder) bool {
			return o.PaymentLines == nil &&
				(!isZero(o.AmountPaid) || !o.AmountPaid.Valid && isPaid(o.PaymentStatus))
		},
		wronglyEmpty: func(o *SalesOrder) bool {
			return o.PaymentLines != nil && len(o.PaymentLines) == 0 && !isZero(o.AmountPaid)
		},
	},
	IncludePaymentTerms: {lacks: func(o *SalesOrder) bool {
		return without(o.PaymentTermsID, o.PaymentTerms, nil)
	}},
	IncludePickLines: {lacks: func(o *SalesOrder) bool {
		return o.PickLines == nil && o.IsFulfilled()
	}},
	IncludePricingScheme: {lacks: func(o *SalesOrder) bool {
		return without(o.PricingSchemeID, o.PricingScheme, nil)
	}},
	IncludeSalesRepTeamMember: {lacks: func(o *SalesOrder) bool {
		return without(o.SalesRepTeamMemberID, o.SalesRepTeamMember, nil)
	}},
	IncludeShipLines: {lacks: func(o *SalesOrder) bool {
		return o.ShipLines == nil && o.ShowShipping && o.IsFulfilled()
	}},
	IncludeTaxingScheme: {lacks: func(o *SalesOrder) bool {
		return o.TaxingSchemeID != "" && o.TaxingScheme == nil
	}},
	IncludeTaxingSchemeTaxCodes: {lacks: func(o *SalesOrder) bool {
		return o.TaxingScheme != nil && o.TaxingScheme.TaxCodes == nil
	}},
}

// Lacks reports whether the related entity is missing although another field of the order says
// that it exists.
func (o *SalesOrder) Lacks(include string) bool {
	r, known := related[include]
	return known && r.lacks(o)
}

// Missing returns the entities of include that InFlow left out: entities that the order
// [SalesOrder.Lacks], and lists that are empty although the order says that they have entries.
// The result is sorted.
func (o *SalesOrder) Missing(include []string) []string {
	var missing []string
	for _, name := range include {
		if r := related[name]; o.Lacks(name) || r.wronglyEmpty != nil && r.wronglyEmpty(o) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

func (o *SalesOrder) mustHaveLines() bool {
	return !isZero(o.SubTotal) || !o.SubTotal.Valid && !isZero(o.Total) ||
		len(o.PickLines) > 0 || len(o.PackLines) > 0 || len(o.ShipLines) > 0 ||
		o.IsFulfilled() || strings.EqualFold(o.InventoryStatus, "Started")
}

// without reports whether an entity is missing although the order has its id: the entity is nil,
// empty, or has another id. own returns the entity's id, and is nil if the entity has none.
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

// IsFulfilled reports whether InFlow calls the order's inventory status fulfilled.
func (o *SalesOrder) IsFulfilled() bool { return strings.EqualFold(o.InventoryStatus, "Fulfilled") }

func isPaid(status string) bool {
	return strings.EqualFold(status, "Paid") || strings.EqualFold(status, "Partial")
}

func isZero(a Amount) bool { return a.Decimal.Cmp(decimal.Decimal{}) == 0 }
