package checks

import (
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
)

// customerAndLines finds orders without a customer or without lines.
func customerAndLines(*params) rules.Check {
	return func(e *rules.Evaluation) error {
		if strings.TrimSpace(e.Order.CustomerID) == "" && e.Order.Customer == nil {
			e.OnOrder(rules.Breach{
				Discriminator: "customer",
				Message:       "The order has no customer",
				Fix:           "Choose the customer on the order",
			})
		}
		if len(e.Order.Lines) == 0 {
			e.OnOrder(rules.Breach{
				Discriminator: "lines",
				Message:       "The order has no lines",
				Fix:           "Add what was ordered, or cancel the order",
			})
		}
		return nil
	}
}

// quantityZero finds lines with quantity 0.
func quantityZero(*params) rules.Check {
	return func(e *rules.Evaluation) error {
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			if quantity(line).IsZero() {
				e.OnLine(i, rules.Breach{
					Message: e.LineName(i) + ": the quantity is 0",
					Actual:  "0",
					Fix:     "Enter the quantity, or remove the line",
				})
			}
			return nil
		})
	}
}

// requiredFields finds blank fields that must be filled in.
func requiredFields(p *params) rules.Check {
	fields := p.texts(
		"fields",
		nil,
		"the fields that must be filled in: "+strings.Join(fillableNames(), ", "),
		fillableNames()...)
	if len(fields) == 0 {
		p.unavailable = "no fields are named in its parameter fields"
	}
	return func(e *rules.Evaluation) error {
		for _, name := range fields {
			if field := fillables[name]; !field.filled(e.Order) {
				message := "The order has no " + field.name
				if strings.HasPrefix(name, "custom") {
					message = capital(field.name) + " of the order is blank"
				}
				e.OnOrder(rules.Breach{
					Discriminator: name,
					Message:       message,
					Fix:           fmt.Sprintf("Fill in the %s of the order", field.name),
				})
			}
		}
		return nil
	}
}

// fillable is a field of an order that a company may require.
type fillable struct {
	// name is the name of the field for people.
	name   string
	filled func(*inflow.SalesOrder) bool
}

var fillables = func() map[string]fillable {
	filled := func(text string) bool { return strings.TrimSpace(text) != "" }
	fields := map[string]fillable{
		"poNumber":     {"PO number", func(o *inflow.SalesOrder) bool { return filled(o.PONumber) }},
		"orderRemarks": {"remarks", func(o *inflow.SalesOrder) bool { return filled(o.OrderRemarks) }},
		"returnRemarks": {
			"return remarks",
			func(o *inflow.SalesOrder) bool { return bool(o.ReturnRemarks) },
		},
		"contactName": {"contact", func(o *inflow.SalesOrder) bool { return bool(o.ContactName) }},
		"email":       {"e-mail address", func(o *inflow.SalesOrder) bool { return bool(o.Email) }},
		"phone":       {"phone number", func(o *inflow.SalesOrder) bool { return bool(o.Phone) }},
		"paymentTerms": {
			"payment terms",
			func(o *inflow.SalesOrder) bool { return filled(o.PaymentTermsID) },
		},
		"pricingScheme": {
			"pricing scheme",
			func(o *inflow.SalesOrder) bool { return filled(o.PricingSchemeID) },
		},
		"salesRep": {
			"sales rep",
			func(o *inflow.SalesOrder) bool { return filled(o.SalesRepTeamMemberID) || bool(o.SalesRep) },
		},
		"location":  {"location", func(o *inflow.SalesOrder) bool { return filled(o.LocationID) }},
		"orderDate": {"order date", func(o *inflow.SalesOrder) bool { return !o.OrderDate.IsZero() }},
		"dueDate":   {"due date", func(o *inflow.SalesOrder) bool { return !o.DueDate.IsZero() }},
		"requestedShipDate": {"requested ship date", func(o *inflow.SalesOrder) bool {
			return !o.RequestedShipDate.IsZero()
		}},
	}
	for i := 1; i <= 10; i++ {
		key := fmt.Sprintf("custom%d", i)
		fields[key] = fillable{
			fmt.Sprintf("custom field %d", i),
			func(o *inflow.SalesOrder) bool { return filled(o.CustomFields[key]) },
		}
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

// returnDetails finds returns without a reason or a date.
func returnDetails(p *params) rules.Check {
	reasons := p.texts(
		"reasonFields",
		[]string{"returnRemarks", "orderRemarks"},
		"the fields of which one must give the reason",
		fillableNames()...)
	needsDate := p.truth("date", true,
		"whether the return's date must be filled in; without it the finding is a warning")
	return func(e *rules.Evaluation) error {
		hasReason := len(reasons) == 0 ||
			slices.ContainsFunc(reasons, func(name string) bool { return fillables[name].filled(e.Order) })
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
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
				e.OnLine(i, rules.Breach{
					Message: fmt.Sprintf("%s: the return of %s has no %s", e.LineName(i),
						withUnit(quantity(line).Abs(), line.Quantity.Uom), strings.Join(lacks, " and no ")),
					Fix:     capital(fix),
					Warning: hasReason,
				})
			}
			return nil
		})
	}
}

