package orders

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// StatusHeld is a status for filters only: it selects the orders that must not leave.
const StatusHeld ordercheck.Status = "held"

// Ages returns the steps of the filter by age.
func Ages() []time.Duration {
	return []time.Duration{0, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
}

// Select returns the page of rows that a filter selects. The rows must be sorted by
// [CompareRows].
func Select(rows []Row, f Filter, now time.Time) (Page, error) {
	selected := make([]Row, 0, len(rows))
	for i := range rows {
		if f.matches(&rows[i], now, filterFields{}) {
			selected = append(selected, rows[i])
		}
	}
	page := Page{Total: len(selected), Counts: countRows(rows, &f, now)}
	if f.After != "" {
		after, err := parseCursor(f.After)
		if err != nil {
			return Page{}, err
		}
		at, found := slices.BinarySearchFunc(selected, after, CompareRows)
		if found {
			at++
		}
		selected = selected[at:]
	}
	selected = selected[min(f.Offset, len(selected)):]
	if f.Limit > 0 && len(selected) > f.Limit {
		selected = selected[:f.Limit]
		page.Next = cursor(&selected[f.Limit-1])
	}
	page.Rows = selected
	return page, nil
}

// CompareRows sorts rows by waiting time, longest first, and then by id, so that no order is on two
// pages.
func CompareRows(a, b Row) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.SalesOrderID, b.SalesOrderID))
}

// filterFields names fields of a filter to ignore.
type filterFields struct{ status, rule, rep, age, query bool }

func (f *Filter) matches(row *Row, now time.Time, ignore filterFields) bool {
	switch {
	case !ignore.status && !row.hasStatus(f.Status):
	case !ignore.rule && f.Rule != "" && !slices.Contains(row.FailedRules, f.Rule):
	case !ignore.rep && f.Rep != "" && row.SalesRep != f.Rep:
	case !ignore.age && row.age(now) < f.MinAge:
	case !ignore.query && !row.mentions(f.Query):
	default:
		return true
	}
	return false
}

// age returns how long the order has waited. Temporal's clock can be ahead of ours, so Since can be
// in the future.
func (row *Row) age(now time.Time) time.Duration { return max(0, now.Sub(row.Since)) }

func (row *Row) hasStatus(status ordercheck.Status) bool {
	switch status {
	case "":
		return true
	case StatusHeld:
		return row.Status == ordercheck.StatusFailed || row.Status == ordercheck.StatusPending
	}
	return row.Status == status
}

// mentions reports whether the order's number or customer contains the text, ignoring case, or
// whether the text is the order's id.
func (row *Row) mentions(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return text == "" || strings.Contains(strings.ToLower(row.OrderNumber), text) ||
		strings.Contains(strings.ToLower(row.Customer), text) || row.SalesOrderID == text
}

func countRows(rows []Row, f *Filter, now time.Time) Counts {
	statuses, rules, reps := map[string]int{}, map[string]int{}, map[string]int{}
	ages := make([]int, len(Ages()))
	for i := range rows {
		row := &rows[i]
		if f.matches(row, now, filterFields{status: true}) {
			statuses[string(row.Status)]++
			if row.hasStatus(StatusHeld) {
				statuses[string(StatusHeld)]++
			}
		}
		if f.matches(row, now, filterFields{rule: true}) {
			for _, rule := range row.FailedRules {
				rules[rule]++
			}
		}
		if row.SalesRep != "" && f.matches(row, now, filterFields{rep: true}) {
			reps[row.SalesRep]++
		}
		if f.matches(row, now, filterFields{age: true}) {
			for j, age := range Ages() {
				if row.age(now) >= age {
					ages[j]++
				}
			}
		}
	}
	return Counts{Status: sorted(statuses), Rule: sorted(rules), Rep: sorted(reps), Age: ages}
}

// sorted returns counts in the order of their values.
func sorted(counts map[string]int) []Count {
	out := make([]Count, 0, len(counts))
	for value, n := range counts {
		out = append(out, Count{Value: value, Orders: n})
	}
	slices.SortFunc(out, func(a, b Count) int { return cmp.Compare(a.Value, b.Value) })
	return out
}

// cursor encodes the last row of a page instead of its position, because rows come and go.
func cursor(row *Row) string {
	text := row.Since.UTC().Format(time.RFC3339Nano) + " " + row.SalesOrderID
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func parseCursor(text string) (Row, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Row{}, ErrCursor
	}
	at, id, ok := strings.Cut(string(decoded), " ")
	since, err := time.Parse(time.RFC3339Nano, at)
	if !ok || err != nil || ordercheck.ValidateSalesOrderID(id) != nil {
		return Row{}, ErrCursor
	}
	return Row{Since: since, SalesOrderID: id}, nil
}
