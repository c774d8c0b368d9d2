package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
)

// repeatedProduct finds products that are on two lines. Lines that differ in description or, by
// parameter, in price and unit of measure, are taken as intended.
func repeatedProduct(p *params) rules.Check {
	samePrice := p.truth("samePrice", true,
		"whether only lines of the same price, discount and unit of measure count")
	sameText := p.truth("sameDescription", true, "whether only lines of the same description count")
	type place struct {
		product, description, uom, price, discount string
		isReturn                                   bool
	}
	return func(e *rules.Evaluation) error {
		places := map[place][]int{}
		for i := range e.Order.Lines {
			line := &e.Order.Lines[i]
			if line.ProductID == "" || quantity(line).IsZero() {
				continue
			}
			if line.Product == nil {
				e.SkipLineWithoutProduct(i)
				continue
			}
			if isService(line.Product) {
				continue
			}
			at := place{product: line.ProductID, isReturn: quantity(line).IsNeg()}
			if sameText {
				at.description = fold.Key(line.Description)
			}
			if samePrice {
				at.uom, at.price = strings.ToLower(line.Quantity.Uom), money.Plain(line.UnitPrice.Decimal)
				at.discount = lessDiscount(line.Discount)
			}
			places[at] = append(places[at], i)
		}
		// There is only one finding for a product, even if it is repeated at several prices.
		repeated := map[string][]int{}
		for at, lines := range places {
			if len(lines) > 1 {
				key := rules.IDPart(at.product)
				if at.isReturn {
					key += "/return"
				}
				repeated[key] = append(repeated[key], lines...)
			}
		}
		for key, lines := range repeated {
			slices.Sort(lines)
			names := make([]string, len(lines))
			for j, i := range lines {
				names[j] = ordercel.ProductName(e.Order.Lines[i].Product)
			}
			name := slices.Max(names) // any name will do, but the order of lines must not matter
			if name == "" {
				name = "A product"
			}
			e.OnOrder(rules.Breach{
				Discriminator: key,
				Message:       fmt.Sprintf("%s is on %s", name, rules.LinesText(lines)),
				Fix: "Put the quantities together on one line, or remove the line that was entered twice; " +
					"if both are meant, give them different descriptions",
			})
		}
		return nil
	}
}

// repeatedPONumber finds orders with the same PO number and the same goods as another order. Other
// goods with the same PO number are releases of a blanket order.
func repeatedPONumber(p *params) rules.Check {
	days := p.days("days", "30", "how far apart the orders' dates may be")
	overlap := p.percent("overlap", "90",
		"the percentage of lines that both orders must share; 0 for the PO number alone")
	ignored := p.texts("ignore", []string{"-", "n/a", "na", "none", "verbal", "tbd"},
		"words that are not PO numbers")
	withGoods := ", with the same goods"
	if overlap.IsZero() {
		withGoods = ""
	}
	return func(e *rules.Evaluation) error {
		number := strings.TrimSpace(e.Order.PONumber)
		if number == "" ||
			slices.ContainsFunc(ignored, func(text string) bool { return strings.EqualFold(text, number) }) {
			return nil
		}
		var c money.Calc
		unknown := 0
		same := slices.DeleteFunc(others(e), func(o ordercheck.RecentOrder) bool {
			if !strings.EqualFold(poNumber(o.PONumber), poNumber(number)) ||
				!withinDays(o.OrderDate, dated(e), days) {
				return true
			}
			_, share := commonShare(&c, e.Order, o)
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
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf("The customer's PO number %s is on %s too%s", ordercel.Shorten(number),
					orderNumbers(same), withGoods),
				Actual: ordercel.Shorten(number),
				Fix: "If the order was entered twice, cancel one; if the customer ordered again, " +
					"enter the new PO number or leave it",
			})
		}
		return nil
	}
}

