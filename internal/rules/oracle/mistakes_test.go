package oracle

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"time"
)

// mistake is a mistake that people make in orders and that rule finds. make puts it into an order
// and returns the expected finding, or false if the order cannot have the mistake. The expected
// amount "?" matches any amount.
type mistake struct {
	rule string
	make func(*mistaker) (found, bool)
}

// mistaker puts mistakes into one order.
type mistaker struct {
	*rand.Rand
	o *order
}

func (m *mistaker) onOrder(rule, expected string) (found, bool) {
	return found{rule: rule, expected: expected, warning: warnings[rule]}, true
}

func (m *mistaker) onLine(rule string, i int, expected string) (found, bool) {
	return found{rule: rule, line: i + 1, expected: expected, warning: warnings[rule]}, true
}

var impossible found

// line returns a random line for which fits is true, and its index. If there is none, it returns -1
// and nil.
func (m *mistaker) line(fits func(*line) bool) (int, *line) {
	var at []int
	for i, l := range m.o.Lines {
		if fits(l) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return -1, nil
	}
	i := at[m.IntN(len(at))]
	return i, m.o.Lines[i]
}

// off returns a random difference, positive or negative, that exceeds every tolerance.
func (m *mistaker) off() *big.Rat {
	v := verdict{o: m.o}
	d := add(mul(v.perLines(), integer(2)), mul(v.cent(), integer(1+m.IntN(5000))))
	if m.IntN(2) == 0 {
		d.Neg(d)
	}
	return d
}

func (m *mistaker) keyed(a *big.Rat) string { return (&verdict{o: m.o}).keyed(a) }

// resubtotal recalculates the subtotal of a changed line. If the order's prices include tax and the
// old subtotal does not, the new subtotal may leave the tax out too.
func (m *mistaker) resubtotal(l *line) {
	amount := discounted(l)[0]
	if m.o.IsTaxInclusive && !fitsAny(l.SubTotal.rat(), discounted(l), big.NewRat(1, 50)) &&
		m.IntN(2) == 0 {
		amount = quo(amount, m.o.taxFactor(l))
	}
	l.SubTotal = num{rounded(amount, m.o.Currency.DecimalPlaces)}
}

func sale(l *line) bool      { return l.qty().Sign() > 0 && l.UnitPrice.rat().Sign() > 0 }
func goodsSold(l *line) bool { return sale(l) && !l.isService() }

// percent gives a line a discount of p percent, and recalculates its subtotal.
func (m *mistaker) percent(l *line, p string) {
	l.Discount = &discount{n(p), true}
	m.resubtotal(l)
}

func daysAgo(n int) date { return date{now.Add(-time.Duration(n) * day)} }

