package fakeinflow

import (
	"slices"
	"time"
)

const sampleDate = "2006-01-02T15:04:05-07:00"

var (
	// pastDates are fields for something that has happened, futureDates for something planned.
	pastDates   = []string{"orderDate", "invoicedDate", "datePaid", "returnDate"}
	futureDates = []string{"requestedShipDate", "dueDate"}
)

// Recent moves the dates of a sample order by whole days, so that its last event was the day before
// now. An older order would be overdue.
func (s Sample) Recent(now time.Time) Sample {
	var last time.Time
	eachDate(s.Order, func(name string, at time.Time) time.Time {
		if slices.Contains(pastDates, name) && at.After(last) {
			last = at
		}
		return at
	})
	if last.IsZero() {
		return s
	}
	const day = 24 * time.Hour
	shift := now.UTC().Truncate(day).Sub(last.UTC().Truncate(day)) - day
	eachDate(s.Order, func(_ string, at time.Time) time.Time { return at.Add(shift) })
	return s
}

// eachDate replaces the dates of an entity, and of the entities in it.
func eachDate(value any, change func(name string, at time.Time) time.Time) {
	switch v := value.(type) {
	case []any:
		for _, entry := range v {
			eachDate(entry, change)
		}
	case map[string]any:
		for name, field := range v {
			text, ok := field.(string)
			if !ok || !slices.Contains(pastDates, name) && !slices.Contains(futureDates, name) {
				eachDate(field, change)
				continue
			}
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				v[name] = change(name, at).Format(sampleDate)
			}
		}
	}
}
