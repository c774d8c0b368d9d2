package oracle

import (
	"encoding/json"
	"math/big"
	"strings"
	"time"
)

// num is an amount, a quantity or a percentage. The zero value is null. The rules calculate with
// decimals; the oracle calculates with exact fractions.
type num struct{ r *big.Rat }

func n(text string) num {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("not a number: " + text)
	}
	return num{r}
}

func (a num) rat() *big.Rat {
	if a.r == nil {
		return new(big.Rat)
	}
	return a.r
}

func (a num) isNull() bool { return a.r == nil }

// maxPlaces is the maximum number of decimal places in a generated number.
const maxPlaces = 10

func (a num) MarshalJSON() ([]byte, error) {
	if a.r == nil {
		return []byte("null"), nil
	}
	return json.Marshal(a.r.FloatString(maxPlaces))
}

func integer(i int) *big.Rat           { return big.NewRat(int64(i), 1) }
func add(a, b *big.Rat) *big.Rat       { return new(big.Rat).Add(a, b) }
func sub(a, b *big.Rat) *big.Rat       { return new(big.Rat).Sub(a, b) }
func mul(a, b *big.Rat) *big.Rat       { return new(big.Rat).Mul(a, b) }
func quo(a, b *big.Rat) *big.Rat       { return new(big.Rat).Quo(a, b) }
func neg(a *big.Rat) *big.Rat          { return new(big.Rat).Neg(a) }
func abs(a *big.Rat) *big.Rat          { return new(big.Rat).Abs(a) }
func percentOf(p, a *big.Rat) *big.Rat { return quo(mul(p, a), integer(100)) }

// pow10 returns 10 to the power of n.
func pow10(n int) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
}

// rounded rounds a to a number of decimal places, half away from zero.
func rounded(a *big.Rat, places int) *big.Rat {
	scaled := mul(abs(a), pow10(places))
	twice := add(mul(scaled, integer(2)), integer(1)) // floor(x + 1/2)
	whole := new(big.Int).Quo(twice.Num(), new(big.Int).Mul(twice.Denom(), big.NewInt(2)))
	out := quo(new(big.Rat).SetInt(whole), pow10(places))
	if a.Sign() < 0 {
		out.Neg(out)
	}
	return out
}

// roundedUp rounds a to a number of decimal places, away from zero.
func roundedUp(a *big.Rat, places int) *big.Rat {
	near := rounded(a, places)
	if abs(near).Cmp(abs(a)) >= 0 {
		return near
	}
	step := quo(integer(1), pow10(places))
	if a.Sign() < 0 {
		step.Neg(step)
	}
	return add(near, step)
}

// money formats an amount with at least two decimals.
func money(a *big.Rat) string {
	text := strings.TrimRight(a.FloatString(maxPlaces), "0")
	whole, fraction, _ := strings.Cut(text, ".")
	for len(fraction) < 2 {
		fraction += "0"
	}
	if whole == "-0" && strings.Trim(fraction, "0") == "" {
		whole = "0"
	}
	return whole + "." + fraction
}

// plain formats a number without trailing zeros.
func plain(a *big.Rat) string {
	return strings.TrimSuffix(strings.TrimRight(a.FloatString(maxPlaces), "0"), ".")
}

