package ordercel

import (
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/govalues/decimal"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/rules/productcode"
)

// Function describes a function that the gate adds to CEL.
type Function struct {
	Name string
	// Use shows a call, Doc says what it gives.
	Use, Doc string
}

// Functions lists what the gate adds to CEL, in the order in which to explain it.
func Functions() []Function {
	out := make([]Function, len(functions))
	for i, f := range functions {
		out[i] = f.Function
	}
	return out
}

type function struct {
	Function
	overloads []cel.FunctionOpt
}

// maxDays keeps durations within what they can hold.
const maxDays = 100_000

// functions is the gate's library.
var functions = []function{
	{Function{"dec", "dec('0.01')", "a decimal, from text or a whole number"}, []cel.FunctionOpt{
		cel.Overload("dec_string", []*cel.Type{cel.StringType}, DecimalType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			d, err := ParseDecimal(string(v.(types.String)))
			if err != nil {
				return types.WrapErr(err)
			}
			return Decimal{d}
		})),
		cel.Overload("dec_int", []*cel.Type{cel.IntType}, DecimalType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			d, err := decimal.New(int64(v.(types.Int)), 0)
			if err != nil {
				return types.WrapErr(money.ErrTooLarge)
			}
			return Decimal{d}
		})),
	}},
	{Function{"abs", "abs(order.balance)", "the decimal without its sign"}, []cel.FunctionOpt{
		cel.Overload("abs_decimal", []*cel.Type{DecimalType}, DecimalType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return Decimal{v.(Decimal).Abs()}
		})),
	}},
	{Function{"round", "round(order.total, 2)", "rounded to so many decimals (0 to 18), half away from zero"}, []cel.FunctionOpt{
		cel.Overload("round_decimal_int", []*cel.Type{DecimalType, cel.IntType}, DecimalType, cel.BinaryBinding(func(v, scale ref.Val) ref.Val {
			n := scale.(types.Int)
			if n < 0 || n >= decimal.MaxScale {
				return types.NewErr("round to %d decimals: only 0 to %d are possible", int64(n), decimal.MaxScale-1)
			}
			return calculated(func(c *money.Calc) decimal.Decimal { return c.Round(v.(Decimal).Decimal, int(n)) })
		})),
	}},
	{Function{"roundUp", "roundUp(order.total, 2)", "rounded to so many decimals (0 to 18), away from zero"}, []cel.FunctionOpt{
		cel.Overload("round_up_decimal_int", []*cel.Type{DecimalType, cel.IntType}, DecimalType, cel.BinaryBinding(func(v, scale ref.Val) ref.Val {
			n := scale.(types.Int)
			if n < 0 || n >= decimal.MaxScale {
				return types.NewErr("round to %d decimals: only 0 to %d are possible", int64(n), decimal.MaxScale-1)
			}
			return calculated(func(c *money.Calc) decimal.Decimal { return c.RoundUp(v.(Decimal).Decimal, int(n)) })
		})),
	}},
	{Function{"min", "min(order.total, dec(0))", "the smaller of two decimals"}, []cel.FunctionOpt{
		cel.Overload("min_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType, cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			return Decimal{a.(Decimal).Min(b.(Decimal).Decimal)}
		})),
	}},
	{Function{"max", "max(order.total, dec(0))", "the larger of two decimals"}, []cel.FunctionOpt{
		cel.Overload("max_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType, cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			return Decimal{a.(Decimal).Max(b.(Decimal).Decimal)}
		})),
	}},
	{Function{"sum", "sum(order.lines.map(l, l.subTotal))", "the exact sum of a list of decimals"}, []cel.FunctionOpt{
		cel.Overload("sum_list_decimal", []*cel.Type{cel.ListType(DecimalType)}, DecimalType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			var total money.Total
			for it := v.(traits.Lister).Iterator(); it.HasNext() == types.True; {
				d, ok := it.Next().(Decimal)
				if !ok {
					return types.NewErr("sum: an element is not a decimal")
				}
				total.Add(d.Decimal)
			}
			return calculated(func(c *money.Calc) decimal.Decimal { return c.SumOf(&total) })
		})),
	}},
	{Function{"percent", "percent(dec('2.9'), order.total)", "so many percent of an amount"}, []cel.FunctionOpt{
		cel.Overload("percent_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType, cel.BinaryBinding(func(p, x ref.Val) ref.Val {
			return calculated(func(c *money.Calc) decimal.Decimal { return c.Percent(p.(Decimal).Decimal, x.(Decimal).Decimal) })
		})),
	}},
	{Function{"share", "share(order.tax1, order.subTotal)", "what percentage the first is of the second"}, []cel.FunctionOpt{
		cel.Overload("share_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType, cel.BinaryBinding(func(part, whole ref.Val) ref.Val {
			return calculated(func(c *money.Calc) decimal.Decimal {
				return c.Quo(c.Mul(part.(Decimal).Decimal, money.Hundred), whole.(Decimal).Decimal)
			})
		})),
	}},
	{Function{"near", "near(order.total, order.amountPaid, dec('0.01'))", "whether two decimals differ by at most the third"}, []cel.FunctionOpt{
		cel.Overload("near_decimal_decimal_decimal", []*cel.Type{DecimalType, DecimalType, DecimalType}, cel.BoolType, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
			var c money.Calc
			near := c.Near(args[0].(Decimal).Decimal, args[1].(Decimal).Decimal, args[2].(Decimal).Decimal)
			if err := c.Err(); err != nil {
				return types.WrapErr(err)
			}
			return types.Bool(near)
		})),
	}},
	{Function{"string", "string(order.total)", "a decimal as text without needless zeros: 12.5"}, []cel.FunctionOpt{
		cel.Overload("string_decimal", []*cel.Type{DecimalType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return v.ConvertToType(types.StringType)
		})),
	}},
	{Function{"money", "money(order.total)", "an amount as text with two decimals or more: 12.50"}, []cel.FunctionOpt{
		cel.Overload("money_decimal", []*cel.Type{DecimalType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return types.String(money.Text(v.(Decimal).Decimal))
		})),
	}},
	{Function{"blank", "blank(order.orderRemarks)", "whether a text is empty or only white space"}, []cel.FunctionOpt{
		cel.Overload("blank_string", []*cel.Type{cel.StringType}, cel.BoolType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return types.Bool(strings.TrimSpace(string(v.(types.String))) == "")
		})),
	}},
	{Function{"is", "order.paymentStatus.is('paid')", "whether two texts are the same without regard to case and surrounding white space"}, []cel.FunctionOpt{
		cel.MemberOverload("string_is_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType, cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			return types.Bool(strings.EqualFold(strings.TrimSpace(string(a.(types.String))), strings.TrimSpace(string(b.(types.String)))))
		})),
	}},
	{Function{"trim", "order.poNumber.trim()", "a text without the white space around it"}, textFunction("trim", strings.TrimSpace)},
	{Function{"upper", "order.poNumber.upper()", "a text in capitals"}, textFunction("upper", strings.ToUpper)},
	{Function{"lower", "order.poNumber.lower()", "a text in small letters"}, textFunction("lower", strings.ToLower)},
	{Function{"hasCode", "line.product.hasCode('TUK')", "whether the product's name or SKU has a code as a whole token; false where there is no product"}, []cel.FunctionOpt{
		cel.MemberOverload("product_has_code", []*cel.Type{productType.cel, cel.StringType}, cel.BoolType, cel.BinaryBinding(func(p, code ref.Val) ref.Val {
			product, _ := p.Value().(*inflow.Product)
			return types.Bool(productcode.Has(product, string(code.(types.String))))
		})),
	}},
	{Function{"hasPrefix", "line.product.hasPrefix('Z_')", "whether the product's name or SKU starts so, case included; false where there is no product"}, []cel.FunctionOpt{
		cel.MemberOverload("product_has_prefix", []*cel.Type{productType.cel, cel.StringType}, cel.BoolType, cel.BinaryBinding(func(p, prefix ref.Val) ref.Val {
			product, _ := p.Value().(*inflow.Product)
			return types.Bool(productcode.HasPrefix(product, string(prefix.(types.String))))
		})),
	}},
	{Function{"days", "now - order.orderDate > days(30)", "so many days, as a duration"}, []cel.FunctionOpt{
		cel.Overload("days_int", []*cel.Type{cel.IntType}, cel.DurationType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			n := int64(v.(types.Int))
			if n > maxDays || n < -maxDays {
				return types.NewErr("days(%d): at most %d are possible", n, maxDays)
			}
			return types.Duration{Duration: time.Duration(n) * 24 * time.Hour}
		})),
	}},
	{Function{"daysBetween", "daysBetween(order.orderDate, now)", "whole calendar days (UTC) from the first date to the second; negative where the second is earlier"}, []cel.FunctionOpt{
		cel.Overload("days_between_timestamp_timestamp", []*cel.Type{cel.TimestampType, cel.TimestampType}, cel.IntType, cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			return types.Int(DaysBetween(a.(types.Timestamp).Time, b.(types.Timestamp).Time))
		})),
	}},
}

