package inflow

// SalesOrder is the part of InFlow's sales order that the gate uses. Decoding drops every other
// field, so it never reaches a log, a trace or a workflow's history. An absent field and null
// mean the same.
//
// Field names and types follow schema SalesOrder of InFlow's API description 2025-06-24. Fields
// that need an include are nil if it was not requested. Personal data is reduced to a [Presence]:
// whether the field was filled in, without its text.
//
// Encoding an order and decoding it again gives the same order.
type SalesOrder struct {
	SalesOrderID string `json:"salesOrderId"`
	OrderNumber  string `json:"orderNumber"`
	// Timestamp is a SQL Server rowversion: 16 hex digits that grow with every change in the
	// account.
	Timestamp string `json:"timestamp"`

	InventoryStatus string `json:"inventoryStatus,omitempty"`
	PaymentStatus   string `json:"paymentStatus,omitempty"`
	IsCancelled     bool   `json:"isCancelled,omitempty"`
	IsCompleted     bool   `json:"isCompleted,omitempty"`
	IsInvoiced      bool   `json:"isInvoiced,omitempty"`
	IsQuote         bool   `json:"isQuote,omitempty"`
	IsTaxInclusive  bool   `json:"isTaxInclusive,omitempty"`
	// NeedsConfirmation: the order is unconfirmed while ConfirmerTeamMemberID is empty and
	// IsQuote is false.
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
	// whether the order will be shipped
	ShowShipping bool `json:"showShipping,omitempty"`

	LocationID           string `json:"locationId,omitempty"`
	PaymentTermsID       string `json:"paymentTermsId,omitempty"`
	PricingSchemeID      string `json:"pricingSchemeId,omitempty"`
	SalesRepTeamMemberID string `json:"salesRepTeamMemberId,omitempty"`
	// SalesRepTeamMember has the address for notices; include=salesRepTeamMember.
	SalesRepTeamMember *TeamMember `json:"salesRepTeamMember,omitempty"`
	TaxingSchemeID     string      `json:"taxingSchemeId,omitempty"`
	CurrencyID         string      `json:"currencyId,omitempty"`

	PaymentTerms  *PaymentTerms  `json:"paymentTerms,omitempty"`  // include=paymentTerms
	PricingScheme *PricingScheme `json:"pricingScheme,omitempty"` // include=pricingScheme
	TaxingScheme  *TaxingScheme  `json:"taxingScheme,omitempty"`  // include=taxingScheme
	Currency      *Currency      `json:"currency,omitempty"`      // include=currency
	// SalesRep says whether somebody typed a name instead of choosing a team member.
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
	// CalculateTax2OnTax1: the second tax applies to the first tax too.
	CalculateTax2OnTax1 bool `json:"calculateTax2OnTax1,omitempty"`
	// Tax1OnShipping: the first tax applies to OrderFreight too.
	Tax1OnShipping bool `json:"tax1OnShipping,omitempty"`
	// Tax2OnShipping: the second tax applies to OrderFreight too.
	Tax2OnShipping bool `json:"tax2OnShipping,omitempty"`

	Total      Amount `json:"total,omitzero"`
	AmountPaid Amount `json:"amountPaid,omitzero"`
	Balance    Amount `json:"balance,omitzero"`
	ReturnFee  Amount `json:"returnFee,omitzero"`
	// ReturnFreight is freight refunded for a return.
	ReturnFreight Amount   `json:"returnFreight,omitzero"`
	ReturnRemarks Presence `json:"returnRemarks,omitempty"`

	// ExchangeRate converts between the order's currency and the home currency.
	ExchangeRate Amount `json:"exchangeRate,omitzero"`
	// ExchangeRateAutoPulled is when InFlow looked up ExchangeRate; null if a person set it.
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
	SalesOrderLineID string   `json:"salesOrderLineId"`
	ProductID        string   `json:"productId,omitempty"`
	Product          *Product `json:"product,omitempty"` // include=lines.product
	Description      string   `json:"description,omitempty"`
	Quantity         Quantity `json:"quantity"` // negative for a return
	// per chosen unit of measure: × Quantity.UomQuantity
	UnitPrice   Amount          `json:"unitPrice,omitzero"`
	Discount    *PercentOrFixed `json:"discount,omitempty"` // nil means no discount
	SubTotal    Amount          `json:"subTotal,omitzero"`
	TaxCodeID   string          `json:"taxCodeId,omitempty"`
	Tax1Rate    Amount          `json:"tax1Rate,omitzero"` // percent
	Tax2Rate    Amount          `json:"tax2Rate,omitzero"` // percent
	IsDiscarded bool            `json:"isDiscarded,omitempty"`
	ReturnDate  Time            `json:"returnDate,omitzero"`
	Timestamp   string          `json:"timestamp,omitempty"`
}

// Quantity is a quantity with its unit of measure; schema QuantityWithUom.
type Quantity struct {
	StandardQuantity Amount   `json:"standardQuantity,omitzero"`
	UomQuantity      Amount   `json:"uomQuantity,omitzero"`
	Uom              string   `json:"uom,omitempty"`
	SerialNumbers    []string `json:"serialNumbers,omitzero"` // never blank
}

// Priced returns the quantity to multiply by the unit price. It is in the line's unit of measure if
// InFlow sent that quantity, otherwise in the product's standard unit.
func (q *Quantity) Priced() Amount {
	if q.UomQuantity.Valid {
		return q.UomQuantity
	}
	return q.StandardQuantity
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
	// IsActive is nil if InFlow did not send it.
	IsActive     *bool  `json:"isActive,omitempty"`
	ItemType     string `json:"itemType,omitempty"` // StockedProduct, NonstockedProduct, Service
	TrackSerials bool   `json:"trackSerials,omitempty"`

	CategoryID string         `json:"categoryId,omitempty"`
	Category   *Category      `json:"category,omitempty"` // include=lines.product.category
	Cost       *ProductCost   `json:"cost,omitempty"`     // include=lines.product.cost
	Prices     []ProductPrice `json:"prices,omitzero"`    // include=lines.product.prices
	// TotalQuantityOnHand is the stock at all locations, in StandardUomName;
	// include=lines.product.inventoryLines.
	TotalQuantityOnHand Amount         `json:"totalQuantityOnHand,omitzero"`
	StandardUomName     string         `json:"standardUomName,omitempty"`
	SalesUom            *UnitOfMeasure `json:"salesUom,omitempty"`
}

// Customer is the part of InFlow's customer that the gate uses; schema Customer.
type Customer struct {
	CustomerID string `json:"customerId,omitempty"`
	Name       string `json:"name,omitempty"`
	Discount   Amount `json:"discount,omitzero"` // percent
	// IsActive is nil if InFlow did not send it.
	IsActive        *bool    `json:"isActive,omitempty"`
	PricingSchemeID string   `json:"pricingSchemeId,omitempty"`
	TaxExemptNumber Presence `json:"taxExemptNumber,omitempty"`
}

// Address is a billing or shipping address; schema Address.
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
