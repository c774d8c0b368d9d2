package desk

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Ages are the steps of the filter by age.
func Ages() []time.Duration { return []time.Duration{0, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} }

// StatusHeld is the status of a filter that chooses the orders which must not leave.
const StatusHeld ordercheck.Status = "held"

func hasStatus(row *Row, status ordercheck.Status) bool {
	switch status {
	case "":
		return true
	case StatusHeld:
		return row.Status == ordercheck.StatusFailed || row.Status == ordercheck.StatusPending
	}
	return row.Status == status
}

// filterParts are the conditions of a filter, so that each can be left out: the counts beside one
// condition follow the others.
type filterParts struct{ status, rule, rep, age, query bool }

func matches(row *Row, f *Filter, now time.Time, except filterParts) bool {
	switch {
	case !except.status && !hasStatus(row, f.Status):
	case !except.rule && f.Rule != "" && !slices.Contains(row.FailedRules, f.Rule):
	case !except.rep && f.Rep != "" && row.SalesRep != f.Rep:
	case !except.age && now.Sub(row.Since) < f.MinAge:
	case !except.query && !mentions(row, f.Query):
	default:
		return true
	}
	return false
}

// mentions reports whether an order's number, id or customer has the text in it, in any case.
func mentions(row *Row, text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return text == "" || strings.Contains(strings.ToLower(row.OrderNumber), text) ||
		strings.Contains(strings.ToLower(row.Customer), text) || row.SalesOrderID == text
}

// choose returns the part of rows that a filter asks for. rows are sorted.
func choose(rows []Row, f Filter, now time.Time) (Page, error) {
	chosen := make([]Row, 0, len(rows))
	for i := range rows {
		if matches(&rows[i], &f, now, filterParts{}) {
			chosen = append(chosen, rows[i])
		}
	}
	page := Page{Total: len(chosen), Counts: countRows(rows, &f, now)}
	if f.After != "" {
		after, err := parseCursor(f.After)
		if err != nil {
			return Page{}, err
		}
		at, found := slices.BinarySearchFunc(chosen, after, compareRows)
		if found {
			at++
		}
		chosen = chosen[at:]
	}
	chosen = chosen[min(f.Offset, len(chosen)):]
	if f.Limit > 0 && len(chosen) > f.Limit {
		chosen = chosen[:f.Limit]
		page.Next = cursor(&chosen[f.Limit-1])
	}
	page.Rows = chosen
	return page, nil
}

// A cursor names the last row of a page, not its place: rows come and go meanwhile.
func cursor(row *Row) string {
	return base64.RawURLEncoding.EncodeToString([]byte(row.Since.UTC().Format(time.RFC3339Nano) + " " + row.SalesOrderID))
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

func countRows(rows []Row, f *Filter, now time.Time) Counts {
	statuses, rules, reps := map[string]int{}, map[string]int{}, map[string]int{}
	ages := make([]int, len(Ages()))
	for i := range rows {
		row := &rows[i]
		if matches(row, f, now, filterParts{status: true}) {
			statuses[string(row.Status)]++
			if hasStatus(row, StatusHeld) {
				statuses[string(StatusHeld)]++
			}
		}
		if matches(row, f, now, filterParts{rule: true}) {
			for _, rule := range row.FailedRules {
				rules[rule]++
			}
		}
		if row.SalesRep != "" && matches(row, f, now, filterParts{rep: true}) {
			reps[row.SalesRep]++
		}
		if matches(row, f, now, filterParts{age: true}) {
			for j, age := range Ages() {
				if now.Sub(row.Since) >= age {
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
