// Package spreadsheet_test reads workbooks that another library writes.
package spreadsheet_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"error-check-gate/internal/rules/table"
)

// styled is the value of a cell and its number format.
type styled struct {
	value  any
	format string
}

// sheetOf returns a workbook with one row for each cell, each with a key.
func sheetOf(t *testing.T, cells ...styled) []byte {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close() //nolint:errcheck // in memory
	require.NoError(t, book.SetSheetRow("Sheet1", "A1", &[]any{"K", "V"}))
	for i, c := range cells {
		key, value := fmt.Sprintf("A%d", i+2), fmt.Sprintf("B%d", i+2)
		require.NoError(t, book.SetCellValue("Sheet1", key, fmt.Sprintf("k%d", i)))
		require.NoError(t, book.SetCellValue("Sheet1", value, c.value))
		if c.format != "" {
			style, err := book.NewStyle(&excelize.Style{CustomNumFmt: &c.format})
			require.NoError(t, err)
			require.NoError(t, book.SetCellStyle("Sheet1", value, value, style))
		}
	}
	var out bytes.Buffer
	require.NoError(t, book.Write(&out))
	return out.Bytes()
}

// TestWorkbooksAreReadAsPeopleSeeThem checks that we read what a cell shows, not what the workbook
// stores.
func TestWorkbooksAreReadAsPeopleSeeThem(t *testing.T) {
	for _, tt := range []struct {
		styled
		text, amount, percent string // amount and percent are empty if the text is not one
	}{
		{styled{25, ""}, "25", "25", "25"},
		{styled{0.25, "0%"}, "25%", "", "25"},
		{styled{0.125, "0.0%"}, "12.5%", "", "12.5"},
		{styled{0.125, "0%"}, "13%", "", "13"},
		{styled{-0.05, "0%;[Red]-0%"}, "-5%", "", "-5"},
		{styled{25, `0" %"`}, "25 %", "", "25"},
		{styled{0.029, "General"}, "0.029", "0.029", "0.029"},
		{styled{0.1 + 0.2, ""}, "0.3", "0.3", "0.3"},
		{styled{1.0 / 3, ""}, "0.333333333333333", "0.333333333333333", "0.333333333333333"},
		{styled{123456789012, ""}, "123456789012", "123456789012", "123456789012"},
		{styled{1.005, "0.00"}, "1.01", "1.01", "1.01"}, // the binary number is slightly less
		{styled{0.285, "0.00"}, "0.29", "0.29", "0.29"},
		{styled{-2.5, "0"}, "-3", "-3", "-3"},
		{styled{-0.001, "0.00"}, "0.00", "0.00", "0.00"},
		{styled{1234.567, "#,##0.00"}, "1234.57", "1234.57", "1234.57"},
		{styled{1.25, "0.000"}, "1.250", "1.250", "1.250"},
		{styled{1234.5, "0.###"}, "1234.5", "1234.5", "1234.5"},
		{styled{1234.5, "#,##0.00 €"}, "1234.50 €", "1234.50", "1234.50"},
		{styled{-1234.5, "[$$-409]#,##0.00"}, "-$1234.50", "-1234.50", "-1234.50"},
		{styled{-1234.5, `_(* #,##0.00_);_(* \(#,##0.00\);_(* "-"??_);_(@_)`}, "(1234.50)", "-1234.50",
			"-1234.50"},
		{styled{0, `_-"$"* #,##0.00_-;-"$"* #,##0.00_-;_-"$"* "-"??_-;_-@_-`}, "0", "0", "0"},
		{styled{42, "00000"}, "00042", "42", "42"},
		{styled{42, `"SKU-"0000`}, "SKU-0042", "", ""},
		{styled{42, `"ABC "0000`}, "ABC 0042", "", ""},
		{styled{42, `"EUR "0`}, "EUR 42", "42", "42"},
		{styled{0, "#"}, "", "", ""},
		{styled{0.25, "#.##"}, ".25", "0.25", "0.25"},
		{styled{7, "@"}, "7", "7", "7"},
		{styled{1, `"yes";"yes";"no"`}, "yes", "", ""},
		{styled{0, `"yes";"yes";"no"`}, "no", "", ""},
		{styled{5, ";;;"}, "", "", ""},
		{styled{true, ""}, "TRUE", "", ""},
		{styled{false, ""}, "FALSE", "", ""},
		{styled{time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), "m/d/yyyy h:mm"}, "2024-03-01 00:00:00", "",
			""},
		{styled{45352, "yyyy-mm-dd"}, "2024-03-01", "", ""},
		{styled{45352, "d.m.yy;@"}, "2024-03-01", "", ""},
		{styled{45352.75, "[$-407]d. mmmm yyyy"}, "2024-03-01", "", ""},
		{styled{45352.75, "m/d/yy h:mm AM/PM"}, "2024-03-01 18:00:00", "", ""},
		{styled{45352, ""}, "45352", "45352", "45352"},
		{styled{"12.5", ""}, "12.5", "12.5", "12.5"}, // the cell is a text
		{styled{"12,500", ""}, "12,500", "", ""},
		{styled{"25 %", ""}, "25 %", "", "25"},
		{styled{"a_x000D_\nb", ""}, "a\r\nb", "", ""},
		{styled{"0012E5", ""}, "0012E5", "", ""},
		{styled{"", ""}, "", "", ""},
	} {
		t.Run(fmt.Sprintf("%v as %s", tt.value, tt.format), func(t *testing.T) {
			got, err := table.Read(t.Context(), "x.xlsx", sheetOf(t, tt.styled), "K", "")
			require.NoError(t, err)
			require.Empty(t, got.Check("V"))
			record := got.All()[0]
			assert.Equal(t, tt.text, record.Text("V"))
			for want, read := range map[*string]func(string) (fmt.Stringer, error){
				&tt.amount:  func(c string) (fmt.Stringer, error) { return record.Amount(c) },
				&tt.percent: func(c string) (fmt.Stringer, error) { return record.Percent(c) },
			} {
				got, err := read("V")
				if *want == "" {
					assert.Error(t, err, "it is read as %v", got)
				} else if assert.NoError(t, err) {
					assert.Equal(t, *want, got.String())
				}
			}
		})
	}
}

