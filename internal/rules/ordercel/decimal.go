package ordercel

import (
	"errors"
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/govalues/decimal"

	"error-check-gate/internal/money"
)

// DecimalType is the type of amounts, quantities and percentages.
var DecimalType = types.NewObjectType(
	"Decimal",
	traits.AdderType|traits.SubtractorType|traits.MultiplierType|traits.DividerType|traits.NegatorType|
		traits.ComparerType,
)

// Decimal is a decimal number in expressions. Operators accept only decimals on both sides.
type Decimal struct{ decimal.Decimal }

var (
	_ traits.Adder      = Decimal{}
	_ traits.Subtractor = Decimal{}
	_ traits.Multiplier = Decimal{}
	_ traits.Divider    = Decimal{}
	_ traits.Negater    = Decimal{}
	_ traits.Comparer   = Decimal{}
)

// Add implements the operator +.
func (d Decimal) Add(other ref.Val) ref.Val { return d.binary(other, (*money.Calc).Add) }

// Subtract implements the operator -.
func (d Decimal) Subtract(other ref.Val) ref.Val { return d.binary(other, (*money.Calc).Sub) }

// Multiply implements the operator *.
func (d Decimal) Multiply(other ref.Val) ref.Val { return d.binary(other, (*money.Calc).Mul) }

// Divide implements the operator /.
func (d Decimal) Divide(other ref.Val) ref.Val { return d.binary(other, (*money.Calc).Quo) }

func (d Decimal) binary(
	other ref.Val, op func(c *money.Calc, x, y decimal.Decimal) decimal.Decimal,
) ref.Val {
	o, ok := other.(Decimal)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	return calculated(func(c *money.Calc) decimal.Decimal { return op(c, d.Decimal, o.Decimal) })
}

// calculated returns the result of a calculation, or its error.
func calculated(calculate func(c *money.Calc) decimal.Decimal) ref.Val {
	var c money.Calc
	result := calculate(&c)
	if err := c.Err(); err != nil {
		return types.WrapErr(err)
	}
	return Decimal{result}
}

// Negate implements the unary operator -.
func (d Decimal) Negate() ref.Val { return Decimal{d.Neg()} }

// Compare implements < <= > >=.
func (d Decimal) Compare(other ref.Val) ref.Val {
	o, ok := other.(Decimal)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	return types.Int(d.Cmp(o.Decimal))
}

// Equal compares values: 1.0 equals 1.
func (d Decimal) Equal(other ref.Val) ref.Val {
	o, ok := other.(Decimal)
	return types.Bool(ok && d.Cmp(o.Decimal) == 0)
}

// Type returns [DecimalType].
func (d Decimal) Type() ref.Type { return DecimalType }

// Value returns the [decimal.Decimal].
func (d Decimal) Value() any { return d.Decimal }

// ConvertToType converts to a string without trailing zeros.
func (d Decimal) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.StringType:
		return types.String(money.Plain(d.Decimal))
	case types.TypeType:
		return DecimalType
	case DecimalType:
		return d
	}
	return types.NewErr("a decimal does not convert to %s", t.TypeName())
}

// ConvertToNative converts to a [decimal.Decimal] or a string.
func (d Decimal) ConvertToNative(t reflect.Type) (any, error) {
	switch t {
	case reflect.TypeFor[decimal.Decimal]():
		return d.Decimal, nil
	case reflect.TypeFor[string]():
		return money.Plain(d.Decimal), nil
	}
	return nil, fmt.Errorf("a decimal does not convert to %v", t)
}

// maxDecimalText is the maximum length of a decimal: 19 digits, a sign, a point, and some trailing
// zeros.
const maxDecimalText = 64

// ParseDecimal parses a decimal like dec('…'): digits with an optional sign and point.
func ParseDecimal(text string) (decimal.Decimal, error) {
	if text == "" {
		return decimal.Decimal{}, errors.New("an empty text is not a number")
	}
	if len(text) > maxDecimalText {
		return decimal.Decimal{}, fmt.Errorf(
			"a text of %d characters is not a number: at most 19 digits can be calculated with", len(text))
	}
	for _, r := range text {
		if (r < '0' || r > '9') && r != '.' && r != '-' && r != '+' {
			return decimal.Decimal{}, fmt.Errorf(
				"%q is not a number: write digits with a point, such as 12.50", text)
		}
	}
	d, err := decimal.Parse(text)
	if err != nil {
		return decimal.Decimal{}, fmt.Errorf("%q is not a number of at most 19 digits", text)
	}
	return d, nil
}
