// Package holdmark formats and recognizes hold marks. A hold mark is the line in a custom field
// of an order in InFlow that says that the order is held.
package holdmark

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"error-check-gate/internal/ordercheck"
)

const (
	// MaxLength is the longest mark, in characters: InFlow shows about that much of a custom field.
	MaxLength = 100
	// maxFixed limits the characters outside the placeholders, so that there is room for most of
	// an error.
	maxFixed = 60
	// DefaultText is the text if a company doesn't choose one.
	DefaultText = "HOLD since {since}: {error}{more}"
	// sinceLayout formats {since}, the day of the hold. The gate recognizes its marks by it.
	sinceLayout = "2 Jan"
)

// The placeholders of a text.
const (
	placeSince = "{since}"
	placeError = "{error}"
	placeMore  = "{more}"
)

// Text is the text of hold marks.
type Text struct {
	text    string
	zone    *time.Location
	pattern *regexp.Regexp
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// ParseText parses the text of hold marks. An empty text means [DefaultText]. Days are in zone.
// It fails if the text lacks {since}, leaves no room for an error, or is so short that a person
// may type it: if the gate doesn't remember what it wrote, it recognizes its marks by their form.
func ParseText(text string, zone *time.Location) (Text, error) {
	if text == "" {
		text = DefaultText
	}
	fixed := text
	for _, name := range placeholder.FindAllString(text, -1) {
		switch name {
		case placeSince, placeError, placeMore:
		default:
			return Text{}, fmt.Errorf(
				"%s is not a placeholder: use {since}, {error} and {more}", name)
		}
		if strings.Count(text, name) > 1 {
			return Text{}, fmt.Errorf("%s occurs more than once", name)
		}
		fixed = strings.Replace(fixed, name, "", 1)
	}
	switch {
	case !strings.Contains(text, placeSince):
		return Text{}, errors.New("{since} is missing: the gate recognizes its marks by it")
	case strings.IndexFunc(text, unprintable) >= 0:
		return Text{}, errors.New("it is not one line of text")
	case utf8.RuneCountInString(fixed) > maxFixed:
		return Text{}, fmt.Errorf(
			"it has %d characters outside the placeholders; at most %d leave room for the error",
			utf8.RuneCountInString(fixed),
			maxFixed,
		)
	case utf8.RuneCountInString(strings.Join(strings.Fields(fixed), "")) < minFixed:
		return Text{}, fmt.Errorf(
			"it has under %d characters outside the placeholders, without spaces: "+
				"the gate could mistake what a person types for its mark",
			minFixed,
		)
	}
	return Text{text: text, zone: zone, pattern: patternOf(text)}, nil
}

// minFixed is the minimum number of characters outside placeholders, without spaces. It keeps the
// gate from taking a person's words, such as "ship 25 Nov", for a mark.
const minFixed = 8

// unprintable reports whether a rune is a control character or invisible. Such a rune may reverse
// the direction of the text, or hide parts of it.
func unprintable(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp)
}

// anySpace matches any spaces, or none: [Text.Format] trims them at the ends of a mark.
const anySpace = `[\s\p{Z}]*`

// patternOf returns a regular expression that matches the marks of a text. If a mark has no error
// or no {more}, spaces of the text may be missing at its ends.
func patternOf(text string) *regexp.Regexp {
	var expression strings.Builder
	from := 0
	for _, place := range placeholder.FindAllStringIndex(text, -1) {
		expression.WriteString(literal(text[from:place[0]]))
		from = place[1]
		switch text[place[0]:place[1]] {
		case placeSince:
			expression.WriteString(`\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`)
		case placeError:
			expression.WriteString(`.*`)
		case placeMore:
			expression.WriteString(`( ?\(\+\d+ more\))?`)
		}
	}
	expression.WriteString(literal(text[from:]))
	return regexp.MustCompile("^" + expression.String() + "$")
}

// literal returns a regular expression for a part of the text between placeholders.
func literal(text string) string {
	inside := strings.TrimSpace(text)
	switch {
	case text == "":
		return ""
	case inside == "":
		return anySpace
	}
	before, after, _ := strings.Cut(text, inside)
	expression := regexp.QuoteMeta(inside)
	if before != "" {
		expression = anySpace + expression
	}
	if after != "" {
		expression += anySpace
	}
	return expression
}

// Recognizes reports whether a custom field's value has the form of a mark.
func (t Text) Recognizes(value string) bool { return t.pattern.MatchString(value) }

// Format returns the mark, at most [MaxLength] characters long. It is empty for the zero mark.
func (t Text) Format(mark ordercheck.HoldMark) string {
	if mark.IsZero() {
		return ""
	}
	more := ""
	if mark.More > 0 {
		more = fmt.Sprintf(" (+%d more)", mark.More)
	}
	line := strings.Replace(t.text, placeSince, mark.Since.In(t.zone).Format(sinceLayout), 1)
	line = strings.Replace(line, placeMore, more, 1)
	room := MaxLength - (utf8.RuneCountInString(line) - utf8.RuneCountInString(placeError))
	return strings.TrimSpace(strings.Replace(line, placeError, oneLine(mark.Error, room), 1))
}

// oneLine returns a text as one line of printable characters, cut to length characters.
func oneLine(text string, length int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	text = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) <= length {
		return text
	}
	return strings.TrimSpace(string(runes[:max(length-1, 0)])) + "…"
}
