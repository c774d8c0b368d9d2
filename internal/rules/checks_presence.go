package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/fold"
)

// customerAndLines: no customer, or no lines.
func customerAndLines(*settings) check {
	return func(e *evaluation) error {
		if strings.TrimSpace(e.order.CustomerID) == "" && e.order.Customer == nil {
			e.onOrder(breach{
				discriminator: "customer",
				message:       "The order has no customer",
				fix:           "Choose the customer on the order",
			})
		}
		if len(e.order.Lines) == 0 {
			e.onOrder(breach{
				discriminator: "lines",
				message:       "The order has no lines",
				fix:           "Add what was ordered, or cancel the order",
			})
		}
		return nil
	}
}

// quantityZero: a line with quantity 0.
func quantityZero(*settings) check {
	return func(e *evaluation) error {
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if quantity(line).IsZero() {
				e.onLine(i, breach{
					message: e.lineName(i) + ": the quantity is 0",
					actual:  "0",
					fix:     "Enter the quantity, or remove the line",
				})
			}
			return nil
		})
	}
}

// fillable is a field of an order that a company may require.
type fillable struct {
	// name is what people call the field.
	name   string
	filled func(*inflow.SalesOrder) bool
}

var fillables = func() map[string]fillable {
	filled := func(text string) bool { return strings.TrimSpace(text) != "" }
	fields := map[string]fillable{
		"poNumber":      {"PO number", func(o *inflow.SalesOrder) bool { return filled(o.PONumber) }},
		"orderRemarks":  {"remarks", func(o *inflow.SalesOrder) bool { return filled(o.OrderRemarks) }},
		"returnRemarks": {"return remarks", func(o *inflow.SalesOrder) bool { return bool(o.ReturnRemarks) }},
		"contactName":   {"contact", func(o *inflow.SalesOrder) bool { return bool(o.ContactName) }},
		"email":         {"e-mail address", func(o *inflow.SalesOrder) bool { return bool(o.Email) }},
		"phone":         {"phone number", func(o *inflow.SalesOrder) bool { return bool(o.Phone) }},
		"paymentTerms":  {"payment terms", func(o *inflow.SalesOrder) bool { return filled(o.PaymentTermsID) }},
		"pricingScheme": {"pricing scheme", func(o *inflow.SalesOrder) bool { return filled(o.PricingSchemeID) }},
		"salesRep":      {"sales rep", func(o *inflow.SalesOrder) bool { return filled(o.SalesRepTeamMemberID) || bool(o.SalesRep) }},
		"location":      {"location", func(o *inflow.SalesOrder) bool { return filled(o.LocationID) }},
		"orderDate":     {"order date", func(o *inflow.SalesOrder) bool { return !o.OrderDate.IsZero() }},
		"dueDate":       {"due date", func(o *inflow.SalesOrder) bool { return !o.DueDate.IsZero() }},
		"requestedShipDate": {"requested ship date", func(o *inflow.SalesOrder) bool {
			return !o.RequestedShipDate.IsZero()
		}},
	}
	for i := 1; i <= 10; i++ {
		key := fmt.Sprintf("custom%d", i)
		fields[key] = fillable{fmt.Sprintf("custom field %d", i), func(o *inflow.SalesOrder) bool { return filled(o.CustomFields[key]) }}
	}
	return fields
}()

func fillableNames() []string {
	names := make([]string, 0, len(fillables))
	for name := range fillables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// requiredFields: a field that must be filled in is blank.
func requiredFields(s *settings) check {
	fields := s.texts("fields", nil, "the fields that must be filled in: "+strings.Join(fillableNames(), ", "), fillableNames()...)
	if len(fields) == 0 {
		s.skip = "no fields are named in its parameter fields"
	}
	return func(e *evaluation) error {
		for _, name := range fields {
			if field := fillables[name]; !field.filled(e.order) {
				message := "The order has no " + field.name
				if strings.HasPrefix(name, "custom") {
					message = capital(field.name) + " of the order is blank"
				}
				e.onOrder(breach{
					discriminator: name,
					message:       message,
					fix:           fmt.Sprintf("Fill in the %s of the order", field.name),
				})
			}
		}
		return nil
	}
}

// returnDetails: goods came back and nobody says why, or when.
func returnDetails(s *settings) check {
	reasons := s.texts("reasonFields", []string{"returnRemarks", "orderRemarks"}, "the fields of which one must give the reason", fillableNames()...)
	needsDate := s.truth("date", true, "whether the return's date must be filled in; without it the finding is a warning")
	return func(e *evaluation) error {
		hasReason := len(reasons) == 0 || slices.ContainsFunc(reasons, func(name string) bool { return fillables[name].filled(e.order) })
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if !quantity(line).IsNeg() || line.Product != nil && isService(line.Product) {
				return nil
			}
			var lacks, fixes []string
			if !hasReason {
				lacks = append(lacks, "reason")
				fixes = append(fixes, "write the reason into the return remarks")
			}
			if needsDate && line.ReturnDate.IsZero() {
				lacks = append(lacks, "date")
				fixes = append(fixes, "enter the date of the return on the line")
			}
			if len(lacks) > 0 {
				fix := strings.Join(fixes, ", and ")
				e.onLine(i, breach{
					message: fmt.Sprintf("%s: the return of %s has no %s", e.lineName(i), withUnit(quantity(line).Abs(), line.Quantity.Uom), strings.Join(lacks, " and no ")),
					fix:     capital(fix),
					warning: hasReason,
				})
			}
			return nil
		})
	}
}

