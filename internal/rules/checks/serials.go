package checks

import (
	"fmt"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/ordercel"
)

// serialNumbers finds lines that have more or fewer serial numbers than pieces, or that repeat a
// serial number. A line without any number is wrong only if the order is fulfilled and its picks
// have too few numbers as well. Too few numbers are fine while an order is partly picked.
func serialNumbers(*params) rules.Check {
	return func(e *rules.Evaluation) error {
		uses := serialUses(e.Order)
		picked := pickedSerials(e.Order)
		pickedGoods := map[string]bool{}
		for i := range e.Order.PickLines {
			pickedGoods[e.Order.PickLines[i].ProductID] = true
		}
		unnumbered := newGoods() // goods on lines without serial numbers
		for i := range e.Order.Lines {
			if line := &e.Order.Lines[i]; len(line.Quantity.SerialNumbers) == 0 && quantity(line).IsPos() {
				unnumbered.add(line.ProductID, standardQuantity(line.Quantity))
			}
		}
		return e.EachLine(func(i int, line *inflow.SalesOrderLine) error {
			var c money.Calc
			numbers, pieces := line.Quantity.SerialNumbers, standardQuantity(line.Quantity).Abs()
			if len(numbers) > 0 {
				inPart := !e.Order.IsFulfilled() && quantity(line).IsPos() && pickedGoods[line.ProductID]
				return checkSerials(e, i, numbers, pieces, uses, inPart)
			}
			if line.Product == nil || !line.Product.TrackSerials || !e.Order.IsFulfilled() ||
				!quantity(line).IsPos() {
				return nil
			}
			have := len(picked[line.ProductID])
			if have > 0 {
				pieces = unnumbered.of(&c, line.ProductID)
			}
			if c.Err() != nil {
				return c.Err()
			}
			if pieces.Cmp(fromInt(have)) > 0 {
				onSerials(e, i, pieces, have, "picks", "")
			}
			return nil
		})
	}
}

// serialUse is a serial number on a line. A sale and its return may have the same number.
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

// pickedSerials returns the distinct serial numbers on the picks, by product.
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

// checkSerials checks the numbers of the line at index i. A repeated number counts once. If inPart
// is true, some of the goods are not picked yet and need no number.
func checkSerials(
	e *rules.Evaluation, i int, numbers []string, pieces decimal.Decimal, uses map[serialUse]int,
	inPart bool,
) error {
	different, repeated := map[string]bool{}, ""
	for _, number := range numbers {
		different[number] = true
		if uses[useOf(&e.Order.Lines[i], number)] > 1 && (repeated == "" || number < repeated) {
			repeated = number
		}
	}
	off := fromInt(len(different)).Cmp(pieces)
	if repeated != "" || off > 0 || off < 0 && !inPart {
		onSerials(e, i, pieces, len(different), "line", repeated)
	}
	return nil
}

// onSerials records a finding about the serial numbers of the line at index i. where says which
// numbers were counted: those on the "line" or in the "picks".
func onSerials(
	e *rules.Evaluation, i int, pieces decimal.Decimal, have int, where, repeated string,
) {
	var c money.Calc
	off := c.Sub(fromInt(have), pieces)
	how := "sold"
	if quantity(&e.Order.Lines[i]).IsNeg() {
		how = "returned"
	}
	b := rules.Breach{
		Message: fmt.Sprintf("%s: %s %s, serial numbers on the %s: %d", e.LineName(i),
			money.Plain(pieces), how, where, have),
		Expected: money.Plain(pieces),
		Actual:   fmt.Sprint(have),
	}
	switch {
	case off.IsNeg():
		b.Message += ", " + tooManyOrMissing(off)
		b.Fix = fmt.Sprintf("Enter the %s missing on the %s", money.Plain(off.Abs()), where)
	case off.IsPos():
		b.Message += ", " + tooManyOrMissing(off)
		b.Fix = fmt.Sprintf("Remove the %s too many, or correct the quantity", money.Plain(off))
	}
	if repeated != "" {
		b.Message += fmt.Sprintf("; %s is entered more than once", ordercel.Shorten(repeated))
		b.Fix = "Enter a serial number of its own for each piece"
	}
	e.OnLine(i, b)
}