// shipToAddress finds orders that were shipped but have no usable address.
func shipToAddress(p *params) rules.Check {
	pickUps := p.texts("pickUp",
		[]string{"pick-up", "pick up", "pickup", "will call", "collect", "counter"},
		"parts of a carrier's name that mean that the customer fetches the goods")
	return func(e *rules.Evaluation) error {
		if !e.Order.ShowShipping || usableAddress(e.Order.ShippingAddress) ||
			e.Order.SameBillingAndShipping && usableAddress(e.Order.BillingAddress) {
			return nil
		}
		isPickUp := func(carrier string) bool {
			return slices.ContainsFunc(pickUps,
				func(text string) bool { return strings.Contains(fold.Key(carrier), fold.Key(text)) })
		}
		shipped, fetched := false, false
		for i := range e.Order.ShipLines {
			switch s := &e.Order.ShipLines[i]; {
			case isPickUp(s.Carrier):
				fetched = true
			case !s.ShippedDate.IsZero(), bool(s.TrackingNumber), e.Order.IsFulfilled():
				shipped = true
			}
		}
		b := rules.Breach{
			Message: "The order was shipped, but its shipping address has no street, " +
				"or neither city nor postal code",
			Fix: "Fill in the shipping address of the order",
		}
		switch {
		case shipped:
		case fetched, e.Order.IsFulfilled():
			b.Warning = true
			b.Message =
				"The order shows shipping and is fulfilled, but nothing was shipped and it has no " +
					"shipping address"
			b.Fix =
				"If the customer fetched the goods, switch shipping off on the order; " +
					"else fill in the shipping address"
		default:
			return nil
		}
		e.OnOrder(b)
		return nil
	}
}

func usableAddress(a *inflow.Address) bool {
	return a != nil && bool(a.Address1) && (bool(a.City) || bool(a.PostalCode))
}

// inactive finds deactivated customers and products on orders that are not fulfilled. It does not
// look at goods that come back or were picked.
func inactive(*params) rules.Check {
	return func(e *rules.Evaluation) error {
		if e.Order.IsFulfilled() || e.Order.IsCompleted {
			return rules.OutOfScope("the order is fulfilled")
		}
		picked := map[string]bool{}
		for i := range e.Order.PickLines {
			picked[e.Order.PickLines[i].ProductID] = true
		}
		if c := e.Order.Customer; c != nil && c.IsActive != nil && !*c.IsActive {
			e.OnOrder(rules.Breach{
				Discriminator: "customer",
				Message: fmt.Sprintf("The customer %s is deactivated in InFlow",
					ordercel.Shorten(c.Name)),
				Fix: "Choose another customer for the order, or activate this one again",
			})
		}
		seen := map[string]bool{}
		for i := range e.Order.Lines {
			line := &e.Order.Lines[i]
			p := line.Product
			if p == nil && line.ProductID != "" {
				e.SkipLineWithoutProduct(i)
			}
			if p == nil || p.IsActive == nil || *p.IsActive || seen[line.ProductID] ||
				picked[line.ProductID] ||
				quantity(line).IsNeg() {
				continue
			}
			seen[line.ProductID] = true
			e.OnOrder(rules.Breach{
				Discriminator: "product-" + rules.IDPart(line.ProductID),
				Message:       fmt.Sprintf("%s: the product is deactivated in InFlow", e.LineName(i)),
				Fix:           "Replace the product on the order, or activate it again",
			})
		}
		return nil
	}
}
