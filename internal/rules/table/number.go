package table

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/govalues/decimal"
	"golang.org/x/text/currency"
)

// notation is the notation of numbers in the texts of a table.
type notation int

const (
	// pointNotation is 1,250.50: files with commas between their cells.
	pointNotation notation = iota
	// commaNotation is 1.250,50: files with semicolons. Programs separate cells with semicolons if
	// the comma marks decimals.
	commaNotation
	// eitherNotation is either of the two: files with tabs, and texts in workbooks.
	eitherNotation
)

// example shows how to write an amount.
func (n notation) example() string {
	if n == commaNotation {
		return "1250,50"
	}
	return "1250.50"
}

// number is a number as a cell shows it.
type number struct {
	value decimal.Decimal
	// percent is true if a percent sign follows. 25 % has the value 25.
	percent bool
}

// errAmbiguous says that a text can be read as two different numbers.
var errAmbiguous = errors.New("ambiguous")

var (
	currencyCode = regexp.MustCompile(`^[A-Z]{3}\b|\b[A-Z]{3}$`)
	// A mark between each three digits: 1 250, 1'250.
	threeDigits = regexp.MustCompile(`^\d{1,3}([ '])\d{3}([ ']\d{3})*([.,]|$)`)
	oneMark     = regexp.MustCompile(`^(\d*)([.,])(\d*)$`)
	manyMarks   = regexp.MustCompile(`^[1-9]\d{0,2}(?:(?:,\d{3})+|(?:\.\d{3})+)$`)
	pointLast   = regexp.MustCompile(`^[1-9]\d{0,2}(?:,\d{3})+\.\d+$`)
	commaLast   = regexp.MustCompile(`^[1-9]\d{0,2}(?:\.\d{3})+,\d+$`)
	// grouped matches numbers with one kind of mark between thousands.
	grouped = regexp.MustCompile(`^[1-9]\d{0,2}[.,]\d{3}$`)
	digits  = regexp.MustCompile(`^\d+$`)
)

// maxNumber is the maximum length of a number with its currency, in bytes.
const maxNumber = 64

// parseNumber reads a number with its sign, currency, percent sign and the marks between
// its thousands, as people and spreadsheet programs write them. If the notation leaves the number
// ambiguous, the error is errAmbiguous.
func parseNumber(text string, in notation) (number, error) {
	refused := fmt.Errorf("not an amount: write it like %s", in.example())
	if len(text) > maxNumber {
		return number{}, refused
	}
	rest := strings.Map(func(r rune) rune {
		switch {
		case r == '\u2212':
			return '-'
		case r == '\u2019':
			return '\''
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
	var n number
	if before, found := strings.CutSuffix(rest, "%"); found {
		n.percent, rest = true, before
	}
	rest, negative, ok := withoutSign(rest)
	if !ok {
		return number{}, refused
	}
	plain, err := plainDigits(rest, in)
	if err != nil {
		return number{}, err
	}
	if plain == "" {
		return number{}, refused
	}
	if n.value, err = decimal.Parse(plain); err != nil {
		return number{}, refused
	}
	if negative {
		n.value = n.value.Neg()
	}
	return n, nil
}

// withoutSign removes sign, brackets and currency: -€ 5, € -5, (5.00), 5 USD.
func withoutSign(text string) (rest string, negative, ok bool) {
	signs := 0
	for {
		text = strings.TrimSpace(text)
		before := text
		if inside, found := strings.CutPrefix(text, "("); found {
			if inside, found = strings.CutSuffix(inside, ")"); found {
				text, negative = inside, true
				signs++
			}
		}
		if after, found := strings.CutPrefix(text, "-"); found {
			text, negative = after, true
			signs++
		} else if after, found := strings.CutPrefix(text, "+"); found {
			text = after
			signs++
		}
		text = strings.TrimFunc(text, func(r rune) bool { return unicode.Is(unicode.Sc, r) })
		text = currencyCode.ReplaceAllStringFunc(text, func(code string) string {
			if _, err := currency.ParseISO(code); err != nil {
				return code
			}
			return ""
		})
		if text == before {
			return text, negative, signs <= 1
		}
	}
}

// plainDigits writes a number without sign, with a decimal point and no other marks. It returns ""
// if the text is not a number.
func plainDigits(text string, in notation) (string, error) {
	if m := threeDigits.FindStringSubmatch(text); m != nil {
		// Spaces or apostrophes separate the thousands, so a point or comma marks decimals.
		text = strings.NewReplacer(" ", "", "'", "").Replace(text)
		in = eitherNotation
		if mark := oneMark.FindStringSubmatch(text); mark != nil {
			return mark[1] + "." + mark[3], nil
		}
	}
	remove := func(mark string) string { return strings.ReplaceAll(text, mark, "") }
	switch {
	case digits.MatchString(text):
		return text, nil
	case pointLast.MatchString(text) && in != commaNotation:
		return remove(","), nil
	case commaLast.MatchString(text) && in != pointNotation:
		return strings.Replace(remove("."), ",", ".", 1), nil
	}
	mark := oneMark.FindStringSubmatch(text)
	if mark == nil || mark[1]+mark[3] == "" {
		commas := strings.Contains(text, ",")
		if manyMarks.MatchString(text) && (in == eitherNotation || commas == (in == pointNotation)) {
			return strings.NewReplacer(",", "", ".", "").Replace(text), nil
		}
		return "", nil
	}
	whole, sign, fraction := mark[1], mark[2], mark[3]
	switch isGrouped := grouped.MatchString(text); {
	case in == pointNotation && sign == ",":
		if isGrouped {
			return whole + fraction, nil
		}
		return "", nil
	case isGrouped && (in == eitherNotation || in == commaNotation && sign == "."):
		return "", ambiguous(text, whole, fraction, in)
	}
	return whole + "." + fraction, nil
}

// ambiguous returns the error for a number whose mark may be for thousands or decimals. It says how
// to write the number.
func ambiguous(text, whole, fraction string, in notation) error {
	mark, more := ".", "0" // one more decimal, so that these are not three digits
	if in == commaNotation {
		mark, more = ",", ""
	}
	decimals := whole + mark + fraction
	return fmt.Errorf("%w: %s may be %s%s or %s: write %s or %s", errAmbiguous, text, whole, fraction,
		decimals, whole+fraction, decimals+more)
}

var errPercent = errors.New(
	"a percentage, but an amount is needed: write it without the percent sign",
)

func isAmbiguous(err error) bool { return errors.Is(err, errAmbiguous) }
