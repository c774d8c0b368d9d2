// Package fold writes names and codes in the form in which rules compare them.
package fold

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Case returns text in capitals and in Unicode's composed form (NFC), with letters of the usual
// width and without invisible characters. Two spellings of a word that look the same, apart from
// case, are equal then.
func Case(text string) string {
	if isASCII(text) {
		return strings.ToUpper(text) // the fast path for most texts: rules compare thousands
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

// visible drops characters that only tell a program how to break or direct a text, such as a soft
// hyphen, and replaces hyphens that look alike with the one that people type.
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

// Key is [Case] without white space around the text, and with one blank for each run of white space
// within it. People cannot see the difference in a table.
func Key(text string) string { return strings.Join(strings.Fields(Case(text)), " ") }
