package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/productcode"
	"error-check-gate/internal/rules/table"
)

// cardSurcharge: an order paid by card without its surcharge line, or with one of the wrong amount.
func cardSurcharge(s *settings) check {
	feeCode := s.requiredText("feeCode", "the code of the surcharge line, in name or SKU")
	methods := s.texts("methods", []string{"credit card", "qb-cc"}, "the payment methods that are cards")
	from := s.percent("from", "2.9", "the least percentage of what was paid by card")
	to := s.percent("to", "3.1", "the largest percentage of what was paid by card")
	target := s.percent("target", "3.0", "the percentage to set the line to")
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		if !strings.EqualFold(strings.TrimSpace(e.order.PaymentStatus), "paid") {
			return nil
		}
		var c money.Calc
		paid := paidByCard(&c, e.order, methods)
		isFee := func(line *inflow.SalesOrderLine) bool { return productcode.Has(line.Product, feeCode) }
		fee := linesSubtotal(&c, e.order, isFee)
		base := c.Sub(paid, fee)
		low, high, expected := c.Percent(from, base), c.Percent(to, base), c.Percent(target, base)
		outside := belowBy(&c, fee, low, tolerance) || belowBy(&c, high, fee, tolerance)
		if c.Err() != nil {
			return c.Err()
		}
		if !paid.IsPos() {
			return nil
		}
		if !slices.ContainsFunc(e.order.Lines, func(line inflow.SalesOrderLine) bool { return isFee(&line) }) {
			e.onOrder(breach{
				message:  fmt.Sprintf("%s were paid by card, but there is no line %s", money.Text(paid), feeCode),
				expected: money.Cents(expected),
				actual:   "0.00",
				fix:      fmt.Sprintf("Add a line %s of %s", feeCode, money.Cents(expected)),
			})
			return nil
		}
		if outside {
			e.onOrder(breach{
				message: fmt.Sprintf("The card surcharge is %s, but %s %% to %s %% of %s paid by card is %s to %s",
					money.Text(fee), money.Plain(from), money.Plain(to), money.Text(base), money.Cents(low), money.Cents(high)),
				expected: money.Cents(expected),
				actual:   money.Text(fee),
				fix:      fmt.Sprintf("Set %s to %s", feeCode, money.Cents(expected)),
			})
		}
		return nil
	}
}

// paidByCard is what was paid by card, less what was given back to cards.
func paidByCard(c *money.Calc, order *inflow.SalesOrder, methods []string) decimal.Decimal {
	var total money.Total
	for i := range order.PaymentLines {
		p := &order.PaymentLines[i]
		kind, method := strings.TrimSpace(p.PaymentType), strings.TrimSpace(p.PaymentMethod)
		isCard := slices.ContainsFunc(methods, func(m string) bool { return strings.EqualFold(strings.TrimSpace(m), method) })
		switch {
		case strings.EqualFold(kind, "InFlowPay"), strings.EqualFold(kind, "Payment") && isCard:
			total.Add(p.Amount.Decimal)
		case strings.EqualFold(kind, "Refund") && isCard:
			total.Add(p.Amount.Decimal.Abs().Neg())
		}
	}
	return c.SumOf(&total)
}

