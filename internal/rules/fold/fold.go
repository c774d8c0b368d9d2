// Package fold normalizes names and codes, so that rules can compare them.
package fold

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Case returns text in capitals and in Unicode's composed form (NFC), with letters of the usual
// width and without invisible characters. Two spellings that look the same, apart from case, have
// the same result.
func Case(text string) string {
	if isASCII(text) {
		return strings.ToUpper(text) // fast path: rules compare thousands of texts, mostly ASCII
	}
	return strings.ToUpper(norm.NFC.String(strings.Map(visible, width.Fold.String(text))))
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// visible drops invisible characters, such as soft hyphens and marks for the direction of text. It
// replaces hyphens that look alike with the one that people type.
func visible(r rune) rune {
	switch {
	case r == '\u2010', r == '\u2011': // hyphen, non-breaking hyphen
		return '-'
	case unicode.Is(unicode.Cf, r):
		return -1
	default:
		return r
	}
}

// Key returns [Case] of text without white space around it, and with one space for each run of
// white space within it, because people cannot see such differences in a table.
func Key(text string) string { return strings.Join(strings.Fields(Case(text)), " ") }
