package rules

import (
	"errors"
	"math/big"
	"strings"

	"github.com/govalues/decimal"
)

// defaultTolerance is how far two amounts may be apart and still agree, inclusive: a cent.
var defaultTolerance = decimal.MustParse("0.01")

var hundred = decimal.MustParse("100")

var errTooLarge = errors.New("an amount is beyond the 19 digits that can be calculated with")

// arithmetic computes with decimals and keeps the first error, so that a formula
// reads as one. After an error every result is 0.
type arithmetic struct{ err error }

func (a *arithmetic) keep(d decimal.Decimal, err error) decimal.Decimal {
	if a.err != nil {
		return decimal.Decimal{}
	}
	if err != nil {
		a.err = errTooLarge
		return decimal.Decimal{}
	}
	return d
}

func (a *arithmetic) add(x, y decimal.Decimal) decimal.Decimal { return a.keep(x.Add(y)) }
func (a *arithmetic) sub(x, y decimal.Decimal) decimal.Decimal { return a.keep(x.Sub(y)) }
func (a *arithmetic) mul(x, y decimal.Decimal) decimal.Decimal { return a.keep(x.Mul(y)) }

// quo divides. y must not be 0.
func (a *arithmetic) quo(x, y decimal.Decimal) decimal.Decimal { return a.keep(x.Quo(y)) }

// percent is p percent of x.
func (a *arithmetic) percent(p, x decimal.Decimal) decimal.Decimal {
	return a.quo(a.mul(x, p), hundred)
}

// near reports whether x and y differ by at most tolerance.
func (a *arithmetic) near(x, y, tolerance decimal.Decimal) bool {
	return a.err == nil && a.sub(x, y).CmpAbs(tolerance) <= 0 && a.err == nil
}

// nearAny reports whether x is near one of the readings.
func (a *arithmetic) nearAny(x decimal.Decimal, readings []decimal.Decimal, tolerance decimal.Decimal) bool {
	for _, reading := range readings {
		if a.near(x, reading, tolerance) {
			return true
		}
	}
	return false
}

// sumScale is the largest scale of a decimal: every addend is a whole number of 10^-19.
const sumScale = decimal.MaxScale

var powersOfTen = func() (powers [sumScale + 1]*big.Int) {
	for i := range powers {
		powers[i] = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(i)), nil)
	}
	return powers
}()

// sum adds exactly and rounds once, at the end: the result does not depend on the
// order of the addends, and only a result beyond 19 digits is an error.
func (a *arithmetic) sum(addends ...decimal.Decimal) decimal.Decimal {
	if a.err != nil {
		return decimal.Decimal{}
	}
	var total, addend big.Int
	for _, d := range addends {
		addend.SetUint64(d.Coef())
		if d.IsNeg() {
			addend.Neg(&addend)
		}
		addend.Mul(&addend, powersOfTen[sumScale-d.Scale()])
		total.Add(&total, &addend)
	}
	return a.keep(decimalFromBig(&total))
}

// decimalFromBig is n × 10^-19.
func decimalFromBig(n *big.Int) (decimal.Decimal, error) {
	digits := new(big.Int).Abs(n).String()
	if pad := sumScale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	point := len(digits) - sumScale
	// Without its trailing zeros the text keeps every digit that Parse has room for.
	text := digits[:point] + "." + strings.TrimRight(digits[point:], "0")
	text = strings.TrimSuffix(text, ".")
	if n.Sign() < 0 {
		text = "-" + text
	}
	return decimal.Parse(text)
}

// money writes an amount with at least two decimals and no needless zeros after them.
func money(d decimal.Decimal) string {
	d = d.Trim(2)
	if d.IsZero() {
		return "0.00"
	}
	if d.Scale() < 2 {
		return d.Pad(2).String()
	}
	return d.String()
}

// plain writes a number without needless zeros.
func plain(d decimal.Decimal) string {
	if d.IsZero() {
		return "0"
	}
	return d.Trim(0).String()
}

// cents writes a computed amount to the cent, half to even, as it would be keyed in.
func cents(d decimal.Decimal) string { return money(d.Round(2)) }
