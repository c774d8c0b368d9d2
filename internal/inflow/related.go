package inflow

// Category is a product category; schema Category.
type Category struct {
	CategoryID string `json:"categoryId,omitempty"`
	Name       string `json:"name,omitempty"`
}

// ProductCost is the cost of a product; schema ProductCost.
type ProductCost struct {
	Cost Amount `json:"cost,omitzero"` // in the home currency, for 1 standard unit of measure
}

// ProductPrice is a product's price in a pricing scheme; schema ProductPrice.
type ProductPrice struct {
	PricingSchemeID string `json:"pricingSchemeId,omitempty"`
	PriceType       string `json:"priceType,omitempty"` // FixedPrice, FixedMarkup
	// FixedPrice: for 1 sales unit of measure, in the scheme's currency
	UnitPrice Amount `json:"unitPrice,omitzero"`
	// FixedMarkup: percent over the product's cost
	FixedMarkup Amount `json:"fixedMarkup,omitzero"`
}

// UnitOfMeasure is an alternate unit of measure; schema UnitOfMeasure.
type UnitOfMeasure struct {
	Name            string     `json:"name,omitempty"`
	ConversionRatio *UnitRatio `json:"conversionRatio,omitempty"`
}

// UnitRatio gives the same amount of goods in two units; schema UomConversionRatio.
type UnitRatio struct {
	// in the product's standard unit of measure
	StandardQuantity Amount `json:"standardQuantity,omitzero"`
	UomQuantity      Amount `json:"uomQuantity,omitzero"` // in the alternate one
}

// TaxingScheme says how an order is taxed; schema TaxingScheme.
type TaxingScheme struct {
	TaxingSchemeID   string    `json:"taxingSchemeId,omitempty"`
	Name             string    `json:"name,omitempty"`
	DefaultTaxCodeID string    `json:"defaultTaxCodeId,omitempty"`
	TaxCodes         []TaxCode `json:"taxCodes,omitzero"` // include=taxingScheme.taxCodes
}

// TaxCode is a pair of rates within a [TaxingScheme]; schema TaxCode.
type TaxCode struct {
	TaxCodeID string `json:"taxCodeId,omitempty"`
	Name      string `json:"name,omitempty"`
	Tax1Rate  Amount `json:"tax1Rate,omitzero"` // percent
	Tax2Rate  Amount `json:"tax2Rate,omitzero"` // percent
}

// PricingScheme names a list of prices; schema PricingScheme.
type PricingScheme struct {
	PricingSchemeID string `json:"pricingSchemeId,omitempty"`
	Name            string `json:"name,omitempty"`
	CurrencyID      string `json:"currencyId,omitempty"`
	IsTaxInclusive  bool   `json:"isTaxInclusive,omitempty"`
}

// PaymentTerms says when an order is due; schema PaymentTerms.
type PaymentTerms struct {
	PaymentTermsID string `json:"paymentTermsId,omitempty"`
	Name           string `json:"name,omitempty"`
	DaysDue        Amount `json:"daysDue,omitzero"` // whole days from the invoice
}

// Currency is a currency; schema Currency.
type Currency struct {
	CurrencyID    string `json:"currencyId,omitempty"`
	ISOCode       string `json:"isoCode,omitempty"` // ISO 4217
	DecimalPlaces Amount `json:"decimalPlaces,omitzero"`
}

// Places returns the number of decimal places of the order's currency: 2 unless InFlow
// says otherwise.
func (o *SalesOrder) Places() int {
	const usual, most = 2, 6
	if o.Currency == nil || !o.Currency.DecimalPlaces.Valid {
		return usual
	}
	places, fraction, ok := o.Currency.DecimalPlaces.Decimal.Int64(0)
	if !ok || fraction != 0 || places < 0 || places > most {
		return usual
	}
	return int(places)
}

// PickLine records goods taken from a location; schema SalesOrderPickLine.
type PickLine struct {
	ProductID string   `json:"productId,omitempty"`
	Quantity  Quantity `json:"quantity"`
	PickDate  Time     `json:"pickDate,omitzero"`
}

// PackLine records goods put into a box; schema SalesOrderPackLine.
type PackLine struct {
	ProductID       string   `json:"productId,omitempty"`
	Quantity        Quantity `json:"quantity"`
	ContainerNumber string   `json:"containerNumber,omitempty"`
}

// ShipLine records boxes that were shipped; schema SalesOrderShipLine.
type ShipLine struct {
	Containers []string `json:"containers,omitempty"`
	// or another shipping method, such as a pick-up
	Carrier        string   `json:"carrier,omitempty"`
	TrackingNumber Presence `json:"trackingNumber,omitempty"`
	ShippedDate    Time     `json:"shippedDate,omitzero"`
}
