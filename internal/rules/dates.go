package rules

import (
	"slices"
	"time"

	"error-check-gate/internal/inflow"
)

// inZone returns a copy of the order with its dates in zone, so that the rules count days as people
// in that zone do. It returns the order itself if zone is UTC. A date with its own UTC offset keeps
// it. Midnight UTC does not change either, because InFlow writes a date without a time that way.
func inZone(order *inflow.SalesOrder, zone *time.Location) *inflow.SalesOrder {
	if zone == time.UTC {
		return order
	}
	moved := *order
	for _, date := range []*inflow.Time{
		&moved.OrderDate, &moved.DueDate, &moved.InvoicedDate, &moved.RequestedShipDate,
		&moved.ExchangeRateAutoPulled,
	} {
		date.Time = DayIn(date.Time, zone)
	}
	moved.Lines = datesInZone(order.Lines, zone, func(l *inflow.SalesOrderLine) *inflow.Time {
		return &l.ReturnDate
	})
	moved.PaymentLines = datesInZone(
		order.PaymentLines,
		zone,
		func(p *inflow.PaymentLine) *inflow.Time {
			return &p.DatePaid
		},
	)
	moved.PickLines = datesInZone(order.PickLines, zone, func(p *inflow.PickLine) *inflow.Time {
		return &p.PickDate
	})
	moved.ShipLines = datesInZone(order.ShipLines, zone, func(s *inflow.ShipLine) *inflow.Time {
		return &s.ShippedDate
	})
	return &moved
}

// datesInZone returns list, or a copy of it if a date changes.
func datesInZone[E any](list []E, zone *time.Location, date func(*E) *inflow.Time) []E {
	copied := false
	for i := range list {
		t := date(&list[i]).Time
		moved := DayIn(t, zone)
		if moved.Location() == t.Location() {
			continue
		}
		if !copied {
			list, copied = slices.Clone(list), true
		}
		date(&list[i]).Time = moved
	}
	return list
}

// DayIn returns t in the zone that decides its calendar day. That is zone, unless t is zero, has
// its own UTC offset, or is midnight UTC. Then DayIn returns t unchanged.
func DayIn(t time.Time, zone *time.Location) time.Time {
	if _, offset := t.Zone(); offset != 0 || t.IsZero() || t.Equal(t.UTC().Truncate(24*time.Hour)) {
		return t
	}
	return t.In(zone)
}
