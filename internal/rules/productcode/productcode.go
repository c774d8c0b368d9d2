// Package productcode recognizes products by codes that people put into their names
// and SKUs, such as TUK in SW-TUK-01.
package productcode

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/rules/fold"
)

// Has reports whether the product's name or SKU, without regard to case and Unicode form, is the
// code or has it as a whole token: with no letter or digit right before or after it. Underscores
// and blanks inside a code are part of it. A nil product has no code.
func Has(product *inflow.Product, code string) bool {
	if product == nil || code == "" {
		return false
	}
	code = fold.Case(code)
	return hasToken(fold.Case(product.Name), code) || hasToken(fold.Case(product.SKU), code)
}

// HasPrefix reports whether the product's name or SKU starts with prefix, case included.
// A nil product has no prefix.
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

// partOfWord is false for utf8.RuneError, which stands for either end of the text.
// A combining mark belongs to the letter before it.
func partOfWord(
	r rune,
) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}
