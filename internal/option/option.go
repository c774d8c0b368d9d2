// Package option describes what is wrong with a struct of options, field by field. A package that
// takes options reports its faults by the names of their Go fields. A caller that knows where the
// values came from, such as environment variables, reports them by those names.
package option

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Fault is one problem with one field.
type Fault struct {
	// Field is the field's name in Go, such as TLSCertFile.
	Field string
	// Problem says what is wrong and what to do. It starts with a verb, as in "is not set: write a
	// port", and quotes no secret. It names another field in braces: {TLSKeyFile}.
	Problem string
}

func (f Fault) Error() string {
	field, problem := f.Rename(nil)
	return field + ": " + problem
}

var otherField = regexp.MustCompile(`\{[A-Z][A-Za-z.]*\}`)

// Rename returns f.Field and f.Problem with each field replaced by its name in names. Fields that
// are not in names keep their own.
func (f Fault) Rename(names map[string]string) (name, problem string) {
	rename := func(field string) string {
		if name, ok := names[field]; ok {
			return name
		}
		return field
	}
	return rename(f.Field), otherField.ReplaceAllStringFunc(f.Problem, func(braced string) string {
		return rename(braced[1 : len(braced)-1])
	})
}

// Faults holds all faults of a struct of options. Nil means that it has none.
type Faults []Fault

// Add adds a fault.
func (f *Faults) Add(field, format string, args ...any) {
	*f = append(*f, Fault{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// AddError adds a fault for each error that [errors.Join] joined, and none for nil.
func (f *Faults) AddError(field string, err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // not a chain
		for _, err := range joined.Unwrap() {
			f.AddError(field, err)
		}
		return
	}
	f.Add(field, "%v", err)
}

// Err returns the faults as one error, or nil if there are none.
func (f Faults) Err() error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errors.Join(errs...)
}

// maxQuoted is the maximum number of bytes of a value that [Quote] shows.
const maxQuoted = 60

// Quote quotes a value for a problem and cuts it if it is long.
func Quote(value string) string {
	if len(value) > maxQuoted {
		return strconv.Quote(strings.ToValidUTF8(value[:maxQuoted], "")) + "…"
	}
	return strconv.Quote(value)
}
