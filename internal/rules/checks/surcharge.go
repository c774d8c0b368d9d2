package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/productcode"
)

// surcharge finds surcharge lines that are not within their percentages of the goods.
func surcharge(p *params) rules.Check {
	codes := p.texts("codes", nil, "the codes of surcharge lines, in name or SKU")
	from := p.percent("from", "0", "the minimum percentage of the other lines")
	to := p.percent("to", "4", "the maximum percentage of the other lines")
	tolerance := p.tolerance()
	if len(codes) == 0 {
		p.unavailable = "no surcharge lines are named in its parameter codes"
	}
	return func(e *rules.Evaluation) error {
		isSurcharge := func(line *inflow.SalesOrderLine) bool { return hasAnyCode(line.Product, codes) }
		var at []int
		for i := range e.Order.Lines {
			if isSurcharge(&e.Order.Lines[i]) {
				at = append(at, i)
			}
		}
		if len(at) == 0 {
			return nil
		}
		var c money.Calc
		actual := linesSubtotal(&c, e.Order, isSurcharge)
		base := linesSubtotal(&c, e.Order, func(l *inflow.SalesOrderLine) bool { return !isSurcharge(l) })
		low, high := c.Percent(from, base), c.Percent(to, base)
		low, high = low.Min(high), low.Max(high) // on a refund both are negative
		below, above := belowBy(&c, actual, low, within(e, tolerance)),
			belowBy(&c, high, actual, within(e, tolerance))
		if c.Err() != nil {
			return c.Err()
		}
		if below || above {
			expected := keyed(e, map[bool]decimal.Decimal{true: low, false: high}[below])
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf(
					"The surcharge on %s is %s, but %s %% to %s %% of the other lines' %s is %s to %s",
					rules.LinesText(at),
					money.Text(
						actual,
					),
					money.Plain(from),
					money.Plain(to),
					money.Text(base),
					keyed(e, low),
					keyed(e, high),
				),
				Expected: expected,
				Actual:   money.Text(actual),
				Fix: fmt.Sprintf("Set the surcharge to an amount from %s to %s",
					keyed(e, low), keyed(e, high)),
			})
		}
		return nil
	}
}

// cardSurcharge finds orders paid by card without a surcharge line, or with a wrong amount on it.
func cardSurcharge(p *params) rules.Check {
	feeCode := p.requiredText("feeCode", "the code of the surcharge line, in name or SKU")
	methods := p.texts("methods", []string{"credit card", "qb-cc"},
		"the payment methods that are cards")
	from := p.percent("from", "2.9", "the minimum percentage of the amount paid by card")
	to := p.percent("to", "3.1", "the maximum percentage of the amount paid by card")
	target := p.percent("target", "3.0", "the percentage to set the line to")
	tolerance := p.tolerance()
	return func(e *rules.Evaluation) error {
		if !strings.EqualFold(strings.TrimSpace(e.Order.PaymentStatus), "paid") {
			return nil
		}
		var c money.Calc
		paid := paidByCard(&c, e.Order, methods)
		isFee := func(line *inflow.SalesOrderLine) bool { return productcode.Has(line.Product, feeCode) }
		fee := linesSubtotal(&c, e.Order, isFee)
		base := c.Sub(paid, fee)
		low, high, expected := c.Percent(from, base), c.Percent(to, base), c.Percent(target, base)
		outside := belowBy(&c, fee, low, tolerance) || belowBy(&c, high, fee, tolerance)
		if c.Err() != nil {
			return c.Err()
		}
		if !paid.IsPos() {
			return nil
		}
		if !slices.ContainsFunc(e.Order.Lines,
			func(line inflow.SalesOrderLine) bool { return isFee(&line) }) {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf("%s were paid by card, but there is no line %s", money.Text(paid),
					feeCode),
				Expected: money.Cents(expected),
				Actual:   "0.00",
				Fix:      fmt.Sprintf("Add a line %s of %s", feeCode, money.Cents(expected)),
			})
			return nil
		}
		if outside {
			e.OnOrder(rules.Breach{
				Message: fmt.Sprintf(
					"The card surcharge is %s, but %s %% to %s %% of %s paid by card is %s to %s",
					money.Text(
						fee,
					),
					money.Plain(from),
					money.Plain(to),
					money.Text(base),
					money.Cents(low),
					money.Cents(high),
				),
				Expected: money.Cents(expected),
				Actual:   money.Text(fee),
				Fix:      fmt.Sprintf("Set %s to %s", feeCode, money.Cents(expected)),
			})
		}
		return nil
	}
}

// paidByCard returns the amount paid by card less the amount refunded to cards.
func paidByCard(c *money.Calc, order *inflow.SalesOrder, methods []string) decimal.Decimal {
	var total money.Total
	for i := range order.PaymentLines {
		p := &order.PaymentLines[i]
		kind, method := strings.TrimSpace(p.PaymentType), strings.TrimSpace(p.PaymentMethod)
		isCard := slices.ContainsFunc(methods,
			func(m string) bool { return strings.EqualFold(strings.TrimSpace(m), method) })
		switch {
		case strings.EqualFold(kind, "InFlowPay"), strings.EqualFold(kind, "Payment") && isCard:
			total.Add(p.Amount.Decimal)
		case strings.EqualFold(kind, "Refund") && isCard:
			total.Add(p.Amount.Decimal.Abs().Neg())
		}
	}
	return c.SumOf(&total)
}
