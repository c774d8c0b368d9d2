// Package table reads the tables that rules look rows up in: CSV files and the sheets
// of XLSX workbooks, with column names in the first row.
package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/govalues/decimal"
	"github.com/xuri/excelize/v2"

	"error-check-gate/internal/rules/fold"
)

// Limits of a table file.
const (
	MaxFileSize = 16 << 20
	maxRows     = 200_000
	maxCells    = 2_000_000
	// maxUnzipped bounds what a workbook may unpack to.
	maxUnzipped = 128 << 20
)

// Table is a table in memory. It is immutable.
type Table struct {
	columns []string
	rows    []row
	// byKey lists the rows of a folded key ([fold.Key]) in their order.
	byKey map[string][]int
	keys  []string
}

type row struct {
	line  int // in the file, from 1
	cells []string
}

// Fault is something wrong with a table file. Line and Column count from 1; they are 0
// where the fault is with the file as a whole.
type Fault struct {
	Line, Column int
	Text         string
	Message      string
}

func (f *Fault) Error() string { return f.Message }

// Read reads a table from the content of a file, which is CSV unless its name ends in
// .xlsx. key names the column that rows are looked up by; sheet names a workbook's
// sheet, the first where it is empty. Errors are [*Fault] where they have a place.
func Read(name string, content []byte, key, sheet string) (*Table, error) {
	if len(content) > MaxFileSize {
		return nil, &Fault{Message: fmt.Sprintf("the file has %d bytes, at most %d are read", len(content), MaxFileSize)}
	}
	if strings.EqualFold(filepath.Ext(name), ".xlsx") {
		return readXLSX(content, key, sheet)
	}
	return readCSV(content, key)
}

// readCSV reads comma-separated values, or semicolons or tabs where those make the key column appear.
func readCSV(content []byte, key string) (*Table, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(content) {
		return nil, &Fault{Message: "the file is not UTF-8: save it as \"CSV UTF-8\""}
	}
	header, _, _ := bytes.Cut(content, []byte("\n"))
	comma := ','
	for _, candidate := range []rune{',', ';', '\t'} {
		r := csv.NewReader(bytes.NewReader(header))
		r.Comma = candidate
		if names, err := r.Read(); err == nil && slices.ContainsFunc(names, func(name string) bool { return strings.TrimSpace(name) == key }) {
			comma = candidate
			break
		}
	}
	r := csv.NewReader(bytes.NewReader(content))
	r.Comma = comma
	r.FieldsPerRecord = -1
	b := &builder{key: key}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return b.table()
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			return nil, &Fault{Line: parse.Line, Column: parse.Column, Message: "not CSV: " + parse.Err.Error()}
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if err := b.add(line, cells, func(i int) int { _, column := r.FieldPos(i); return column }); err != nil {
			return nil, err
		}
	}
}

func readXLSX(content []byte, key, sheet string) (*Table, error) {
	// Raw values: what is shown of a number or a date depends on the cell's format.
	book, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxUnzipped,
	})
	if err != nil {
		return nil, &Fault{Message: "not an XLSX workbook: " + err.Error()}
	}
	defer book.Close() //nolint:errcheck // it was read from memory
	sheets := book.GetSheetList()
	if sheet == "" && len(sheets) > 0 {
		sheet = sheets[0]
	}
	if !slices.Contains(sheets, sheet) {
		return nil, &Fault{Message: fmt.Sprintf("the workbook has no sheet %q; it has %s", sheet, strings.Join(sheets, ", "))}
	}
	rows, err := book.Rows(sheet)
	if err != nil {
		return nil, &Fault{Message: fmt.Sprintf("sheet %q cannot be read: %v", sheet, err)}
	}
	defer rows.Close() //nolint:errcheck // it was read from memory
	b := &builder{key: key}
	for line := 1; rows.Next(); line++ {
		cells, err := rows.Columns()
		if err != nil {
			return nil, &Fault{Line: line, Message: fmt.Sprintf("sheet %q cannot be read: %v", sheet, err)}
		}
		for i := range cells {
			cells[i] = plainNumber(book, sheet, i+1, line, cells[i])
		}
		if err := b.add(line, cells, func(i int) int { return i + 1 }); err != nil {
			return nil, err
		}
	}
	if err := rows.Error(); err != nil {
		return nil, &Fault{Message: fmt.Sprintf("sheet %q cannot be read: %v", sheet, err)}
	}
	return b.table()
}

