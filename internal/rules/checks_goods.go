package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
)

// repeatedProduct: the same goods on two lines. Lines that say what sets them apart, by
// description or, if so set, by price and unit of measure, are mostly meant.
func repeatedProduct(s *settings) check {
	samePrice := s.truth("samePrice", true, "whether only lines of the same price, discount and unit of measure count")
	sameText := s.truth("sameDescription", true, "whether only lines of the same description count")
	type place struct {
		product, description, uom, price, discount string
		isReturn                                   bool
	}
	return func(e *evaluation) error {
		places := map[place][]int{}
		for i := range e.order.Lines {
			line := &e.order.Lines[i]
			if line.ProductID == "" || quantity(line).IsZero() {
				continue
			}
			if line.Product == nil {
				e.notLookedAt(i, noProduct)
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
		// One finding for each product, however many prices it is repeated at.
		repeated := map[string][]int{}
		for at, lines := range places {
			if len(lines) > 1 {
				key := idPart(at.product)
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
				names[j] = productName(e.order.Lines[i].Product)
			}
			name := slices.Max(names) // they are one; the order of lines must not matter
			if name == "" {
				name = "A product"
			}
			e.onOrder(breach{
				discriminator: key,
				message:       fmt.Sprintf("%s is on %s", name, linesText(lines)),
				fix:           "Put the quantities together on one line, or remove the line that was entered twice; if both are meant, give them different descriptions",
			})
		}
		return nil
	}
}

// goods sums quantities by product.
type goods struct {
	totals map[string]*money.Total
	order  []string // of products, as they came
}

func newGoods() *goods { return &goods{totals: map[string]*money.Total{}} }

func (g *goods) add(productID string, quantity decimal.Decimal) {
	if productID == "" {
		return
	}
	if g.totals[productID] == nil {
		g.totals[productID] = &money.Total{}
		g.order = append(g.order, productID)
	}
	g.totals[productID].Add(quantity)
}

func (g *goods) of(c *money.Calc, productID string) decimal.Decimal {
	if total := g.totals[productID]; total != nil {
		return c.SumOf(total)
	}
	return decimal.Decimal{}
}

// standardQuantity is in the product's standard unit of measure, that of stock and picks.
func standardQuantity(q inflow.Quantity) decimal.Decimal {
	if q.StandardQuantity.Valid {
		return q.StandardQuantity.Decimal
	}
	return q.UomQuantity.Decimal
}

// orderedGoods sums what is sold of the products that count; returns are left out. Lines
// without their product are gaps.
func (e *evaluation) orderedGoods(counts func(*inflow.Product) bool) (ordered *goods, names map[string]string) {
	ordered, names = newGoods(), map[string]string{}
	for i := range e.order.Lines {
		line := &e.order.Lines[i]
		if line.Product == nil && line.ProductID != "" {
			e.notLookedAt(i, noProduct)
		}
		if line.Product == nil || !counts(line.Product) || !quantity(line).IsPos() {
			continue
		}
		ordered.add(line.ProductID, standardQuantity(line.Quantity))
		names[line.ProductID] = productName(line.Product)
	}
	return ordered, names
}

// isGoods reports whether a product is picked: all are but services.
func isGoods(p *inflow.Product) bool {
	return isStocked(p) || strings.EqualFold(p.ItemType, "NonstockedProduct")
}

func isStocked(p *inflow.Product) bool { return strings.EqualFold(p.ItemType, "StockedProduct") }

func isService(p *inflow.Product) bool { return strings.EqualFold(p.ItemType, "Service") }

func pickedGoods(o *inflow.SalesOrder) *goods {
	picked := newGoods()
	for i := range o.PickLines {
		picked.add(o.PickLines[i].ProductID, standardQuantity(o.PickLines[i].Quantity))
	}
	return picked
}

// stock: there is some in stock, but less than the order still needs.
func stock(s *settings) check {
	days := s.days("days", "14", "how many days ahead of the requested ship date the goods must be there")
	none := s.truth("noneInStock", false, "whether products count of which nothing is in stock; these are taken for back orders and drop shipments otherwise")
	return func(e *evaluation) error {
		switch ship := e.order.RequestedShipDate.Time; {
		case fulfilled(e.order), e.order.IsCompleted:
			return outOfScope("the order is fulfilled")
		case e.order.IsQuote:
			return outOfScope("the order is a quote")
		case !ship.IsZero() && ordercel.DaysBetween(e.now, ship) > days:
			return outOfScope("the order is to be shipped more than %d days from now", days)
		}
		var c money.Calc
		ordered, names := e.orderedGoods(isStocked)
		picked := pickedGoods(e.order)
		onHand, units := map[string]inflow.Amount{}, map[string]string{}
		for i := range e.order.Lines {
			if line := &e.order.Lines[i]; line.Product != nil {
				onHand[line.ProductID], units[line.ProductID] = line.Product.TotalQuantityOnHand, line.Product.StandardUomName
			}
		}
		empty := map[string]bool{}
		for _, id := range ordered.order {
			needed, have := c.Sub(ordered.of(&c, id), picked.of(&c, id)), onHand[id].Decimal
			short := c.Sub(needed, have)
			if c.Err() != nil {
				return c.Err()
			}
			if !onHand[id].Valid || !short.IsPos() || !needed.IsPos() {
				continue
			}
			if !have.IsPos() && !none {
				empty[id] = true
				continue
			}
			e.onOrder(breach{
				discriminator: idPart(id),
				message: fmt.Sprintf("%s: %s still to pick, but only %s in stock, %s short", names[id],
					withUnit(needed, units[id]), money.Plain(have), money.Plain(short)),
				expected: money.Plain(needed),
				actual:   money.Plain(have),
				fix:      "Order or move stock, or agree a partial delivery with the customer",
			})
		}
		for i := range e.order.Lines {
			if empty[e.order.Lines[i].ProductID] {
				e.notLookedAt(i, "nothing of the product is in stock: taken for a back order or a drop shipment")
			}
		}
		return nil
	}
}

// withUnit writes a quantity with its unit of measure, if that is known.
func withUnit(n decimal.Decimal, unit string) string {
	return strings.TrimSpace(money.Plain(n) + " " + shorten(unit))
}

// oddQuantity: a fractional quantity of goods that come whole, or no multiple of what a
// product is sold in.
func oddQuantity(s *settings) check {
	units := s.texts("wholeUnits", []string{"ea", "ea.", "each", "pc", "pc.", "pcs", "pcs.", "piece", "pieces", "unit", "units", "set", "sets", "box", "boxes", "pair", "pairs"}, "the units of measure that come whole")
	multiples := s.amounts("multiples", "", "what a product is sold in multiples of, by product name or SKU")
	whole := map[string]bool{}
	for _, unit := range units {
		whole[fold.Key(unit)] = true
	}
	maps.DeleteFunc(multiples, func(_ string, multiple decimal.Decimal) bool { return multiple.IsZero() })
	return func(e *evaluation) error {
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			if line.Product == nil || isService(line.Product) {
				return nil
			}
			qty, unit := quantity(line), line.Quantity.Uom
			if unit == "" {
				unit = line.Product.StandardUomName
			}
			_, multiple, isSet := capOf(multiples, "product", line.Product)
			if !isSet {
				if !whole[fold.Key(unit)] {
					return nil
				}
				multiple = decimal.One
			}
			_, rest, err := qty.QuoRem(multiple)
			if err != nil {
				return money.ErrTooLarge
			}
			if rest.IsZero() {
				return nil
			}
			var c money.Calc
			down := c.Sub(qty, rest)
			up := c.Add(down, multiple.CopySign(qty))
			if c.Err() != nil {
				return c.Err()
			}
			what := shorten(unit) + " is sold in whole numbers"
			if isSet {
				what = "the product is sold in multiples of " + money.Plain(multiple)
			}
			e.onLine(i, breach{
				message: fmt.Sprintf("%s: the quantity is %s, but %s", e.lineName(i), withUnit(qty, unit), what),
				actual:  money.Plain(qty),
				fix:     fmt.Sprintf("Change the quantity to %s or %s, or choose another unit of measure", money.Plain(down), money.Plain(up)),
			})
			return nil
		})
	}
}

