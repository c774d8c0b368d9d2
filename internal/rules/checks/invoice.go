package checks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/ordercel"
)

// changedAfterInvoice finds orders that were changed after they were invoiced, other than by a
// return.
func changedAfterInvoice(*params) rules.Check {
	return func(e *rules.Evaluation) error {
		now, then := BilledOf(e.Order), e.Lookups.Billed
		if now == nil || then == nil || then.Fingerprint == now.Fingerprint {
			return nil
		}
		if hasReturn(e.Order) {
			if then.Sold == "" {
				return rules.MissingData(
					"the order has a return, and the goods on the invoice are not known",
				)
			}
			if then.Sold == now.Sold {
				return nil
			}
		}
		var c money.Calc
		off := c.Sub(now.Total, then.Total)
		if c.Err() != nil {
			return c.Err()
		}
		what := fmt.Sprintf("its total was %s and is now %s, %s", money.Text(then.Total),
			money.Text(now.Total), moreOrLess(off))
		if off.IsZero() {
			what = fmt.Sprintf("its lines or charges differ, though the total is still %s",
				money.Text(now.Total))
		}
		e.OnOrder(rules.Breach{
			Message:  "The order was changed after it was invoiced: " + what,
			Expected: money.Text(then.Total),
			Actual:   money.Text(now.Total),
			Fix:      "Send the customer a corrected invoice, or undo the change",
		})
		return nil
	}
}

func hasReturn(o *inflow.SalesOrder) bool {
	return !o.ReturnFee.Decimal.IsZero() || !o.ReturnFreight.Decimal.IsZero() ||
		slices.ContainsFunc(o.Lines, func(l inflow.SalesOrderLine) bool { return quantity(&l).IsNeg() })
}

// BilledOf returns the total and the fingerprints of an invoiced order, or nil if the order is not
// invoiced. The first check that sees the invoice keeps them for later checks.
func BilledOf(order *inflow.SalesOrder) *ordercheck.Billed {
	if !order.IsInvoiced {
		return nil
	}
	var lines, sold []string
	for i := range order.Lines {
		line := &order.Lines[i]
		discount := ""
		if line.Discount != nil && !line.Discount.Value.Decimal.IsZero() {
			discount = ordercel.DiscountText(*line.Discount)
		}
		text := fmt.Sprintf("%q %q %s %q %s %s", line.SalesOrderLineID, line.ProductID,
			money.Plain(quantity(line)), line.Quantity.Uom, money.Plain(line.UnitPrice.Decimal), discount)
		lines = append(lines, text)
		if !quantity(line).IsNeg() {
			sold = append(sold, text)
		}
	}
	return &ordercheck.Billed{
		OrderVersion: ordercheck.ShortID(order.Timestamp),
		Total:        order.Total.Decimal,
		Fingerprint: fingerprint(lines, order.OrderFreight, order.Tax1, order.Tax2, order.ReturnFee,
			order.ReturnFreight),
		Sold: fingerprint(sold, order.OrderFreight),
	}
}

// fingerprint returns a hash of the lines and charges. It sorts the lines, because their order does
// not matter.
func fingerprint(lines []string, charges ...inflow.Amount) string {
	slices.Sort(lines)
	for _, charge := range charges {
		lines = append(lines, money.Plain(charge.Decimal))
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}
