package oracle

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"time"
)

// generator makes orders that are right.
type generator struct {
	*rand.Rand
	o      *order
	places int
	// exact keeps line amounts unrounded, so that rounding happens only at the end.
	exact bool
	// net makes subtotals without tax in orders whose prices include tax.
	net bool
	// rate1 and rate2 are the order's tax rates.
	rate1, rate2 *big.Rat
	// remark is true if the order's remarks explain large discounts.
	remark bool
}

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

func pickOne[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

const (
	listScheme  = "5c4e0000-0000-4000-8000-000000000001"
	taxableCode = "7ac00000-0000-4000-8000-000000000001"
	exemptCode  = "7ac00000-0000-4000-8000-000000000002"
	day         = 24 * time.Hour
)

// rightOrder makes an order without a mistake.
func rightOrder(r *rand.Rand) *order {
	g := &generator{Rand: r}
	o := &order{
		SalesOrderID: "0de40000-0000-4000-8000-000000000001", OrderNumber: "SO-700001",
		Timestamp:  "00000000000A2F01",
		CustomerID: "c0570000-0000-4000-8000-000000000002",
		Customer: &customer{
			CustomerID:      "c0570000-0000-4000-8000-000000000002",
			Name:            "Riverside Hardware",
			IsActive:        true,
			PricingSchemeID: listScheme,
		},
		ContactName: "A contact", Email: "orders@riverside.example",
		BillingAddress: &address{
			"1 Quay Street",
			"Dayton",
			"45402",
		}, ShippingAddress: &address{"1 Quay Street", "Dayton", "45402"},
		ShowShipping: !g.oneIn(
			4,
		), LocationID: "10c0", SalesRepTeamMemberID: "4e90", PricingSchemeID: listScheme,
		PaymentTermsID: "7e40", TaxingSchemeID: "7a40", PaymentLines: []payment{}, PickLines: []*pick{},
		PackLines: []*pick{}, ShipLines: []*ship{},
		PONumber: "PO-1", CustomFields: map[string]string{"custom1": ""},
	}
	g.o = o
	g.money()
	g.tax()
	g.remark = g.oneIn(3)
	if g.remark {
		o.OrderRemarks = "Agreed by telephone"
	}
	if g.oneIn(2) {
		o.Customer.Discount = n(pickOne(g, "5", "10", "12.5", "20"))
	}
	o.PricingScheme = &scheme{listScheme, "Retail", o.CurrencyID, o.IsTaxInclusive}
	g.dates()
	g.status()
	lines := 1 + g.IntN(8)
	if g.oneIn(10) {
		lines = 1 + g.IntN(60)
	}
	for i := range lines {
		o.Lines = append(o.Lines, g.line(i))
	}
	o.CustomFields["custom1"] = "North"
	g.surcharge()
	g.totals()
	if o.Total.rat().Sign() == 0 { // a small quantity of something cheap: the rules rightly warn of the total
		return rightOrder(r)
	}
	g.picking()
	g.paid()
	return o
}

// money chooses the currency.
func (g *generator) money() {
	g.places = 2
	code, rate := "USD", "1"
	switch g.IntN(10) {
	case 0:
		code, rate = "EUR", "0.92"
	case 1:
		code, rate, g.places = "JPY", "151.2", 0
	case 2:
		code, rate, g.places = "KWD", "0.307", 3
	}
	g.o.CurrencyID = "c440-" + code
	g.o.Currency = &currency{g.o.CurrencyID, code, g.places}
	g.o.ExchangeRate = n(rate)
	g.exact = g.oneIn(3)
}

func (g *generator) tax() {
	rates := pickOne(g, [2]string{"0", "0"}, [2]string{"8", "0"}, [2]string{"5", "7"},
		[2]string{"20", "0"}, [2]string{"5", "9.975"}, [2]string{"8.25", "0"})
	g.rate1, g.rate2 = n(rates[0]).r, n(rates[1]).r
	o := g.o
	o.Tax1Rate = num{g.rate1}
	if g.rate2.Sign() > 0 || g.oneIn(2) {
		o.Tax2Rate = num{g.rate2}
		o.CalculateTax2OnTax1 = g.oneIn(2)
		o.Tax2OnShipping = g.oneIn(2)
	}
	o.Tax1OnShipping = g.oneIn(2)
	o.IsTaxInclusive = g.oneIn(4)
	g.net = o.IsTaxInclusive && g.oneIn(3)
	o.TaxingScheme = &taxing{
		TaxingSchemeID:   "7a40",
		Name:             "State tax",
		DefaultTaxCodeID: taxableCode,
		TaxCodes:         []taxCode{{exemptCode, "Exempt", n("0"), n("0")}},
	}
	if g.oneIn(2) { // InFlow's list may lack the default code
		o.TaxingScheme.TaxCodes = append(o.TaxingScheme.TaxCodes,
			taxCode{taxableCode, "Taxable", num{g.rate1}, num{g.rate2}})
	}
	if g.oneIn(6) {
		o.Customer.TaxExemptNumber = "X-99"
	}
}

// dates puts the order within the last weeks, in one of several time zones.
func (g *generator) dates() {
	o := g.o
	zone := time.FixedZone("", pickOne(g, 0, -5, -8, 10, 2)*3600)
	ago := g.IntN(25)
	ordered := now.Add(-time.Duration(ago) * day).In(zone)
	ordered = time.Date(ordered.Year(), ordered.Month(), ordered.Day(), g.IntN(24), g.IntN(60), 0, 0,
		zone)
	o.OrderDate = date{ordered}
	plainDay := func(days int) date {
		t := ordered.AddDate(0, 0, days)
		return date{time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)}
	}
	if !g.oneIn(5) {
		o.RequestedShipDate = plainDay(g.IntN(20))
	}
	o.PaymentTerms = &terms{"7e40", "NET 30", 30}
	if !g.oneIn(3) {
		o.IsInvoiced = true
		o.InvoicedDate = plainDay(0)
		o.DueDate = plainDay(30 + g.IntN(3) - 1)
	}
	if !o.ExchangeRate.isNull() && o.ExchangeRate.rat().Cmp(integer(1)) != 0 && g.oneIn(2) {
		o.ExchangeRateAutoPulled = plainDay(-g.IntN(20))
	}
}

