// Package pastorders generates files of past orders for tests and measurements.
package pastorders

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
)

// ExportedAt is the time of export of every order.
var ExportedAt = time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC)

// Shape describes the orders to generate. The same Shape always generates the same orders.
type Shape struct {
	Orders int
	// Lines is the number of lines of each order.
	Lines int
	// PerCustomer is the number of orders of each customer.
	PerCustomer int
	// WrongOneIn sets how many orders have a mistake: about one in WrongOneIn, or none if it is 0.
	WrongOneIn int
	Seed       uint64
}

// Write writes a file of orders.
func Write(path string, s Shape) error {
	w, err := orderfile.Create(path, orderfile.Header{
		Gate: "test", MadeAt: ExportedAt, TimeZone: "UTC", Complete: true,
		Window: orderfile.Window{From: firstDay.Format(time.DateOnly)},
		Asked:  asked(),
	})
	if err != nil {
		return err
	}
	defer w.Abort()
	for order := range s.All() {
		if err := w.Add(order, ExportedAt); err != nil {
			return err
		}
	}
	return w.Commit()
}

// asked lists the includes and look-ups that a file can have.
func asked() []string {
	var names []string
	for _, name := range rules.Requirements {
		if name != ordercheck.LookupBilled {
			names = append(names, name)
		}
	}
	return names
}

// firstDay is the first day with an order, and days the number of days.
var firstDay = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const days = 90

// All returns the orders, sorted as [orderfile.Compare] says.
func (s Shape) All() iter.Seq[*inflow.SalesOrder] {
	return func(yield func(*inflow.SalesOrder) bool) {
		random := rand.New(rand.NewPCG(s.Seed, 1)) //nolint:gosec // repeatable, not secret
		m := &maker{Shape: s, Rand: random, catalog: newCatalog()}
		for n := 0; n < s.Orders; {
			of := min(s.PerCustomer, s.Orders-n)
			var newer *inflow.SalesOrder
			for i := range of {
				// A customer's newest order comes first, because the file is sorted that way.
				day := (of - 1 - i) * days / of
				newer = m.order(n, n/s.PerCustomer, day, newer)
				if !yield(newer) {
					return
				}
				n++
			}
		}
	}
}

// maker generates orders.
type maker struct {
	Shape
	*rand.Rand
	catalog []*inflow.Product
}

func (m *maker) oneIn(n int) bool { return m.IntN(n) == 0 }

