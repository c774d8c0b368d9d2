package ordercel

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
)

// The types of the order model. Field names are InFlow's, unless the Doc says otherwise.
var (
	discountType = objectOf("Discount",
		named("value", "the discount: percent, or an amount of money",
			amount(func(d *discount) inflow.Amount { return d.Value })),
		named("isPercent", "whether value is a percentage",
			truth(func(d *discount) bool { return d.IsPercent })),
		named("text", "for people: '10 %' or '5.00' (the gate's)",
			text(func(d *discount) string { return d.text() })),
	)

	categoryType = objectOf("Category",
		named("categoryId", "", text(func(c *inflow.Category) string { return c.CategoryID })),
		named("name", "", text(func(c *inflow.Category) string { return c.Name })),
	)

	productType = objectOf("Product",
		named("productId", "", text(func(p *inflow.Product) string { return p.ProductID })),
		named("name", "", text(func(p *inflow.Product) string { return p.Name })),
		named("sku", "", text(func(p *inflow.Product) string { return p.SKU })),
		named("isActive", "false if the product was deactivated",
			flag(func(p *inflow.Product) *bool { return p.IsActive })),
		named("itemType", "StockedProduct, NonstockedProduct or Service",
			text(func(p *inflow.Product) string { return p.ItemType })),
		named("trackSerials", "whether each piece has a serial number",
			truth(func(p *inflow.Product) bool { return p.TrackSerials })),
		named("categoryId", "", text(func(p *inflow.Product) string { return p.CategoryID })),
		included("category", inflow.IncludeLinesProductCategory, "",
			object(categoryType, func(p *inflow.Product) *inflow.Category { return p.Category })),
		included("cost", inflow.IncludeLinesProductCost,
			"in the home currency, for one standard unit of measure",
			amount(func(p *inflow.Product) inflow.Amount {
				if p.Cost == nil {
					return inflow.Amount{}
				}
				return p.Cost.Cost
			})),
		included("totalQuantityOnHand", inflow.IncludeLinesProductInventoryLines,
			"stock over all locations, in the standard unit of measure",
			amount(func(p *inflow.Product) inflow.Amount { return p.TotalQuantityOnHand })),
		named("standardUomName", "the standard unit of measure",
			text(func(p *inflow.Product) string { return p.StandardUomName })),
	)

	lineType = objectOf("Line",
		named("number", "the line's place in the order, from 1 (the gate's)",
			number(func(l *Line) int { return l.Number })),
		named("label", "for messages: 'Line 2 (Steel cable)' (the gate's)",
			text(func(l *Line) string { return LineLabel(l.Number, l.Product) })),
		named("salesOrderLineId", "", text(func(l *Line) string { return l.SalesOrderLineID })),
		named("productId", "", text(func(l *Line) string { return l.ProductID })),
		included("product", inflow.IncludeLinesProduct, "", access(productType.cel,
			func(l *Line) ref.Val { return &l.product }, func(l *Line) bool { return l.Product != nil })),
		named("description", "", text(func(l *Line) string { return l.Description })),
		named("quantity", "in the line's unit of measure; negative for a return",
			amount(func(l *Line) inflow.Amount { return l.Quantity.Priced() })),
		named("standardQuantity", "the quantity in the product's standard unit of measure",
			amount(func(l *Line) inflow.Amount { return l.Quantity.StandardQuantity })),
		named("uom", "the line's unit of measure", text(func(l *Line) string { return l.Quantity.Uom })),
		named("serialNumbers", "each number once",
			texts(func(l *Line) []string { return distinct(l.Quantity.SerialNumbers) })),
		named("unitPrice", "per unit of measure of the line",
			amount(func(l *Line) inflow.Amount { return l.UnitPrice })),
		named("discount", "never null: no discount has the value 0", access(discountType.cel,
			func(l *Line) ref.Val { return &l.discountValue },
			func(l *Line) bool { return l.Discount != nil })),
		named("subTotal", "", amount(func(l *Line) inflow.Amount { return l.SubTotal })),
		named("taxCodeId", "", text(func(l *Line) string { return l.TaxCodeID })),
		named("tax1Rate", "percent", amount(func(l *Line) inflow.Amount { return l.Tax1Rate })),
		named("tax2Rate", "percent", amount(func(l *Line) inflow.Amount { return l.Tax2Rate })),
		named("isDiscarded", "for a return: the goods are not restocked",
			truth(func(l *Line) bool { return l.IsDiscarded })),
		named("returnDate", "for a return: when the goods came back",
			date(func(l *Line) inflow.Time { return l.ReturnDate })),
	)

	customerType = objectOf("Customer",
		named("customerId", "", text(func(c *inflow.Customer) string { return c.CustomerID })),
		named("name", "", text(func(c *inflow.Customer) string { return c.Name })),
		named("discount", "the customer's default discount, percent",
			amount(func(c *inflow.Customer) inflow.Amount { return c.Discount })),
		named("isActive", "false if the customer was deactivated",
			flag(func(c *inflow.Customer) *bool { return c.IsActive })),
		named("pricingSchemeId", "", text(func(c *inflow.Customer) string { return c.PricingSchemeID })),
		named("hasTaxExemptNumber", "whether a tax exemption number is filled in (the gate's)",
			truth(func(c *inflow.Customer) inflow.Presence { return c.TaxExemptNumber })),
	)

	addressType = objectOf("Address",
		named("hasAddress1", "whether the first line is filled in (the gate's)",
			truth(func(a *inflow.Address) inflow.Presence { return a.Address1 })),
		named("hasAddress2", "whether the second line is filled in (the gate's)",
			truth(func(a *inflow.Address) inflow.Presence { return a.Address2 })),
		named("hasCity", "whether the city is filled in (the gate's)",
			truth(func(a *inflow.Address) inflow.Presence { return a.City })),
		named("hasPostalCode", "whether the postal code is filled in (the gate's)",
			truth(func(a *inflow.Address) inflow.Presence { return a.PostalCode })),
		named("state", "state or province", text(func(a *inflow.Address) string { return a.State })),
		named("country", "", text(func(a *inflow.Address) string { return a.Country })),
	)

	paymentType = objectOf("Payment",
		named("amount", "", amount(func(p *inflow.PaymentLine) inflow.Amount { return p.Amount })),
		named("paymentType", "Payment, BatchPayment, ApplyCredit, ConvertToCredit, Refund or InFlowPay",
			text(func(p *inflow.PaymentLine) string { return p.PaymentType })),
		named("paymentMethod", "", text(func(p *inflow.PaymentLine) string { return p.PaymentMethod })),
		named("datePaid", "", date(func(p *inflow.PaymentLine) inflow.Time { return p.DatePaid })),
	)

	pickType = objectOf("Pick",
		named("productId", "", text(func(p *inflow.PickLine) string { return p.ProductID })),
		named("quantity", "in the product's standard unit of measure",
			amount(func(p *inflow.PickLine) inflow.Amount { return p.Quantity.StandardQuantity })),
		named("serialNumbers", "each number once",
			texts(func(p *inflow.PickLine) []string { return distinct(p.Quantity.SerialNumbers) })),
		named("pickDate", "", date(func(p *inflow.PickLine) inflow.Time { return p.PickDate })),
	)

	packType = objectOf("Pack",
		named("productId", "", text(func(p *inflow.PackLine) string { return p.ProductID })),
		named("quantity", "in the product's standard unit of measure",
			amount(func(p *inflow.PackLine) inflow.Amount { return p.Quantity.StandardQuantity })),
		named("containerNumber", "the box",
			text(func(p *inflow.PackLine) string { return p.ContainerNumber })),
	)

	shipmentType = objectOf("Shipment",
		named("containers", "the boxes",
			texts(func(s *inflow.ShipLine) []string { return s.Containers })),
		named("shippedDate", "", date(func(s *inflow.ShipLine) inflow.Time { return s.ShippedDate })),
	)

	taxCodeType = objectOf("TaxCode",
		named("taxCodeId", "", text(func(c *inflow.TaxCode) string { return c.TaxCodeID })),
		named("name", "", text(func(c *inflow.TaxCode) string { return c.Name })),
		named("tax1Rate", "percent", amount(func(c *inflow.TaxCode) inflow.Amount { return c.Tax1Rate })),
		named("tax2Rate", "percent", amount(func(c *inflow.TaxCode) inflow.Amount { return c.Tax2Rate })),
	)

	taxingSchemeType = objectOf("TaxingScheme",
		named("taxingSchemeId", "", text(
			func(s *inflow.TaxingScheme) string { return s.TaxingSchemeID })),
		named("name", "", text(func(s *inflow.TaxingScheme) string { return s.Name })),
		named("defaultTaxCodeId", "",
			text(func(s *inflow.TaxingScheme) string { return s.DefaultTaxCodeID })),
		included("taxCodes", inflow.IncludeTaxingSchemeTaxCodes, "",
			objects(taxCodeType, func(s *inflow.TaxingScheme) []inflow.TaxCode { return s.TaxCodes })),
	)

	pricingSchemeType = objectOf("PricingScheme",
		named("pricingSchemeId", "",
			text(func(s *inflow.PricingScheme) string { return s.PricingSchemeID })),
		named("name", "", text(func(s *inflow.PricingScheme) string { return s.Name })),
		named("isTaxInclusive", "", truth(
			func(s *inflow.PricingScheme) bool { return s.IsTaxInclusive })),
	)

	paymentTermsType = objectOf("PaymentTerms",
		named("paymentTermsId", "", text(
			func(t *inflow.PaymentTerms) string { return t.PaymentTermsID })),
		named("name", "", text(func(t *inflow.PaymentTerms) string { return t.Name })),
		named("daysDue", "days from the invoice",
			amount(func(t *inflow.PaymentTerms) inflow.Amount { return t.DaysDue })),
	)

	currencyType = objectOf("Currency",
		named("currencyId", "", text(func(c *inflow.Currency) string { return c.CurrencyID })),
		named("isoCode", "such as USD", text(func(c *inflow.Currency) string { return c.ISOCode })),
	)

	customFieldsType = objectOf("CustomFields", customFieldAccessors()...)

	orderType = objectOf("Order",
		named("salesOrderId", "", text(func(o *Order) string { return o.SalesOrderID })),
		named("orderNumber", "", text(func(o *Order) string { return o.OrderNumber })),
		named("inventoryStatus", "Unconfirmed, Quote, Unfulfilled, Started or Fulfilled",
			text(func(o *Order) string { return o.InventoryStatus })),
		named("paymentStatus", "Unconfirmed, Quote, Uninvoiced, Invoiced, Partial, Paid or Owing",
			text(func(o *Order) string { return o.PaymentStatus })),
		named("isCancelled", "", truth(func(o *Order) bool { return o.IsCancelled })),
		named("isCompleted", "", truth(func(o *Order) bool { return o.IsCompleted })),
		named("isInvoiced", "", truth(func(o *Order) bool { return o.IsInvoiced })),
		named("isQuote", "", truth(func(o *Order) bool { return o.IsQuote })),
		named("isTaxInclusive", "", truth(func(o *Order) bool { return o.IsTaxInclusive })),
		named("isUnconfirmed", "needs a confirmation that nobody gave (the gate's)",
			truth(func(o *Order) bool {
				return o.NeedsConfirmation && o.ConfirmerTeamMemberID == "" && !o.IsQuote
			})),

		named("customerId", "", text(func(o *Order) string { return o.CustomerID })),
		included("customer", inflow.IncludeCustomer, "",
			object(customerType, func(o *Order) *inflow.Customer { return o.Customer })),
		named("hasContactName", "whether a contact is filled in (the gate's)",
			truth(func(o *Order) inflow.Presence { return o.ContactName })),
		named("hasEmail", "whether an e-mail address is filled in (the gate's)",
			truth(func(o *Order) inflow.Presence { return o.Email })),
		named("hasPhone", "whether a phone number is filled in (the gate's)",
			truth(func(o *Order) inflow.Presence { return o.Phone })),
		named("billingAddress", "", object(addressType,
			func(o *Order) *inflow.Address { return o.BillingAddress })),
		named("shippingAddress", "",
			object(addressType, func(o *Order) *inflow.Address { return o.ShippingAddress })),
		named("sameBillingAndShipping", "",
			truth(func(o *Order) bool { return o.SameBillingAndShipping })),
		named("showShipping", "whether the order will be shipped",
			truth(func(o *Order) bool { return o.ShowShipping })),

		named("locationId", "", text(func(o *Order) string { return o.LocationID })),
		named("salesRepTeamMemberId", "", text(func(o *Order) string { return o.SalesRepTeamMemberID })),
		named("hasSalesRep", "whether a sales rep is chosen or typed in (the gate's)",
			truth(func(o *Order) bool {
				return o.SalesRepTeamMemberID != "" || bool(o.SalesRep)
			})),
		named("paymentTermsId", "", text(func(o *Order) string { return o.PaymentTermsID })),
		included("paymentTerms", inflow.IncludePaymentTerms, "",
			object(paymentTermsType, func(o *Order) *inflow.PaymentTerms { return o.PaymentTerms })),
		named("pricingSchemeId", "", text(func(o *Order) string { return o.PricingSchemeID })),
		included("pricingScheme", inflow.IncludePricingScheme, "",
			object(pricingSchemeType, func(o *Order) *inflow.PricingScheme { return o.PricingScheme })),
		named("taxingSchemeId", "", text(func(o *Order) string { return o.TaxingSchemeID })),
		included("taxingScheme", inflow.IncludeTaxingScheme, "",
			object(taxingSchemeType, func(o *Order) *inflow.TaxingScheme { return o.TaxingScheme })),
		named("currencyId", "", text(func(o *Order) string { return o.CurrencyID })),
		included("currency", inflow.IncludeCurrency, "",
			object(currencyType, func(o *Order) *inflow.Currency { return o.Currency })),
		named("exchangeRate", "between the order's currency and the home currency",
			amount(func(o *Order) inflow.Amount { return o.ExchangeRate })),
		named("exchangeRateAutoPulled", "when exchangeRate was pulled; null if it was set by hand",
			date(func(o *Order) inflow.Time { return o.ExchangeRateAutoPulled })),

		included("lines", inflow.IncludeLines, "",
			list(lineType.cel, func(o *Order) ref.Val { return o.lineValues },
				func(o *Order) int { return len(o.lines) })),
		included("paymentLines", inflow.IncludePaymentLines, "",
			objects(paymentType, func(o *Order) []inflow.PaymentLine { return o.PaymentLines })),
		included("pickLines", inflow.IncludePickLines, "goods taken from a location",
			objects(pickType, func(o *Order) []inflow.PickLine { return o.PickLines })),
		included("packLines", inflow.IncludePackLines, "goods put into boxes",
			objects(packType, func(o *Order) []inflow.PackLine { return o.PackLines })),
		included("shipLines", inflow.IncludeShipLines, "boxes that left",
			objects(shipmentType, func(o *Order) []inflow.ShipLine { return o.ShipLines })),

		named("subTotal", "", amount(func(o *Order) inflow.Amount { return o.SubTotal })),
		named("orderFreight", "", amount(func(o *Order) inflow.Amount { return o.OrderFreight })),
		named("tax1", "", amount(func(o *Order) inflow.Amount { return o.Tax1 })),
		named("tax2", "", amount(func(o *Order) inflow.Amount { return o.Tax2 })),
		named("tax1Rate", "percent", amount(func(o *Order) inflow.Amount { return o.Tax1Rate })),
		named("tax2Rate", "percent", amount(func(o *Order) inflow.Amount { return o.Tax2Rate })),
		named("calculateTax2OnTax1", "", truth(func(o *Order) bool { return o.CalculateTax2OnTax1 })),
		named("tax1OnShipping", "", truth(func(o *Order) bool { return o.Tax1OnShipping })),
		named("tax2OnShipping", "", truth(func(o *Order) bool { return o.Tax2OnShipping })),
		named("total", "", amount(func(o *Order) inflow.Amount { return o.Total })),
		named("amountPaid", "", amount(func(o *Order) inflow.Amount { return o.AmountPaid })),
		named("balance", "", amount(func(o *Order) inflow.Amount { return o.Balance })),
		named("returnFee", "", amount(func(o *Order) inflow.Amount { return o.ReturnFee })),
		named("returnFreight", "", amount(func(o *Order) inflow.Amount { return o.ReturnFreight })),

		named("orderDate", "", date(func(o *Order) inflow.Time { return o.OrderDate })),
		named("dueDate", "", date(func(o *Order) inflow.Time { return o.DueDate })),
		named("invoicedDate", "", date(func(o *Order) inflow.Time { return o.InvoicedDate })),
		named("requestedShipDate", "", date(func(o *Order) inflow.Time { return o.RequestedShipDate })),

		named("poNumber", "", text(func(o *Order) string { return o.PONumber })),
		named("orderRemarks", "", text(func(o *Order) string { return o.OrderRemarks })),
		named("hasReturnRemarks", "whether remarks on a return are filled in (the gate's)",
			truth(func(o *Order) inflow.Presence { return o.ReturnRemarks })),
		named("customFields", "", access(customFieldsType.cel,
			func(o *Order) ref.Val { return &objectValue{customFieldsType, &o.custom} },
			func(*Order) bool { return true })),
	)

	modelTypes = []*objectType{orderType, lineType, discountType, productType, categoryType,
		customerType, addressType, paymentType, pickType,
		packType, shipmentType, taxCodeType, taxingSchemeType, pricingSchemeType, paymentTermsType,
		currencyType, customFieldsType}

	// model maps a type's name to the type.
	model = byName(modelTypes...)
)