func (g *generator) status() {
	o := g.o
	o.InventoryStatus, o.PaymentStatus = "Unfulfilled", "Uninvoiced"
	if o.IsInvoiced {
		o.PaymentStatus = "Invoiced"
	}
	switch g.IntN(12) {
	case 0:
		o.IsQuote, o.IsInvoiced, o.InventoryStatus, o.PaymentStatus = true, false, "Quote", "Quote"
		o.InvoicedDate, o.DueDate = date{}, date{}
	case 1, 2, 3:
		o.InventoryStatus = "Fulfilled"
	case 4, 5:
		o.InventoryStatus = "Started"
	case 6:
		o.NeedsConfirmation = true
		o.InventoryStatus = "Unconfirmed"
	}
	if o.InventoryStatus != "Fulfilled" && g.oneIn(8) {
		o.ShippingAddress = nil // it is still to come
	}
}

// amount returns a random price with a number of decimal places.
func (g *generator) amount(most, places int) *big.Rat {
	units := pow10(places)
	limit := new(big.Int).Mul(big.NewInt(int64(most)), units.Num()).Int64()
	return quo(integer(1+int(g.Int64N(limit))), units)
}

// line makes a line of goods, of a service, or a return.
func (g *generator) line(i int) *line {
	o := g.o
	p := &product{
		ProductID: fmt.Sprintf("d4100000-0000-4000-8000-%012d", i), Name: fmt.Sprintf("Product %d", i),
		SKU: fmt.Sprintf("P-%03d", i), IsActive: true,
		ItemType: "StockedProduct", CategoryID: "k", Category: category{"k", "Tools"},
		StandardUomName: "ea.", SalesUom: uom{Name: "ea."}, Prices: []price{},
	}
	l := &line{
		SalesOrderLineID: fmt.Sprintf("11e00000-0000-4000-8000-%012d", i),
		ProductID:        p.ProductID,
		Product:          p,
		TaxCodeID:        taxableCode,
	}
	count := integer(1 + g.IntN(20))
	perUnit := integer(1)
	l.Quantity.Uom = "ea."
	switch g.IntN(10) {
	case 0, 1:
		p.ItemType, p.Name = "Service", pickOne(g, "Installation", "Assembly", "Delivery by crane")
		if g.oneIn(2) {
			p.ProductID, l.ProductID = "5e40"+p.Name, "5e40"+p.Name // the same service may be on two lines
		}
		count = quo(integer(1+g.IntN(40)), integer(4))
	case 2:
		p.ItemType = "NonstockedProduct"
	case 3, 4:
		p.StandardUomName, p.SalesUom.Name, l.Quantity.Uom = "m", "m", "m"
		count = g.amount(50, 2)
	case 5:
		l.Quantity.Uom, perUnit = "box", integer(pickOne(g, 10, 12, 144))
	case 6:
		p.SalesUom = uom{"box", &ratio{n("12"), n("1")}} // prices are for a box, the line is in pieces
	case 7:
		p.Category.Name = "Capped goods"
	case 8:
		p.Name = "Capped saw"
	}
	isReturn := g.oneIn(12) && p.ItemType != "Service"
	if isReturn {
		count = neg(count)
		l.ReturnDate = o.OrderDate
		o.ReturnRemarks = "Wrong size"
	}
	l.Quantity.UomQuantity, l.Quantity.StandardQuantity = num{count}, num{mul(count, perUnit)}
	places := pickOne(g, 2, 2, 2, 0, 3, 5)
	if g.places == 0 {
		places = 0
	}
	l.UnitPrice = num{g.amount(pickOne(g, 1, 20, 500), places)}
	if g.places == 0 {
		l.UnitPrice = num{g.amount(20_000, 0)}
	}
	g.discount(l)
	switch {
	case g.oneIn(6):
		l.TaxCodeID, l.Tax1Rate, l.Tax2Rate = exemptCode, n("0"), n("0")
	case g.oneIn(10):
		l.TaxCodeID = "" // the order's rates
	case !g.oneIn(4):
		l.Tax1Rate, l.Tax2Rate = num{g.rate1}, num{g.rate2}
	}
	g.subTotal(l)
	g.priced(l, perUnit)
	return l
}

