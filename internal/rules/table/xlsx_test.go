package table

import (
	"archive/zip"
	"bytes"
	"context"
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCellsThatCannotBeReadAreFaults checks that such a cell is a fault for rules that read its
// column, and for no other rule.
func TestCellsThatCannotBeReadAreFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"a time": {formatted("0.75", "h:mm"),
			`cell B2: its number format "h:mm" is not read`},
		"elapsed time":      {formatted("1.75", "[h]:mm"), "is not read"},
		"part of a date":    {formatted("45352", "mmm-yy"), "is not read"},
		"a day of the week": {formatted("45352", "dddd"), "is not read"},
		"a fraction":        {formatted("0.25", "# ?/?"), "is not read"},
		"an exponent":       {formatted("1234", "0.00E+00"), "is not read"},
		"in thousands":      {formatted("45352", "0.0,"), "is not read"},
		"a condition":       {formatted("0.25", "[<1]0.00%;0.00"), "is not read"},
		"other characters":  {formatted("123456789", "000-00-0000"), "is not read"},
		"a negative date":   {formatted("-5", "yyyy-mm-dd"), "-5 is not a date"},
		"too many digits":   {formatted("1E30", "0.00"), "has more than 19 digits"},
		"depends on language": {
			sheet(`<row r="1"><c r="A1" t="str"><v>K</v></c><c r="B1" t="str"><v>V</v></c></row><row ` +
				`r="2"><c r="A2"><v>1</v></c><c r="B2" s="1"><v>45352</v></c></row>`), "is not read"},
		"a formula": {sheet(headRow +
			`<row r="2"><c r="A2"><v>1</v></c><c r="B2"><f>5*5</f><v></v></c></row>`),
			"cell B2: the formula has no stored value"},
		"a formula, no value": {sheet(headRow +
			`<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="str"><f>5*5</f></c></row>`),
			"cell B2: the formula has no stored value"},
		"an error": {sheet(headRow +
			`<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>`),
			"cell B2: the cell shows the error #DIV/0!"},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := Read(t.Context(), "x.xlsx", tt.content, "K", "")
			require.NoError(t, err)
			faults := table.Check("V")
			require.Len(t, faults, 1)
			assert.Contains(t, faults[0].Message, tt.want)
			assert.Equal(t, [2]int{2, 2}, [2]int{faults[0].Line, faults[0].Column})
			_, err = table.All()[0].Amount("V")
			assert.Equal(t, faults[0], err)
			assert.Empty(t, table.Check("K"), "only for rules that read the column")
		})
	}

	table, err := Read(t.Context(), "x.xlsx",
		sheet(headRow+`<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="str"><f>""</f><v></v></c></row>`),
		"K", "")
	require.NoError(t, err)
	assert.Empty(t, table.Check("V"), "the text of a formula may be empty")
	_, err = Read(t.Context(), "x.xlsx", sheet(headRow+`<row r="2"><c r="A2"><f>1</f></c></row>`), "K",
		"")
	assert.Contains(t, onlyFault(t, err).Message, "cell A2: the formula has no stored value",
		"of a key")
	_, err = Read(t.Context(), "x.xlsx",
		sheet(`<row r="1"><c r="A1" t="str"><v>K</v></c><c r="B1" t="e"><v>#REF!</v></c></row>`), "K", "")
	assert.Contains(t, onlyFault(t, err).Message, "#REF!", "of a heading")
}

const headRow = `<row r="1"><c r="A1" t="str"><v>K</v></c><c r="B1" t="str"><v>V</v></c></row>`

// sheet returns a workbook with these rows. The format of its style 1 depends on the language.
func sheet(rows string) []byte {
	return styledSheet(rows, `<cellXfs><xf numFmtId="0"/><xf numFmtId="27"/></cellXfs>`)
}

// formatted returns a workbook with one number in that format.
func formatted(value, format string) []byte {
	const rows = headRow + `<row r="2"><c r="A2"><v>1</v></c><c r="B2" s="1"><v>VALUE</v></c></row>`
	return styledSheet(strings.Replace(rows, "VALUE", value, 1),
		`<numFmts><numFmt numFmtId="164" formatCode="`+html.EscapeString(format)+`"/></numFmts>`+
			`<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs>`)
}

func styledSheet(rows, styles string) []byte {
	const relationships = `<Relationships>` +
		`<Relationship Id="r1" Type="x/worksheet" Target="/xl/a.xml"/>` +
		`<Relationship Id="r2" Type="x/styles" Target="styles.xml"/></Relationships>`
	return archive(map[string]string{
		"_rels/.rels": `<Relationships>` +
			`<Relationship Id="r1" Type="x/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml": `<workbook xmlns:r="r"><sheets>` +
			`<sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": relationships,
		"xl/styles.xml":              `<styleSheet>` + styles + `</styleSheet>`,
		"xl/a.xml":                   `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`,
	})
}

