package rules

import (
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
)

// customerAndLines: no customer, or no lines.
func customerAndLines(*settings) check {
	return func(e *evaluation) error {
		if strings.TrimSpace(e.order.CustomerID) == "" && e.order.Customer == nil {
			e.onOrder(breach{
				discriminator: "customer",
				message:       "The order has no customer",
				fix:           "Choose the customer",
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
				e.onOrder(breach{
					discriminator: name,
					message:       fmt.Sprintf("The order has no %s", field.name),
					fix:           fmt.Sprintf("Fill in the %s", field.name),
				})
			}
		}
		return nil
	}
}

// returnDetails: a return without reason or date.
func returnDetails(s *settings) check {
	reasons := s.texts("reasonFields", []string{"returnRemarks", "orderRemarks"}, "the fields of which one must give the reason", fillableNames()...)
	needsDate := s.truth("date", true, "whether the return's date must be filled in")
	return func(e *evaluation) error {
		hasReason := len(reasons) == 0 || slices.ContainsFunc(reasons, func(name string) bool { return fillables[name].filled(e.order) })
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if !quantity(line).IsNeg() {
				return nil
			}
			var lacks []string
			if !hasReason {
				lacks = append(lacks, "reason")
			}
			if needsDate && line.ReturnDate.IsZero() {
				lacks = append(lacks, "date")
			}
			if len(lacks) > 0 {
				what := strings.Join(lacks, " and no ")
				e.onLine(i, breach{
					message: fmt.Sprintf("%s: the return has no %s", e.lineName(i), what),
					fix:     fmt.Sprintf("Fill in the %s of the return", strings.Join(lacks, " and the ")),
				})
			}
			return nil
		})
	}
}

// inactive: a deactivated customer or product on an order that is not fulfilled yet.
func inactive(*settings) check {
	return func(e *evaluation) error {
		if fulfilled(e.order) || e.order.IsCompleted {
			return nil
		}
		if c := e.order.Customer; c != nil && c.IsActive != nil && !*c.IsActive {
			e.onOrder(breach{
				discriminator: "customer",
				message:       fmt.Sprintf("The customer %s was deactivated", shorten(c.Name)),
				fix:           "Choose another customer, or activate this one again",
			})
		}
		seen := map[string]bool{}
		for i := range e.order.Lines {
			line := &e.order.Lines[i]
			p := line.Product
			if p == nil && line.ProductID != "" {
				e.notLookedAt(i, noProduct)
			}
			if p == nil || p.IsActive == nil || *p.IsActive || seen[line.ProductID] {
				continue
			}
			seen[line.ProductID] = true
			e.onOrder(breach{
				discriminator: "product-" + idPart(line.ProductID),
				message:       fmt.Sprintf("The product %s was deactivated", productName(p)),
				fix:           "Replace the product, or activate it again",
			})
		}
		return nil
	}
}
