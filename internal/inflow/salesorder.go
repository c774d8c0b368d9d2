package inflow

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/govalues/decimal"
)

// SalesOrder is the part of InFlow's sales order that the gate uses. What is
// not named here is dropped as it is read, and so never reaches a log, a trace
// or a workflow's history. Absent and null are alike.
//
// Field names and types are those of InFlow's API description 2025-06-24,
// schema SalesOrder. Fields that need an include are nil when it was not asked for.
// What tells of a person is kept as a [Presence]: whether it was filled in, not what it said.
//
// Decoding what was encoded gives the same order, so that its JSON can stand for it.
type SalesOrder struct {
	SalesOrderID string `json:"salesOrderId"`
	OrderNumber  string `json:"orderNumber"`
	// Timestamp is a SQL Server rowversion: 16 hex digits that grow with every change in the account.
	Timestamp string `json:"timestamp"`

	InventoryStatus string `json:"inventoryStatus,omitempty"`
	PaymentStatus   string `json:"paymentStatus,omitempty"`
	IsCancelled     bool   `json:"isCancelled,omitempty"`
	IsCompleted     bool   `json:"isCompleted,omitempty"`
	IsInvoiced      bool   `json:"isInvoiced,omitempty"`
	IsQuote         bool   `json:"isQuote,omitempty"`
	IsTaxInclusive  bool   `json:"isTaxInclusive,omitempty"`
	// NeedsConfirmation: the order is unconfirmed while ConfirmerTeamMemberID is empty and IsQuote is false.
	NeedsConfirmation     bool   `json:"needsConfirmation,omitempty"`
	ConfirmerTeamMemberID string `json:"confirmerTeamMemberId,omitempty"`

	CustomerID string    `json:"customerId,omitempty"`
	Customer   *Customer `json:"customer,omitempty"` // include=customer

	ContactName Presence `json:"contactName,omitempty"`
	Email       Presence `json:"email,omitempty"`
	Phone       Presence `json:"phone,omitempty"`

	BillingAddress         *Address `json:"billingAddress,omitempty"`
	ShippingAddress        *Address `json:"shippingAddress,omitempty"`
	SameBillingAndShipping bool     `json:"sameBillingAndShipping,omitempty"`
	ShowShipping           bool     `json:"showShipping,omitempty"` // whether the order will be shipped

	LocationID           string `json:"locationId,omitempty"`
	PaymentTermsID       string `json:"paymentTermsId,omitempty"`
	PricingSchemeID      string `json:"pricingSchemeId,omitempty"`
	SalesRepTeamMemberID string `json:"salesRepTeamMemberId,omitempty"`
	// SalesRepTeamMember is for notices to the sales rep; include=salesRepTeamMember.
	SalesRepTeamMember *TeamMember `json:"salesRepTeamMember,omitempty"`
	TaxingSchemeID     string      `json:"taxingSchemeId,omitempty"`
	CurrencyID         string      `json:"currencyId,omitempty"`

	PaymentTerms  *PaymentTerms  `json:"paymentTerms,omitempty"`  // include=paymentTerms
	PricingScheme *PricingScheme `json:"pricingScheme,omitempty"` // include=pricingScheme
	TaxingScheme  *TaxingScheme  `json:"taxingScheme,omitempty"`  // include=taxingScheme
	Currency      *Currency      `json:"currency,omitempty"`      // include=currency
	// SalesRep says whether a name was typed in instead of choosing a team member.
	SalesRep Presence `json:"salesRep,omitempty"`

	Lines        []SalesOrderLine `json:"lines"`                 // include=lines
	PaymentLines []PaymentLine    `json:"paymentLines,omitzero"` // include=paymentLines
	PickLines    []PickLine       `json:"pickLines,omitzero"`    // include=pickLines
	PackLines    []PackLine       `json:"packLines,omitzero"`    // include=packLines
	ShipLines    []ShipLine       `json:"shipLines,omitzero"`    // include=shipLines

	SubTotal     Amount `json:"subTotal,omitzero"`
	OrderFreight Amount `json:"orderFreight,omitzero"`
	Tax1         Amount `json:"tax1,omitzero"`
	Tax2         Amount `json:"tax2,omitzero"`
	Tax1Rate     Amount `json:"tax1Rate,omitzero"` // percent
	Tax2Rate     Amount `json:"tax2Rate,omitzero"` // percent
	// CalculateTax2OnTax1 compounds the second tax on the first.
	CalculateTax2OnTax1 bool `json:"calculateTax2OnTax1,omitempty"`
	// Tax1OnShipping says that the first tax applies to OrderFreight too.
	Tax1OnShipping bool `json:"tax1OnShipping,omitempty"`
	// Tax2OnShipping says that the second tax applies to OrderFreight too.
	Tax2OnShipping bool `json:"tax2OnShipping,omitempty"`

	Total      Amount `json:"total,omitzero"`
	AmountPaid Amount `json:"amountPaid,omitzero"`
	Balance    Amount `json:"balance,omitzero"`
	ReturnFee  Amount `json:"returnFee,omitzero"`
	// ReturnFreight is freight given back for a return.
	ReturnFreight Amount   `json:"returnFreight,omitzero"`
	ReturnRemarks Presence `json:"returnRemarks,omitempty"`

	// ExchangeRate is between the order's currency and the home currency.
	ExchangeRate Amount `json:"exchangeRate,omitzero"`
	// ExchangeRateAutoPulled is when ExchangeRate was pulled; null where it was set by hand.
	ExchangeRateAutoPulled Time `json:"exchangeRateAutoPulled,omitzero"`

	OrderDate         Time `json:"orderDate,omitzero"`
	DueDate           Time `json:"dueDate,omitzero"`
	InvoicedDate      Time `json:"invoicedDate,omitzero"`
	RequestedShipDate Time `json:"requestedShipDate,omitzero"`

	PONumber     string            `json:"poNumber,omitempty"`
	OrderRemarks string            `json:"orderRemarks,omitempty"`
	CustomFields map[string]string `json:"customFields,omitzero"` // custom1 … custom10
}