func archive(parts map[string]string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range parts {
		part, err := w.Create(name)
		if err != nil {
			panic(err)
		}
		if _, err := part.Write([]byte(text)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func TestRowsAndCellsMayLeaveOutTheirNumbers(t *testing.T) {
	table, err := Read(t.Context(), "x.xlsx",
		sheet(`<row><c t="str"><v>K</v></c><c `+
			`t="inlineStr"><is><t>V</t></is></c></row><row/><row><c><v>1</v></c><c t="b"><v>1</v></c></row>`), "K", "")
	require.NoError(t, err)
	assert.Equal(t, 3, table.All()[0].Line())
	assert.Equal(t, "TRUE", table.All()[0].Text("V"))
}

// TestDamagedWorkbooksAreRefused also reads hostile workbooks.
func TestDamagedWorkbooksAreRefused(t *testing.T) {
	rows := func(text string) []byte { return sheet(headRow + text) }
	far := sheet(`<row r="1"><c r="A1" t="str"><v>K</v></c><c r="XFD1" t="str"><v>V</v></c></row>`)
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"a row far away": {rows(`<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>`),
			"a row has a number beyond 1048576"},
		"a row number in words": {rows(`<row r="two"/>`), "a row has a number beyond"},
		"a row beyond the last": {rows(`<row r="1048577"/>`), "a row has a number beyond"},
		"a row above":           {rows(`<row r="3"/><row r="2"/>`), "row 2 comes after row 3"},
		"the same row":          {rows(`<row r="2"/><row r="2"/>`), "row 2 comes after row 2"},
		"a cell of another row": {rows(`<row r="2"><c r="A7"><v>1</v></c></row>`),
			`cell "A7" is in row 2`},
		"a cell far away": {rows(`<row r="2"><c r="XFE2"><v>1</v></c></row>`),
			`cell "XFE2" is in row 2`},
		"a cell without a column": {rows(`<row r="2"><c r="2"><v>1</v></c></row>`), `cell "2" is in row 2`},
		"cells out of order": {rows(`<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>`),
			`cell "A2" is in row 2 after column 2`},
		"no number": {rows(`<row r="2"><c r="A2"><v>one</v></c></row>`),
			`cell A2: the workbook is damaged: "one" is not a number`},
		"not finite": {rows(`<row r="2"><c r="A2"><v>1e999</v></c></row>`), "is not a number"},
		"no text":    {rows(`<row r="2"><c r="A2" t="s"><v>7</v></c></row>`), `it has no text "7"`},
		"no style":   {rows(`<row r="2"><c r="A2" s="9"><v>7</v></c></row>`), "it has no style 9"},
		"no boolean": {rows(`<row r="2"><c r="A2" t="b"><v>7</v></c></row>`), "neither TRUE nor FALSE"},
		"no type":    {rows(`<row r="2"><c r="A2" t="x"><v>7</v></c></row>`), `no cells of type "x"`},
		"cut off": {sheet(headRow + `<row r="2"><c r="A2"><v>7</v></c></row></sheetData>`),
			"XML syntax error"},
		"beside the headings": {rows(`<row r="2"><c r="A2"><v>7</v></c><c r="XFD2"><v>7</v></c></row>`),
			"the row has 16384 cells, but there are only 2 columns"},
		"headings far apart": {far, "column 2 has no name"},
		"no workbook":        {archive(map[string]string{"a": "b"}), "_rels/.rels is missing"},
		"no sheet": {archive(map[string]string{"_rels/.rels": "<R/>", "xl/workbook.xml": "<w/>"}),
			"it has no sheet"},
		"a very long text": {rows(`<row r="2"><c r="A2" t="str"><v>` + strings.Repeat("a", 2*maxTag) +
			`</v></c></row>`), "too long for a cell"},
		"a long attribute": {rows(`<row r="2" a="` + strings.Repeat("a", 2*maxTag) + `"/>`),
			"too long for a cell"},
		"too many rows": {rows(strings.Repeat(`<row><c><v>1</v></c></row>`, maxRows+1)),
			"the table is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(t.Context(), "x.xlsx", tt.content, "K", "")
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestAWorkbookUnpacksToABoundedSize(t *testing.T) {
	content := sheet(headRow + strings.Repeat(`<row a="`+strings.Repeat(" ", 1<<19)+`"/>`, 100))
	assert.Less(t, len(content), 1<<20)
	files, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	w := &workbook{ctx: t.Context(), files: files.File, remaining: 1 << 20}
	_, err = w.table("K", "")
	require.ErrorContains(t, err, "unpack to more than 128 MiB")
	assert.Negative(t, w.remaining)
	assert.Greater(t, w.remaining, int64(-1<<20), "unpacking stops soon after the limit")
}

func TestReadingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	_, err := Read(ctx, "x.csv", []byte("K,V\na,b\n"), "K", "")
	require.ErrorIs(t, err, assert.AnError)
	_, err = Read(ctx, "x.xlsx", sheet(headRow), "K", "")
	require.ErrorIs(t, err, assert.AnError)
}
