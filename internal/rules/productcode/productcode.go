// Package productcode recognizes products by codes in their names and SKUs, such as TUK in
// SW-TUK-01.
package productcode

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/rules/fold"
)

// Has reports whether the product's name or SKU contains code as a whole token, with no letter or
// digit right before or after it. Has ignores case and Unicode normalization form. Underscores and
// spaces inside code must match exactly. A nil product has no code.
func Has(product *inflow.Product, code string) bool {
	if product == nil || code == "" {
		return false
	}
	code = fold.Case(code)
	return hasToken(fold.Case(product.Name), code) || hasToken(fold.Case(product.SKU), code)
}

// HasPrefix reports whether the product's name or SKU starts with prefix. Upper and lower case
// differ. A nil product has no prefix.
func HasPrefix(product *inflow.Product, prefix string) bool {
	if product == nil || prefix == "" {
		return false
	}
	prefix = norm.NFC.String(prefix)
	return strings.HasPrefix(norm.NFC.String(product.Name), prefix) ||
		strings.HasPrefix(norm.NFC.String(product.SKU), prefix)
}

func hasToken(text, code string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], code)
		if at < 0 {
			return false
		}
		start := from + at
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[start+len(code):])
		if !partOfWord(before) && !partOfWord(after) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		from = start + size
	}
}

// partOfWord reports whether r is a letter, a digit or a combining mark. It is false for
// utf8.RuneError, which stands for the start or the end of the text.
func partOfWord(
	r rune,
) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}
