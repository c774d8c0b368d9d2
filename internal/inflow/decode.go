package inflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"error-check-gate/internal/ordercheck"
)

// UnmarshalJSON decodes an order as InFlow sends it. It makes every id canonical, so ids can be
// compared as text, and drops blank serial numbers.
func (o *SalesOrder) UnmarshalJSON(data []byte) error {
	type plain SalesOrder // has no UnmarshalJSON
	err := json.Unmarshal(data, (*plain)(o))
	if typed := new(json.UnmarshalTypeError); errors.As(err, &typed) && typed.Struct == "plain" {
		typed.Struct = "SalesOrder" // people read this name
	}
	if err != nil {
		return err
	}
	o.canonicalize()
	o.dropBlankSerials()
	return nil
}

func (o *SalesOrder) canonicalize() {
	canonical(&o.SalesOrderID, &o.CustomerID, &o.ConfirmerTeamMemberID, &o.SalesRepTeamMemberID,
		&o.LocationID,
		&o.PaymentTermsID, &o.PricingSchemeID, &o.TaxingSchemeID, &o.CurrencyID)
	if c := o.Customer; c != nil {
		canonical(&c.CustomerID, &c.PricingSchemeID)
	}
	if t := o.PaymentTerms; t != nil {
		canonical(&t.PaymentTermsID)
	}
	if s := o.PricingScheme; s != nil {
		canonical(&s.PricingSchemeID)
	}
	if c := o.Currency; c != nil {
		canonical(&c.CurrencyID)
	}
	if s := o.TaxingScheme; s != nil {
		canonical(&s.TaxingSchemeID, &s.DefaultTaxCodeID)
		for i := range s.TaxCodes {
			canonical(&s.TaxCodes[i].TaxCodeID)
		}
	}
	for i := range o.Lines {
		line := &o.Lines[i]
		canonical(&line.SalesOrderLineID, &line.ProductID, &line.TaxCodeID)
		line.Product.canonicalize()
	}
	for i := range o.PickLines {
		canonical(&o.PickLines[i].ProductID)
	}
	for i := range o.PackLines {
		canonical(&o.PackLines[i].ProductID)
	}
}

func (p *Product) canonicalize() {
	if p == nil {
		return
	}
	canonical(&p.ProductID, &p.CategoryID)
	if p.Category != nil {
		canonical(&p.Category.CategoryID)
	}
	for i := range p.Prices {
		canonical(&p.Prices[i].PricingSchemeID)
	}
}

func canonical(ids ...*string) {
	for _, id := range ids {
		*id = ordercheck.CanonicalID(*id)
	}
}

// dropBlankSerials removes blank serial numbers, which identify no item.
func (o *SalesOrder) dropBlankSerials() {
	for i := range o.Lines {
		o.Lines[i].Quantity.dropBlankSerials()
	}
	for i := range o.PickLines {
		o.PickLines[i].Quantity.dropBlankSerials()
	}
	for i := range o.PackLines {
		o.PackLines[i].Quantity.dropBlankSerials()
	}
}

func (q *Quantity) dropBlankSerials() {
	for i := range q.SerialNumbers {
		q.SerialNumbers[i] = strings.TrimSpace(q.SerialNumbers[i])
	}
	q.SerialNumbers = slices.DeleteFunc(q.SerialNumbers, func(number string) bool {
		return number == ""
	})
}

// decodeJSON decodes one JSON value, which must not be null: no answer is not an empty list. Unlike
// encoding/json's errors, its errors never quote the value. They give only the position of the
// fault.
func decodeJSON(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if err == nil && bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return fmt.Errorf("expected %s, got null", typeInWords(reflect.TypeOf(into).Elem()))
	}
	if err == nil {
		return nil
	}
	var (
		syntax *json.SyntaxError
		typed  *json.UnmarshalTypeError
	)
	switch {
	case len(data) == 0:
		return errors.New("it is empty")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: syntax error at byte %d", syntax.Offset)
	case errors.As(err, &typed) && typed.Field == "":
		return fmt.Errorf("expected %s, got %s", typeInWords(typed.Type), valueInWords(typed.Value))
	case errors.As(err, &typed):
		return &fieldError{fmt.Sprintf("field %s: expected %s, got %s", typed.Field,
			typeInWords(typed.Type), valueInWords(typed.Value))}
	default:
		return errors.New("it does not match InFlow's API description")
	}
}

// fieldError is about one field of a response that otherwise looks like InFlow's.
type fieldError struct{ problem string }

func (e *fieldError) Error() string { return e.problem }

// whatToCheck returns advice about a response that decodeJSON could not read.
func whatToCheck(err error) string {
	var field *fieldError
	if errors.As(err, &field) {
		return "look at that field in InFlow, and check INFLOW_API_VERSION"
	}
	return "check INFLOW_API_URL and INFLOW_API_VERSION"
}

// valueInWords names the kind of a value. It drops what encoding/json adds, a number's digits.
func valueInWords(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	switch kind {
	case "string":
		return "a string"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}

func typeInWords(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Amount]():
		return "a decimal number of at most 19 digits"
	case reflect.TypeFor[Time]():
		return "a date in RFC 3339"
	case reflect.TypeFor[Presence]():
		return "a string"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	default:
		return "an object"
	}
}
