package table

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// The maximum size of a sheet in spreadsheet programs.
const (
	lastRow    = 1_048_576
	lastColumn = 16_384
)

// sheetCell is a cell as the workbook stores it.
type sheetCell struct {
	column  int // from 1
	kind    string
	style   int
	formula bool
	// value is the stored value. hasValue tells an empty text from no value.
	value    string
	hasValue bool
	text     string // of a cell that has its text itself
}

// readSheet reads the rows of a sheet.
func (w *workbook) readSheet(r io.Reader, b *builder) error {
	d := xml.NewDecoder(r)
	line := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "row" {
			continue
		}
		if line, err = rowNumber(start, line); err != nil {
			return err
		}
		cells, err := w.readRow(d, line)
		if err != nil {
			return err
		}
		if err := b.add(line, cells); err != nil {
			return err
		}
	}
}

// rowNumber returns a row's number. A row without a number gets the one after before, the number of
// the row before it.
func rowNumber(row xml.StartElement, before int) (int, error) {
	text := attribute(row, "r")
	if text == "" {
		return before + 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > lastRow {
		return 0, &Fault{
			Text:    text,
			Message: fmt.Sprintf("the workbook is damaged: a row has a number beyond %d", lastRow),
		}
	}
	if n <= before {
		return 0, &Fault{
			Line:    n,
			Column:  1,
			Message: fmt.Sprintf("the workbook is damaged: row %d comes after row %d", n, before),
		}
	}
	return n, nil
}

// readRow reads the cells of a row that has begun, without the empty cells at its end.
func (w *workbook) readRow(d *xml.Decoder, line int) ([]cell, error) {
	var cells []cell
	before := 0
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.EndElement:
			if t.Name.Local == "row" {
				return cells, nil
			}
		case xml.StartElement:
			if t.Name.Local != "c" {
				if err := d.Skip(); err != nil {
					return nil, err
				}
				continue
			}
			c, err := readCell(d, t, line, before)
			if err != nil {
				return nil, err
			}
			before = c.column
			shown, err := w.shown(c)
			if err != nil {
				return nil, &Fault{Line: line, Column: c.column,
					Message: "cell " + cellName(c.column-1, line) + ": " + err.Error()}
			}
			if shown == (cell{}) {
				continue
			}
			for len(cells) < c.column-1 {
				cells = append(cells, cell{})
			}
			cells = append(cells, shown)
		}
	}
}

// readCell reads a cell that has begun. before is the column of the cell before it.
func readCell(d *xml.Decoder, start xml.StartElement, line, before int) (sheetCell, error) {
	c := sheetCell{column: before + 1, kind: attribute(start, "t")}
	damaged := func(what string) error {
		return &Fault{Line: line, Column: before + 1, Message: "the workbook is damaged: " + what}
	}
	if name := attribute(start, "r"); name != "" {
		column, row := cellPlace(name)
		if row != line || column <= before || column > lastColumn {
			return c, damaged(fmt.Sprintf("cell %q is in row %d after column %d", name, line, before))
		}
		c.column = column
	}
	if text := attribute(start, "s"); text != "" {
		style, err := strconv.Atoi(text)
		if err != nil || style < 0 {
			return c, damaged(fmt.Sprintf("%q is no style", text))
		}
		c.style = style
	}
	for {
		token, err := d.Token()
		if err != nil {
			return c, err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return c, nil // the end of the cell; nested elements are read to their ends below
		case xml.StartElement:
			switch t.Name.Local {
			case "v":
				c.hasValue = true
				err = d.DecodeElement(&c.value, &t)
			case "f":
				c.formula = true
				err = d.Skip()
			case "is":
				c.text, err = richText(d)
			default:
				err = d.Skip()
			}
			if err != nil {
				return c, err
			}
		}
	}
}

// shown returns the content of a cell as a person sees it. An error means that the workbook is
// damaged.
func (w *workbook) shown(c sheetCell) (cell, error) {
	value := strings.TrimSpace(c.value)
	if c.formula && value == "" && (c.kind != "str" || !c.hasValue) {
		return cell{
			fault: "the formula has no stored value: open the workbook in a spreadsheet program and save " +
				"it, or write the value",
		}, nil
	}
	switch c.kind {
	case "s":
		i, err := strconv.Atoi(value)
		if err != nil || i < 0 || i >= len(w.shared) {
			return cell{}, fmt.Errorf("the workbook is damaged: it has no text %q", value)
		}
		return cell{text: w.shared[i]}, nil
	case "inlineStr":
		return cell{text: c.text}, nil
	case "str":
		return cell{text: unescaped(c.value)}, nil
	case "b":
		switch value {
		case "1":
			return cell{text: "TRUE"}, nil
		case "0":
			return cell{text: "FALSE"}, nil
		}
		return cell{}, fmt.Errorf("the workbook is damaged: %q is neither TRUE nor FALSE", value)
	case "e":
		return cell{fault: "the cell shows the error " + value + ": mend its formula"}, nil
	case "d":
		day, _, _ := strings.Cut(value, "T00:00:00")
		return cell{text: day}, nil
	case "n", "":
		return w.shownNumber(value, c.style)
	}
	return cell{}, fmt.Errorf("the workbook is damaged: there are no cells of type %q", c.kind)
}

func (w *workbook) shownNumber(value string, style int) (cell, error) {
	if value == "" {
		return cell{}, nil
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
		return cell{}, fmt.Errorf("the workbook is damaged: %q is not a number", value)
	}
	format := generalFormat
	if style < len(w.formats) {
		format = w.formats[style]
	} else if style > 0 {
		return cell{}, fmt.Errorf("the workbook is damaged: it has no style %d", style)
	}
	return format.show(number, w.date1904), nil
}

func attribute(element xml.StartElement, name string) string {
	for _, a := range element.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// cellName returns the name of a cell, such as B2. The column counts from 0.
func cellName(column, line int) string {
	name := ""
	for column++; column > 0; column = (column - 1) / 26 {
		name = string(rune('A'+(column-1)%26)) + name
	}
	return name + strconv.Itoa(line)
}

// cellPlace returns the column, from 1, and the row of a cell by its name, or 0 if it is not a
// name.
func cellPlace(name string) (column, row int) {
	i := 0
	for ; i < len(name) && i < 3 && name[i] >= 'A' && name[i] <= 'Z'; i++ {
		column = column*26 + int(name[i]-'A') + 1
	}
	row, err := strconv.Atoi(name[i:])
	if err != nil || i == 0 {
		return 0, 0
	}
	return column, row
}
