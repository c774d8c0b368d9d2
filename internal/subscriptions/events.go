package subscriptions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
)

// DefaultEvents are those that the gate checks orders for.
func DefaultEvents() []string {
	return []string{inflow.EventSalesOrderCreated, inflow.EventSalesOrderUpdated}
}

// CheckEvents reads the names of events to subscribe to, documented ones or live ones such
// as SalesOrderCreatedV1, and drops repeated ones. The error names every one that InFlow does not have.
func CheckEvents(names []string) (events, warnings []string, err error) {
	var faults []error
	heard := false
	for _, name := range names {
		entity, _ := inflow.ParseEvent(name)
		if entity == "" {
			faults = append(faults, fmt.Errorf("%q is no event of InFlow's: write one such as %s or SalesOrderUpdatedV1", name, inflow.EventSalesOrderUpdated))
			continue
		}
		heard = heard || entity == inflow.EntitySalesOrder
		if !containsFold(events, name) {
			events = append(events, name)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, nil, err
	}
	if !heard {
		warnings = append(warnings, "no event is of sales orders, and the gate ignores all others")
	}
	return events, warnings, nil
}

// SameEvents compares two lists of events, whatever their order and case.
func SameEvents(one, other []string) bool {
	within := func(list, all []string) bool {
		return !slices.ContainsFunc(list, func(name string) bool { return !containsFold(all, name) })
	}
	return within(one, other) && within(other, one)
}

func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, name) })
}

// quietEvents are of entities that the gate ignores and that change rarely.
var quietEvents = []string{"vendor.created", "vendor.updated", "customer.created"}

// stagingEvents are what a new subscription is made for until the ingress knows its
// secret: nothing that matters, and not what it is to have in the end.
func stagingEvents(final []string) []string {
	for _, name := range quietEvents {
		if !SameEvents([]string{name}, final) {
			return []string{name}
		}
	}
	return nil // there are two quiet events at least
}

// isStaging reports whether a subscription has no more than a new one gets from [stagingEvents].
func isStaging(events []string) bool { return SameEvents(events, stagingEvents(nil)) }
