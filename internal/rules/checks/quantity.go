package checks

import (
	"fmt"
	"maps"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
)

// oddQuantity finds fractional quantities of goods that come in whole units, and quantities that
// are not a multiple of the product's sales quantity.
func oddQuantity(p *params) rules.Check {
	units := p.texts("wholeUnits", []string{
		"ea", "ea.", "each", "pc", "pc.", "pcs", "pcs.", "piece", "pieces", "unit", "units",
		"set", "sets", "box", "boxes", "pair", "pairs",
	}, "the units of measure that come whole")
	multiples := p.amounts("multiples",
		"the number of which a product is sold in multiples, by product name or SKU")
	whole := map[string]bool{}
	for _, unit := range units {
		whole[fold.Key(unit)] = true
	}
	maps.DeleteFunc(multiples, func(_ string,
		multiple decimal.Decimal) bool {
		return multiple.IsZero()
	})
	return func(e *rules.Evaluation) error {
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
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
			what := ordercel.Shorten(unit) + " is sold in whole numbers"
			if isSet {
				what = "the product is sold in multiples of " + money.Plain(multiple)
			}
			e.OnLine(i, rules.Breach{
				Message: fmt.Sprintf("%s: the quantity is %s, but %s", e.LineName(i), withUnit(qty, unit),
					what),
				Actual: money.Plain(qty),
				Fix: fmt.Sprintf("Change the quantity to %s or %s, or choose another unit of measure",
					money.Plain(down), money.Plain(up)),
			})
			return nil
		})
	}
}

// stock finds orders that need more of a product than there is in stock. By default, it ignores
// products without any stock.
func stock(p *params) rules.Check {
	days := p.days("days", "14",
		"how many days ahead of the requested ship date the goods must be there")
	none := p.truth(
		"noneInStock",
		false,
		"whether products count of which nothing is in stock; "+
			"these are taken for back orders and drop shipments otherwise",
	)
	return func(e *rules.Evaluation) error {
		switch ship := e.Order.RequestedShipDate.Time; {
		case e.Order.IsFulfilled(), e.Order.IsCompleted:
			return rules.OutOfScope("the order is fulfilled")
		case e.Order.IsQuote:
			return rules.OutOfScope("the order is a quote")
		case !ship.IsZero() && ordercel.DaysBetween(e.Now, ship) > days:
			return rules.OutOfScope("the order is to be shipped more than %d days from now", days)
		}
		var c money.Calc
		ordered, names := orderedGoods(e, rules.IsStocked)
		picked := pickedGoods(e.Order)
		onHand, units := map[string]inflow.Amount{}, map[string]string{}
		for i := range e.Order.Lines {
			if line := &e.Order.Lines[i]; line.Product != nil {
				onHand[line.ProductID], units[line.ProductID] = line.Product.TotalQuantityOnHand,
					line.Product.StandardUomName
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
			e.OnOrder(rules.Breach{
				Discriminator: rules.IDPart(id),
				Message: fmt.Sprintf("%s: %s still to pick, but only %s in stock, %s short", names[id],
					withUnit(needed, units[id]), money.Plain(have), money.Plain(short)),
				Expected: money.Plain(needed),
				Actual:   money.Plain(have),
				Fix:      "Order or move stock, or agree a partial delivery with the customer",
			})
		}
		for i := range e.Order.Lines {
			if empty[e.Order.Lines[i].ProductID] {
				e.SkipLine(i, "nothing of the product is in stock: taken for a back order or a drop shipment")
			}
		}
		return nil
	}
}

// pickedQuantity finds products that were picked in a larger quantity than ordered or, if the order
// is fulfilled, in a smaller one. It also finds boxes that hold other quantities than were picked.
// It skips orders without picks.
func pickedQuantity(p *params) rules.Check {
	tolerance := p.amount(settingTolerance, "0",
		"how far two quantities may be apart and still agree, inclusive")
	return func(e *rules.Evaluation) error {
		var c money.Calc
		ordered, names := orderedGoods(e, isGoods)
		picked := pickedGoods(e.Order)
		packed := newGoods()
		for i := range e.Order.PackLines {
			packed.add(e.Order.PackLines[i].ProductID, standardQuantity(e.Order.PackLines[i].Quantity))
		}
		done := e.Order.IsFulfilled()
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
				fix := fmt.Sprintf("Put back the %s picked too many, or raise the quantity on the order",
					money.Plain(off))
				if tooLittle {
					fix = fmt.Sprintf("Pick the missing %s, or lower the quantity on the order",
						money.Plain(off.Abs()))
				}
				e.OnOrder(rules.Breach{
					Discriminator: rules.IDPart(id),
					Message: fmt.Sprintf("%s: %s ordered, %s picked, %s", names[id], money.Plain(want),
						money.Plain(have), tooManyOrMissing(off)),
					Expected: money.Plain(want),
					Actual:   money.Plain(have),
					Fix:      fix,
				})
			case boxedWrong:
				e.OnOrder(rules.Breach{
					Discriminator: rules.IDPart(id) + "/packed",
					Message: fmt.Sprintf("%s: %s picked, %s in boxes, %s", names[id], money.Plain(have),
						money.Plain(boxed), tooManyOrMissing(offInBoxes)),
					Expected: money.Plain(have),
					Actual:   money.Plain(boxed),
					Fix:      "Count what is in the boxes, and correct the packing list or the picks",
				})
			}
		}
		return pickedUnordered(e, &c, picked)
	}
}

// pickedUnordered finds products that were picked and are not on the order.
func pickedUnordered(e *rules.Evaluation, c *money.Calc, picked *goods) error {
	onOrder := make(map[string]bool, len(e.Order.Lines))
	for i := range e.Order.Lines {
		onOrder[e.Order.Lines[i].ProductID] = true
	}
	for _, id := range picked.order {
		if onOrder[id] {
			continue
		}
		have := picked.of(c, id)
		if c.Err() != nil {
			return c.Err()
		}
		if have.IsPos() {
			e.OnOrder(rules.Breach{
				Discriminator: rules.IDPart(id),
				Message: fmt.Sprintf(
					"A product that is not on the order was picked, %s of it", money.Plain(have)),
				Expected: "0",
				Actual:   money.Plain(have),
				Fix:      "Find the product in the order's picks, and put it back or add a line for it",
			})
		}
	}
	return nil
}
