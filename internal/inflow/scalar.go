package inflow

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/govalues/decimal"
)

// Amount is a decimal number from InFlow: money, a quantity or a percentage. InFlow sends a
// string with a varying number of decimals; a JSON number works too. Amounts are never floats.
// The zero value is null.
type Amount struct {
	// Decimal is 0 for null.
	Decimal decimal.Decimal
	// Valid is false for null, absent and empty.
	Valid bool
}

// NewAmount returns a non-null amount.
func NewAmount(d decimal.Decimal) Amount { return Amount{Decimal: d, Valid: true} }

// MarshalJSON writes a string, or null.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.Valid {
		return []byte("null"), nil
	}
	return a.Decimal.MarshalJSON()
}

// UnmarshalJSON reads a string, a number or null. A blank string is null. It keeps 19 digits: a
// longer fraction is rounded half to even, and a longer integer part is an error. Errors never
// quote the value.
func (a *Amount) UnmarshalJSON(data []byte) error {
	*a = Amount{}
	text, null, err := scalarText(data, reflect.TypeFor[Amount]())
	if err != nil || null {
		return err
	}
	d, err := decimal.Parse(text)
	if err != nil {
		return &json.UnmarshalTypeError{
			Value: kindOfJSON(data) + " that is not a decimal number of at most 19 digits",
			Type:  reflect.TypeFor[Amount](),
		}
	}
	*a = NewAmount(d)
	return nil
}

// Time is a date, or a date with a time, from InFlow. The zero value is null.
type Time struct{ time.Time }

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly}

// UnmarshalJSON reads RFC 3339 with or without a zone (UTC by default), a plain date, or null. A
// blank string is null. Errors never quote the value.
func (t *Time) UnmarshalJSON(data []byte) error {
	*t = Time{}
	if kindOfJSON(data) == "number" {
		return &json.UnmarshalTypeError{Value: "number", Type: reflect.TypeFor[Time]()}
	}
	text, null, err := scalarText(data, reflect.TypeFor[Time]())
	if err != nil || null {
		return err
	}
	for _, layout := range timeLayouts {
		// Parse in UTC, so the result does not depend on the machine's time zone.
		if parsed, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			t.Time = parsed
			return nil
		}
	}
	return &json.UnmarshalTypeError{Value: "string that is not a date in RFC 3339",
		Type: reflect.TypeFor[Time]()}
}

// Presence says whether a text field was filled in. It is used for personal data that the gate
// does not need: decoding drops the text itself.
type Presence bool

// UnmarshalJSON reads a string (true unless it is blank), true, false, or null (false).
func (p *Presence) UnmarshalJSON(data []byte) error {
	*p = false
	if kindOfJSON(data) == "bool" {
		*p = Presence(bytes.Equal(data, []byte("true")))
		return nil
	}
	if kindOfJSON(data) == "number" {
		return &json.UnmarshalTypeError{Value: "number", Type: reflect.TypeFor[Presence]()}
	}
	_, null, err := scalarText(data, reflect.TypeFor[Presence]())
	*p = Presence(err == nil && !null)
	return err
}

// scalarText returns the trimmed text of a JSON string or number. null is true for null and for
// a blank string. The error is a [json.UnmarshalTypeError], to which encoding/json adds the
// field's name. It has the value's kind, but not the value.
func scalarText(data []byte, into reflect.Type) (text string, null bool, err error) {
	switch kind := kindOfJSON(data); kind {
	case "null":
		return "", true, nil
	case "number":
		return string(data), false, nil
	case "string":
		if plain, ok := plainString(data); ok {
			text = plain
		} else if err := json.Unmarshal(data, &text); err != nil {
			return "", false, &json.UnmarshalTypeError{Value: "malformed string", Type: into}
		}
		text = strings.TrimSpace(text)
		return text, text == "", nil
	default:
		return "", false, &json.UnmarshalTypeError{Value: kind, Type: into}
	}
}

// plainString returns the text of a JSON string of printable ASCII without escapes, as nearly all
// amounts and dates are. Decoding these with encoding/json takes several times as long.
func plainString(data []byte) (text string, ok bool) {
	last := len(data) - 1
	if last < 1 || data[last] != '"' {
		return "", false
	}
	for _, c := range data[1:last] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return "", false
		}
	}
	return string(data[1:last]), true
}

// kindOfJSON returns the kind of one valid JSON value, as [json.UnmarshalTypeError] names it.
func kindOfJSON(data []byte) string {
	if len(data) == 0 {
		return "nothing"
	}
	switch data[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	default:
		return "number"
	}
}