var mistakes = []mistake{
	{"line-subtotal", func(m *mistaker) (found, bool) {
		i, l := m.line(func(*line) bool { return true })
		if l == nil {
			return impossible, false
		}
		readings := m.o.lineReadings(l)
		l.SubTotal = num{add(l.SubTotal.rat(), m.off())}
		expected := "?"
		if len(readings) == 1 {
			expected = m.keyed(readings[0])
		}
		return m.onLine("line-subtotal", i, expected)
	}},
	{"order-subtotal", func(m *mistaker) (found, bool) {
		m.o.SubTotal = num{add(m.o.SubTotal.rat(), m.off())}
		return m.onOrder("order-subtotal", "?")
	}},
	{"order-total", func(m *mistaker) (found, bool) {
		m.o.Total = num{add(m.o.Total.rat(), m.off())}
		return m.onOrder("order-total", "?")
	}},
	{"tax-amounts", func(m *mistaker) (found, bool) {
		tax := &m.o.Tax1
		if m.IntN(2) == 0 {
			tax = &m.o.Tax2
		}
		*tax = num{add(tax.rat(), m.off())}
		return m.onOrder("tax-amounts", "?")
	}},
	{"line-tax-code", func(m *mistaker) (found, bool) {
		i, l := m.line(func(*line) bool { return true })
		if l == nil {
			return impossible, false
		}
		l.TaxCodeID = "7ac00000-0000-4000-8000-000000000099"
		return m.onLine("line-tax-code", i, "")
	}},
	{"no-tax", func(m *mistaker) (found, bool) {
		o := m.o
		if o.Customer == nil || o.Tax1.rat().Sign()+o.Tax2.rat().Sign() <= 0 {
			return impossible, false
		}
		o.Tax1, o.Tax2, o.Customer.TaxExemptNumber = n("0"), num{}, ""
		return m.onOrder("no-tax", "")
	}},
	{"balance", func(m *mistaker) (found, bool) {
		right := sub(m.o.Total.rat(), m.o.AmountPaid.rat())
		m.o.Balance = num{add(right, m.off())}
		return m.onOrder("balance", m.keyed(right))
	}},
	{"line-discount-over-customer", func(m *mistaker) (found, bool) {
		i, l := m.line(sale)
		if l == nil || m.o.Customer == nil || m.o.Customer.Discount.rat().Sign() <= 0 {
			return impossible, false
		}
		usual := m.o.Customer.Discount.rat()
		m.percent(l, plain(add(usual, big.NewRat(1, 2))))
		return m.onLine("line-discount-over-customer", i, plain(usual))
	}},
	{"product-discount-cap", func(m *mistaker) (found, bool) {
		i, l := m.line(sale)
		if l == nil {
			return impossible, false
		}
		l.Product.Name = "Capped saw"
		m.percent(l, "10.5")
		return m.onLine("product-discount-cap", i, "10")
	}},
	{"category-discount-cap", func(m *mistaker) (found, bool) {
		i, l := m.line(sale)
		if l == nil {
			return impossible, false
		}
		l.Product.Category.Name = "Capped goods"
		m.percent(l, "15.1")
		return m.onLine("category-discount-cap", i, "15")
	}},
	{"order-discount-cap", func(m *mistaker) (found, bool) {
		cut := false
		for _, l := range m.o.Lines {
			if sale(l) {
				cut = true
				m.percent(l, "95")
			}
		}
		m.o.OrderRemarks = "  "
		if !cut {
			return impossible, false
		}
		return m.onOrder("order-discount-cap", "?")
	}},
	{"no-discount-items", func(m *mistaker) (found, bool) {
		i, l := m.line(sale)
		if l == nil {
			return impossible, false
		}
		l.Product.Name = "Gift card"
		m.percent(l, "3")
		return m.onLine("no-discount-items", i, "")
	}},
	{"discount-range", func(m *mistaker) (found, bool) {
		i, l := m.line(sale)
		if l == nil {
			return impossible, false
		}
		switch m.IntN(3) {
		case 0:
			m.percent(l, "-5")
		case 1:
			m.percent(l, "100.5")
		default:
			l.Discount = &discount{
				num{add(mul(l.UnitPrice.rat(), add(l.qty(), integer(1))), integer(1))},
				false,
			}
		}
		return m.onLine("discount-range", i, "")
	}},
	{"discount-remark", func(m *mistaker) (found, bool) {
		_, l := m.line(sale)
		if l == nil {
			return impossible, false
		}
		m.percent(l, "60")
		m.o.OrderRemarks = " "
		return m.onOrder("discount-remark", "")
	}},
	{"below-cost", func(m *mistaker) (found, bool) {
		i, l := m.line(func(l *line) bool { return goodsSold(l) && l.SubTotal.rat().Sign() > 0 })
		if l == nil || !m.o.open() || m.o.ExchangeRate.rat().Sign() <= 0 {
			return impossible, false
		}
		each := quo(mul(l.SubTotal.rat(), integer(2)),
			mul(l.Quantity.StandardQuantity.rat(), m.o.ExchangeRate.rat()))
		l.Product.Cost.Cost = num{add(rounded(each, 2), integer(1))}
		return m.onLine("below-cost", i, "?")
	}},
	{"scheme-price", func(m *mistaker) (found, bool) {
		i, l := m.line(func(l *line) bool { return sale(l) && len(l.Product.Prices) > 0 })
		if l == nil || !m.o.open() {
			return impossible, false
		}
		listed := l.UnitPrice.rat()
		l.UnitPrice = num{rounded(mul(listed, pickRat(m, "1.2", "0.8", "10", "0.1", "1.02")), 5)}
		m.resubtotal(l)
		return m.onLine("scheme-price", i, money(listed))
	}},
	{"price-missing", func(m *mistaker) (found, bool) {
		i, l := m.line(func(l *line) bool { return l.qty().Sign() != 0 })
		if l == nil {
			return impossible, false
		}
		l.UnitPrice = num{}
		if m.IntN(2) == 0 {
			l.UnitPrice = n("0")
		}
		return m.onLine("price-missing", i, "")
	}},
	{"pricing-scheme-of-customer", func(m *mistaker) (found, bool) {
		if m.o.Customer == nil {
			return impossible, false
		}
		m.o.Customer.PricingSchemeID = "another"
		return m.onOrder("pricing-scheme-of-customer", "")
	}},
	{"surcharge", func(m *mistaker) (found, bool) {
		_, l := m.line(func(l *line) bool { return l.Product.Name == "Fuel surcharge" })
		if l == nil {
			return impossible, false
		}
		factor := pickRat(m, "-1", "3")
		l.UnitPrice, l.SubTotal = num{mul(l.UnitPrice.rat(), factor)}, num{mul(l.SubTotal.rat(), factor)}
		return m.onOrder("surcharge", "?")
	}},
	{"freight-minimum", func(m *mistaker) (found, bool) {
		if !m.o.ShowShipping {
			return impossible, false
		}
		m.o.OrderFreight = num{}
		if m.IntN(2) == 0 {
			m.o.OrderFreight = n("4")
		}
		return m.onOrder("freight-minimum", "5.00")
	}},
	{"ship-to-address", func(m *mistaker) (found, bool) {
		o := m.o
		if !o.ShowShipping || o.InventoryStatus != "Fulfilled" || len(o.ShipLines) == 0 {
			return impossible, false
		}
		o.ShippingAddress, o.SameBillingAndShipping = &address{" ", "Dayton", "45402"}, false
		if m.IntN(2) == 0 {
			o.ShippingAddress = nil
		}
		want, ok := m.onOrder("ship-to-address", "")
		if m.IntN(3) == 0 {
			o.ShipLines[0].Carrier = "Customer pick-up"
			want.warning = true
		}
		return want, ok
	}},
	{"billing-address", func(m *mistaker) (found, bool) {
		if m.o.Balance.rat().Sign() <= 0 || !m.o.IsInvoiced && m.o.PaymentTermsID == "" {
			return impossible, false
		}
		m.o.BillingAddress = nil
		if m.IntN(2) == 0 {
			m.o.BillingAddress = &address{" ", "", ""}
		}
		return m.onOrder("billing-address", "")
	}},
	{"contact", func(m *mistaker) (found, bool) {
		if m.o.Balance.rat().Sign() <= 0 || !m.o.IsInvoiced && m.o.PaymentTermsID == "" {
			return impossible, false
		}
		m.o.ContactName, m.o.Email = " ", ""
		return m.onOrder("contact", "")
	}},
	{"terms-rep-location", func(m *mistaker) (found, bool) {
		if m.o.Balance.rat().Sign() <= 0 {
			return impossible, false
		}
		switch m.IntN(3) {
		case 0:
			m.o.PaymentTermsID, m.o.PaymentTerms = "", nil
		case 1:
			m.o.SalesRepTeamMemberID = ""
		default:
			m.o.LocationID = ""
		}
		return m.onOrder("terms-rep-location", "")
	}},
	{"required-fields", func(m *mistaker) (found, bool) {
		if m.IntN(2) == 0 {
			m.o.PONumber = "  "
		} else {
			m.o.CustomFields["custom1"] = ""
		}
		return m.onOrder("required-fields", "")
	}},
	{"customer-and-lines", func(m *mistaker) (found, bool) {
		if m.IntN(2) == 0 {
			m.o.Customer, m.o.CustomerID = nil, ""
		} else {
			m.o.Lines = []*line{}
		}
		return m.onOrder("customer-and-lines", "")
	}},
	{"zero-total", func(m *mistaker) (found, bool) {
		if i, _ := m.line(func(l *line) bool { return l.SubTotal.rat().Sign() < 0 }); i >= 0 ||
			len(m.o.Lines) == 0 {
			return impossible, false
		}
		m.o.Total = n("0")
		return m.onOrder("zero-total", "")
	}},
	{"repeated-product", func(m *mistaker) (found, bool) {
		_, l := m.line(goodsSold)
		if l == nil {
			return impossible, false
		}
		again := *l
		again.SalesOrderLineID += "-again"
		again.Quantity.SerialNumbers = nil
		m.o.Lines = append(m.o.Lines, &again)
		return m.onOrder("repeated-product", "")
	}},
	{"quantity-zero", func(m *mistaker) (found, bool) {
		i, l := m.line(func(*line) bool { return true })
		if l == nil {
			return impossible, false
		}
		l.Quantity = quantity{n("0"), n("0"), l.Quantity.Uom, nil}
		return m.onLine("quantity-zero", i, "")
	}},
	{"return-details", func(m *mistaker) (found, bool) {
		i, l := m.line(func(l *line) bool { return l.qty().Sign() < 0 && !l.isService() })
		if l == nil {
			return impossible, false
		}
		want, ok := m.onLine("return-details", i, "")
		if m.IntN(2) == 0 {
			l.ReturnDate, want.warning = date{}, true
			return want, ok
		}
		m.o.ReturnRemarks, m.o.OrderRemarks, m.o.CustomFields["custom1"] = "", " ", ""
		return want, ok
	}},
	{"inactive", func(m *mistaker) (found, bool) {
		o := m.o
		if o.InventoryStatus == "Fulfilled" || o.Customer == nil {
			return impossible, false
		}
		if m.IntN(2) == 0 {
			o.Customer.IsActive = false
			return m.onOrder("inactive", "")
		}
		_, l := m.line(func(l *line) bool {
			return sale(l) && l.Product.IsActive &&
				!slices.ContainsFunc(o.PickLines, func(p *pick) bool { return p.ProductID == l.ProductID })
		})
		if l == nil {
			return impossible, false
		}
		l.Product.IsActive = false
		return m.onOrder("inactive", "")
	}},
	{"stock", func(m *mistaker) (found, bool) {
		o := m.o
		_, l := m.line(func(l *line) bool {
			return goodsSold(l) && l.Product.ItemType == "StockedProduct" &&
				l.Quantity.StandardQuantity.rat().Cmp(integer(1)) > 0 &&
				!slices.ContainsFunc(o.PickLines, func(p *pick) bool { return p.ProductID == l.ProductID })
		})
		if l == nil || o.InventoryStatus == "Fulfilled" || o.IsQuote {
			return impossible, false
		}
		for _, other := range o.Lines {
			if other.ProductID == l.ProductID {
				other.Product.TotalQuantityOnHand = n("1")
			}
		}
		o.RequestedShipDate = date{now.Add(time.Duration(m.IntN(14)) * day)}
		return m.onOrder("stock", "?")
	}},
	{"odd-quantity", func(m *mistaker) (found, bool) {
		i, l := m.line(func(l *line) bool { return goodsSold(l) && l.Quantity.Uom == "ea." })
		if l == nil {
			return impossible, false
		}
		q := add(l.qty(), big.NewRat(1, 2))
		l.Quantity.UomQuantity, l.Quantity.StandardQuantity = num{q}, num{q}
		m.resubtotal(l)
		return m.onLine("odd-quantity", i, "")
	}},
	{"old-quote", func(m *mistaker) (found, bool) {
		if !m.o.IsQuote {
			return impossible, false
		}
		m.o.OrderDate = daysAgo(91 + m.IntN(100))
		return m.onOrder("old-quote", "90")
	}},
	{"ship-before-order", func(m *mistaker) (found, bool) {
		m.o.RequestedShipDate = date{m.o.OrderDate.AddDate(0, 0, -1-m.IntN(300))}
		return m.onOrder("ship-before-order", "")
	}},
	{"due-date", func(m *mistaker) (found, bool) {
		if m.o.DueDate.IsZero() || m.o.PaymentTerms == nil {
			return impossible, false
		}
		m.o.DueDate = date{m.o.DueDate.AddDate(0, 0, 3+m.IntN(30))}
		return m.onOrder("due-date", "30")
	}},
	{"overdue", func(m *mistaker) (found, bool) {
		if m.o.Balance.rat().Sign() <= 0 || m.o.IsQuote {
			return impossible, false
		}
		m.o.IsInvoiced = true
		m.o.InvoicedDate, m.o.DueDate = daysAgo(50), daysAgo(20)
		return m.onOrder("overdue", "")
	}},
	{"exchange-rate", func(m *mistaker) (found, bool) {
		want, ok := m.onOrder("exchange-rate", "")
		switch m.IntN(3) {
		case 0:
			m.o.ExchangeRate = n("0")
		case 1:
			m.o.ExchangeRate, want.warning = num{}, true
		default:
			m.o.ExchangeRate, m.o.ExchangeRateAutoPulled = n(
				"1.5",
			), date{
				m.o.OrderDate.AddDate(0, 0, -31-m.IntN(90)),
			}
		}
		return want, ok
	}},
	{"paid-with-balance", func(m *mistaker) (found, bool) {
		o := m.o
		if o.Total.rat().Sign() <= 0 {
			return impossible, false
		}
		want, ok := m.onOrder("paid-with-balance", "0.00")
		if m.IntN(2) == 0 {
			o.PaymentStatus, o.AmountPaid, o.Balance = "Paid", n("0"), o.Total
			return want, ok
		}
		o.AmountPaid = num{add(o.Total.rat(), integer(7))}
		o.Balance = n("-7")
		i, _ := m.line(func(l *line) bool { return l.SubTotal.rat().Sign() < 0 })
		want.warning = i >= 0
		return want, ok
	}},
	{"fulfilled-not-invoiced", func(m *mistaker) (found, bool) {
		o := m.o
		if o.InventoryStatus != "Fulfilled" || o.Total.rat().Sign() <= 0 {
			return impossible, false
		}
		o.IsInvoiced, o.InvoicedDate, o.DueDate, o.OrderDate = false, date{}, date{}, daysAgo(30)
		o.RequestedShipDate = daysAgo(25)
		for _, p := range o.PickLines {
			p.PickDate = daysAgo(12)
		}
		for _, s := range o.ShipLines {
			s.ShippedDate = daysAgo(8 + m.IntN(4))
		}
		return m.onOrder("fulfilled-not-invoiced", "")
	}},
	{"cancelled-with-payment", func(m *mistaker) (found, bool) {
		m.o.IsCancelled, m.o.AmountPaid = true, n("12.50")
		return m.onOrder("cancelled-with-payment", "0.00")
	}},
	{"unconfirmed-picked", func(m *mistaker) (found, bool) {
		if len(m.o.PickLines) == 0 {
			return impossible, false
		}
		m.o.NeedsConfirmation = true
		return m.onOrder("unconfirmed-picked", "")
	}},
	{"picked-quantity", func(m *mistaker) (found, bool) {
		o := m.o
		if len(o.PickLines) == 0 {
			return impossible, false
		}
		p := o.PickLines[m.IntN(len(o.PickLines))]
		switch m.IntN(3) {
		case 0: // another product
			o.PickLines = append(o.PickLines,
				&pick{ProductID: "stray", Quantity: quantity{StandardQuantity: n("2")}})
		case 1: // too many
			p.Quantity.StandardQuantity = num{add(p.Quantity.StandardQuantity.rat(), integer(100_000))}
		default: // forgotten
			if o.InventoryStatus != "Fulfilled" || len(o.PickLines) < 2 {
				return impossible, false
			}
			o.PickLines = o.PickLines[1:]
		}
		return m.onOrder("picked-quantity", "?")
	}},
	{"serial-numbers", func(m *mistaker) (found, bool) {
		o := m.o
		if o.InventoryStatus != "Fulfilled" {
			return impossible, false
		}
		i, l := m.line(func(l *line) bool { return l.Product.TrackSerials && l.qty().Sign() > 0 })
		if l == nil {
			return impossible, false
		}
		if numbers := l.Quantity.SerialNumbers; len(numbers) > 1 {
			if m.IntN(2) == 0 {
				numbers[0] = numbers[1] // one twice
			} else {
				l.Quantity.SerialNumbers = numbers[1:]
			}
			return m.onLine("serial-numbers", i, plain(l.Quantity.StandardQuantity.rat()))
		}
		l.Quantity.SerialNumbers = nil
		for _, p := range o.PickLines {
			if p.ProductID == l.ProductID {
				p.Quantity.SerialNumbers = nil
			}
		}
		return m.onLine("serial-numbers", i, plain(l.Quantity.StandardQuantity.rat()))
	}},
}

