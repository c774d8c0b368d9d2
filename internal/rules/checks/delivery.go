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

// deliveryFee finds orders whose freight is below what the delivery record asks for.
func deliveryFee(p *params) rules.Check {
	columns := struct{ order, area, handling, quote, date string }{
		p.column("orderColumn", "Sales Order#", "the table's column of order numbers"),
		p.column("areaColumn", "Area", "the table's column of areas"),
		p.column("handlingColumn", "Handling", "the table's column that says Yes or No"),
		p.column("quoteColumn", "Shipment Quote Amount", "the table's column of quotes"),
		p.column("dateColumn", "Date", "the table's column of dates"),
	}
	records := p.table(
		"table",
		"the delivery record",
		columns.order,
		columns.area,
		columns.handling,
		columns.quote,
		columns.date,
	)
	p.missing("table")
	handlingCode := p.requiredText("handlingCode", "the code of the handling line, in name or SKU")
	words := deliveryWords{
		inTown:    p.text("inTown", "In Town", "the area that has fixed amounts"),
		outOfTown: p.text("outOfTown", "Out of Town", "the area where the quote counts"),
		other:     p.texts("otherAreas", []string{"Pick-up"}, "the areas where no amount is due"),
	}
	if records != nil {
		for _, record := range records.All() {
			if err := words.check(record, columns.area, columns.handling, columns.quote); err != nil {
				p.source.TableFault(p.values["table"], err)
			}
		}
	}
	withHandling := p.amount(
		"inTownWithHandling",
		"250",
		"the least freight and handling together in town, with handling",
	)
	withoutHandling := p.amount("inTownFreight", "150", "the least freight in town, without handling")
	tolerance := p.tolerance()
	return func(e *rules.Evaluation) error {
		if records == nil || strings.TrimSpace(e.Order.OrderNumber) == "" {
			return nil
		}
		rows := records.Rows(e.Order.OrderNumber)
		if len(rows) == 0 {
			return nil
		}
		last := rows[len(rows)-1]
		area, handling := last.Text(columns.area), handlingWords[fold.Key(last.Text(columns.handling))]
		var c money.Calc
		isHandling := func(line *inflow.SalesOrderLine) bool { return productcode.Has(line.Product, handlingCode) }
		freight := e.Order.OrderFreight.Decimal
		together := c.Add(freight, linesSubtotal(&c, e.Order, isHandling))
		d := &deliveryBreach{c: &c, tolerance: tolerance}
		switch {
		case sameWord(area, words.inTown) && handling:
			d.atLeast(
				"freight and handling",
				together,
				withHandling,
				fmt.Sprintf(
					"Raise the freight by %%s, so that freight and handling are %s",
					money.Text(withHandling),
				),
			)
		case sameWord(area, words.inTown):
			if slices.ContainsFunc(
				e.Order.Lines,
				func(line inflow.SalesOrderLine) bool { return isHandling(&line) },
			) {
				d.add(
					fmt.Sprintf("there is a line %s, but the delivery has no handling", handlingCode),
					"Remove the line "+handlingCode,
				)
			}
			d.atLeast(
				"freight",
				freight,
				withoutHandling,
				fmt.Sprintf("Raise the freight by %%s, to %s", money.Text(withoutHandling)),
			)
		case sameWord(area, words.outOfTown):
			quote, err := last.Amount(columns.quote)
			if err != nil {
				return fmt.Errorf("the quote of the delivery record: %w", err)
			}
			d.atLeast(
				"freight",
				freight,
				quote,
				fmt.Sprintf("Raise the freight by %%s, to the quote of %s", money.Text(quote)),
			)
		}
		if date := repeatedDate(rows, columns.date); date != "" {
			d.add(
				fmt.Sprintf("the delivery record has the order twice for %s", ordercel.Shorten(date)),
				"Remove the double entry from the delivery record",
			)
		}
		if c.Err() != nil {
			return c.Err()
		}
		if len(d.wrong) > 0 {
			e.OnOrder(rules.Breach{
				Message:  fmt.Sprintf("Delivery (%s): %s", ordercel.Shorten(area), strings.Join(d.wrong, "; ")),
				Expected: d.expected,
				Actual:   d.actual,
				Fix:      strings.Join(d.fixes, "; "),
			})
		}
		return nil
	}
}

// deliveryBreach collects what is wrong with a delivery.
type deliveryBreach struct {
	c                *money.Calc
	tolerance        decimal.Decimal
	wrong, fixes     []string
	expected, actual string
}

func (d *deliveryBreach) add(wrong, fix string) {
	d.wrong, d.fixes = append(d.wrong, wrong), append(d.fixes, fix)
}

// atLeast asks for an amount of at least least. fix has a %s for the amount that is missing.
func (d *deliveryBreach) atLeast(what string, actual, least decimal.Decimal, fix string) {
	if !belowBy(d.c, actual, least, d.tolerance) {
		return
	}
	d.add(fmt.Sprintf("%s is %s, but at least %s is due", what, money.Text(actual), money.Text(least)),
		fmt.Sprintf(fix, money.Text(d.c.Sub(least, actual))))
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
	// other are areas where no amount is due.
	other []string
}

// handlingWords are the words that people and spreadsheet programs write for yes and no.
var handlingWords = map[string]bool{
	"YES": true, "Y": true, "TRUE": true,
	"NO": false, "N": false, "FALSE": false,
}

// sameWord compares words without regard to case, Unicode form and white space.
func sameWord(a, b string) bool { return fold.Key(a) == fold.Key(b) }

// check returns the first fault in a row of the record. A word that is unknown is a fault, because it
// would switch the check off.
func (w deliveryWords) check(record table.Record, area, handling, quote string) error {
	where := record.Text(area)
	inTown, outOfTown := sameWord(where, w.inTown), sameWord(where, w.outOfTown)
	if !inTown && !outOfTown &&
		!slices.ContainsFunc(w.other, func(other string) bool { return sameWord(where, other) }) {
		return record.Fault(
			area,
			fmt.Sprintf("unknown area: write %s, or add it to otherAreas if no amount is due there",
				strings.Join(append([]string{w.inTown, w.outOfTown}, w.other...), ", ")),
		)
	}
	word := record.Text(handling)
	if _, known := handlingWords[fold.Key(word)]; !known && (inTown || word != "") {
		return record.Fault(handling, "unknown word: write Yes or No")
	}
	if record.Text(quote) != "" || outOfTown {
		_, err := record.Amount(quote)
		return err
	}
	return nil
}
