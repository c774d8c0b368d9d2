// Package money calculates with decimals, never with floats. A result is exact or an error, except
// that quotients are rounded. Amounts, quantities and percentages are all [decimal.Decimal], of at
// most 19 digits.
package money

import (
	"errors"
	"math/big"
	"strings"

	"github.com/govalues/decimal"
)

// Errors of a calculation.
var (
	ErrTooLarge     = errors.New("an amount is beyond the 19 digits that can be calculated with")
	ErrDivideByZero = errors.New("division by zero")
)

// Hundred is 100, for percentages.
var Hundred = decimal.MustParse("100")

// Calc calculates and keeps the first error, so that formulas need no error handling. After an
// error, every result is 0. The zero value is ready for use.
type Calc struct{ err error }

// Err returns the first error: [ErrTooLarge], [ErrDivideByZero], or nil.
func (c *Calc) Err() error { return c.err }

// keep returns d, or 0 if this or an earlier calculation failed. Any err counts as [ErrTooLarge].
func (c *Calc) keep(d decimal.Decimal, err error) decimal.Decimal {
	if c.err != nil {
		return decimal.Decimal{}
	}
	if err != nil {
		c.err = ErrTooLarge
		return decimal.Decimal{}
	}
	return d
}

// Add returns x + y.
func (c *Calc) Add(x, y decimal.Decimal) decimal.Decimal { return c.keep(x.Add(y)) }

// Sub returns x − y.
func (c *Calc) Sub(x, y decimal.Decimal) decimal.Decimal { return c.keep(x.Sub(y)) }

// Mul returns x × y.
func (c *Calc) Mul(x, y decimal.Decimal) decimal.Decimal { return c.keep(x.Mul(y)) }

// Quo returns x ÷ y.
func (c *Calc) Quo(x, y decimal.Decimal) decimal.Decimal {
	if c.err == nil && y.IsZero() {
		c.err = ErrDivideByZero
	}
	if c.err != nil {
		return decimal.Decimal{}
	}
	return c.keep(x.Quo(y))
}

// Percent returns p percent of x.
func (c *Calc) Percent(p, x decimal.Decimal) decimal.Decimal { return c.Quo(c.Mul(x, p), Hundred) }

// Near reports whether x and y differ by at most tolerance.
func (c *Calc) Near(x, y, tolerance decimal.Decimal) bool {
	difference := c.Sub(x, y)
	return c.err == nil && difference.CmpAbs(tolerance) <= 0
}

// NearAny reports whether x differs from one of the readings by at most tolerance.
func (c *Calc) NearAny(
	x decimal.Decimal, readings []decimal.Decimal, tolerance decimal.Decimal,
) bool {
	for _, reading := range readings {
		if c.Near(x, reading, tolerance) {
			return true
		}
	}
	return false
}

// Sum returns the exact sum of the addends, rounded once, at the end. It does not depend on the
// order of the addends, and it fails only if the sum has more than 19 digits before the decimal
// point.
func (c *Calc) Sum(addends ...decimal.Decimal) decimal.Decimal {
	var total Total
	for _, d := range addends {
		total.Add(d)
	}
	return c.SumOf(&total)
}

// SumOf returns the value of a running total.
func (c *Calc) SumOf(total *Total) decimal.Decimal { return c.keep(total.decimal()) }

// Round returns x rounded to scale decimals, half away from zero, as in commerce. scale must not
// be negative.
func (c *Calc) Round(x decimal.Decimal, scale int) decimal.Decimal {
	if x.Scale() <= scale {
		return x
	}
	down := x.Trunc(scale)
	rest := c.Sub(x, down)
	if c.err == nil && rest.CmpAbs(decimal.MustNew(5, scale+1)) >= 0 {
		return c.Add(down, decimal.MustNew(1, scale).CopySign(x))
	}
	return down
}

// RoundUp returns x rounded to scale decimals, away from zero. scale must not be negative.
func (c *Calc) RoundUp(x decimal.Decimal, scale int) decimal.Decimal {
	if x.Scale() <= scale {
		return x
	}
	down := x.Trunc(scale)
	if down.Cmp(x) == 0 {
		return down
	}
	return c.Add(down, decimal.MustNew(1, scale).CopySign(x))
}

// Total is an exact running sum. The zero value is 0.
type Total struct {
	// small is the sum in units of 10^-6, while big is nil. Sums of money fit into it.
	small int64
	// big is the sum in units of 10^-19, once small was not enough.
	big *big.Int
}

// smallScale is the maximum number of decimals of addends that are summed without big integers.
const smallScale = 6

var (
	powersOfTen = func() (powers [decimal.MaxScale + 1]*big.Int) {
		for i := range powers {
			powers[i] = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(i)), nil)
		}
		return powers
	}()
	smallPowers = [smallScale + 1]uint64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000}
)

// Add adds d to the total.
func (t *Total) Add(d decimal.Decimal) {
	if t.big == nil && t.addSmall(d) {
		return
	}
	if t.big == nil {
		t.big = big.NewInt(t.small)
		t.big.Mul(t.big, powersOfTen[decimal.MaxScale-smallScale])
	}
	addend := new(big.Int).SetUint64(d.Coef())
	if d.IsNeg() {
		addend.Neg(addend)
	}
	t.big.Add(t.big, addend.Mul(addend, powersOfTen[decimal.MaxScale-d.Scale()]))
}

// addSmall adds d to small. It returns false, and adds nothing, if d has more than 6 decimals, or
// if d or the sum reaches 2^62 in units of 10^-6.
func (t *Total) addSmall(d decimal.Decimal) bool {
	const room = 1 << 62
	if d.Scale() > smallScale {
		return false
	}
	power := smallPowers[smallScale-d.Scale()]
	if d.Coef() > (room-1)/power {
		return false
	}
	addend := int64(d.Coef() * power) //nolint:gosec // below 2^62
	if d.IsNeg() {
		addend = -addend
	}
	sum := t.small + addend
	if sum >= room || sum <= -room {
		return false
	}
	t.small = sum
	return true
}

func (t *Total) decimal() (decimal.Decimal, error) {
	if t.big == nil {
		return decimal.New(t.small, smallScale)
	}
	digits := new(big.Int).Abs(t.big).String()
	if pad := decimal.MaxScale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	point := len(digits) - decimal.MaxScale
	text := strings.TrimSuffix(digits[:point]+"."+strings.TrimRight(digits[point:], "0"), ".")
	if t.big.Sign() < 0 {
		text = "-" + text
	}
	return decimal.Parse(text)
}

// Text formats an amount with at least two decimals and no trailing zeros after them.
func Text(d decimal.Decimal) string {
	if d.IsZero() {
		return "0.00"
	}
	if d = d.Trim(2); d.Scale() < 2 {
		if padded := d.Pad(2); padded.Scale() == 2 {
			return padded.String()
		}
	}
	return d.String()
}

// Cents formats an amount rounded to the cent.
func Cents(d decimal.Decimal) string {
	var c Calc
	if rounded := c.Round(d, 2); c.err == nil {
		d = rounded
	}
	return Text(d)
}

// Plain formats a number without trailing zeros after the decimal point.
func Plain(d decimal.Decimal) string {
	if d.IsZero() {
		return "0"
	}
	return d.Trim(0).String()
}
