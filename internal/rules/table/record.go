package table

import (
	"slices"
	"strings"
	"time"

	"github.com/govalues/decimal"
)

// Record is a row of a table.
type Record struct {
	table *Table
	row   int
}

// Line returns the row's line in its file, from 1.
func (r Record) Line() int { return r.table.rows[r.row].line }

// Text returns the cell in a column, without white space around it, or "" if there is no such
// column.
func (r Record) Text(column string) string {
	i := slices.Index(r.table.columns, column)
	if i < 0 {
		return ""
	}
	return r.table.rows[r.row].cells[i]
}

// Amount returns the number in a column: $1,250.50, or 1.250,50 in a file with semicolons. It
// refuses percentages and empty cells. If a cell may be empty, call Text first. The error is a
// [*Fault].
func (r Record) Amount(column string) (decimal.Decimal, error) {
	n, err := r.number(column)
	if err == nil && n.percent {
		err = r.Fault(column, errPercent.Error())
	}
	return n.value, err
}

// Percent returns the percentage in a column: 25 for both 25 % and 25. The error is a [*Fault].
func (r Record) Percent(column string) (decimal.Decimal, error) {
	n, err := r.number(column)
	return n.value, err
}

func (r Record) number(column string) (number, error) {
	at := slices.Index(r.table.columns, column)
	if message := r.table.unreadable[place{r.row, at}]; message != "" {
		return number{}, r.Fault(column, message)
	}
	if r.Text(column) == "" {
		return number{}, r.Fault(column, "the cell is empty: write a number, such as 0")
	}
	n, err := r.table.number(r.row, at)
	if err != nil {
		return number{}, r.Fault(column, err.Error())
	}
	return n, nil
}

// Fault returns a [*Fault] of the cell in a column.
func (r Record) Fault(column, message string) error {
	return r.table.fault(r.row, slices.Index(r.table.columns, column), message)
}

// dateLayouts prefers month before day if both are possible.
var dateLayouts = []string{
	time.DateOnly, "1/2/2006", "1/2/06", "2/1/2006", "2/1/06", "2006/1/2", "2.1.2006", "2.1.06",
	"2 Jan 2006", "2-Jan-2006", "2-Jan-06", "Jan 2, 2006",
	time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05",
}

// Date returns the day in a column, such as 2026-01-31, for any way to write that day. If a cell is
// not a date, Date returns its text in lower case.
func (r Record) Date(column string) string {
	text := r.Text(column)
	for _, layout := range dateLayouts {
		if day, err := time.Parse(layout, text); err == nil {
			return day.Format(time.DateOnly)
		}
	}
	return strings.ToLower(text)
}