// plainNumber writes a number as it was keyed in. A workbook holds the nearest binary
// number, with up to 17 digits and an exponent: 2.8999999999999999E-2 for 0.029.
func plainNumber(book *excelize.File, sheet string, column, line int, text string) string {
	const exactDigits = 15
	if len(text) <= exactDigits && !strings.ContainsAny(text, "eE") {
		return text
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	cell, err := excelize.CoordinatesToCellName(column, line)
	if err != nil {
		return text
	}
	switch kind, err := book.GetCellType(sheet, cell); {
	case err != nil:
		return text
	case kind != excelize.CellTypeNumber && kind != excelize.CellTypeUnset && kind != excelize.CellTypeFormula:
		return text // a text that looks like a number
	}
	return strconv.FormatFloat(number, 'f', -1, 64)
}

// builder makes a table row by row.
type builder struct {
	key      string
	keyIndex int
	t        *Table
	cells    int
}

// add takes the next row. column tells where a cell is in the file.
func (b *builder) add(line int, cells []string, column func(int) int) error {
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) == 0 {
		return nil
	}
	if b.t == nil {
		return b.header(line, cells, column)
	}
	if len(cells) > len(b.t.columns) {
		return &Fault{
			Line: line, Column: column(len(b.t.columns)), Text: cells[len(b.t.columns)],
			Message: fmt.Sprintf("the row has %d cells, but there are only %d columns", len(cells), len(b.t.columns)),
		}
	}
	if b.cells += len(b.t.columns); len(b.t.rows) >= maxRows || b.cells > maxCells {
		return &Fault{Line: line, Column: 1, Message: fmt.Sprintf("the table is too large: at most %d rows and %d cells are read", maxRows, maxCells)}
	}
	padded := make([]string, len(b.t.columns))
	copy(padded, cells)
	written := padded[b.keyIndex]
	if written == "" {
		return &Fault{
			Line: line, Column: b.keyIndex + 1,
			Message: fmt.Sprintf("the row has no %s, so that nothing finds it: fill it in, or clear the row", b.key),
		}
	}
	key := fold.Key(written)
	if rows := b.t.byKey[key]; len(rows) == 0 {
		b.t.keys = append(b.t.keys, written)
	} else if first := b.t.rows[rows[0]]; first.cells[b.keyIndex] != written {
		return &Fault{
			Line: line, Column: b.keyIndex + 1, Text: written,
			Message: fmt.Sprintf("row %d has this key in another spelling, %q: write it in one way", first.line, first.cells[b.keyIndex]),
		}
	}
	b.t.byKey[key] = append(b.t.byKey[key], len(b.t.rows))
	b.t.rows = append(b.t.rows, row{line, padded})
	return nil
}

func (b *builder) header(line int, names []string, column func(int) int) error {
	for i, name := range names {
		if name == "" {
			return &Fault{Line: line, Column: column(i), Message: fmt.Sprintf("column %d has no name", i+1)}
		}
		if slices.Contains(names[:i], name) {
			return &Fault{Line: line, Column: column(i), Text: name, Message: "two columns have this name"}
		}
	}
	b.keyIndex = slices.Index(names, b.key)
	if b.keyIndex < 0 {
		return &Fault{Line: line, Column: 1, Text: b.key, Message: fmt.Sprintf("the key column is missing; there are %s", quoted(names))}
	}
	b.t = &Table{columns: slices.Clone(names), byKey: map[string][]int{}}
	return nil
}

func (b *builder) table() (*Table, error) {
	if b.t == nil {
		return nil, &Fault{Line: 1, Column: 1, Message: "the table is empty: its first row must name the columns"}
	}
	return b.t, nil
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strconv.Quote(name)
	}
	return strings.Join(out, ", ")
}

