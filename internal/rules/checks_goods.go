package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
)

// repeatedProduct: the same product on two lines. Returns and sales are told apart, and,
// where so set, different prices and units too: those are mostly on purpose.
func repeatedProduct(s *settings) check {
	samePrice := s.truth("samePrice", true, "whether only lines of the same price, discount and unit of measure count")
	type place struct {
		product, uom, price, discount string
		isReturn                      bool
	}
	return func(e *evaluation) error {
		places := map[place][]int{}
		for i := range e.order.Lines {
			line := &e.order.Lines[i]
			if line.ProductID == "" || quantity(line).IsZero() {
				continue
			}
			at := place{product: line.ProductID, isReturn: quantity(line).IsNeg()}
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
			numbers, names := make([]string, len(lines)), make([]string, len(lines))
			for j, i := range lines {
				numbers[j], names[j] = fmt.Sprint(i+1), productName(e.order.Lines[i].Product)
			}
			name := slices.Max(names) // they are one; the order of lines must not matter
			if name == "" {
				name = "A product"
			}
			e.onOrder(breach{
				discriminator: key,
				message:       fmt.Sprintf("%s is on lines %s", name, strings.Join(numbers, " and ")),
				fix:           "Put the quantities together on one line, or remove the line that is too much",
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

// orderedGoods sums what is sold of stocked products; returns are left out.
func orderedGoods(o *inflow.SalesOrder) (ordered *goods, products map[string]*inflow.Product) {
	ordered, products = newGoods(), map[string]*inflow.Product{}
	for i := range o.Lines {
		line := &o.Lines[i]
		if line.Product == nil || !isStocked(line.Product) || !quantity(line).IsPos() {
			continue
		}
		ordered.add(line.ProductID, standardQuantity(line.Quantity))
		products[line.ProductID] = line.Product
	}
	return ordered, products
}

func isStocked(p *inflow.Product) bool { return strings.EqualFold(p.ItemType, "StockedProduct") }

func pickedGoods(o *inflow.SalesOrder) *goods {
	picked := newGoods()
	for i := range o.PickLines {
		picked.add(o.PickLines[i].ProductID, standardQuantity(o.PickLines[i].Quantity))
	}
	return picked
}

// stock: there is less in stock than the order still needs.
func stock(*settings) check {
	return func(e *evaluation) error {
		if fulfilled(e.order) || e.order.IsCompleted || e.order.IsQuote {
			return nil
		}
		var c money.Calc
		ordered, products := orderedGoods(e.order)
		picked := pickedGoods(e.order)
		for _, id := range ordered.order {
			p := products[id]
			if !p.TotalQuantityOnHand.Valid {
				continue
			}
			needed := c.Sub(ordered.of(&c, id), picked.of(&c, id))
			if c.Err() != nil {
				return c.Err()
			}
			if needed.IsPos() && needed.Cmp(p.TotalQuantityOnHand.Decimal) > 0 {
				e.onOrder(breach{
					discriminator: idPart(id),
					message:       fmt.Sprintf("%s: %s are needed, but %s are in stock", productName(p), money.Plain(needed), money.Plain(p.TotalQuantityOnHand.Decimal)),
					expected:      money.Plain(needed),
					actual:        money.Plain(p.TotalQuantityOnHand.Decimal),
					fix:           "Order or move stock, or agree a partial delivery with the customer",
				})
			}
		}
		return nil
	}
}

// oddQuantity: a fractional quantity of pieces, or no multiple of what a product is sold in.
func oddQuantity(s *settings) check {
	units := s.texts("wholeUnits", []string{"ea", "ea.", "each", "pc", "pc.", "pcs", "pcs.", "piece", "pieces", "unit", "units", "set", "sets", "box", "boxes", "pair", "pairs"}, "the units of measure that come whole")
	multiples := s.amounts("multiples", "", "what a product is sold in multiples of, by product name or SKU")
	whole := map[string]bool{}
	for _, unit := range units {
		whole[foldKey(unit)] = true
	}
	folded := map[string]decimal.Decimal{}
	for name, multiple := range multiples {
		if multiple.IsPos() {
			folded[foldKey(name)] = multiple
		}
	}
	return func(e *evaluation) error {
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			qty := quantity(line)
			if line.Product != nil {
				_, multiple, found := capOf(folded, "product", line.Product)
				if found {
					_, rest, err := qty.QuoRem(multiple)
					if err != nil {
						return money.ErrTooLarge
					}
					if !rest.IsZero() {
						e.onLine(i, breach{
							message: fmt.Sprintf("%s: the quantity is %s, but the product is sold in multiples of %s", e.lineName(i), money.Plain(qty), money.Plain(multiple)),
							actual:  money.Plain(qty),
							fix:     fmt.Sprintf("Enter a multiple of %s", money.Plain(multiple)),
						})
					}
					return nil
				}
			}
			unit := line.Quantity.Uom
			if unit == "" && line.Product != nil {
				unit = line.Product.StandardUomName
			}
			if whole[foldKey(unit)] && !qty.IsInt() {
				e.onLine(i, breach{
					message: fmt.Sprintf("%s: the quantity is %s %s", e.lineName(i), money.Plain(qty), shorten(unit)),
					actual:  money.Plain(qty),
					fix:     "Enter a whole quantity",
				})
			}
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
		ordered, products := orderedGoods(e.order)
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
			if c.Err() != nil {
				return c.Err()
			}
			if tooMuch || tooLittle {
				e.onOrder(breach{
					discriminator: idPart(id),
					message:       fmt.Sprintf("%s: %s are ordered, but %s were picked", productName(products[id]), money.Plain(want), money.Plain(have)),
					expected:      money.Plain(want),
					actual:        money.Plain(have),
					fix:           "Correct the picks, or the quantity that is ordered",
				})
			} else if boxedWrong {
				e.onOrder(breach{
					discriminator: idPart(id) + "/packed",
					message:       fmt.Sprintf("%s: %s were picked, but %s are in boxes", productName(products[id]), money.Plain(have), money.Plain(boxed)),
					expected:      money.Plain(have),
					actual:        money.Plain(boxed),
					fix:           "Correct the boxes or the picks",
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
					message:       fmt.Sprintf("%s pieces of a product were picked that is not on the order", money.Plain(have)),
					expected:      "0",
					actual:        money.Plain(have),
					fix:           "Put the goods back, or add them to the order",
				})
			}
		}
		return nil
	}
}