// DaysBetween counts calendar days in UTC from a to b.
func DaysBetween(a, b time.Time) int {
	const secondsADay = 24 * 60 * 60
	day := func(t time.Time) int64 { return t.UTC().Truncate(24*time.Hour).Unix() / secondsADay }
	return int(day(b) - day(a))
}

func textFunction(name string, change func(string) string) []cel.FunctionOpt {
	return []cel.FunctionOpt{
		cel.MemberOverload("string_"+name, []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return types.String(change(string(v.(types.String))))
		})),
	}
}

// functionCosts prices the functions whose work grows with their arguments.
type functionCosts struct{}

// CallCost implements the interface that cel-go asks for.
func (functionCosts) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	cost := uint64(1)
	switch function {
	case "sum":
		if list, ok := args[0].(traits.Sizer); ok {
			if n, ok := list.Size().(types.Int); ok && n > 0 {
				cost += uint64(n)
			}
		}
	case "blank", "is", "trim", "upper", "lower", "hasCode", "hasPrefix", "dec":
		for _, arg := range args {
			switch v := arg.Value().(type) {
			case string:
				cost += uint64(len(v) / 10)
			case *inflow.Product:
				if v != nil {
					cost += uint64((len(v.Name) + len(v.SKU)) / 10)
				}
			}
		}
	default:
		return nil
	}
	return &cost
}