// pickedQuantity: more is picked than ordered or, once the order is fulfilled, less; or
// boxes hold something else than what was picked. An order without any picks says
// nothing about them.
func pickedQuantity(s *settings) check {
	tolerance := s.amount(settingTolerance, "0", "how far two quantities may be apart and still agree, inclusive")
	return func(e *evaluation) error {
		var c money.Calc
		ordered, names := e.orderedGoods(isGoods)
		picked := pickedGoods(e.order)
		packed := newGoods()
		for i := range e.order.PackLines {
			packed.add(e.order.PackLines[i].ProductID, standardQuantity(e.order.PackLines[i].Quantity))
		}
		done := fulfilled(e.order)
		for _, id := range ordered.order {
			want, have, boxed := ordered.of(&c, id), picked.of(&c, id), packed.of(&c, id)
			tooMuch := belowBy(&c, want, have, tolerance)
			tooLittle := done && len(picked.order) > 0 && belowBy(&c, have, want, tolerance)
			boxedWrong := done && len(packed.order) > 0 && !c.Near(have, boxed, tolerance)
			off, offInBoxes := c.Sub(have, want), c.Sub(boxed, have)
			if c.Err() != nil {
				return c.Err()
			}
			switch {
			case tooMuch, tooLittle:
				fix := fmt.Sprintf("Put back the %s picked too many, or raise the quantity on the order", money.Plain(off))
				if tooLittle {
					fix = fmt.Sprintf("Pick the missing %s, or lower the quantity on the order", money.Plain(off.Abs()))
				}
				e.onOrder(breach{
					discriminator: idPart(id),
					message:       fmt.Sprintf("%s: %s ordered, %s picked, %s", names[id], money.Plain(want), money.Plain(have), tooManyOrMissing(off)),
					expected:      money.Plain(want),
					actual:        money.Plain(have),
					fix:           fix,
				})
			case boxedWrong:
				e.onOrder(breach{
					discriminator: idPart(id) + "/packed",
					message:       fmt.Sprintf("%s: %s picked, %s in boxes, %s", names[id], money.Plain(have), money.Plain(boxed), tooManyOrMissing(offInBoxes)),
					expected:      money.Plain(have),
					actual:        money.Plain(boxed),
					fix:           "Count what is in the boxes, and correct the packing list or the picks",
				})
			}
		}
		onOrder := make(map[string]bool, len(e.order.Lines))
		for i := range e.order.Lines {
			onOrder[e.order.Lines[i].ProductID] = true
		}
		for _, id := range picked.order {
			if onOrder[id] {
				continue
			}
			have := picked.of(&c, id)
			if c.Err() != nil {
				return c.Err()
			}
			if have.IsPos() {
				e.onOrder(breach{
					discriminator: idPart(id),
					message:       fmt.Sprintf("A product that is not on the order was picked, %s of it", money.Plain(have)),
					expected:      "0",
					actual:        money.Plain(have),
					fix:           "Find the product in the order's picks, and put it back or add a line for it",
				})
			}
		}
		return nil
	}
}

// tooManyOrMissing says how far off a quantity is.
func tooManyOrMissing(off decimal.Decimal) string {
	if off.IsNeg() {
		return money.Plain(off.Abs()) + " missing"
	}
	return money.Plain(off) + " too many"
}
