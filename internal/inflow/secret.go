package inflow

import (
	"fmt"
	"io"
	"log/slog"
)

const mask = "***"

// Secret is a text that formatting, logging and encoding mask. string(s) is the text itself.
type Secret string

// String is a mask, or empty where there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks the secret in %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// Format writes the mask for every verb that fmt leaves to it: a text is printed as
// it is where the verb does not suit one.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = io.WriteString(f, text) // fmt.State has no error to give
}

// LogValue masks the secret in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the secret in JSON, and so in logs and in workflow history.
// Reading JSON keeps the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
