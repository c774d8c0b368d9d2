package inflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

	CustomerID string    `json:"customerId,omitempty"`
	Customer   *Customer `json:"customer,omitempty"` // include=customer

	Lines        []SalesOrderLine `json:"lines"`                  // include=lines
	PaymentLines []PaymentLine    `json:"paymentLines,omitempty"` // include=paymentLines

	SubTotal     Amount `json:"subTotal,omitzero"`
	OrderFreight Amount `json:"orderFreight,omitzero"`
	Tax1         Amount `json:"tax1,omitzero"`
	Tax2         Amount `json:"tax2,omitzero"`
	Tax1Rate     Amount `json:"tax1Rate,omitzero"` // percent
	Tax2Rate     Amount `json:"tax2Rate,omitzero"` // percent
	Total        Amount `json:"total,omitzero"`
	AmountPaid   Amount `json:"amountPaid,omitzero"`
	Balance      Amount `json:"balance,omitzero"`
	ReturnFee    Amount `json:"returnFee,omitzero"`
	// ReturnFreight is freight given back for a return.
	ReturnFreight Amount `json:"returnFreight,omitzero"`

	OrderDate         Time `json:"orderDate,omitzero"`
	DueDate           Time `json:"dueDate,omitzero"`
	InvoicedDate      Time `json:"invoicedDate,omitzero"`
	RequestedShipDate Time `json:"requestedShipDate,omitzero"`

	PONumber     string            `json:"poNumber,omitempty"`
	OrderRemarks string            `json:"orderRemarks,omitempty"`
	CustomFields map[string]string `json:"customFields,omitempty"` // custom1 … custom10
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
	SerialNumbers    []string `json:"serialNumbers,omitempty"`
}

// PercentOrFixed is a discount or a cost: a percentage, or an amount of money;
// schema PercentOrFixedAmount.
type PercentOrFixed struct {
	Value     Amount `json:"value,omitzero"`
	IsPercent bool   `json:"isPercent,omitempty"`
}

// Product is the part of InFlow's product that the gate uses; schema Product.
type Product struct {
	ProductID string `json:"productId,omitempty"`
	Name      string `json:"name,omitempty"`
	SKU       string `json:"sku,omitempty"`
}

// Customer is the part of InFlow's customer that the gate uses; schema Customer.
type Customer struct {
	CustomerID string `json:"customerId,omitempty"`
	Name       string `json:"name,omitempty"`
	Discount   Amount `json:"discount,omitzero"` // percent
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

// UnmarshalJSON reads a string, a number or null. An empty string is null. More than
// 19 digits are an error.
func (a *Amount) UnmarshalJSON(data []byte) error {
	*a = Amount{}
	if bytes.Equal(data, []byte("null")) || len(bytes.TrimSpace(bytes.Trim(data, `"`))) == 0 {
		return nil
	}
	if err := a.Decimal.UnmarshalJSON(data); err != nil {
		return fmt.Errorf("not a decimal number: %w", err)
	}
	a.Valid = true
	return nil
}

// Time is a date or a date and time of InFlow's. The zero value is null.
type Time struct{ time.Time }

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly}

// UnmarshalJSON reads RFC 3339, the same without a zone (taken as UTC), a plain date, or null.
func (t *Time) UnmarshalJSON(data []byte) error {
	t.Time = time.Time{}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("not a date: %w", err)
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	for _, layout := range timeLayouts {
		if parsed, err := time.Parse(layout, text); err == nil {
			t.Time = parsed
			return nil
		}
	}
	return errors.New("not a date in RFC 3339")
}