// The types of an order as InFlow sends it, with the fields that the general checks read.
type (
	order struct {
		SalesOrderID          string `json:"salesOrderId"`
		OrderNumber           string `json:"orderNumber"`
		Timestamp             string `json:"timestamp"`
		InventoryStatus       string `json:"inventoryStatus"`
		PaymentStatus         string `json:"paymentStatus"`
		IsCancelled           bool   `json:"isCancelled"`
		IsCompleted           bool   `json:"isCompleted"`
		IsInvoiced            bool   `json:"isInvoiced"`
		IsQuote               bool   `json:"isQuote"`
		IsTaxInclusive        bool   `json:"isTaxInclusive"`
		NeedsConfirmation     bool   `json:"needsConfirmation"`
		ConfirmerTeamMemberID string `json:"confirmerTeamMemberId,omitempty"`

		OrderDate              date `json:"orderDate"`
		InvoicedDate           date `json:"invoicedDate"`
		DueDate                date `json:"dueDate"`
		RequestedShipDate      date `json:"requestedShipDate"`
		ExchangeRateAutoPulled date `json:"exchangeRateAutoPulled"`

		CustomerID             string    `json:"customerId,omitempty"`
		Customer               *customer `json:"customer"`
		ContactName            string    `json:"contactName"`
		Email                  string    `json:"email"`
		BillingAddress         *address  `json:"billingAddress"`
		ShippingAddress        *address  `json:"shippingAddress"`
		SameBillingAndShipping bool      `json:"sameBillingAndShipping"`
		ShowShipping           bool      `json:"showShipping"`
		LocationID             string    `json:"locationId,omitempty"`
		SalesRepTeamMemberID   string    `json:"salesRepTeamMemberId,omitempty"`
		PaymentTermsID         string    `json:"paymentTermsId,omitempty"`
		PaymentTerms           *terms    `json:"paymentTerms"`
		PricingSchemeID        string    `json:"pricingSchemeId,omitempty"`
		PricingScheme          *scheme   `json:"pricingScheme"`
		TaxingSchemeID         string    `json:"taxingSchemeId,omitempty"`
		TaxingScheme           *taxing   `json:"taxingScheme"`
		CurrencyID             string    `json:"currencyId,omitempty"`
		Currency               *currency `json:"currency"`
		ExchangeRate           num       `json:"exchangeRate"`

		Lines        []*line   `json:"lines"`
		PaymentLines []payment `json:"paymentLines"`
		PickLines    []*pick   `json:"pickLines"`
		PackLines    []*pick   `json:"packLines"`
		ShipLines    []*ship   `json:"shipLines"`

		SubTotal            num  `json:"subTotal"`
		OrderFreight        num  `json:"orderFreight"`
		Tax1                num  `json:"tax1"`
		Tax2                num  `json:"tax2"`
		Tax1Rate            num  `json:"tax1Rate"`
		Tax2Rate            num  `json:"tax2Rate"`
		CalculateTax2OnTax1 bool `json:"calculateTax2OnTax1"`
		Tax1OnShipping      bool `json:"tax1OnShipping"`
		Tax2OnShipping      bool `json:"tax2OnShipping"`
		Total               num  `json:"total"`
		AmountPaid          num  `json:"amountPaid"`
		Balance             num  `json:"balance"`
		ReturnFee           num  `json:"returnFee"`
		ReturnFreight       num  `json:"returnFreight"`

		PONumber      string            `json:"poNumber"`
		OrderRemarks  string            `json:"orderRemarks"`
		ReturnRemarks string            `json:"returnRemarks"`
		CustomFields  map[string]string `json:"customFields"`
	}
	line struct {
		SalesOrderLineID string    `json:"salesOrderLineId"`
		ProductID        string    `json:"productId"`
		Product          *product  `json:"product"`
		Description      string    `json:"description"`
		Quantity         quantity  `json:"quantity"`
		UnitPrice        num       `json:"unitPrice"`
		Discount         *discount `json:"discount"`
		SubTotal         num       `json:"subTotal"`
		TaxCodeID        string    `json:"taxCodeId,omitempty"`
		Tax1Rate         num       `json:"tax1Rate"`
		Tax2Rate         num       `json:"tax2Rate"`
		ReturnDate       date      `json:"returnDate"`
	}
	quantity struct {
		StandardQuantity num      `json:"standardQuantity"`
		UomQuantity      num      `json:"uomQuantity"`
		Uom              string   `json:"uom"`
		SerialNumbers    []string `json:"serialNumbers"`
	}
	discount struct {
		Value     num  `json:"value"`
		IsPercent bool `json:"isPercent"`
	}
	product struct {
		ProductID           string   `json:"productId"`
		Name                string   `json:"name"`
		SKU                 string   `json:"sku"`
		IsActive            bool     `json:"isActive"`
		ItemType            string   `json:"itemType"`
		TrackSerials        bool     `json:"trackSerials"`
		CategoryID          string   `json:"categoryId"`
		Category            category `json:"category"`
		Cost                cost     `json:"cost"`
		Prices              []price  `json:"prices"`
		TotalQuantityOnHand num      `json:"totalQuantityOnHand"`
		StandardUomName     string   `json:"standardUomName"`
		SalesUom            uom      `json:"salesUom"`
	}
	category struct {
		CategoryID string `json:"categoryId"`
		Name       string `json:"name"`
	}
	cost struct {
		Cost num `json:"cost"`
	}
	price struct {
		PricingSchemeID string `json:"pricingSchemeId"`
		PriceType       string `json:"priceType"`
		UnitPrice       num    `json:"unitPrice"`
		FixedMarkup     num    `json:"fixedMarkup"`
	}
	uom struct {
		Name            string `json:"name"`
		ConversionRatio *ratio `json:"conversionRatio,omitempty"`
	}
	ratio struct {
		StandardQuantity num `json:"standardQuantity"`
		UomQuantity      num `json:"uomQuantity"`
	}
	customer struct {
		CustomerID      string `json:"customerId"`
		Name            string `json:"name"`
		Discount        num    `json:"discount"`
		IsActive        bool   `json:"isActive"`
		PricingSchemeID string `json:"pricingSchemeId,omitempty"`
		TaxExemptNumber string `json:"taxExemptNumber"`
	}
	address struct {
		Address1   string `json:"address1"`
		City       string `json:"city"`
		PostalCode string `json:"postalCode"`
	}
	terms struct {
		PaymentTermsID string `json:"paymentTermsId"`
		Name           string `json:"name"`
		DaysDue        int    `json:"daysDue"`
	}
	scheme struct {
		PricingSchemeID string `json:"pricingSchemeId"`
		Name            string `json:"name"`
		CurrencyID      string `json:"currencyId"`
		IsTaxInclusive  bool   `json:"isTaxInclusive"`
	}
	taxing struct {
		TaxingSchemeID   string    `json:"taxingSchemeId"`
		Name             string    `json:"name"`
		DefaultTaxCodeID string    `json:"defaultTaxCodeId"`
		TaxCodes         []taxCode `json:"taxCodes"`
	}
	taxCode struct {
		TaxCodeID string `json:"taxCodeId"`
		Name      string `json:"name"`
		Tax1Rate  num    `json:"tax1Rate"`
		Tax2Rate  num    `json:"tax2Rate"`
	}
	currency struct {
		CurrencyID    string `json:"currencyId"`
		ISOCode       string `json:"isoCode"`
		DecimalPlaces int    `json:"decimalPlaces"`
	}
	payment struct {
		Amount        num    `json:"amount"`
		PaymentType   string `json:"paymentType"`
		PaymentMethod string `json:"paymentMethod"`
	}
	pick struct {
		ProductID string   `json:"productId"`
		Quantity  quantity `json:"quantity"`
		PickDate  date     `json:"pickDate"`
		Container string   `json:"containerNumber,omitempty"`
	}
	ship struct {
		Containers  []string `json:"containers"`
		Carrier     string   `json:"carrier"`
		ShippedDate date     `json:"shippedDate"`
	}
)