// shipToAddress: goods left and the order has no address that they can have gone to.
func shipToAddress(s *settings) check {
	pickUps := s.texts("pickUp", []string{"pick-up", "pick up", "pickup", "will call", "collect", "counter"}, "how carriers are named when the customer fetches the goods, as a part of the name")
	return func(e *evaluation) error {
		if !e.order.ShowShipping || usableAddress(e.order.ShippingAddress) || e.order.SameBillingAndShipping && usableAddress(e.order.BillingAddress) {
			return nil
		}
		isPickUp := func(carrier string) bool {
			return slices.ContainsFunc(pickUps, func(text string) bool { return strings.Contains(fold.Key(carrier), fold.Key(text)) })
		}
		shipped, fetched := false, false
		for i := range e.order.ShipLines {
			switch s := &e.order.ShipLines[i]; {
			case isPickUp(s.Carrier):
				fetched = true
			case !s.ShippedDate.IsZero(), bool(s.TrackingNumber), fulfilled(e.order):
				shipped = true
			}
		}
		b := breach{
			message: "The order was shipped, but its shipping address has no street, or neither city nor postal code",
			fix:     "Fill in the shipping address of the order",
		}
		switch {
		case shipped:
		case fetched, fulfilled(e.order):
			b.warning = true
			b.message = "The order shows shipping and is fulfilled, but nothing was shipped and it has no shipping address"
			b.fix = "If the customer fetched the goods, switch shipping off on the order; else fill in the shipping address"
		default:
			return nil
		}
		e.onOrder(b)
		return nil
	}
}

func usableAddress(a *inflow.Address) bool {
	return a != nil && bool(a.Address1) && (bool(a.City) || bool(a.PostalCode))
}

// discountRemark: a large discount, and no remark that says why.
func discountRemark(s *settings) check {
	above := s.percent("above", "50", "the percentage up to which a discount needs no remark")
	return func(e *evaluation) error {
		if strings.TrimSpace(e.order.OrderRemarks) != "" {
			return nil
		}
		var at []int
		largest := decimal.Decimal{}
		err := e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if quantity(line).IsNeg() {
				return nil
			}
			var c money.Calc
			percent := discountPercent(&c, e.order, line)
			if c.Err() == nil && percent.Cmp(above) > 0 {
				at, largest = append(at, i), largest.Max(percent)
			}
			return c.Err()
		})
		if err != nil || len(at) == 0 {
			return err
		}
		var c money.Calc
		verb, have := "a discount", "has"
		if len(at) > 1 {
			verb, have = "discounts of up to", "have"
		} else {
			verb += " of"
		}
		e.onOrder(breach{
			message: fmt.Sprintf("%s %s %s %s %%, and the order has no remark that says why; more than %s %% needs one",
				capital(linesText(at)), have, verb, money.Plain(c.Round(largest, 2)), money.Plain(above)),
			fix: "Write the reason for the discount into the remarks of the order, or lower the discount",
		})
		return nil
	}
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// inactive: a deactivated customer or product on an order that is not fulfilled yet. Goods
// that come back, or were picked, are not looked at.
func inactive(*settings) check {
	return func(e *evaluation) error {
		if fulfilled(e.order) || e.order.IsCompleted {
			return outOfScope("the order is fulfilled")
		}
		picked := map[string]bool{}
		for i := range e.order.PickLines {
			picked[e.order.PickLines[i].ProductID] = true
		}
		if c := e.order.Customer; c != nil && c.IsActive != nil && !*c.IsActive {
			e.onOrder(breach{
				discriminator: "customer",
				message:       fmt.Sprintf("The customer %s is deactivated in InFlow", shorten(c.Name)),
				fix:           "Choose another customer for the order, or activate this one again",
			})
		}
		seen := map[string]bool{}
		for i := range e.order.Lines {
			line := &e.order.Lines[i]
			p := line.Product
			if p == nil && line.ProductID != "" {
				e.notLookedAt(i, noProduct)
			}
			if p == nil || p.IsActive == nil || *p.IsActive || seen[line.ProductID] || picked[line.ProductID] || quantity(line).IsNeg() {
				continue
			}
			seen[line.ProductID] = true
			e.onOrder(breach{
				discriminator: "product-" + idPart(line.ProductID),
				message:       fmt.Sprintf("%s: the product is deactivated in InFlow", e.lineName(i)),
				fix:           "Replace the product on the order, or activate it again",
			})
		}
		return nil
	}
}