// id returns the id of the nth entity of a kind.
func id(kind, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012d", kind, n) }

// The kinds of [id].
const (
	customers = iota + 1
	orders
	lines
	products
	others
)

var (
	categories = []string{"Power tools", "Rigging", "Fasteners", "Paint"}
	goods      = []string{
		"Cordless drill", "Steel cable", "Wood screw", "Wall paint", "Angle grinder", "Shackle",
		"Hex bolt", "Primer", "Jigsaw", "Lifting sling", "Washer", "Varnish", "Belt sander",
		"Chain hoist", "Threaded rod", "Thinner", "Heat gun", "Turnbuckle", "Anchor", "Filler",
	}
	places = []string{
		"Riverside", "Oak Street", "Harbor", "Northgate", "Mill Lane", "Summit", "Lakeview",
		"Prairie", "Canal", "Hillcrest",
	}
	trades = []string{"Hardware", "Builders", "Supply", "Joinery", "Marine", "Interiors", "Roofing"}
)

// customerName returns the name of the nth customer.
func customerName(n int) string {
	name := places[n%len(places)] + " " + trades[n/len(places)%len(trades)]
	if again := n / (len(places) * len(trades)); again > 0 {
		name += fmt.Sprintf(" %d", again+1)
	}
	return name
}

func newCatalog() []*inflow.Product {
	yes := true
	catalog := make([]*inflow.Product, 200)
	for i := range catalog {
		category := i % len(categories)
		price := decimal.MustNew(int64(1000+i*37), 2)
		catalog[i] = &inflow.Product{
			ProductID: id(products, i),
			Name:      fmt.Sprintf("%s, size %d", goods[i%len(goods)], 1+i/len(goods)),
			SKU:       fmt.Sprintf("P-%03d", i), IsActive: &yes, ItemType: "StockedProduct",
			CategoryID: id(others, category),
			Category: &inflow.Category{
				CategoryID: id(others, category), Name: categories[category],
			},
			Cost: &inflow.ProductCost{Cost: inflow.NewAmount(decimal.MustNew(int64(500+i*15), 2))},
			Prices: []inflow.ProductPrice{{
				PricingSchemeID: scheme.PricingSchemeID, PriceType: "FixedPrice",
				UnitPrice: inflow.NewAmount(price),
			}},
			TotalQuantityOnHand: inflow.NewAmount(decimal.MustNew(5000, 0)),
			StandardUomName:     "ea.", SalesUom: &inflow.UnitOfMeasure{Name: "ea."},
		}
	}
	return catalog
}

var (
	scheme = &inflow.PricingScheme{
		PricingSchemeID: id(others, 10), Name: "Retail", CurrencyID: currency.CurrencyID,
	}
	currency = &inflow.Currency{CurrencyID: id(others, 11), ISOCode: "USD"}
	terms    = &inflow.PaymentTerms{
		PaymentTermsID: id(others, 12), Name: "NET 30", DaysDue: whole(30),
	}
	taxCode = inflow.TaxCode{
		TaxCodeID: id(others, 13), Name: "Taxable", Tax1Rate: whole(8), Tax2Rate: whole(0),
	}
	taxing = &inflow.TaxingScheme{
		TaxingSchemeID: id(others, 14), Name: "State tax", DefaultTaxCodeID: taxCode.TaxCodeID,
		TaxCodes: []inflow.TaxCode{taxCode},
	}
)

func whole(n int64) inflow.Amount { return inflow.NewAmount(decimal.MustNew(n, 0)) }

// order generates the nth order. newer is the customer's next newer order, or nil.
func (m *maker) order(n, customer, day int, newer *inflow.SalesOrder) *inflow.SalesOrder {
	yes := true
	date := firstDay.AddDate(0, 0, day).Add(9 * time.Hour)
	if newer != nil && !date.Before(newer.OrderDate.Time) {
		date = newer.OrderDate.Add(-time.Minute)
	}
	onDay := func(days int) inflow.Time {
		return inflow.Time{Time: date.Truncate(24*time.Hour).AddDate(0, 0, days)}
	}
	address := &inflow.Address{
		Address1: true, City: true, State: "Ohio", PostalCode: true, Country: "USA",
	}
	o := &inflow.SalesOrder{
		SalesOrderID: id(orders, n), OrderNumber: fmt.Sprintf("SO-%06d", n),
		Timestamp:       fmt.Sprintf("%016X", 0xA00000+n),
		InventoryStatus: "Unfulfilled", PaymentStatus: "Invoiced", IsInvoiced: true,
		CustomerID: id(customers, customer),
		Customer: &inflow.Customer{
			CustomerID: id(customers, customer), Name: customerName(customer),
			IsActive: &yes, PricingSchemeID: scheme.PricingSchemeID,
		},
		ContactName: true, Email: true, BillingAddress: address, ShippingAddress: address,
		SameBillingAndShipping: true, ShowShipping: true, LocationID: id(others, 15),
		PaymentTermsID: terms.PaymentTermsID, PaymentTerms: terms,
		PricingSchemeID: scheme.PricingSchemeID, PricingScheme: scheme,
		TaxingSchemeID: taxing.TaxingSchemeID, TaxingScheme: taxing,
		CurrencyID: currency.CurrencyID, Currency: currency, ExchangeRate: whole(1),
		Lines: make([]inflow.SalesOrderLine, m.Lines), PaymentLines: []inflow.PaymentLine{},
		PickLines: []inflow.PickLine{}, PackLines: []inflow.PackLine{}, ShipLines: []inflow.ShipLine{},
		OrderDate: inflow.Time{Time: date}, InvoicedDate: onDay(1), DueDate: onDay(31),
		RequestedShipDate: onDay(120), PONumber: fmt.Sprintf("PO-%d", n),
		CustomFields: map[string]string{"custom1": "North"},
	}
	if m.oneIn(2) {
		o.OrderRemarks = "Deliver to the yard"
	}
	if !m.oneIn(4) {
		o.SalesRepTeamMemberID = id(others, 16)
	} else {
		o.SalesRep = true // typed in
	}
	for i := range o.Lines {
		o.Lines[i] = m.line(n, i)
	}
	wrong := m.WrongOneIn > 0 && m.oneIn(m.WrongOneIn)
	if wrong {
		m.mistakeBefore(o, newer)
	}
	addUp(o)
	if wrong {
		m.mistakeAfter(o)
	}
	return o
}

func (m *maker) line(order, i int) inflow.SalesOrderLine {
	product := m.catalog[(order*7+i*13+m.IntN(3))%len(m.catalog)]
	quantity := whole(int64(1 + m.IntN(12)))
	line := inflow.SalesOrderLine{
		SalesOrderLineID: id(lines, order*1000+i), ProductID: product.ProductID, Product: product,
		Quantity:  inflow.Quantity{StandardQuantity: quantity, UomQuantity: quantity, Uom: "ea."},
		UnitPrice: product.Prices[0].UnitPrice, TaxCodeID: taxCode.TaxCodeID,
		Tax1Rate: whole(8), Tax2Rate: whole(0),
	}
	if m.oneIn(10) {
		line.Discount = &inflow.PercentOrFixed{Value: whole(int64(5 + 5*m.IntN(8))), IsPercent: true}
	}
	return line
}

// addUp calculates the order's amounts from its lines.
func addUp(o *inflow.SalesOrder) {
	var c money.Calc
	sum := decimal.Zero
	for i := range o.Lines {
		line := &o.Lines[i]
		amount := c.Mul(line.UnitPrice.Decimal, line.Quantity.UomQuantity.Decimal)
		if line.Discount != nil {
			amount = c.Sub(amount, c.Percent(line.Discount.Value.Decimal, amount)).Round(2)
		}
		line.SubTotal = inflow.NewAmount(amount)
		sum = c.Sum(sum, amount)
	}
	tax := c.Percent(decimal.MustNew(8, 0), sum).Round(2)
	total := c.Sum(sum, decimal.MustNew(25, 0), tax)
	o.SubTotal, o.OrderFreight = inflow.NewAmount(sum), whole(25)
	o.Tax1, o.Tax1Rate = inflow.NewAmount(tax), whole(8)
	o.Total, o.AmountPaid, o.Balance = inflow.NewAmount(total), whole(0), inflow.NewAmount(total)
	if o.DueDate.Before(ExportedAt) && o.IsInvoiced {
		o.AmountPaid, o.Balance, o.PaymentStatus = o.Total, whole(0), "Paid"
		o.PaymentLines = []inflow.PaymentLine{{
			Amount: o.Total, PaymentType: "Payment", PaymentMethod: "Check", DatePaid: o.DueDate,
		}}
	}
	if c.Err() != nil {
		panic(c.Err()) // cannot happen: the amounts are small
	}
}

// mistakeBefore changes an order before its amounts are calculated, so that they still add up.
func (m *maker) mistakeBefore(o, newer *inflow.SalesOrder) {
	line := &o.Lines[m.IntN(len(o.Lines))]
	switch m.IntN(8) {
	case 0:
		line.Discount = &inflow.PercentOrFixed{Value: whole(int64(55 + m.IntN(60))), IsPercent: true}
	case 1:
		line.Quantity.StandardQuantity, line.Quantity.UomQuantity = whole(0), whole(0)
	case 2:
		line.UnitPrice = whole(1)
	case 3:
		o.CustomFields = nil
	case 4:
		o.IsCancelled = true
	case 5:
		if newer != nil { // the same order twice
			o.Lines, o.PONumber = slices.Clone(newer.Lines), newer.PONumber
			o.OrderDate = newer.OrderDate
			o.OrderDate.Time = o.OrderDate.Add(-time.Hour)
		}
	case 6:
		o.IsQuote, o.IsInvoiced = true, false
		o.InventoryStatus, o.PaymentStatus = "Quote", "Quote"
		o.InvoicedDate, o.DueDate = inflow.Time{}, inflow.Time{}
	case 7:
		line.Product, line.ProductID = nil, ""
		line.Description = "Something else"
	}
}

// mistakeAfter changes an amount of an order, so that the amounts no longer add up.
func (m *maker) mistakeAfter(o *inflow.SalesOrder) {
	switch m.IntN(6) {
	case 0:
		o.Lines[m.IntN(len(o.Lines))].SubTotal = whole(3)
	case 1:
		o.SubTotal = whole(3)
	case 2:
		o.Balance = whole(3)
	case 3:
		o.Tax1 = whole(3)
	}
}
