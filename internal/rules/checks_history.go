package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

// within reports whether two dates are at most so many days apart. A date that is not
// known is within no number of days.
func within(a, b time.Time, days int) bool {
	if a.IsZero() || b.IsZero() {
		return false
	}
	apart := ordercel.DaysBetween(a, b)
	return apart <= days && -apart <= days
}

// others returns the customer's recent orders that count as orders.
func (e *evaluation) others() []ordercheck.RecentOrder {
	others := slices.DeleteFunc(slices.Clone(e.lookups.RecentOrders.Orders), func(o ordercheck.RecentOrder) bool {
		return o.IsCancelled || o.SalesOrderID == e.order.SalesOrderID
	})
	for i := range others {
		others[i].OrderDate = dayIn(others[i].OrderDate, e.now.Location())
	}
	return others
}

// dated is the order's date, or now for an order without one.
func (e *evaluation) dated() time.Time {
	if e.order.OrderDate.IsZero() {
		return e.now
	}
	return e.order.OrderDate.Time
}

// orderNumbers lists orders for a message.
func orderNumbers(orders []ordercheck.RecentOrder) string {
	const most = 5
	names := make([]string, 0, len(orders))
	for _, o := range orders {
		names = append(names, shorten(o.OrderNumber))
	}
	slices.Sort(names)
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// poNumber is a PO number as it is compared, and kept of other orders.
func poNumber(text string) string { return ordercheck.ShortText(strings.TrimSpace(text)) }

// repeatedPONumber: the same PO number for the same goods twice. Other goods under one PO
// number are releases of a blanket order.
func repeatedPONumber(s *settings) check {
	days := s.days("days", "30", "how far apart the orders' dates may be")
	overlap := s.percent("overlap", "90", "how many percent of the lines of both orders must be the same; 0 for the PO number alone")
	ignored := s.texts("ignore", []string{"-", "n/a", "na", "none", "verbal", "tbd"}, "PO numbers that are none")
	withGoods := ", with the same goods"
	if overlap.IsZero() {
		withGoods = ""
	}
	return func(e *evaluation) error {
		number := strings.TrimSpace(e.order.PONumber)
		if number == "" || slices.ContainsFunc(ignored, func(text string) bool { return strings.EqualFold(text, number) }) {
			return nil
		}
		var c money.Calc
		unknown := 0
		same := slices.DeleteFunc(e.others(), func(o ordercheck.RecentOrder) bool {
			if !strings.EqualFold(poNumber(o.PONumber), poNumber(number)) || !within(o.OrderDate, e.dated(), days) {
				return true
			}
			_, share := commonShare(&c, e.order, o)
			if o.GoodsOmitted && !overlap.IsZero() && share.Cmp(overlap) >= 0 {
				unknown++
				return true
			}
			return share.Cmp(overlap) < 0
		})
		if c.Err() != nil {
			return c.Err()
		}
		if len(same) == 0 && unknown > 0 {
			return tooLargeToCompare(unknown)
		}
		if len(same) > 0 {
			e.onOrder(breach{
				message: fmt.Sprintf("The customer's PO number %s is on %s too%s", shorten(number), orderNumbers(same), withGoods),
				actual:  shorten(number),
				fix:     "If the order was entered twice, cancel one; if the customer ordered again, enter the new PO number or leave it",
			})
		}
		return nil
	}
}

// nearDuplicate: a recent order has nearly the same goods.
func nearDuplicate(s *settings) check {
	days := s.days("days", "3", "how far apart the orders' dates may be")
	overlap := s.percent("overlap", "90", "how many percent of the lines of both orders must be the same")
	least := s.number("lines", "number", "2", "how many lines must be the same at least", 1, 10_000)
	return func(e *evaluation) error {
		if e.order.IsQuote {
			return nil
		}
		var c money.Calc
		var alike []ordercheck.RecentOrder
		unknown := 0
		for _, other := range e.others() {
			if other.IsQuote || !within(other.OrderDate, e.dated(), days) {
				continue
			}
			same, share := commonShare(&c, e.order, other)
			if c.Err() != nil {
				return c.Err()
			}
			switch {
			case same < least || share.Cmp(overlap) < 0:
			case other.GoodsOmitted:
				unknown++
			default:
				alike = append(alike, other)
			}
		}
		if len(alike) == 0 && unknown > 0 {
			return tooLargeToCompare(unknown)
		}
		if len(alike) > 0 {
			e.onOrder(breach{
				message: fmt.Sprintf("The customer has nearly the same goods on %s, at most %d days apart", orderNumbers(alike), days),
				fix:     "If the order was entered twice, cancel one; if the customer ordered again, leave it",
			})
		}
		return nil
	}
}

func count(n int) decimal.Decimal { return decimal.MustNew(int64(n), 0) }

func tooLargeToCompare(orders int) error {
	return fmt.Errorf("%d recent orders may have the same goods, and are too large to compare with", orders)
}

// commonShare counts the lines that two orders have in common, and says what percentage of
// the longer one they are. If goods of the other one are left out, it returns the most that
// they can be.
func commonShare(c *money.Calc, order *inflow.SalesOrder, other ordercheck.RecentOrder) (lines int, share decimal.Decimal) {
	lines = commonLines(order, other)
	if other.GoodsOmitted {
		lines = min(len(order.Lines), other.Lines)
	}
	longer := max(len(order.Lines), other.Lines, 1)
	return lines, c.Quo(c.Mul(count(lines), money.Hundred), count(longer))
}

// commonLines counts the lines of an order that another has with the same quantity.
func commonLines(order *inflow.SalesOrder, other ordercheck.RecentOrder) int {
	type goods struct{ product, uom, quantity string }
	of := func(product, uom string, quantity decimal.Decimal) goods {
		return goods{product, strings.ToLower(uom), money.Plain(quantity)}
	}
	have := map[goods]int{}
	for _, g := range other.Goods {
		have[of(g.ProductID, g.Uom, g.Quantity)]++
	}
	same := 0
	for i := range order.Lines {
		line := &order.Lines[i]
		if key := of(line.ProductID, ordercheck.ShortText(line.Quantity.Uom), quantity(line)); line.ProductID != "" && have[key] > 0 {
			have[key]--
			same++
		}
	}
	return same
}

// offHistory: quantity or price far off what the customer ordered of the product before.
func offHistory(s *settings) check {
	samples := s.number("samples", "number", "5", "how many earlier lines of the product there must be", 2, 1000)
	quantityFactor := s.amount("quantityFactor", "10", "how many times more or less than the median quantity is far off; 0 for never")
	priceFactor := s.amount("priceFactor", "3", "how many times more or less than the median price is far off; 0 for never")
	return func(e *evaluation) error {
		quantities, prices := map[string][]decimal.Decimal{}, map[string][]decimal.Decimal{}
		key := func(product, uom string) string { return product + "\x00" + strings.ToLower(uom) }
		for _, o := range e.others() {
			for _, g := range o.Goods {
				if g.Quantity.IsPos() && g.UnitPrice.IsPos() {
					k := key(g.ProductID, g.Uom)
					quantities[k], prices[k] = append(quantities[k], g.Quantity), append(prices[k], g.UnitPrice)
				}
			}
		}
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			k := key(line.ProductID, ordercheck.ShortText(line.Quantity.Uom))
			if line.ProductID == "" || len(prices[k]) < samples || !quantity(line).IsPos() {
				return nil
			}
			for _, look := range []struct {
				name    string
				value   decimal.Decimal
				earlier []decimal.Decimal
				factor  decimal.Decimal
				text    func(decimal.Decimal) string
			}{
				{"quantity", quantity(line), quantities[k], quantityFactor, money.Plain},
				{"price", line.UnitPrice.Decimal, prices[k], priceFactor, money.Text},
			} {
				if !look.factor.IsPos() || !look.value.IsPos() {
					continue
				}
				var c money.Calc
				usual := median(&c, look.earlier)
				off := look.value.Cmp(c.Mul(usual, look.factor)) > 0 || c.Mul(look.value, look.factor).Cmp(usual) < 0
				if c.Err() != nil {
					return c.Err()
				}
				if off {
					e.onLine(i, breach{
						discriminator: look.name,
						message:       fmt.Sprintf("%s: the %s is %s, but the customer's usual one is %s (median of %d earlier lines)", e.lineName(i), look.name, look.text(look.value), look.text(usual), len(look.earlier)),
						expected:      look.text(usual),
						actual:        look.text(look.value),
						fix:           fmt.Sprintf("Correct the %s if it was mistyped; leave it if it is meant", look.name),
					})
				}
			}
			return nil
		})
	}
}

