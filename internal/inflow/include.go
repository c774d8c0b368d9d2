package inflow

import (
	"slices"
	"strings"

	"error-check-gate/internal/ordercheck"
)

// Related entities that [Client.SalesOrder] can ask for. InFlow leaves out entities that are not
// listed. A nested name includes its parents too.
const (
	IncludeCurrency                   = "currency"
	IncludeCustomer                   = ordercheck.IncludeCustomer
	IncludeLines                      = ordercheck.IncludeLines
	IncludeLinesProduct               = "lines.product"
	IncludeLinesProductCategory       = "lines.product.category"
	IncludeLinesProductCost           = "lines.product.cost"
	IncludeLinesProductInventoryLines = "lines.product.inventoryLines"
	IncludeLinesProductPrices         = "lines.product.prices"
	IncludePackLines                  = "packLines"
	IncludePaymentLines               = "paymentLines"
	IncludePaymentTerms               = "paymentTerms"
	IncludePickLines                  = "pickLines"
	IncludePricingScheme              = "pricingScheme"
	IncludeSalesRepTeamMember         = ordercheck.IncludeSalesRep
	IncludeShipLines                  = "shipLines"
	IncludeTaxingScheme               = "taxingScheme"
	IncludeTaxingSchemeTaxCodes       = "taxingScheme.taxCodes"
)

// includeList returns the value of the query parameter "include". It is sorted and has no
// duplicates or blanks, so the same set of names always makes the same URL.
func includeList(names []string) string {
	list := make([]string, 0, len(names))
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ",")
}
