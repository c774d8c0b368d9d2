package checks

import (
	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/ordercel"
)

// goods adds up quantities by product.
type goods struct {
	totals map[string]*money.Total
	order  []string // product IDs, in the order in which they were added
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

// of returns the total quantity of a product, or 0 if there is none.
func (g *goods) of(c *money.Calc, productID string) decimal.Decimal {
	if total := g.totals[productID]; total != nil {
		return c.SumOf(total)
	}
	return decimal.Decimal{}
}

// orderedGoods adds up the sold quantities of the products for which counts is true. It leaves
// returns out. A line without its product is recorded as skipped.
func orderedGoods(
	e *rules.Evaluation, counts func(*inflow.Product) bool,
) (ordered *goods, names map[string]string) {
	ordered, names = newGoods(), map[string]string{}
	for i := range e.Order.Lines {
		line := &e.Order.Lines[i]
		if line.Product == nil && line.ProductID != "" {
			e.SkipLineWithoutProduct(i)
		}
		if line.Product == nil || !counts(line.Product) || !quantity(line).IsPos() {
			continue
		}
		ordered.add(line.ProductID, standardQuantity(line.Quantity))
		names[line.ProductID] = ordercel.ProductName(line.Product)
	}
	return ordered, names
}

func pickedGoods(o *inflow.SalesOrder) *goods {
	picked := newGoods()
	for i := range o.PickLines {
		picked.add(o.PickLines[i].ProductID, standardQuantity(o.PickLines[i].Quantity))
	}
	return picked
}