// median is the middle one; of two, the mean.
func median(c *money.Calc, values []decimal.Decimal) decimal.Decimal {
	sorted := slices.SortedFunc(slices.Values(values), decimal.Decimal.Cmp)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return c.Quo(c.Add(sorted[middle-1], sorted[middle]), decimal.Two)
}

// BilledOf is what an invoiced order is billed for, or nil for one that is not
// invoiced. It is kept from the first check that sees the invoice, for later ones.
func BilledOf(order *inflow.SalesOrder) *ordercheck.Billed {
	if !order.IsInvoiced {
		return nil
	}
	var lines, sold []string
	for i := range order.Lines {
		line := &order.Lines[i]
		discount := ""
		if line.Discount != nil && !line.Discount.Value.Decimal.IsZero() {
			discount = ordercel.DiscountText(*line.Discount)
		}
		text := fmt.Sprintf("%q %q %s %q %s %s", line.SalesOrderLineID, line.ProductID,
			money.Plain(quantity(line)), line.Quantity.Uom, money.Plain(line.UnitPrice.Decimal), discount)
		lines = append(lines, text)
		if !quantity(line).IsNeg() {
			sold = append(sold, text)
		}
	}
	return &ordercheck.Billed{
		OrderVersion: ordercheck.ShortID(order.Timestamp),
		Total:        order.Total.Decimal,
		Fingerprint:  fingerprint(lines, order.OrderFreight, order.Tax1, order.Tax2, order.ReturnFee, order.ReturnFreight),
		Sold:         fingerprint(sold, order.OrderFreight),
	}
}

