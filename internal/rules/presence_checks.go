package rules

import (
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// customerAndLines is general check 26: no customer, or no lines.
func customerAndLines() rule {
	return rule{
		Description: Description{
			ID: "customer-and-lines", Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeOrder,
			Description: "The order has no customer, or no lines.",
		},
		requires: []string{includeLines},
		check: func(e *evaluation) error {
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
		},
	}
}

// quantityZero is general check 31.
func quantityZero() rule {
	return rule{
		Description: Description{
			ID: "quantity-zero", Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeLine,
			Description: "A line has quantity 0.",
		},
		requires: []string{includeLines, includeLinesProduct},
		check: func(e *evaluation) error {
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
		},
	}
}
