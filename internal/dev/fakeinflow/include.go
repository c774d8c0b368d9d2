package fakeinflow

import (
	"fmt"
	"slices"
	"strings"
)

// relations has, for each kind of entity, the fields that an answer has only if the request
// includes them, and the kind of entity in each. They are from InFlow's API description.
var relations = map[string]map[string]string{
	"salesOrder": {
		"assignedToTeamMember": "teamMember", "attachments": "attachment", "confirmerTeamMember": "teamMember",
		"costOfGoodsSold": "", "currency": "currency", "customer": "customer", "lastModifiedBy": "teamMember",
		"lines": "line", "location": "", "packLines": "productLine", "paymentLines": "", "paymentTerms": "",
		"pickLines": "productLine", "pricingScheme": "pricingScheme", "restockLines": "productLine",
		"salesRepTeamMember": "teamMember", "shipLines": "", "taxingScheme": "taxingScheme",
	},
	"line":        {"product": "product", "taxCode": "taxCode"},
	"productLine": {"product": "product", "location": ""},
	"attachment":  {"lastModifiedBy": "teamMember"},
	"currency":    {"currencyConversions": ""},
	"customer": {
		"addresses": "", "attachments": "attachment", "balances": "", "credits": "", "defaultBillingAddress": "",
		"defaultLocation": "", "defaultPaymentTerms": "", "defaultSalesRepTeamMember": "teamMember",
		"defaultShippingAddress": "", "dues": "", "lastModifiedBy": "teamMember", "orderHistory": "",
		"pricingScheme": "pricingScheme", "taxingScheme": "taxingScheme",
	},
	"pricingScheme": {"currency": "currency", "productPrices": ""},
	"product": {
		"attachments": "attachment", "category": "category", "cost": "", "defaultImage": "", "defaultPrice": "productPrice",
		"images": "", "inventoryLines": "inventoryLine", "itemBoms": "", "lastModifiedBy": "teamMember", "lastVendor": "",
		"prices": "productPrice", "productBarcodes": "", "productOperations": "", "reorderSettings": "",
		"taxCodes": "", "vendorItems": "",
	},
	"category":      {"parentCategory": "category"},
	"inventoryLine": {"location": ""},
	"productPrice":  {"pricingScheme": "pricingScheme"},
	"taxCode":       {"taxingScheme": "taxingScheme"},
	"taxingScheme":  {"defaultTaxCode": "taxCode", "taxCodes": "taxCode"},
	"teamMember":    {},
}

// lists has the relations to many entities. Each is an empty list if there are none.
var lists = []string{
	"addresses", "attachments", "balances", "credits", "currencyConversions", "dues", "images", "inventoryLines",
	"itemBoms", "lines", "packLines", "paymentLines", "pickLines", "prices", "productBarcodes", "productOperations",
	"productPrices", "reorderSettings", "restockLines", "shipLines", "taxCodes", "vendorItems",
}

// inclusion is a tree of the relations that a request includes.
type inclusion map[string]inclusion

// parseInclude parses paths such as lines.product, separated by commas.
func parseInclude(values []string) (inclusion, error) {
	root := inclusion{}
	for _, path := range strings.Split(strings.Join(values, ","), ",") {
		if path = strings.TrimSpace(path); path == "" {
			continue
		}
		at, kind := root, "salesOrder"
		for name := range strings.SplitSeq(path, ".") {
			field, next, ok := relation(kind, name)
			if !ok {
				return nil, fmt.Errorf("include: %q: %q is not a relationship", path, name)
			}
			if at[field] == nil {
				at[field] = inclusion{}
			}
			at, kind = at[field], next
		}
	}
	return root, nil
}

// without returns the tree without the relations at these paths, and without everything below them.
func (i inclusion) without(paths []string) inclusion {
	out := inclusion{}
	for field, nested := range i {
		var below []string
		leftOut := false
		for _, path := range paths {
			first, rest, isNested := strings.Cut(path, ".")
			if !strings.EqualFold(strings.TrimSpace(first), field) {
				continue
			}
			if !isNested {
				leftOut = true
			} else {
				below = append(below, rest)
			}
		}
		if !leftOut {
			out[field] = nested.without(below)
		}
	}
	return out
}

// relation finds a relation by its name. It ignores case.
func relation(kind, name string) (field, next string, ok bool) {
	for field, next := range relations[kind] {
		if strings.EqualFold(field, name) {
			return field, next, true
		}
	}
	return "", "", false
}

// project returns an entity with only the relations that the request includes. look returns the
// entity of a reference, or nil if there is none.
func project(
	entity map[string]any, kind string, named inclusion, look func(reference) map[string]any,
) map[string]any {
	out := make(map[string]any, len(entity))
	for field, value := range entity {
		if _, isRelation := relations[kind][field]; !isRelation {
			out[field] = value
		}
	}
	if _, counted := named["inventoryLines"]; kind == kindProduct && !counted {
		delete(out, "totalQuantityOnHand") // InFlow sums it from the lines
	}
	for field, nested := range named {
		out[field] = projectRelation(entity[field], field, relations[kind][field], nested, look)
	}
	return out
}

func projectRelation(
	value any, field, kind string, named inclusion, look func(reference) map[string]any,
) any {
	switch value := value.(type) {
	case reference:
		if entity := look(value); entity != nil {
			return project(entity, kind, named, look)
		}
		return nil
	case map[string]any:
		return project(value, kind, named, look)
	case []any:
		list := make([]any, len(value))
		for i, entry := range value {
			list[i] = entry
			if entity, ok := entry.(map[string]any); ok {
				list[i] = project(entity, kind, named, look)
			}
		}
		return list
	case nil:
		if slices.Contains(lists, field) {
			return []any{}
		}
	}
	return value
}