func byName(objects ...*objectType) map[string]*objectType {
	out := make(map[string]*objectType, len(objects))
	for _, o := range objects {
		out[o.cel.TypeName()] = o
	}
	return out
}

type customFields map[string]string

func customFieldAccessors() []field {
	names := []string{"custom1", "custom2", "custom3", "custom4", "custom5", "custom6", "custom7",
		"custom8", "custom9", "custom10"}
	fields := make([]field, len(names))
	for i, name := range names {
		fields[i] = named(name, "", text(func(c *customFields) string { return (*c)[name] }))
	}
	return fields
}

// Order is a sales order prepared for many expressions. It is not safe for concurrent use.
type Order struct {
	*inflow.SalesOrder
	lines      []Line
	lineValues ref.Val
	custom     customFields
}

// Line is a line of an [Order].
type Line struct {
	*inflow.SalesOrderLine
	// Number counts from 1 in the order's own sequence.
	Number        int
	discount      discount
	discountValue objectValue
	product       objectValue
	value         objectValue
}

// LineLabel returns a line's name for messages: its number, and its product's name if known.
func LineLabel(number int, p *inflow.Product) string {
	if name := ProductName(p); name != "" {
		return fmt.Sprintf("Line %d (%s)", number, name)
	}
	return fmt.Sprintf("Line %d", number)
}

