package rulefile

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// place is a place in a rule file. Line and column count from 1, columns in characters.
type place struct{ line, column int }

// placesIn returns the place in the file of each character of a scalar's value, and of its end.
// lines is the file.
func placesIn(lines []string, node *yaml.Node) []place {
	w := &scalarWalk{lines: lines, line: node.Line - 1, column: node.Column - 1}
	switch node.Style &^ yaml.TaggedStyle {
	case yaml.LiteralStyle, yaml.FoldedStyle:
		w.startBlock()
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		w.quote = '\''
		if node.Style&yaml.DoubleQuotedStyle != 0 {
			w.quote = '"'
		}
		w.skipTo(w.quote)
		w.column++
	}
	places := make([]place, 0, len(node.Value)+1)
	for _, r := range node.Value {
		places = append(places, w.next(r))
	}
	return append(places, place{w.line + 1, w.column + 1})
}

// scalarWalk walks through the characters of a scalar as they are written in the file.
type scalarWalk struct {
	lines        []string
	line, column int // from 0, the column in characters
	quote        rune
	indent       int // of a block scalar
	block        bool
}

// startBlock moves to the first line after the header of a block scalar.
func (w *scalarWalk) startBlock() {
	w.block = true
	w.line++
	for at := w.line; at < len(w.lines); at++ {
		if text := strings.TrimLeft(w.lines[at], " "); strings.TrimSpace(text) != "" {
			w.indent = len(w.lines[at]) - len(text)
			break
		}
	}
	w.column = w.indent
}

func (w *scalarWalk) skipTo(r rune) {
	for w.at() != r && w.at() >= 0 {
		w.column++
	}
}

// at returns the current character, or -1 at the end of the line.
func (w *scalarWalk) at() rune {
	if w.line >= len(w.lines) {
		return -1
	}
	text := w.lines[w.line]
	for range w.column {
		if text == "" {
			return -1
		}
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	if text == "" {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(text)
	return r
}

func (w *scalarWalk) newLine() {
	w.line++
	w.column = w.indent
	if !w.block {
		for r := w.at(); r == ' ' || r == '\t'; r = w.at() {
			w.column++
		}
	}
}

// next returns the place of the character r of the value, and moves past it.
func (w *scalarWalk) next(r rune) place {
	for w.line < len(w.lines) {
		here := place{w.line + 1, w.column + 1}
		switch at := w.at(); {
		case at < 0:
			w.newLine()
			if r == ' ' || r == '\n' {
				return here
			}
		case w.quote == '"' && at == '\\':
			w.column++
			switch w.at() {
			case 'x':
				w.column += 3
			case 'u':
				w.column += 5
			case 'U':
				w.column += 9
			case -1: // the string continues in the next line
				w.newLine()
				continue
			default:
				w.column++
			}
			return here
		case w.quote == '\'' && at == '\'':
			w.column += 2
			return here
		default:
			w.column++
			return here
		}
	}
	return place{w.line + 1, w.column + 1}
}

// runeOffset returns the index of a line and column of text, both from 1, or -1 if text does not
// have that line.
func runeOffset(text string, line, column int) int {
	at, offset := 1, 0
	for _, r := range text {
		if at == line {
			break
		}
		offset++
		if r == '\n' {
			at++
		}
	}
	if at != line {
		return -1
	}
	return offset + column - 1
}