// date is a date and time. The zero value is null.
type date struct{ time.Time }

func (d date) MarshalJSON() ([]byte, error) {
	if d.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(d.Format(time.RFC3339))
}

// days returns the number of calendar days from d to e. Each date counts in its own UTC offset.
func (d date) days(e date) int {
	day := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0,
			time.UTC)
	}
	return int(day(e.Time).Sub(day(d.Time)).Hours() / 24)
}

func (l *line) qty() *big.Rat { return l.Quantity.UomQuantity.rat() }

func (l *line) isService() bool { return l.Product.ItemType == "Service" }

// clone returns a deep copy.
func (o *order) clone() *order {
	c := *o
	c.Lines = []*line{}
	for _, l := range o.Lines {
		copied := *l
		p := *l.Product
		p.Prices = append([]price(nil), p.Prices...)
		copied.Product = &p
		copied.Quantity.SerialNumbers = append([]string(nil), l.Quantity.SerialNumbers...)
		if l.Discount != nil {
			d := *l.Discount
			copied.Discount = &d
		}
		c.Lines = append(c.Lines, &copied)
	}
	clonePicks := func(list []*pick) []*pick {
		out := []*pick{}
		for _, p := range list {
			copied := *p
			copied.Quantity.SerialNumbers = append([]string(nil), p.Quantity.SerialNumbers...)
			out = append(out, &copied)
		}
		return out
	}
	c.PickLines, c.PackLines = clonePicks(o.PickLines), clonePicks(o.PackLines)
	c.ShipLines = []*ship{}
	for _, s := range o.ShipLines {
		copied := *s
		c.ShipLines = append(c.ShipLines, &copied)
	}
	if o.Customer != nil {
		customer := *o.Customer
		c.Customer = &customer
	}
	c.CustomFields = map[string]string{}
	for k, v := range o.CustomFields {
		c.CustomFields[k] = v
	}
	return &c
}