// discount gives a line a discount that nobody objects to.
func (g *generator) discount(l *line) {
	usual := g.o.Customer.Discount.rat()
	limit := 49
	if usual.Sign() > 0 {
		limit = int(usual.Num().Int64() / usual.Denom().Int64())
	}
	if l.Product.Name == "Capped saw" {
		limit = min(limit, 10)
	}
	if l.Product.Category.Name == "Capped goods" {
		limit = min(limit, 15)
	}
	switch g.IntN(8) {
	case 0, 1:
		l.Discount = &discount{num{quo(integer(1+g.IntN(limit*10)), integer(10))}, true}
	case 2: // on each unit
		d := rounded(percentOf(integer(1+g.IntN(limit)), l.UnitPrice.rat()), g.places)
		if d.Cmp(percentOf(integer(limit), l.UnitPrice.rat())) <= 0 {
			l.Discount = &discount{num{d}, false}
		}
	case 3:
		if g.remark && limit == 49 && usual.Sign() == 0 {
			l.Discount = &discount{num{integer(pickOne(g, 60, 80, 100))}, true}
		}
	case 4:
		l.Discount = &discount{n("0"), true}
	}
}

// subTotal calculates a line's subtotal.
func (g *generator) subTotal(l *line) {
	amount := mul(l.qty(), l.UnitPrice.rat())
	if d := l.Discount; d != nil && d.IsPercent {
		amount = mul(amount, quo(sub(integer(100), d.Value.rat()), integer(100)))
	} else if d != nil {
		off := mul(d.Value.rat(), l.qty())
		if g.oneIn(2) { // on the line, not on each unit
			off = rounded(percentOf(integer(5), amount), g.places)
			d.Value = num{abs(off)}
		}
		amount = sub(amount, off)
	}
	if g.net {
		amount = quo(amount, g.o.taxFactor(l))
	}
	places := g.places
	if g.exact {
		places = 5
	}
	l.SubTotal = num{rounded(amount, places)}
}

