package rules

import (
	"fmt"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
)

// serialNumbers: a line has not as many serial numbers as pieces, or a number that another piece has.
// No numbers at all are wrong only once the goods are out, and when the picks have too few as well;
// too few are fine while an order is picked in part.
func serialNumbers(*settings) check {
	return func(e *evaluation) error {
		uses := serialUses(e.order)
		picked := pickedSerials(e.order)
		pickedGoods := map[string]bool{}
		for i := range e.order.PickLines {
			pickedGoods[e.order.PickLines[i].ProductID] = true
		}
		unnumbered := newGoods() // what is sold on lines that leave the numbers to the picks
		for i := range e.order.Lines {
			if line := &e.order.Lines[i]; len(line.Quantity.SerialNumbers) == 0 && quantity(line).IsPos() {
				unnumbered.add(line.ProductID, standardQuantity(line.Quantity))
			}
		}
		return e.eachLine(func(i int, line *inflow.SalesOrderLine) error {
			var c money.Calc
			numbers, pieces := line.Quantity.SerialNumbers, standardQuantity(line.Quantity).Abs()
			if len(numbers) > 0 {
				inPart := !fulfilled(e.order) && quantity(line).IsPos() && pickedGoods[line.ProductID]
				return e.checkSerials(i, numbers, pieces, uses, inPart)
			}
			if line.Product == nil || !line.Product.TrackSerials || !fulfilled(e.order) || !quantity(line).IsPos() {
				return nil
			}
			have := len(picked[line.ProductID])
			if have > 0 {
				pieces = unnumbered.of(&c, line.ProductID)
			}
			if c.Err() != nil {
				return c.Err()
			}
			if pieces.Cmp(count(have)) > 0 {
				e.onSerials(i, pieces, have, "picks", "")
			}
			return nil
		})
	}
}

// serialUse is a serial number on a line. A sale and its return may both have it.
type serialUse struct {
	product, number string
	isReturn        bool
}

func useOf(line *inflow.SalesOrderLine, number string) serialUse {
	return serialUse{line.ProductID, number, quantity(line).IsNeg()}
}

// serialUses counts how often each serial number is on the order.
func serialUses(order *inflow.SalesOrder) map[serialUse]int {
	uses := map[serialUse]int{}
	for i := range order.Lines {
		for _, number := range order.Lines[i].Quantity.SerialNumbers {
			uses[useOf(&order.Lines[i], number)]++
		}
	}
	return uses
}

// pickedSerials are the different serial numbers on the picks, by product.
func pickedSerials(order *inflow.SalesOrder) map[string]map[string]bool {
	picked := map[string]map[string]bool{}
	for i := range order.PickLines {
		pick := &order.PickLines[i]
		for _, number := range pick.Quantity.SerialNumbers {
			if picked[pick.ProductID] == nil {
				picked[pick.ProductID] = map[string]bool{}
			}
			picked[pick.ProductID][number] = true
		}
	}
	return picked
}

// checkSerials looks at the numbers of the line at index i, of which a number counts once.
// inPart is true if some of the goods are picked, and others need no number yet.
func (e *evaluation) checkSerials(i int, numbers []string, pieces decimal.Decimal, uses map[serialUse]int, inPart bool) error {
	different, repeated := map[string]bool{}, ""
	for _, number := range numbers {
		different[number] = true
		if uses[useOf(&e.order.Lines[i], number)] > 1 && (repeated == "" || number < repeated) {
			repeated = number
		}
	}
	off := count(len(different)).Cmp(pieces)
	if repeated != "" || off > 0 || off < 0 && !inPart {
		e.onSerials(i, pieces, len(different), "line", repeated)
	}
	return nil
}

// onSerials says how many serial numbers the line, or what was picked for it, has.
func (e *evaluation) onSerials(i int, pieces decimal.Decimal, have int, where, repeated string) {
	var c money.Calc
	off := c.Sub(count(have), pieces)
	how := "sold"
	if quantity(&e.order.Lines[i]).IsNeg() {
		how = "returned"
	}
	b := breach{
		message:  fmt.Sprintf("%s: %s %s, serial numbers on the %s: %d", e.lineName(i), money.Plain(pieces), how, where, have),
		expected: money.Plain(pieces),
		actual:   fmt.Sprint(have),
	}
	switch {
	case off.IsNeg():
		b.message += ", " + tooManyOrMissing(off)
		b.fix = fmt.Sprintf("Enter the %s missing on the %s", money.Plain(off.Abs()), where)
	case off.IsPos():
		b.message += ", " + tooManyOrMissing(off)
		b.fix = fmt.Sprintf("Remove the %s too many, or correct the quantity", money.Plain(off))
	}
	if repeated != "" {
		b.message += fmt.Sprintf("; %s is entered more than once", shorten(repeated))
		b.fix = "Enter a serial number of its own for each piece"
	}
	e.onLine(i, b)
}
