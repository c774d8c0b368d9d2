package table

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/govalues/decimal"
	"github.com/xuri/nfp"

	"error-check-gate/internal/money"
)

// numberFormat is the number format of a workbook's cell.
type numberFormat struct {
	// sections are for positive numbers, for negative numbers and for zero, in this order. The
	// first one also stands in for a missing one.
	sections []formatSection
	// problem says why numbers cannot be shown.
	problem string
}

// formatSection is one section of a format.
type formatSection struct {
	kind          formatKind
	before, after string
	// minWhole, minDecimals and maxDecimals count digits.
	minWhole, minDecimals, maxDecimals int
	percent                            bool
}

type formatKind int

const (
	showDigits formatKind = iota
	showGeneral
	showDay
	showDayTime
	// showText shows a word instead of the number.
	showText
)

// longestFormat is longer than any format that spreadsheet programs allow, in bytes.
const longestFormat = 1024

var generalFormat = &numberFormat{sections: []formatSection{{kind: showGeneral}}}

// builtinFormats are the formats that workbooks name by number only.
var builtinFormats = map[int]string{
	0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: "$#,##0", 6: "$#,##0",
	7: "$#,##0.00", 8: "$#,##0.00",
	9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
	14: "m/d/yyyy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
	20: "h:mm", 21: "h:mm:ss", 22: "m/d/yyyy h:mm",
	37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)",
	41: `#,##0;(#,##0);"-"`, 42: `$#,##0;$(#,##0);$"-"`, 43: `#,##0.00;(#,##0.00);"-"`,
	44: `$#,##0.00;$(#,##0.00);$"-"`,
	45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}

// builtinFormat returns "" for formats that depend on the language.
func builtinFormat(id int) string { return builtinFormats[id] }

// parseFormat reads the code of a format.
func parseFormat(code string) (f *numberFormat) {
	f = &numberFormat{}
	defer func() {
		if recover() != nil { // the parser panicked
			f = &numberFormat{problem: unreadFormat(code)}
		}
	}()
	if code == "" || len(code) > longestFormat {
		f.problem = unreadFormat(code)
		return f
	}
	parser := nfp.NumberFormatParser()
	for _, section := range parser.Parse(code) {
		if section.Type == nfp.TokenSectionText {
			continue
		}
		s, ok := parseSection(section.Items)
		if !ok {
			f.problem = unreadFormat(code)
			return f
		}
		f.sections = append(f.sections, s)
	}
	if len(f.sections) == 0 {
		f.sections = generalFormat.sections // the format is only for texts
	}
	return f
}

func unreadFormat(code string) string {
	return fmt.Sprintf(
		"its number format %q is not read: choose General, Number, Percentage, a date with day, "+
			"month and year, or Text",
		code,
	)
}

// parseSection reads the section between two semicolons. ok is false if it has a part that is not
// supported: times, fractions, exponents, conditions, or digits with other characters between them.
func parseSection(tokens []nfp.Token) (s formatSection, ok bool) {
	const (
		beforeDigits = iota
		inWhole
		inDecimals
		afterDigits
	)
	at, dates, comma := beforeDigits, "", false
	text := func(literal string) {
		if at == inWhole || at == inDecimals {
			at = afterDigits
		}
		if at == beforeDigits {
			s.before += literal
		} else {
			s.after += literal
		}
	}
	for _, token := range tokens {
		switch token.TType {
		case nfp.TokenTypeZeroPlaceHolder, nfp.TokenTypeHashPlaceHolder, nfp.TokenTypeDigitalPlaceHolder:
			if at == afterDigits || s.kind == showGeneral {
				return s, false
			}
			comma = false
			digits := len(token.TValue)
			switch {
			case at == inDecimals:
				s.maxDecimals += digits
				if token.TType == nfp.TokenTypeZeroPlaceHolder {
					s.minDecimals = s.maxDecimals
				}
			case token.TType == nfp.TokenTypeZeroPlaceHolder:
				s.minWhole += digits
				fallthrough
			default:
				at = inWhole
			}
		case nfp.TokenTypeDecimalPoint:
			if at == inDecimals || at == afterDigits || comma {
				return s, false
			}
			at = inDecimals
		case nfp.TokenTypeThousandsSeparator:
			if at != inWhole {
				return s, false
			}
			comma = true // divides by 1,000 if no digit follows
		case nfp.TokenTypePercent:
			s.percent = true
			text("")
		case nfp.TokenTypeGeneral, nfp.TokenTypeTextPlaceHolder:
			if at != beforeDigits {
				return s, false
			}
			s.kind, at = showGeneral, afterDigits
		case nfp.TokenTypeLiteral:
			text(token.TValue)
		case nfp.TokenTypeCurrencyLanguage:
			text(currencyOf(token))
		case nfp.TokenTypeDateTimes:
			dates += strings.ToLower(token.TValue)
		case nfp.TokenTypeAlignment, nfp.TokenTypeRepeatsChar, nfp.TokenTypeColor:
		default:
			return s, false
		}
	}
	switch {
	case comma, s.percent && at == beforeDigits:
		return s, false
	case dates != "":
		return dateSection(dates, at == beforeDigits)
	case at == beforeDigits:
		s.kind = showText
	}
	return s, true
}