// SalesOrderLine is one line of a [SalesOrder]; schema SalesOrderLine.
type SalesOrderLine struct {
	SalesOrderLineID string          `json:"salesOrderLineId"`
	ProductID        string          `json:"productId,omitempty"`
	Product          *Product        `json:"product,omitempty"` // include=lines.product
	Description      string          `json:"description,omitempty"`
	Quantity         Quantity        `json:"quantity"`           // negative for a return
	UnitPrice        Amount          `json:"unitPrice,omitzero"` // per chosen unit of measure: × Quantity.UomQuantity
	Discount         *PercentOrFixed `json:"discount,omitempty"` // nil is no discount
	SubTotal         Amount          `json:"subTotal,omitzero"`
	TaxCodeID        string          `json:"taxCodeId,omitempty"`
	Tax1Rate         Amount          `json:"tax1Rate,omitzero"` // percent
	Tax2Rate         Amount          `json:"tax2Rate,omitzero"` // percent
	IsDiscarded      bool            `json:"isDiscarded,omitempty"`
	ReturnDate       Time            `json:"returnDate,omitzero"`
	Timestamp        string          `json:"timestamp,omitempty"`
}

// Quantity is a quantity with its unit of measure; schema QuantityWithUom.
type Quantity struct {
	StandardQuantity Amount   `json:"standardQuantity,omitzero"`
	UomQuantity      Amount   `json:"uomQuantity,omitzero"`
	Uom              string   `json:"uom,omitempty"`
	SerialNumbers    []string `json:"serialNumbers,omitzero"` // none is blank
}

// PercentOrFixed is a discount or a cost: a percentage, or an amount of money;
// schema PercentOrFixedAmount.
type PercentOrFixed struct {
	Value     Amount `json:"value,omitzero"`
	IsPercent bool   `json:"isPercent,omitempty"`
}

// TeamMember is the part of InFlow's team member that the gate uses; schema TeamMember.
type TeamMember struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Product is the part of InFlow's product that the gate uses; schema Product.
type Product struct {
	ProductID string `json:"productId,omitempty"`
	Name      string `json:"name,omitempty"`
	SKU       string `json:"sku,omitempty"`
	// IsActive is nil where InFlow did not say.
	IsActive     *bool  `json:"isActive,omitempty"`
	ItemType     string `json:"itemType,omitempty"` // StockedProduct, NonstockedProduct, Service
	TrackSerials bool   `json:"trackSerials,omitempty"`

	CategoryID string         `json:"categoryId,omitempty"`
	Category   *Category      `json:"category,omitempty"` // include=lines.product.category
	Cost       *ProductCost   `json:"cost,omitempty"`     // include=lines.product.cost
	Prices     []ProductPrice `json:"prices,omitzero"`    // include=lines.product.prices
	// TotalQuantityOnHand is over all locations, in StandardUomName; include=lines.product.inventoryLines.
	TotalQuantityOnHand Amount         `json:"totalQuantityOnHand,omitzero"`
	StandardUomName     string         `json:"standardUomName,omitempty"`
	SalesUom            *UnitOfMeasure `json:"salesUom,omitempty"`
}

