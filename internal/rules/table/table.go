// Package table reads the tables that rules look rows up in: CSV files and the sheets of XLSX
// workbooks, with column names in the first row. It reads cells as a person sees them: 25 % is 25
// percent, and a date is that day.
package table

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"error-check-gate/internal/rules/fold"
)

// Limits of a table file.
const (
	MaxFileSize = 16 << 20
	maxRows     = 200_000
	maxCells    = 2_000_000
	// maxFaults is the maximum number of faults reported for one file.
	maxFaults = 20
	// checkContextEvery is the number of rows between two checks of the context.
	checkContextEvery = 256
)

// Table is a table in memory. It is immutable once its rules are loaded.
type Table struct {
	columns []string
	rows    []row
	// byKey maps each folded key ([fold.Key]) to the indexes of its rows, in order.
	byKey map[string][]int
	keys  []string
	// notation is the notation of texts. Numbers of a workbook are in pointNotation.
	notation notation
	workbook bool
	// unreadable has the fault of each cell without a readable value, such as a formula without a
	// stored value. Faults matter only in columns that a rule reads.
	unreadable map[place]string
}

type row struct {
	line  int // in the file, from 1
	cells []string
	// numbers marks the cells of a workbook that are numbers. It is nil if there are none.
	numbers []bool
}

// place is a cell: indexes of its row and column in the table.
type place struct{ row, column int }

// cell is a cell as read.
type cell struct {
	text   string
	number bool
	// fault says why the cell cannot be read.
	fault string
}

// Fault is something wrong with a table file. Line and Column count from 1, columns in cells, or in
// bytes if the file is not CSV at all. They are 0 if the fault is with the file as a whole.
type Fault struct {
	Line, Column int
	Text         string
	Message      string
}

func (f *Fault) Error() string { return f.Message }

// Faults is everything wrong with a table file.
type Faults []*Fault

func (f Faults) Error() string {
	messages := make([]string, len(f))
	for i := range f {
		messages[i] = f[i].Message
	}
	return strings.Join(messages, "; ")
}

// Read reads a table from the content of a file, which is CSV unless its name ends in .xlsx. key
// names the column that rows are looked up by. sheet names the sheet of a workbook; if it is empty,
// Read takes the first sheet. Errors are [*Fault] or [Faults], or the error of ctx.
func Read(ctx context.Context, name string, content []byte, key, sheet string) (*Table, error) {
	if len(content) > MaxFileSize {
		return nil, &Fault{
			Message: fmt.Sprintf("the file has %d bytes, at most %d are read", len(content), MaxFileSize),
		}
	}
	key = ColumnName(key)
	if strings.EqualFold(filepath.Ext(name), ".xlsx") {
		return readXLSX(ctx, content, key, sheet)
	}
	return readCSV(ctx, content, key)
}

// ColumnName returns the name of a column as rules write it: with one space for each line break or
// run of spaces within the heading.
func ColumnName(heading string) string {
	return strings.Join(strings.Fields(norm.NFC.String(heading)), " ")
}

// builder makes a table row by row.
type builder struct {
	key      string
	keyIndex int
	notation notation
	workbook bool
	t        *Table
	cells    int
	faults   Faults
}

// add adds the next row. An error ends reading.
func (b *builder) add(line int, cells []cell) error {
	for i := range cells {
		cells[i].text = strings.TrimSpace(cells[i].text)
	}
	for len(cells) > 0 && cells[len(cells)-1] == (cell{}) {
		cells = cells[:len(cells)-1]
	}
	if len(cells) == 0 {
		return nil
	}
	if b.t == nil {
		return b.header(line, cells)
	}
	if b.cells += len(b.t.columns); len(b.t.rows) >= maxRows || b.cells > maxCells {
		return &Fault{
			Line:   line,
			Column: 1,
			Message: fmt.Sprintf("the table is too large: at most %d rows and %d cells are read", maxRows,
				maxCells),
		}
	}
	if len(cells) > len(b.t.columns) {
		at := len(b.t.columns)
		return b.fault(line, at+1, cells[at].text,
			fmt.Sprintf("the row has %d cells, but there are only %d columns", len(cells), at))
	}
	return b.row(line, cells)
}

// fault records a fault. It returns all faults as an error once there are maxFaults of them.
func (b *builder) fault(line, column int, text, message string) error {
	b.faults = append(b.faults, &Fault{Line: line, Column: column, Text: text, Message: message})
	if len(b.faults) >= maxFaults {
		return b.faults
	}
	return nil
}

func (b *builder) row(line int, cells []cell) error {
	r := row{line: line, cells: make([]string, len(b.t.columns))}
	for i, c := range cells {
		r.cells[i] = c.text
		if c.fault != "" {
			b.t.unreadable[place{len(b.t.rows), i}] = c.fault
		}
		if c.number && r.numbers == nil {
			r.numbers = make([]bool, len(r.cells))
		}
		if c.number {
			r.numbers[i] = true
		}
	}
	if b.keyIndex < len(cells) && cells[b.keyIndex].fault != "" {
		return b.fault(line, b.keyIndex+1, "", b.t.where(line, b.keyIndex)+cells[b.keyIndex].fault)
	}
	written := r.cells[b.keyIndex]
	if written == "" {
		return b.fault(line, b.keyIndex+1, "",
			fmt.Sprintf("the row has no %s, so no rule finds it: fill it in, or clear the row", b.key))
	}
	key := fold.Key(written)
	if rows := b.t.byKey[key]; len(rows) == 0 {
		b.t.keys = append(b.t.keys, written)
	} else if first := b.t.rows[rows[0]]; first.cells[b.keyIndex] != written {
		return b.fault(line, b.keyIndex+1, written,
			fmt.Sprintf("row %d has this key in another spelling, %q: use one spelling", first.line,
				first.cells[b.keyIndex]))
	}
	b.t.byKey[key] = append(b.t.byKey[key], len(b.t.rows))
	b.t.rows = append(b.t.rows, r)
	return nil
}