func pickRat(m *mistaker, of ...string) *big.Rat { return n(of[m.IntN(len(of))]).r }

// mistakenOrder puts one or two mistakes into a right order. It returns the order and the expected
// findings. In harmless, it counts by rule the mistakes that cause no finding, because the amounts
// fit another reading.
func mistakenOrder(r *rand.Rand, harmless map[string]int) (o *order, wants []found) {
	for {
		o, wants = rightOrder(r), nil
		if o.IsCancelled {
			continue
		}
		var made []string
		for range 1 + r.IntN(2) {
			before := o.clone()
			chosen := mistakes[r.IntN(len(mistakes))]
			if slices.Contains(made, chosen.rule) {
				continue
			}
			want, possible := chosen.make(&mistaker{r, o})
			if !possible {
				o = before
				continue
			}
			next := append(slices.Clone(wants), want)
			if missing := notIn(next, judge(o)); missing != "" {
				if missing == want.rule && len(wants) == 0 {
					harmless[missing]++
				}
				o = before // the mistake has no finding, or hides an earlier one
				continue
			}
			made, wants = append(made, chosen.rule), next
		}
		if len(wants) > 0 {
			return o, wants
		}
	}
}

// notIn returns the rule of the first wanted finding that is not in findings, or "".
func notIn(wants, findings []found) string {
	for _, want := range wants {
		if !slices.ContainsFunc(findings, want.matches) {
			return want.rule
		}
	}
	return ""
}

func (f found) matches(got found) bool {
	return f.rule == got.rule && f.line == got.line && f.warning == got.warning &&
		(f.expected == "?" || f.expected == got.expected)
}

func (f found) String() string {
	return fmt.Sprintf("%s on line %d, expected %s", f.rule, f.line, f.expected)
}
