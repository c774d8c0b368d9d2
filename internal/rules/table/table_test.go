package table

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCSV(t *testing.T) {
	for name, content := range map[string]string{
		"comma":     "Product,Category\nB12,Base\n\n T84 , Tall \nB12,Base Cabinet\n",
		"semicolon": "Product;Category\nB12;Base\nT84;Tall\nB12;Base Cabinet",
		"tab, CRLF": "Product\tCategory\r\nB12\tBase\r\nT84\tTall\r\nB12\tBase Cabinet\r\n",
		"mark, quotes": "\xef\xbb\xbf\"Product\",\"Category\"\nB12,Base,,\nT84,Tall\nB12,\"Base " +
			"Cabinet\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			table, err := Read(t.Context(), "x.csv", []byte(content), "Product", "")
			require.NoError(t, err)
			assert.Equal(t, []string{"Product", "Category"}, table.Columns())
			assert.Equal(t, []string{"B12", "T84"}, table.Keys())
			row, found := table.Row(" B12 ")
			assert.True(t, found)
			assert.Equal(t, []string{"B12", "Base Cabinet"}, row, "the last row wins")
			assert.Len(t, table.Rows("B12"), 2)
			assert.Len(t, table.All(), 3)
			assert.Equal(t, "Tall", table.Rows("T84")[0].Text("Category"))
			_, found = table.Row("b12")
			assert.True(t, found, "the comparison of keys ignores case")
			_, found = table.Row("B1")
			assert.False(t, found)
		})
	}
}

// TestKeysInOtherSpellings finds a key in any spelling, and refuses a table with two spellings of a
// key.
func TestKeysInOtherSpellings(t *testing.T) {
	table, err := Read(t.Context(), "x.csv",
		[]byte("Product,Category\nK\u00fcche  A,Base\nso-000123,Tall\nso-000123,Wall\n"), "Product", "")
	require.NoError(t, err)
	for _, spelling := range []string{"Ku\u0308che A", "K\u00dcCHE\u00a0A", " k\u00fcche a "} {
		row, found := table.Row(spelling)
		assert.True(t, found, spelling)
		assert.Equal(t, []string{"K\u00fcche  A", "Base"}, row)
	}
	assert.Len(t, table.Rows("SO-000123"), 2)

	for name, tt := range map[string]struct {
		content string
		want    Fault
	}{
		"case": {"Product,Cap\nDR-18,10\ndr-18,90\n",
			Fault{3, 1, "dr-18", `row 2 has this key in another spelling, "DR-18": use one spelling`}},
		"Unicode form": {"Cap,Product\n1,\u00c4\n2,B\n3,A\u0308\n",
			Fault{4, 2, "A\u0308",
				"row 2 has this key in another spelling, \"\u00c4\": use one spelling"}},
		"no key": {"Cap,Product\n1,A\n2,\n",
			Fault{3, 2, "",
				"the row has no Product, so no rule finds it: fill it in, or clear the row"}},
	} {
		_, err := Read(t.Context(), "x.csv", []byte(tt.content), "Product", "")
		assert.Equal(t, tt.want, onlyFault(t, err), name)
	}
}

// onlyFault returns the only fault of an error.
func onlyFault(t *testing.T, err error) Fault {
	t.Helper()
	var faults Faults
	if errors.As(err, &faults) {
		require.Len(t, faults, 1)
		return *faults[0]
	}
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	return *fault
}

func TestFaultsHaveAPlace(t *testing.T) {
	for name, tt := range map[string]struct {
		file, content string
		want          Fault
	}{
		"empty": {"x.csv", "", Fault{1, 1, "",
			"the table is empty: its first row must name the columns"}},
		"no key column": {"x.csv", "Name,Category\n",
			Fault{1, 1, "Product", `the key column is missing; there are "Name", "Category"`}},
		"unnamed": {"x.csv", "Product,,Category\n", Fault{1, 2, "", "column 2 has no name"}},
		"double":  {"x.csv", "Product,Product\n", Fault{1, 2, "Product", "two columns have this name"}},
		"too many": {"x.csv", "Product,Category\na,b\nc,d,e\n",
			Fault{3, 3, "e", "the row has 3 cells, but there are only 2 columns"}},
		"quotes": {"x.csv", "Product,Category\na,\"b\nc",
			Fault{3, 2, "", "not CSV: extraneous or missing \" in quoted-field"}},
		"not UTF-8": {"x.csv", "Product,Stra\xdfe\n",
			Fault{0, 0, "", `the file is not UTF-8: save it as UTF-8, ` +
				`in a spreadsheet program as "CSV UTF-8"`}},
		"no workbook": {"x.xlsx", "Product,Category\n",
			Fault{0, 0, "", "not an XLSX workbook: zip: not a valid zip file"}},
	} {
		_, err := Read(t.Context(), tt.file, []byte(tt.content), "Product", "")
		assert.Equal(t, tt.want, onlyFault(t, err), name)
	}
}

func TestDatesOfOneDayAreTheSame(t *testing.T) {
	days := []string{"2026-01-09", "1/9/2026", "01/09/2026", "1/9/26", "9.1.2026", "9 Jan 2026",
		"2026-01-09T15:04:05Z", "2026-01-09 08:00:00", "2026-01-09 08:00"}
	table, err := Read(t.Context(), "x.csv", []byte("Date,K\n"+strings.Join(days, ",a\n")+",a\n"), "K",
		"")
	require.NoError(t, err)
	for i, record := range table.All() {
		assert.Equal(t, "2026-01-09", record.Date("Date"), days[i])
	}
	other, err := Read(t.Context(), "x.csv", []byte("K,Date\na,Next Week\nb,\nc,12\n"), "K", "")
	require.NoError(t, err)
	assert.Equal(t, "next week", other.Rows("a")[0].Date("Date"))
	assert.Empty(t, other.Rows("b")[0].Date("Date"))
	assert.Equal(t, "12", other.Rows("c")[0].Date("Date"))
	assert.Empty(t, other.Rows("c")[0].Date("no such column"))
}

func TestLargeTablesAreRefused(t *testing.T) {
	_, err := Read(t.Context(), "x.csv", make([]byte, MaxFileSize+1), "K", "")
	require.ErrorContains(t, err, "at most 16777216 are read")
	_, err = Read(t.Context(), "x.csv", []byte("K\n"+strings.Repeat("a\n", maxRows+1)), "K", "")
	require.ErrorContains(t, err, "the table is too large")
}

func FuzzRead(f *testing.F) {
	f.Add("x.csv", []byte("K,V\na,b\n"))
	f.Add("x.csv", []byte("K;V\n\"a\";b\n"))
	f.Add("x.xlsx", []byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		table, err := Read(t.Context(), name, content, "K", "")
		if err != nil {
			return
		}
		for _, record := range table.All() {
			if len(table.rows[record.row].cells) != len(table.Columns()) {
				t.Fatal("a row has too few or too many cells")
			}
			_, _ = record.Amount("V")
			_ = record.Date("V")
		}
	})
}