// Customer is the part of InFlow's customer that the gate uses; schema Customer.
type Customer struct {
	CustomerID string `json:"customerId,omitempty"`
	Name       string `json:"name,omitempty"`
	Discount   Amount `json:"discount,omitzero"` // percent
	// IsActive is nil where InFlow did not say.
	IsActive        *bool    `json:"isActive,omitempty"`
	PricingSchemeID string   `json:"pricingSchemeId,omitempty"`
	TaxExemptNumber Presence `json:"taxExemptNumber,omitempty"`
}

// Address is where an order is billed or shipped to; schema Address.
type Address struct {
	Address1   Presence `json:"address1,omitempty"`
	Address2   Presence `json:"address2,omitempty"`
	City       Presence `json:"city,omitempty"`
	State      string   `json:"state,omitempty"` // or province
	PostalCode Presence `json:"postalCode,omitempty"`
	Country    string   `json:"country,omitempty"`
}

// PaymentLine is one payment on a sales order; schema SalesOrderPaymentHistoryLine.
type PaymentLine struct {
	Amount        Amount `json:"amount,omitzero"`
	PaymentType   string `json:"paymentType,omitempty"` // Payment, Refund, InFlowPay, …
	PaymentMethod string `json:"paymentMethod,omitempty"`
	DatePaid      Time   `json:"datePaid,omitzero"`
}

// Amount is a decimal number of InFlow's: money, a quantity or a percentage.
// InFlow sends it as a string of varying scale; a JSON number is taken too. The
// zero value is null. It is never a float.
type Amount struct {
	// Decimal is 0 for null.
	Decimal decimal.Decimal
	// Valid is false for null, absent and empty.
	Valid bool
}

// NewAmount is a non-null amount.
func NewAmount(d decimal.Decimal) Amount { return Amount{Decimal: d, Valid: true} }

// MarshalJSON writes a string, or null.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.Valid {
		return []byte("null"), nil
	}
	return a.Decimal.MarshalJSON()
}

// UnmarshalJSON reads a string, a number or null; a blank string is null. It keeps
// 19 digits: a longer fraction is rounded half to even, a longer integer part is an
// error. Errors never quote the value.
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

// Time is a date or a date and time of InFlow's. The zero value is null.
type Time struct{ time.Time }

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly}

// UnmarshalJSON reads RFC 3339, the same without a zone (taken as UTC), a plain
// date, or null; a blank string is null. Errors never quote the value.
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
		// In UTC, so that the machine's own zone has no part in what an order is.
		if parsed, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			t.Time = parsed
			return nil
		}
	}
	return &json.UnmarshalTypeError{Value: "string that is not a date in RFC 3339", Type: reflect.TypeFor[Time]()}
}

// Presence says whether a text was filled in. It stands for a private text that the
// gate has no use for, so that the text is dropped as it is read.
type Presence bool

// UnmarshalJSON reads a string, true where it is not blank; true; false; or null, which is false.
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

// scalarText is the trimmed text of a JSON string or number. null is true for null and a
// blank string. The error is an [json.UnmarshalTypeError], to which encoding/json adds the
// field's name; it names the kind of the value and not the value.
func scalarText(data []byte, into reflect.Type) (text string, null bool, err error) {
	switch kind := kindOfJSON(data); kind {
	case "null":
		return "", true, nil
	case "number":
		return string(data), false, nil
	case "string":
		if err := json.Unmarshal(data, &text); err != nil {
			return "", false, &json.UnmarshalTypeError{Value: "malformed string", Type: into}
		}
		text = strings.TrimSpace(text)
		return text, text == "", nil
	default:
		return "", false, &json.UnmarshalTypeError{Value: kind, Type: into}
	}
}

// kindOfJSON names the kind of one valid JSON value, in the words of [json.UnmarshalTypeError].
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