// priced gives a product the price that the line has, and a cost below it.
func (g *generator) priced(l *line, perUnit *big.Rat) {
	o, p := g.o, l.Product
	pieces := abs(l.Quantity.StandardQuantity.rat())
	if p.ItemType != "Service" {
		net := abs(l.SubTotal.rat())
		if o.IsTaxInclusive && !g.net {
			net = quo(net, g.o.taxFactor(l))
		}
		share := integer(30 + g.IntN(60))
		each := quo(percentOf(share, net), mul(pieces, o.ExchangeRate.rat()))
		p.Cost.Cost = num{new(big.Rat)}
		if cut := quo(new(big.Rat).SetInt(new(big.Int).Quo(mul(each, pow10(5)).Num(),
			mul(each, pow10(5)).Denom())), pow10(5)); cut.Sign() > 0 {
			p.Cost.Cost = num{cut}
		}
		if p.ItemType == "StockedProduct" {
			p.TotalQuantityOnHand = num{add(pieces, integer(g.IntN(100)))}
			if g.oneIn(10) {
				p.TotalQuantityOnHand = n("0") // a back order
			}
		}
	}
	if g.oneIn(4) {
		return // the scheme has no price
	}
	entry := price{PricingSchemeID: listScheme, PriceType: "FixedPrice"}
	sales := quo(l.UnitPrice.rat(), perUnit) // of one standard unit
	if r := p.SalesUom.ConversionRatio; r != nil {
		sales = mul(sales, quo(r.StandardQuantity.rat(), r.UomQuantity.rat()))
	}
	entry.UnitPrice = num{rounded(sales, 5)}
	if back := mul(entry.UnitPrice.rat(), quo(l.UnitPrice.rat(), sales)); back.Cmp(
		l.UnitPrice.rat(),
	) != 0 {
		return // the price per piece does not come out even
	}
	p.Prices = append(p.Prices, entry,
		price{PricingSchemeID: "another", PriceType: "FixedPrice", UnitPrice: n("1")})
}

// surcharge adds a surcharge within its percentages, on a refund too.
func (g *generator) surcharge() {
	if !g.oneIn(6) {
		return
	}
	base := new(big.Rat)
	for _, l := range g.o.Lines {
		base.Add(base, l.SubTotal.rat())
	}
	charge := rounded(percentOf(integer(2), base), g.places)
	if charge.Sign() == 0 {
		return
	}
	l := g.line(len(g.o.Lines))
	*l.Product = product{
		ProductID:       "5e40-surcharge",
		Name:            "Fuel surcharge",
		IsActive:        true,
		ItemType:        "Service",
		StandardUomName: "ea.",
		SalesUom:        uom{Name: "ea."},
		Prices:          []price{},
	}
	l.ProductID, l.Quantity, l.Discount, l.ReturnDate = l.Product.ProductID, quantity{
		n("1"),
		n("1"),
		"ea.",
		nil,
	}, nil, date{}
	l.UnitPrice = num{charge}
	if g.net {
		// A surcharge with its tax, so that its subtotal without is the 2 %.
		l.TaxCodeID, l.Tax1Rate, l.Tax2Rate = exemptCode, n("0"), n("0")
	}
	l.SubTotal = num{charge}
	g.o.Lines = append(g.o.Lines, l)
}

// totals calculates the order's amounts from its lines.
func (g *generator) totals() {
	o := g.o
	o.OrderFreight = n("0")
	if o.ShowShipping {
		o.OrderFreight = num{add(integer(5), g.amount(60, min(g.places, 2)))}
	} else if g.oneIn(2) {
		o.OrderFreight = num{}
	}
	subTotal, one, two := new(big.Rat), new(big.Rat), new(big.Rat)
	perLine := g.oneIn(2)
	inclusive := o.IsTaxInclusive && !g.net
	take := func(amount, a, b *big.Rat) {
		x, y := o.taxOf(amount, a, b, inclusive)
		if perLine {
			x, y = rounded(x, g.places), rounded(y, g.places)
		}
		one.Add(one, x)
		two.Add(two, y)
	}
	back := false
	for _, l := range o.Lines {
		a, b := o.rates(l)
		take(l.SubTotal.rat(), a, b)
		part := l.SubTotal.rat()
		if g.exact && g.oneIn(2) {
			part = rounded(part, g.places) // rounded for the sum, not on the line
		}
		subTotal.Add(subTotal, part)
		back = back || l.qty().Sign() < 0
	}
	a, b := new(big.Rat), new(big.Rat)
	if o.Tax1OnShipping {
		a = quo(g.rate1, integer(100))
	}
	if o.Tax2OnShipping {
		b = quo(o.Tax2Rate.rat(), integer(100))
	}
	take(o.OrderFreight.rat(), a, b)
	o.SubTotal = num{rounded(subTotal, g.places)}
	o.Tax1, o.Tax2 = num{rounded(one, g.places)}, num{rounded(two, g.places)}
	total := add(o.SubTotal.rat(), o.OrderFreight.rat())
	if !inclusive {
		total = add(total, add(o.Tax1.rat(), o.Tax2.rat()))
	}
	if back && g.oneIn(2) {
		o.ReturnFee, o.ReturnFreight = num{
			g.amount(9, min(g.places, 2)),
		}, num{
			g.amount(4, min(g.places, 2)),
		}
		if g.oneIn(2) { // within the total, not settled apart
			total = add(total, sub(o.ReturnFee.rat(), o.ReturnFreight.rat()))
		}
	}
	o.Total = num{total}
}