// Columns are the column names, in their order.
func (t *Table) Columns() []string { return t.columns }

// Keys are the keys, each once, in the order of their first rows.
func (t *Table) Keys() []string { return t.keys }

// Row returns the cells of a key's last row, in the order of Columns. Keys are compared
// without regard to case, Unicode form and white space.
func (t *Table) Row(key string) (cells []string, found bool) {
	rows := t.byKey[fold.Key(key)]
	if len(rows) == 0 {
		return nil, false
	}
	return t.rows[rows[len(rows)-1]].cells, true
}

// Rows returns all rows of a key, in their order.
func (t *Table) Rows(key string) []Record {
	found := t.byKey[fold.Key(key)]
	records := make([]Record, len(found))
	for i, at := range found {
		records[i] = Record{t, &t.rows[at]}
	}
	return records
}

// All is every row, in their order.
func (t *Table) All() []Record {
	records := make([]Record, len(t.rows))
	for i := range t.rows {
		records[i] = Record{t, &t.rows[i]}
	}
	return records
}

// Record is a row of a table.
type Record struct {
	table *Table
	row   *row
}

// Line is where the row is in its file, from 1.
func (r Record) Line() int { return r.row.line }

// Text is the cell in a column, without white space around it; empty where there is
// no such column.
func (r Record) Text(column string) string {
	i := slices.Index(r.table.columns, column)
	if i < 0 {
		return ""
	}
	return r.row.cells[i]
}

// Amount is the number in a column. An empty cell is 0. A currency sign in front and
// commas between thousands are taken, as spreadsheets write them.
func (r Record) Amount(column string) (decimal.Decimal, error) {
	text := r.Text(column)
	if text == "" {
		return decimal.Decimal{}, nil
	}
	d, err := ParseAmount(text)
	if err != nil {
		return decimal.Decimal{}, &Fault{Line: r.row.line, Column: slices.Index(r.table.columns, column) + 1, Text: text, Message: err.Error()}
	}
	return d, nil
}

// ParseAmount reads an amount as spreadsheets write them: 1250, 1250.50, $1,250.50.
func ParseAmount(text string) (decimal.Decimal, error) {
	number := strings.TrimLeft(strings.TrimSpace(text), "$€£ ")
	whole, fraction, _ := strings.Cut(number, ".")
	if groups := strings.Split(strings.TrimPrefix(whole, "-"), ","); len(groups) > 1 {
		for i, group := range groups {
			if i > 0 && len(group) != 3 || i == 0 && (len(group) == 0 || len(group) > 3) {
				return decimal.Decimal{}, fmt.Errorf("not an amount: write it like 1250.50")
			}
		}
		number = strings.ReplaceAll(whole, ",", "")
		if fraction != "" {
			number += "." + fraction
		}
	}
	d, err := decimal.Parse(number)
	if err != nil {
		return decimal.Decimal{}, fmt.Errorf("not an amount: write it like 1250.50")
	}
	return d, nil
}

var dateLayouts = []string{time.DateOnly, "1/2/2006", "1/2/06", "2006/1/2", "2.1.2006", "2 Jan 2006", "Jan 2, 2006", time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05"}

// Date is the day in a column, as a text that is the same for the same day however it
// is written; a workbook's day numbers included. A cell that is no date is itself. An
// empty one is empty.
func (r Record) Date(column string) string {
	text := r.Text(column)
	for _, layout := range dateLayouts {
		if day, err := time.Parse(layout, text); err == nil {
			return day.Format(time.DateOnly)
		}
	}
	// Day numbers of workbooks count from 1899-12-30.
	const first, last = 20_000, 80_000
	if whole, _, _ := strings.Cut(text, "."); len(whole) == 5 {
		if n, err := strconv.Atoi(whole); err == nil && n >= first && n <= last {
			return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n).Format(time.DateOnly)
		}
	}
	return strings.ToLower(text)
}