func (b *builder) header(line int, cells []cell) error {
	names := make([]string, len(cells))
	seen := make(map[string]bool, len(cells))
	for i, c := range cells {
		name := ColumnName(c.text)
		switch {
		case c.fault != "":
			return &Fault{Line: line, Column: i + 1, Message: c.fault}
		case name == "":
			return &Fault{Line: line, Column: i + 1, Message: fmt.Sprintf("column %d has no name", i+1)}
		case seen[name]:
			return &Fault{Line: line, Column: i + 1, Text: name, Message: "two columns have this name"}
		}
		names[i], seen[name] = name, true
	}
	b.keyIndex = slices.Index(names, b.key)
	if b.keyIndex < 0 {
		return &Fault{
			Line:    line,
			Column:  1,
			Text:    b.key,
			Message: fmt.Sprintf("the key column is missing; there are %s", quoted(names)),
		}
	}
	b.t = &Table{
		columns:    names,
		byKey:      map[string][]int{},
		notation:   b.notation,
		workbook:   b.workbook,
		unreadable: map[place]string{},
	}
	return nil
}

func (b *builder) table() (*Table, error) {
	if b.t == nil {
		return nil, &Fault{
			Line:    1,
			Column:  1,
			Message: "the table is empty: its first row must name the columns",
		}
	}
	if len(b.faults) > 0 {
		return nil, b.faults
	}
	return b.t, nil
}

func quoted(names []string) string {
	const most = 50
	out := make([]string, 0, min(len(names), most))
	for _, name := range names[:min(len(names), most)] {
		out = append(out, strconv.Quote(name))
	}
	if len(names) > most {
		out = append(out, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(out, ", ")
}

// Columns returns the column names, in order.
func (t *Table) Columns() []string { return t.columns }

// Keys returns the distinct keys, in the order of their first rows.
func (t *Table) Keys() []string { return t.keys }

// Row returns the cells of a key's last row, in the order of Columns. Two keys are equal if they
// differ only in case, Unicode form or white space.
func (t *Table) Row(key string) (cells []string, found bool) {
	rows := t.byKey[fold.Key(key)]
	if len(rows) == 0 {
		return nil, false
	}
	return t.rows[rows[len(rows)-1]].cells, true
}

// Rows returns all rows of a key, in order.
func (t *Table) Rows(key string) []Record {
	found := t.byKey[fold.Key(key)]
	records := make([]Record, len(found))
	for i, at := range found {
		records[i] = Record{t, at}
	}
	return records
}

// All returns all rows, in order.
func (t *Table) All() []Record {
	records := make([]Record, len(t.rows))
	for i := range t.rows {
		records[i] = Record{t, i}
	}
	return records
}

// Check returns the faults of a column's cells that have no readable value, at most 20.
func (t *Table) Check(column string) Faults {
	at := slices.Index(t.columns, column)
	var faults Faults
	for i := range t.rows {
		if message := t.unreadable[place{i, at}]; message != "" && len(faults) < maxFaults {
			faults = append(faults, t.fault(i, at, message))
		}
	}
	return faults
}

// Numbers rewrites the numbers in a column for expressions: 1250.50 for 1.250,50 in a file with
// semicolons, 25 for 25 %. It does not change other texts. It returns the faults of ambiguous
// numbers, at most 20. Call it only while the table is being loaded.
func (t *Table) Numbers(column string) Faults {
	at := slices.Index(t.columns, column)
	var faults Faults
	for i := range t.rows {
		text := t.rows[i].cells[at]
		if text == "" {
			continue
		}
		n, err := t.number(i, at)
		switch {
		case err == nil && strings.Trim(text, "+-.0123456789") == "": // already in pointNotation
			t.markNumber(i, at)
		case err == nil:
			t.rows[i].cells[at] = n.value.String()
			t.markNumber(i, at)
		case isAmbiguous(err) && len(faults) < maxFaults:
			faults = append(faults, t.fault(i, at, err.Error()))
		}
	}
	return faults
}

// markNumber marks a cell as a number in pointNotation.
func (t *Table) markNumber(i, column int) {
	if t.rows[i].numbers == nil {
		t.rows[i].numbers = make([]bool, len(t.columns))
	}
	t.rows[i].numbers[column] = true
}

func (t *Table) number(i, column int) (number, error) {
	in := t.notation
	if r := t.rows[i]; r.numbers != nil && r.numbers[column] {
		in = pointNotation
	}
	return parseNumber(t.rows[i].cells[column], in)
}

func (t *Table) fault(i, column int, message string) *Fault {
	r := t.rows[i]
	return &Fault{
		Line:    r.line,
		Column:  column + 1,
		Text:    r.cells[column],
		Message: t.where(r.line, column) + message,
	}
}

// where returns the prefix of a fault in a workbook's cell, such as "cell B2: ". It returns "" for
// a CSV file.
func (t *Table) where(line, column int) string {
	if !t.workbook {
		return ""
	}
	return "cell " + cellName(column, line) + ": "
}