// feeByCategory: a fee line is not the sum of its rates for the categories of the goods.
func feeByCategory(s *settings) check {
	feeCode := s.requiredText("feeCode", "the code of the fee line, in name or SKU")
	keyColumn := s.column("productColumn", "Product", "the table's column of product names")
	categoryColumn := s.column("categoryColumn", "Category", "the table's column of categories")
	categories := s.table("table", "", "the table of product names and their categories", keyColumn, categoryColumn)
	if s.params["table"] == nil {
		s.missing("table")
	}
	rates := s.amounts("rates", "", "the fee for one piece, by category; others cost nothing")
	if s.params["rates"] == nil {
		s.missing("rates")
	}
	prefix := s.pattern("namePrefix", `^[A-Za-z][A-Za-z0-9]*-`, "what is left out of a product's name to look it up, a regular expression")
	exempt := s.text("exemptPrefix", "Z_", "how name or SKU of lines start that are no goods")
	tolerance := s.tolerance()
	categoryOf := func(p *inflow.Product) string {
		if p == nil || categories == nil {
			return ""
		}
		name := p.Name
		if at := prefix.FindStringIndex(name); at != nil && at[0] == 0 {
			name = name[at[1]:]
		}
		rows := categories.Rows(name)
		if len(rows) == 0 {
			return ""
		}
		return rows[len(rows)-1].Text(categoryColumn)
	}
	return func(e *evaluation) error {
		var c money.Calc
		var expected money.Total
		var parts []string
		var withDiscount []string
		fees := 0
		for i := range e.order.Lines {
			line := &e.order.Lines[i]
			if productcode.Has(line.Product, feeCode) {
				fees++
				if discounted(line) {
					withDiscount = append(withDiscount, fmt.Sprint(i+1))
				}
			}
			if !quantity(line).IsPos() || productcode.HasPrefix(line.Product, exempt) {
				continue
			}
			category := categoryOf(line.Product)
			rate := rates[fold.Key(category)]
			if rate.IsZero() {
				continue
			}
			amount := c.Mul(quantity(line), rate)
			expected.Add(amount)
			parts = append(parts, fmt.Sprintf("%s × %s (%s, %s) = %s", money.Plain(quantity(line)), money.Text(rate), productName(line.Product), category, money.Text(amount)))
		}
		if fees == 0 {
			return nil
		}
		want := c.SumOf(&expected)
		actual := linesSubtotal(&c, e.order, func(l *inflow.SalesOrderLine) bool { return productcode.Has(l.Product, feeCode) })
		fits := c.Near(actual, want, tolerance)
		if c.Err() != nil {
			return c.Err()
		}
		if fits && len(withDiscount) == 0 {
			return nil
		}
		var wrong, fixes []string
		if !fits {
			wrong = append(wrong, fmt.Sprintf("%s is %s, but the goods make %s", feeCode, money.Text(actual), money.Text(want)))
			fixes = append(fixes, fmt.Sprintf("Set %s to %s: %s", feeCode, money.Text(want), listed(parts)))
		}
		if len(withDiscount) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s on line %s has a discount", feeCode, strings.Join(withDiscount, ", ")))
			fixes = append(fixes, "Remove the discount of "+feeCode)
		}
		e.onOrder(breach{
			message:  strings.Join(wrong, "; "),
			expected: money.Text(want),
			actual:   money.Text(actual),
			fix:      strings.Join(fixes, "; "),
		})
		return nil
	}
}

// listed joins the parts of a sum, cut where there are many.
func listed(parts []string) string {
	const most = 20
	if len(parts) == 0 {
		return "no part has a rate"
	}
	slices.Sort(parts) // the order of lines must not matter
	if len(parts) > most {
		return fmt.Sprintf("%s, and %d more", strings.Join(parts[:most], ", "), len(parts)-most)
	}
	return strings.Join(parts, ", ")
}

// pattern is a regular expression.
func (s *settings) pattern(name, standard, description string) *regexp.Regexp {
	const longest = 200
	text := s.text(name, standard, description)
	if len(text) <= longest {
		if re, err := regexp.Compile(text); err == nil {
			return re
		}
	}
	p := s.params[name]
	p.in.fault(p.node, "%s must be a regular expression of at most %d characters", name, longest)
	return regexp.MustCompile(standard)
}