// fingerprint is a hash of lines, in any order, and charges.
func fingerprint(lines []string, charges ...inflow.Amount) string {
	slices.Sort(lines)
	for _, charge := range charges {
		lines = append(lines, money.Plain(charge.Decimal))
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// changedAfterInvoice: edited after invoicing, other than by a return.
func changedAfterInvoice(*settings) check {
	return func(e *evaluation) error {
		now, then := BilledOf(e.order), e.lookups.Billed
		if now == nil || then == nil || then.Fingerprint == now.Fingerprint {
			return nil
		}
		if hasReturn(e.order) {
			if then.Sold == "" {
				return skip("the order has a return, and what was sold when it was invoiced is not known")
			}
			if then.Sold == now.Sold {
				return nil
			}
		}
		var c money.Calc
		off := c.Sub(now.Total, then.Total)
		if c.Err() != nil {
			return c.Err()
		}
		what := fmt.Sprintf("its total was %s and is now %s, %s", money.Text(then.Total), money.Text(now.Total), moreOrLess(off))
		if off.IsZero() {
			what = fmt.Sprintf("its lines or charges differ, though the total is still %s", money.Text(now.Total))
		}
		e.onOrder(breach{
			message:  "The order was changed after it was invoiced: " + what,
			expected: money.Text(then.Total),
			actual:   money.Text(now.Total),
			fix:      "Send the customer a corrected invoice, or undo the change",
		})
		return nil
	}
}

func hasReturn(o *inflow.SalesOrder) bool {
	return !o.ReturnFee.Decimal.IsZero() || !o.ReturnFreight.Decimal.IsZero() ||
		slices.ContainsFunc(o.Lines, func(l inflow.SalesOrderLine) bool { return quantity(&l).IsNeg() })
}

// moreOrLess says how far an amount is off.
func moreOrLess(off decimal.Decimal) string {
	if off.IsNeg() {
		return money.Text(off.Abs()) + " less"
	}
	return money.Text(off) + " more"
}

// RecentOrders reduces a customer's orders, as InFlow lists them, to what rules compare
// an order with. Their lines must have been included.
func RecentOrders(listed []inflow.SalesOrder) *ordercheck.RecentOrders {
	out := &ordercheck.RecentOrders{Orders: make([]ordercheck.RecentOrder, 0, len(listed))}
	for i := range listed {
		other := &listed[i]
		recent := ordercheck.RecentOrder{
			SalesOrderID: ordercheck.ShortID(other.SalesOrderID),
			OrderNumber:  ordercheck.Keyword(other.OrderNumber),
			OrderDate:    other.OrderDate.Time,
			PONumber:     poNumber(other.PONumber),
			IsQuote:      other.IsQuote,
			IsCancelled:  other.IsCancelled,
			Lines:        len(other.Lines),
		}
		for j := range other.Lines {
			if line := &other.Lines[j]; line.ProductID != "" {
				recent.Goods = append(recent.Goods, ordercheck.RecentGoods{
					ProductID: line.ProductID, Quantity: quantity(line), Uom: ordercheck.ShortText(line.Quantity.Uom), UnitPrice: line.UnitPrice.Decimal,
				})
			}
		}
		out.Orders = append(out.Orders, recent)
	}
	return out
}
