package rulefile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/table"
)

// ruleTable is a table that rules can look up.
type ruleTable struct {
	*tableEntry
	path string
	// table is nil if no file is given, or if the file is faulty.
	table  *table.Table
	hash   string
	faulty bool
	faults *faultList
	// used has the columns that rules read. The value is true if a rule reads decimals from the
	// column.
	used map[string]bool
}

func (t *ruleTable) columns() []string {
	if t.table != nil {
		return t.table.Columns()
	}
	return t.Columns
}

// use notes that a rule reads a column, as decimals or as text.
func (t *ruleTable) use(column string, decimals bool) {
	if t.used == nil {
		t.used = map[string]bool{}
	}
	t.used[column] = t.used[column] || decimals
}

// checkCells reports the faulty cells in the columns that rules read.
func (t *ruleTable) checkCells() {
	if t.table == nil {
		return
	}
	for _, column := range t.table.Columns() {
		decimals, used := t.used[column]
		if !used {
			continue
		}
		faults := t.table.Check(column)
		if decimals {
			faults = append(faults, t.table.Numbers(column)...)
		}
		if len(faults) > 0 {
			t.fault(faults)
		}
	}
}

// fault reports what is wrong in the table's file, or with reading it.
func (t *ruleTable) fault(err error) {
	t.faulty = true
	var all table.Faults
	if errors.As(err, &all) {
		for _, f := range all {
			t.fault(f)
		}
		return
	}
	var in *table.Fault
	if errors.As(err, &in) && in.Line > 0 {
		t.faults.add(Fault{
			File: t.path, Line: in.Line, Column: in.Column, Text: in.Text, Message: in.Message,
		})
		return
	}
	t.file.fault(t.File.node, "%s", err)
}

// readTables reads the tables that have files.
func (l *loader) readTables() {
	for _, name := range slices.Sorted(maps.Keys(l.tables)) {
		t := l.tables[name]
		if t.File.value == "" || l.ctx.Err() != nil {
			continue
		}
		t.path = l.from.resolve(t.file.path, t.File.value)
		l.faults.files = append(l.faults.files, t.path)
		content, hash, err := l.readFile(t.path, table.MaxFileSize)
		if err != nil {
			t.fault(fmt.Errorf("the table cannot be read: %s", fileError(err)))
			continue
		}
		t.hash = hash
		read, err := table.Read(l.ctx, t.path, content, t.Key.value, t.Sheet.value)
		if err != nil {
			t.fault(err)
			continue
		}
		for _, column := range t.Columns {
			if !slices.Contains(read.Columns(), column) {
				t.fault(fmt.Errorf("the table has no column %q; it has %s",
					column, strings.Join(read.Columns(), ", ")))
			}
		}
		t.table = read
	}
}

// celTables returns the tables for expressions.
func (l *loader) celTables() []ordercel.Table {
	noRow := func(string) ([]string, bool) { return nil, false }
	var out []ordercel.Table
	for _, name := range slices.Sorted(maps.Keys(l.tables)) {
		t := l.tables[name]
		cel := ordercel.Table{Name: name, Columns: t.columns(), Row: noRow}
		if t.table != nil {
			cel.Keys, cel.Row = t.table.Keys(), t.table.Row
		}
		out = append(out, cel)
	}
	return out
}