// deliveryFee: the freight is below what the delivery record asks for.
func deliveryFee(s *settings) check {
	columns := struct{ order, area, handling, quote, date string }{
		s.column("orderColumn", "Sales Order#", "the table's column of order numbers"),
		s.column("areaColumn", "Area", "the table's column of areas"),
		s.column("handlingColumn", "Handling", "the table's column that says Yes or No"),
		s.column("quoteColumn", "Shipment Quote Amount", "the table's column of quotes"),
		s.column("dateColumn", "Date", "the table's column of dates"),
	}
	records := s.table("table", "", "the delivery record", columns.order, columns.area, columns.handling, columns.quote, columns.date)
	if s.params["table"] == nil {
		s.missing("table")
	}
	handlingCode := s.requiredText("handlingCode", "the code of the handling line, in name or SKU")
	words := deliveryWords{
		inTown:    s.text("inTown", "In Town", "the area that has fixed amounts"),
		outOfTown: s.text("outOfTown", "Out of Town", "the area where the quote counts"),
		other:     s.texts("otherAreas", []string{"Pick-up"}, "the areas where no amount is due"),
	}
	if records != nil {
		for _, record := range records.All() {
			if err := words.check(record, columns.area, columns.handling, columns.quote); err != nil {
				s.tables[s.values["table"]].fault(err)
			}
		}
	}
	withHandling := s.amount("inTownWithHandling", "250", "the least freight and handling together in town, with handling")
	withoutHandling := s.amount("inTownFreight", "150", "the least freight in town, without handling")
	tolerance := s.tolerance()
	return func(e *evaluation) error {
		if records == nil || strings.TrimSpace(e.order.OrderNumber) == "" {
			return nil
		}
		rows := records.Rows(e.order.OrderNumber)
		if len(rows) == 0 {
			return nil
		}
		last := rows[len(rows)-1]
		area, handling := last.Text(columns.area), handlingWords[fold.Key(last.Text(columns.handling))]
		var c money.Calc
		isHandling := func(line *inflow.SalesOrderLine) bool { return productcode.Has(line.Product, handlingCode) }
		freight := e.order.OrderFreight.Decimal
		together := c.Add(freight, linesSubtotal(&c, e.order, isHandling))
		d := &deliveryBreach{c: &c, tolerance: tolerance}
		switch {
		case sameWord(area, words.inTown) && handling:
			d.atLeast("freight and handling", together, withHandling, fmt.Sprintf("Raise the freight by %%s, so that freight and handling are %s", money.Text(withHandling)))
		case sameWord(area, words.inTown):
			if slices.ContainsFunc(e.order.Lines, func(line inflow.SalesOrderLine) bool { return isHandling(&line) }) {
				d.add(fmt.Sprintf("there is a line %s, but the delivery has no handling", handlingCode), "Remove the line "+handlingCode)
			}
			d.atLeast("freight", freight, withoutHandling, fmt.Sprintf("Raise the freight by %%s, to %s", money.Text(withoutHandling)))
		case sameWord(area, words.outOfTown):
			quote, err := last.Amount(columns.quote)
			if err != nil {
				return fmt.Errorf("the quote of the delivery record: %w", err)
			}
			d.atLeast("freight", freight, quote, fmt.Sprintf("Raise the freight by %%s, to the quote of %s", money.Text(quote)))
		}
		if date := repeatedDate(rows, columns.date); date != "" {
			d.add(fmt.Sprintf("the delivery record has the order twice for %s", shorten(date)), "Remove the double entry from the delivery record")
		}
		if c.Err() != nil {
			return c.Err()
		}
		if len(d.wrong) > 0 {
			e.onOrder(breach{
				message:  fmt.Sprintf("Delivery (%s): %s", shorten(area), strings.Join(d.wrong, "; ")),
				expected: d.expected,
				actual:   d.actual,
				fix:      strings.Join(d.fixes, "; "),
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

// atLeast asks for an amount. fix has a %s for what is missing.
func (d *deliveryBreach) atLeast(what string, actual, least decimal.Decimal, fix string) {
	if !belowBy(d.c, actual, least, d.tolerance) {
		return
	}
	d.add(fmt.Sprintf("%s is %s, but at least %s is due", what, money.Text(actual), money.Text(least)),
		fmt.Sprintf(fix, money.Text(d.c.Sub(least, actual))))
	d.expected, d.actual = money.Text(least), money.Text(actual)
}

// repeatedDate is the first date that two rows have.
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
