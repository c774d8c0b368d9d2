package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/productcode"
	"error-check-gate/internal/rules/table"
)

// deliveryFee finds orders whose freight is below the delivery record's amount.
func deliveryFee(p *params) rules.Check {
	d := &delivery{}
	d.columns = deliveryColumns{
		order:    p.column("orderColumn", "Sales Order#", "the table's column of order numbers"),
		area:     p.column("areaColumn", "Area", "the table's column of areas"),
		handling: p.column("handlingColumn", "Handling", "the table's column that says Yes or No"),
		quote:    p.column("quoteColumn", "Shipment Quote Amount", "the table's column of quotes"),
		date:     p.column("dateColumn", "Date", "the table's column of dates"),
	}
	d.records = p.table("table", "the delivery record", d.columns.order,
		d.columns.area, d.columns.handling, d.columns.quote, d.columns.date)
	p.missing("table")
	d.handlingCode = p.requiredText("handlingCode", "the code of the handling line, in name or SKU")
	d.words = deliveryWords{
		inTown:    p.text("inTown", "In Town", "the area with fixed amounts"),
		outOfTown: p.text("outOfTown", "Out of Town", "the area in which the quote counts"),
		other:     p.texts("otherAreas", []string{"Pick-up"}, "the areas without an amount due"),
	}
	if d.records != nil {
		for _, record := range d.records.All() {
			if err := d.words.check(record, d.columns); err != nil {
				p.source.TableFault(p.values["table"], err)
			}
		}
	}
	d.withHandling = p.amount("inTownWithHandling", "250",
		"the minimum of freight and handling together, in town with handling")
	d.withoutHandling = p.amount("inTownFreight", "150",
		"the minimum freight in town without handling")
	d.tolerance = p.tolerance()
	return d.check
}

// delivery compares orders with the delivery record.
type delivery struct {
	records      *table.Table // nil if the record is not given
	columns      deliveryColumns
	words        deliveryWords
	handlingCode string
	// The minimum amounts in town.
	withHandling, withoutHandling decimal.Decimal
	tolerance                     decimal.Decimal
}

// deliveryColumns are the names of the record's columns.
type deliveryColumns struct{ order, area, handling, quote, date string }

func (d *delivery) check(e *rules.Evaluation) error {
	if d.records == nil || strings.TrimSpace(e.Order.OrderNumber) == "" {
		return nil
	}
	rows := d.records.Rows(e.Order.OrderNumber)
	if len(rows) == 0 {
		return nil
	}
	var c money.Calc
	found := &deliveryBreach{c: &c, tolerance: d.tolerance}
	last := rows[len(rows)-1]
	if err := d.checkFreight(found, e.Order, last); err != nil {
		return err
	}
	if date := repeatedDate(rows, d.columns.date); date != "" {
		found.add(
			fmt.Sprintf("the delivery record has the order twice for %s", ordercel.Shorten(date)),
			"Remove the double entry from the delivery record")
	}
	if c.Err() != nil {
		return c.Err()
	}
	if len(found.wrong) > 0 {
		area := ordercel.Shorten(last.Text(d.columns.area))
		e.OnOrder(rules.Breach{
			Message:  fmt.Sprintf("Delivery (%s): %s", area, strings.Join(found.wrong, "; ")),
			Expected: found.expected,
			Actual:   found.actual,
			Fix:      strings.Join(found.fixes, "; "),
		})
	}
	return nil
}

// checkFreight compares the order's freight and handling with a row of the record.
func (d *delivery) checkFreight(
	found *deliveryBreach, order *inflow.SalesOrder, row table.Record,
) error {
	isHandling := func(line *inflow.SalesOrderLine) bool {
		return productcode.Has(line.Product, d.handlingCode)
	}
	area := row.Text(d.columns.area)
	withHandling := handlingWords[fold.Key(row.Text(d.columns.handling))]
	freight := order.OrderFreight.Decimal
	together := found.c.Add(freight, linesSubtotal(found.c, order, isHandling))
	switch {
	case sameWord(area, d.words.inTown) && withHandling:
		found.atLeast("freight and handling", together, d.withHandling,
			"Raise the freight by %s, so that freight and handling are %s")
	case sameWord(area, d.words.inTown):
		for i := range order.Lines {
			if isHandling(&order.Lines[i]) {
				found.add(
					fmt.Sprintf("there is a line %s, but the delivery has no handling", d.handlingCode),
					"Remove the line "+d.handlingCode)
				break
			}
		}
		found.atLeast("freight", freight, d.withoutHandling, "Raise the freight by %s, to %s")
	case sameWord(area, d.words.outOfTown):
		quote, err := row.Amount(d.columns.quote)
		if err != nil {
			return fmt.Errorf("the quote of the delivery record: %w", err)
		}
		found.atLeast("freight", freight, quote, "Raise the freight by %s, to the quote of %s")
	}
	return nil
}

// deliveryBreach collects the faults of a delivery in one finding.
type deliveryBreach struct {
	c                *money.Calc
	tolerance        decimal.Decimal
	wrong, fixes     []string
	expected, actual string
}

func (d *deliveryBreach) add(wrong, fix string) {
	d.wrong, d.fixes = append(d.wrong, wrong), append(d.fixes, fix)
}

// atLeast asks for an amount of at least least. fix has one %s for the amount that is missing, and
// one for least.
func (d *deliveryBreach) atLeast(what string, actual, least decimal.Decimal, fix string) {
	if !belowBy(d.c, actual, least, d.tolerance) {
		return
	}
	d.add(fmt.Sprintf("%s is %s, but at least %s is due", what, money.Text(actual), money.Text(least)),
		fmt.Sprintf(fix, money.Text(d.c.Sub(least, actual)), money.Text(least)))
	d.expected, d.actual = money.Text(least), money.Text(actual)
}

// repeatedDate returns the first date that two rows have, or an empty string.
func repeatedDate(rows []table.Record, column string) string {
	seen := map[string]bool{}
	for _, row := range rows {
		date := row.Date(column)
		if date != "" && seen[date] {
			return date
		}
		seen[date] = true
	}
	return ""
}

// deliveryWords are the words of a delivery record that the check knows.
type deliveryWords struct {
	inTown, outOfTown string
	// other are areas without an amount due.
	other []string
}

// handlingWords are the words that people and spreadsheet programs write for yes and no.
var handlingWords = map[string]bool{
	"YES": true, "Y": true, "TRUE": true,
	"NO": false, "N": false, "FALSE": false,
}

// sameWord compares words. It ignores case, Unicode form and white space.
func sameWord(a, b string) bool { return fold.Key(a) == fold.Key(b) }

// check returns the first fault in a row of the record. A word that is unknown is a fault, because
// it would switch the check off.
func (w deliveryWords) check(record table.Record, columns deliveryColumns) error {
	area := record.Text(columns.area)
	inTown, outOfTown := sameWord(area, w.inTown), sameWord(area, w.outOfTown)
	if !inTown && !outOfTown &&
		!slices.ContainsFunc(w.other, func(other string) bool { return sameWord(area, other) }) {
		return record.Fault(columns.area, fmt.Sprintf(
			"unknown area: write %s, or add it to otherAreas if no amount is due there",
			strings.Join(append([]string{w.inTown, w.outOfTown}, w.other...), ", ")))
	}
	word := record.Text(columns.handling)
	if _, known := handlingWords[fold.Key(word)]; !known && (inTown || word != "") {
		return record.Fault(columns.handling, "unknown word: write Yes or No")
	}
	if record.Text(columns.quote) != "" || outOfTown {
		_, err := record.Amount(columns.quote)
		return err
	}
	return nil
}