// newWorkbook returns a workbook with these sheets, each with values by cell.
func newWorkbook(t *testing.T, sheets map[string]map[string]any) []byte {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close() //nolint:errcheck // in memory
	for sheet, cells := range sheets {
		if sheet != "Sheet1" {
			_, err := book.NewSheet(sheet)
			require.NoError(t, err)
		}
		for cell, value := range cells {
			require.NoError(t, book.SetCellValue(sheet, cell, value))
		}
	}
	var out bytes.Buffer
	require.NoError(t, book.Write(&out))
	return out.Bytes()
}

func TestXLSX(t *testing.T) {
	content := newWorkbook(t, map[string]map[string]any{
		"Sheet1": {"A1": "Order", "A2": "x"},
		"Record": {
			"A1": "Sales Order#", "B1": "Quote", "C1": "Date", "D1": "Code",
			"A2": "SO-1", "B2": 0.029, "C2": time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), "D2": "0012E5",
			"A4": 1042, "B4": 1234.5, "C4": "2026-01-06", "D4": "12345678901234567890",
		},
	})
	got, err := table.Read(t.Context(), "record.XLSX", content, "Sales Order#", "Record")
	require.NoError(t, err)
	assert.Equal(t, []string{"SO-1", "1042"}, got.Keys())

	first := got.Rows("SO-1")[0]
	amount, err := first.Amount("Quote")
	require.NoError(t, err)
	assert.Equal(t, "0.029", amount.String(), "the typed number, not the nearest binary one")
	assert.Equal(t, "2026-01-05", first.Date("Date"))
	assert.Equal(t, "0012E5", first.Text("Code"), "a text that looks like a number stays")

	second := got.Rows("1042")[0]
	assert.Equal(t, 4, second.Line())
	assert.Equal(t, "2026-01-06", second.Date("Date"))
	assert.Equal(t, "12345678901234567890", second.Text("Code"))

	_, err = table.Read(t.Context(), "record.xlsx", content, "Sales Order#", "Records")
	require.ErrorContains(t, err, `the workbook has no sheet "Records"; it has`)
	_, err = table.Read(t.Context(), "record.xlsx", content, "Order", "")
	require.NoError(t, err, "the first sheet by default")
}