// currencyOf returns the currency sign in [$€-407].
func currencyOf(token nfp.Token) string {
	i := slices.IndexFunc(token.Parts,
		func(p nfp.Part) bool { return p.Token.TType == nfp.TokenSubTypeCurrencyString })
	if i < 0 {
		return ""
	}
	return token.Parts[i].Token.TValue
}

// dateSection returns a section that shows a day. ok is false if it does not show the full date.
func dateSection(tokens string, noDigits bool) (s formatSection, ok bool) {
	s.kind = showDay
	if strings.ContainsAny(tokens, "hs") {
		s.kind = showDayTime
	}
	return s, noDigits && strings.Contains(tokens, "y") && strings.Contains(tokens, "m") &&
		strings.Contains(tokens, "d")
}

// show returns a number with the decimals that a person sees, in pointNotation and without
// thousands separators. It returns a date as a day, such as 2024-03-01.
func (f *numberFormat) show(x float64, date1904 bool) cell {
	if f.problem != "" {
		return cell{fault: f.problem}
	}
	// Spreadsheet programs calculate in binary and show 15 digits.
	exact, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 15, 64), 64)
	if err != nil {
		exact = x
	}
	s, signed := f.sections[0], true
	switch {
	case x < 0 && len(f.sections) > 1:
		s, signed = f.sections[1], false
	case x == 0 && len(f.sections) > 2:
		s = f.sections[2]
	}
	switch s.kind {
	case showDay, showDayTime:
		return shownDay(exact, s.kind == showDayTime, date1904)
	case showText:
		return s.word(x == 0)
	}
	if !signed {
		exact = -exact
	}
	text := strconv.FormatFloat(exact, 'f', -1, 64)
	if s.kind == showDigits {
		d, err := decimal.Parse(text)
		if err != nil {
			return cell{fault: fmt.Sprintf("the number %s has more than 19 digits", text)}
		}
		if text, err = s.digits(d); err != nil {
			return cell{fault: err.Error()}
		}
	}
	rest, negative := strings.CutPrefix(text, "-")
	if rest == "" {
		return s.word(x == 0)
	}
	text = s.before + rest + s.after
	if negative {
		text = "-" + text
	}
	if s.percent {
		text = strings.TrimRightFunc(text, unicode.IsSpace) + "%"
	}
	return cell{text: text, number: true}
}

// word returns the text that the format shows instead of digits. A dash stands for zero.
func (s *formatSection) word(isZero bool) cell {
	word := strings.TrimSpace(s.before + s.after)
	if rest, _, _ := withoutSign(word); isZero && rest == "" && strings.Contains(word, "-") {
		return cell{text: "0", number: true}
	}
	return cell{text: word}
}

func (s *formatSection) digits(d decimal.Decimal) (string, error) {
	var c money.Calc
	if s.percent {
		d = c.Mul(d, money.Hundred)
	}
	d = c.Round(d, min(s.maxDecimals, decimal.MaxScale-1))
	if c.Err() != nil {
		return "", c.Err()
	}
	whole, decimals, _ := strings.Cut(money.Plain(d.Abs()), ".")
	if s.minWhole == 0 && whole == "0" {
		whole = ""
	}
	if missing := s.minWhole - len(whole); missing > 0 {
		whole = strings.Repeat("0", missing) + whole
	}
	if missing := min(s.minDecimals, decimal.MaxScale-1) - len(decimals); missing > 0 {
		decimals += strings.Repeat("0", missing)
	}
	if decimals != "" {
		whole += "." + decimals
	}
	if d.IsNeg() {
		whole = "-" + whole
	}
	return whole, nil
}

// shownDay returns the day of a number, which counts days since the end of 1899, or since 1904.
func shownDay(x float64, withTime, date1904 bool) cell {
	const (
		lastDay = 2_958_465 // 31 December 9999
		// Day 60 is 29 February 1900, which did not exist.
		firstSure = 61
		offset    = 1462 // days from 1900 to 1904
	)
	if date1904 {
		x += offset
	}
	if x < firstSure || x >= lastDay+1 {
		return cell{fault: fmt.Sprintf("%v is not a date after February 1900", x)}
	}
	at := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).
		AddDate(0, 0, int(x)).
		Add(time.Duration((x - float64(int(x))) * float64(24*time.Hour))).
		Round(time.Second)
	if withTime {
		return cell{text: at.Format(time.DateTime)}
	}
	return cell{text: at.Format(time.DateOnly)}
}
