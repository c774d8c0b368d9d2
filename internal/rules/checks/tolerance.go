package checks

import (
	"github.com/govalues/decimal"

	"error-check-gate/internal/money"
	"error-check-gate/internal/rules"
)

const (
	settingTolerance     = "tolerance"
	toleranceDescription = "how far two amounts may be apart and still agree, inclusive"
	aCent                = "0.01"
	halfACent            = "0.005"
	exactPlaces          = 8 // decimal places to which a sum of quotients is exact
)

func (p *params) rounding() decimal.Decimal {
	return p.amount("rounding", halfACent,
		"the amount that rounding may add to the tolerance, per line")
}

func (p *params) tolerance() decimal.Decimal {
	return p.amount(settingTolerance, aCent, toleranceDescription)
}

// within returns the tolerance for amounts in the order's currency. It is at least one unit if the
// currency has no cents.
func within(e *rules.Evaluation, tolerance decimal.Decimal) decimal.Decimal {
	return tolerance.Max(wholeUnits(e, 1))
}

// withinLines returns the tolerance for a sum of lines: within, plus an allowance for each line,
// because lines are rounded one by one.
func withinLines(
	e *rules.Evaluation, c *money.Calc, tolerance, rounding decimal.Decimal,
) decimal.Decimal {
	half := c.Quo(wholeUnits(e, 1), decimal.Two)
	return c.Add(within(e, tolerance), c.Mul(rounding.Max(half), fromInt(len(e.Order.Lines))))
}

// wholeUnits returns n of the smallest units of a currency with fewer than two decimal places, and
// 0 for any other currency.
func wholeUnits(e *rules.Evaluation, n int64) decimal.Decimal {
	const cents = 2
	places := e.Order.Places()
	if places >= cents {
		return decimal.Decimal{}
	}
	return decimal.MustNew(n, places)
}

// belowBy reports whether x is below y by more than tolerance.
func belowBy(c *money.Calc, x, y, tolerance decimal.Decimal) bool {
	difference := c.Sub(y, x)
	return c.Err() == nil && difference.Cmp(tolerance) > 0
}

// keyed formats an amount as people enter it: rounded to the decimal places of the order's
// currency.
func keyed(e *rules.Evaluation, d decimal.Decimal) string {
	var c money.Calc
	if rounded := c.Round(d, e.Order.Places()); c.Err() == nil {
		d = rounded
	}
	return money.Text(d)
}
