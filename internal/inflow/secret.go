package inflow

import (
	"fmt"
	"io"
	"log/slog"
)

const mask = "***"

// Secret is a text that is masked when it is formatted, logged or encoded. string(s) is the text
// itself.
type Secret string

// String returns a mask, or "" if the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks the secret in %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// Format masks the secret for every verb, including ones like %d for which fmt would otherwise
// print the value.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = io.WriteString(f, text) // fmt.State never fails
}

// LogValue masks the secret in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the secret in JSON, and so in logs and workflow histories. Decoding JSON
// keeps the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
