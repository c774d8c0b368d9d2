package table

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"regexp"
	"slices"

	"error-check-gate/internal/rules/plaintext"
)

// separators are the characters that can separate cells.
var separators = []rune{',', ';', '\t', '|'}

// sepLine matches a first line that tells spreadsheet programs the separator of a file.
var sepLine = regexp.MustCompile(`(?i)^"?sep=([^"\n])"?[,;\t| ]*(?:\n|$)`)

// readCSV reads cells separated by commas, or by another separator if that makes the key column
// appear.
func readCSV(ctx context.Context, content []byte, key string) (*Table, error) {
	content, err := plaintext.UTF8(content)
	if err != nil {
		return nil, &Fault{Message: err.Error()}
	}
	// Old Macintosh programs end lines with a carriage return only.
	content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
	content = bytes.ReplaceAll(content, []byte("\r"), []byte("\n"))
	among := separators
	if m := sepLine.FindSubmatch(content); m != nil {
		between := bytes.Runes(m[1])[0]
		if !slices.Contains(separators, between) {
			return nil, &Fault{
				Line:    1,
				Column:  1,
				Text:    string(m[1]),
				Message: `sep= names no separator that is read: write a comma, a semicolon, a tab or |`,
			}
		}
		among = []rune{between}
		// Keep the end of the line, so that the line numbers stay right.
		content = content[len(bytes.TrimRight(m[0], "\n")):]
	}
	between := separator(content, key, among)
	r := csv.NewReader(bytes.NewReader(content))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = between, -1, true
	b := &builder{key: key, notation: notationOf(between)}
	for n := 0; ; n++ {
		if n%checkContextEvery == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		texts, err := r.Read()
		if errors.Is(err, io.EOF) {
			return b.table()
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			return nil, &Fault{
				Line:    parse.Line,
				Column:  parse.Column,
				Message: "not CSV: " + parse.Err.Error(),
			}
		}
		if err != nil {
			return nil, err
		}
		cells := make([]cell, len(texts))
		for i, text := range texts {
			cells[i].text = text
		}
		line, _ := r.FieldPos(0)
		if err := b.add(line, cells); err != nil {
			return nil, err
		}
	}
}

// separator returns the separator with which the headings have the key column. If there is none, it
// returns the one that gives the most headings.
func separator(content []byte, key string, among []rune) rune {
	best, most := among[0], 0
	for _, candidate := range among {
		r := csv.NewReader(bytes.NewReader(content))
		r.Comma = candidate
		headings, err := r.Read()
		if err != nil {
			continue
		}
		if slices.ContainsFunc(headings,
			func(heading string) bool { return ColumnName(heading) == key }) {
			return candidate
		}
		if len(headings) > most {
			best, most = candidate, len(headings)
		}
	}
	return best
}

// notationOf returns the notation of a file's numbers.
func notationOf(between rune) notation {
	switch between {
	case ',':
		return pointNotation
	case ';':
		return commaNotation
	}
	return eitherNotation
}
