package inflow

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"error-check-gate/internal/ordercheck"
)

// UnmarshalJSON decodes an order as InFlow sends it. Every id is canonical afterwards, so that ids can be
// compared as text, and no serial number is blank.
func (o *SalesOrder) UnmarshalJSON(data []byte) error {
	type plain SalesOrder // without this method
	err := json.Unmarshal(data, (*plain)(o))
	if typed := new(json.UnmarshalTypeError); errors.As(err, &typed) && typed.Struct == "plain" {
		typed.Struct = "SalesOrder" // the name that people read
	}
	if err != nil {
		return err
	}
	o.canonicalize()
	o.dropBlankSerials()
	return nil
}

func (o *SalesOrder) canonicalize() {
	canonical(&o.SalesOrderID, &o.CustomerID, &o.ConfirmerTeamMemberID, &o.SalesRepTeamMemberID, &o.LocationID,
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

// dropBlankSerials keeps the serial numbers that say something: a blank one numbers no piece.
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
	q.SerialNumbers = slices.DeleteFunc(q.SerialNumbers, func(number string) bool { return number == "" })
}