// ProductName returns a product's name, or its SKU if it has no name, for messages.
func ProductName(p *inflow.Product) string {
	if p == nil {
		return ""
	}
	if name := strings.TrimSpace(p.Name); name != "" {
		return Shorten(name)
	}
	return Shorten(strings.TrimSpace(p.SKU))
}

const maxTextInMessage = 80 // characters

// Shorten cuts text to 80 characters, so that it does not swamp a message. It replaces each run of
// white space with one space.
func Shorten(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) <= maxTextInMessage {
		return string(runes)
	}
	return string(runes[:maxTextInMessage-1]) + "…"
}

// discount is the discount of a line. It is 0 for a line without a discount, and never null.
type discount struct{ inflow.PercentOrFixed }

func (d *discount) text() string { return DiscountText(d.PercentOrFixed) }

// DiscountText formats a discount for people, such as "10 %" or "5.00".
func DiscountText(d inflow.PercentOrFixed) string {
	if d.IsPercent {
		return money.Plain(d.Value.Decimal) + " %"
	}
	return money.Text(d.Value.Decimal)
}

// NewOrder prepares an order. The order must not change while the result is in use.
func NewOrder(order *inflow.SalesOrder) *Order {
	o := &Order{SalesOrder: order, lines: make([]Line, len(order.Lines)), custom: order.CustomFields}
	values := make([]ref.Val, len(order.Lines))
	for i := range order.Lines {
		line := &o.lines[i]
		line.SalesOrderLine, line.Number = &order.Lines[i], i+1
		if line.Discount != nil {
			line.discount = discount{*line.Discount}
		}
		line.discountValue = objectValue{discountType, &line.discount}
		line.product = objectValue{productType, line.Product}
		line.value = objectValue{lineType, line}
		values[i] = &line.value
	}
	o.lineValues = types.NewRefValList(types.DefaultTypeAdapter, values)
	return o
}

// Len returns the number of lines.
func (o *Order) Len() int { return len(o.lines) }

// Line returns the line at index i.
func (o *Order) Line(i int) *Line { return &o.lines[i] }

// distinct returns the strings of list without duplicates, sorted.
func distinct(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