// poNumber normalizes a PO number, to compare and keep it.
func poNumber(text string) string { return ordercheck.ShortText(strings.TrimSpace(text)) }

// nearDuplicate finds orders with nearly the same goods as a recent order.
func nearDuplicate(p *params) rules.Check {
	days := p.days("days", "3", "how far apart the orders' dates may be")
	overlap := p.percent("overlap", "90",
		"the percentage of lines that both orders must share")
	least := p.number("lines", "number", "2",
		"the minimum number of lines that must be the same", 1, 10_000)
	return func(e *rules.Evaluation) error {
		if e.Order.IsQuote {
			return nil
		}
		var c money.Calc
		var duplicates []ordercheck.RecentOrder
		unknown := 0
		for _, other := range others(e) {
			if other.IsQuote || !withinDays(other.OrderDate, dated(e), days) {
				continue
			}
			same, share := commonShare(&c, e.Order, other)
			if c.Err() != nil {
				return c.Err()
			}
			switch {
			case same < least || share.Cmp(overlap) < 0:
			case other.GoodsOmitted:
				unknown++
			default:
				duplicates = append(duplicates, other)
			}
		}
		if len(duplicates) == 0 && unknown > 0 {
			return tooLargeToCompare(unknown)
		}
		if len(duplicates) > 0 {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf("The customer has nearly the same goods on %s, at most %d days apart",
					orderNumbers(duplicates), days),
				Fix: "If the order was entered twice, cancel one; if the customer ordered again, leave it",
			})
		}
		return nil
	}
}

func tooLargeToCompare(orders int) error {
	return fmt.Errorf("%d recent orders may have the same goods, and are too large to compare with",
		orders)
}

// commonShare counts the lines that two orders have in common, and returns their percentage of the
// longer order. If some goods of the other order are unknown, it returns the largest possible
// values.
func commonShare(
	c *money.Calc, order *inflow.SalesOrder, other ordercheck.RecentOrder,
) (lines int, share decimal.Decimal) {
	lines = commonLines(order, other)
	if other.GoodsOmitted {
		lines = min(len(order.Lines), other.Lines)
	}
	longer := max(len(order.Lines), other.Lines, 1)
	return lines, c.Quo(c.Mul(fromInt(lines), money.Hundred), fromInt(longer))
}

// commonLines counts the lines of an order that another order has with the same quantity.
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
		if key := of(line.ProductID, ordercheck.ShortText(line.Quantity.Uom),
			quantity(line)); line.ProductID != "" &&
			have[key] > 0 {
			have[key]--
			same++
		}
	}
	return same
}

// others returns the customer's recent orders, except cancelled ones and the order itself.
func others(e *rules.Evaluation) []ordercheck.RecentOrder {
	others := slices.DeleteFunc(
		slices.Clone(e.Lookups.RecentOrders.Orders),
		func(o ordercheck.RecentOrder) bool {
			return o.IsCancelled || o.SalesOrderID == e.Order.SalesOrderID
		},
	)
	for i := range others {
		others[i].OrderDate = rules.DayIn(others[i].OrderDate, e.Now.Location())
	}
	return others
}

// dated returns the order's date, or now if it has none.
func dated(e *rules.Evaluation) time.Time {
	if e.Order.OrderDate.IsZero() {
		return e.Now
	}
	return e.Order.OrderDate.Time
}

// withinDays reports whether two dates are at most a number of days apart. It is false if a date
// is unknown.
func withinDays(a, b time.Time, days int) bool {
	if a.IsZero() || b.IsZero() {
		return false
	}
	distance := ordercel.DaysBetween(a, b)
	return distance <= days && -distance <= days
}

// orderNumbers lists orders for a message.
func orderNumbers(orders []ordercheck.RecentOrder) string {
	const most = 5
	names := make([]string, 0, len(orders))
	for _, o := range orders {
		names = append(names, ordercel.Shorten(o.OrderNumber))
	}
	slices.Sort(names)
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
