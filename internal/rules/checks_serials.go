package rules

import (
	"fmt"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
)

// serialNumbers: a line has not as many serial numbers as pieces, or a number that another piece has.
// No numbers at all are wrong only once the goods are out, and when the picks have too few as well.
func serialNumbers(*settings) check {
	return func(e *evaluation) error {
		uses := serialUses(e.order)
		picked := pickedSerials(e.order)
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
				return e.checkSerials(i, numbers, pieces, uses)
			}
			if line.Product == nil || !line.Product.TrackSerials || !fulfilled(e.order) {
				return nil
			}
			have := len(picked[line.ProductID])
			if have > 0 && quantity(line).IsPos() {
				pieces = unnumbered.of(&c, line.ProductID)
			}
			switch {
			case c.Err() != nil:
				return c.Err()
			case have > 0 && (!quantity(line).IsPos() || pieces.Cmp(count(have)) <= 0):
				return nil // the picks have them
			}
			e.onSerials(i, pieces, have, "")
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
func (e *evaluation) checkSerials(i int, numbers []string, pieces decimal.Decimal, uses map[serialUse]int) error {
	different, repeated := map[string]bool{}, ""
	for _, number := range numbers {
		different[number] = true
		if uses[useOf(&e.order.Lines[i], number)] > 1 && (repeated == "" || number < repeated) {
			repeated = number
		}
	}
	if repeated != "" || pieces.Cmp(count(len(different))) != 0 {
		e.onSerials(i, pieces, len(different), repeated)
	}
	return nil
}

func (e *evaluation) onSerials(i int, pieces decimal.Decimal, have int, repeated string) {
	numbers := "serial numbers"
	if have == 1 {
		numbers = "serial number"
	}
	b := breach{
		message:  fmt.Sprintf("%s: %s pieces have %d %s", e.lineName(i), money.Plain(pieces), have, numbers),
		expected: money.Plain(pieces),
		actual:   fmt.Sprint(have),
		fix:      "Enter a serial number for each piece",
	}
	if repeated != "" {
		b.message += fmt.Sprintf("; %s is entered more than once", shorten(repeated))
		b.fix = "Enter a serial number of its own for each piece"
	}
	e.onLine(i, b)
}
