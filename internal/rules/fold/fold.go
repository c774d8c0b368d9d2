// Package fold writes names and codes in the form in which rules compare them.
package fold

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Case returns text in capitals and in Unicode's composed form (NFC), so that two
// spellings of one word that look the same, apart from case, are equal.
func Case(text string) string { return strings.ToUpper(norm.NFC.String(text)) }

// Key is [Case], and takes away the white space around text; within it, any run of white
// space is one blank. People cannot see the difference in a table.
func Key(text string) string { return strings.Join(strings.Fields(Case(text)), " ") }
