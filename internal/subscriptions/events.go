package subscriptions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
)

// DefaultEvents returns the events that make the gate check an order.
func DefaultEvents() []string {
	return []string{inflow.EventSalesOrderCreated, inflow.EventSalesOrderUpdated}
}

// CheckEvents checks the names of events to subscribe to: documented ones, or live ones such as
// SalesOrderCreatedV1. It drops duplicates. The error lists every name that InFlow does not have.
func CheckEvents(names []string) (events, warnings []string, err error) {
	var faults []error
	salesOrders := false
	for _, name := range names {
		entity, _ := inflow.ParseEvent(name)
		if entity == "" {
			faults = append(faults, fmt.Errorf("InFlow has no event %q: write one such as %s or "+
				"SalesOrderUpdatedV1", name, inflow.EventSalesOrderUpdated))
			continue
		}
		salesOrders = salesOrders || entity == inflow.EntitySalesOrder
		if !containsFold(events, name) {
			events = append(events, name)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, nil, err
	}
	if !salesOrders {
		warnings = append(warnings,
			"there is no sales order event, and the gate ignores all others")
	}
	return events, warnings, nil
}

// SameEvents reports whether two lists have the same events. It ignores order and case.
func SameEvents(one, other []string) bool {
	subset := func(list, all []string) bool {
		return !slices.ContainsFunc(list, func(name string) bool {
			return !containsFold(all, name)
		})
	}
	return subset(one, other) && subset(other, one)
}

func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(have string) bool {
		return strings.EqualFold(have, name)
	})
}

// rareEvents lists rare events of entities that the gate ignores.
var rareEvents = []string{"vendor.created", "vendor.updated", "customer.created"}

// stagingEvents returns the events of a new subscription until the ingress knows its secret. They
// don't matter to the gate, and differ from its final events.
func stagingEvents(final []string) []string {
	for _, name := range rareEvents {
		if !SameEvents([]string{name}, final) {
			return []string{name}
		}
	}
	return nil // cannot happen: there is more than one rare event
}

// isStaging reports whether a subscription has only the events of a new one; see stagingEvents.
func isStaging(events []string) bool { return SameEvents(events, stagingEvents(nil)) }