// picking picks, packs and ships goods as the order's status says.
func (g *generator) picking() {
	o := g.o
	if o.InventoryStatus != "Fulfilled" && o.InventoryStatus != "Started" {
		return
	}
	when := date{now.Add(-2 * day)}
	for i, l := range o.Lines {
		if l.isService() || l.qty().Sign() <= 0 {
			continue
		}
		part := o.InventoryStatus == "Started"
		if part && g.oneIn(2) {
			continue
		}
		q := l.Quantity.StandardQuantity.rat()
		whole := q.IsInt() && q.Num().Int64() <= 40
		l.Product.TrackSerials = whole && g.oneIn(4) && l.Product.ItemType == "StockedProduct"
		if part && whole && q.Cmp(integer(1)) > 0 {
			q = integer(1 + g.IntN(int(q.Num().Int64())-1))
		}
		p := &pick{ProductID: l.ProductID, Quantity: quantity{StandardQuantity: num{q}}, PickDate: when}
		if l.Product.TrackSerials {
			for j := range int(q.Num().Int64()) {
				p.Quantity.SerialNumbers = append(p.Quantity.SerialNumbers, fmt.Sprintf("S%d-%d", i, j))
			}
			if g.oneIn(2) {
				l.Quantity.SerialNumbers = append([]string(nil), p.Quantity.SerialNumbers...)
			}
		}
		if g.oneIn(8) {
			l.Product.IsActive = false // the last pieces, which are picked
		}
		o.PickLines = append(o.PickLines, p)
		if !part && o.ShowShipping {
			o.PackLines = append(o.PackLines,
				&pick{ProductID: l.ProductID, Quantity: quantity{StandardQuantity: num{q}}, Container: "1"})
		}
	}
	if o.InventoryStatus == "Fulfilled" && len(o.PickLines) == 0 && !o.ShowShipping {
		o.InventoryStatus = "Unfulfilled" // nothing says when it was fulfilled
	}
	if o.InventoryStatus == "Fulfilled" && o.ShowShipping {
		o.ShipLines = append(o.ShipLines,
			&ship{Containers: []string{"1"}, Carrier: "UPS", ShippedDate: when})
	}
}

// paid chooses the payments.
func (g *generator) paid() {
	o := g.o
	total := o.Total.rat()
	o.AmountPaid = n("0")
	if !o.IsQuote && total.Sign() > 0 {
		switch g.IntN(4) {
		case 0:
			o.AmountPaid, o.PaymentStatus = num{total}, "Paid"
			if g.oneIn(3) { // a counter or web shop sale
				o.ContactName, o.Email, o.BillingAddress, o.SalesRepTeamMemberID, o.PaymentTermsID,
					o.PaymentTerms = "", "", nil, "", "", nil
			}
		case 1:
			o.AmountPaid, o.PaymentStatus = num{rounded(quo(total, integer(3)), g.places)}, "Partial"
		}
	}
	o.Balance = num{sub(total, o.AmountPaid.rat())}
	if o.IsQuote && g.oneIn(2) {
		o.Balance = n("0")
	}
	if o.AmountPaid.rat().Sign() > 0 {
		o.PaymentLines = append(o.PaymentLines, payment{o.AmountPaid, "Payment", "Check"})
	}
	if g.oneIn(40) {
		o.IsCancelled, o.AmountPaid, o.PaymentLines, o.Balance = true, n("0"), []payment{}, o.Total
	}
}
