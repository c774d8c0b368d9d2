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
	"error-check-gate/internal/rules/fold"
	"error-check-gate/internal/rules/productcode"
)

// Function describes a function that the gate adds to CEL.
type Function struct {
	Name string
	// Use shows a call. Doc says what it returns.
	Use, Doc string
}

// Functions lists the functions that the gate adds to CEL, in the order of the documentation.
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

// maxDays keeps durations from overflowing.
const maxDays = 100_000

// functions lists the functions that the gate adds to CEL.
var functions = []function{
	{Function{"dec", "dec('0.01')", "a decimal, from text or a whole number"}, []cel.FunctionOpt{
		cel.Overload("dec_string", []*cel.Type{cel.StringType}, DecimalType,
			unary(func(v types.String) ref.Val {
				d, err := ParseDecimal(string(v))
				if err != nil {
					return types.WrapErr(err)
				}
				return Decimal{d}
			})),
		cel.Overload("dec_int", []*cel.Type{cel.IntType}, DecimalType, unary(func(v types.Int) ref.Val {
			d, err := decimal.New(int64(v), 0)
			if err != nil {
				return types.WrapErr(money.ErrTooLarge)
			}
			return Decimal{d}
		})),
	}},
	{Function{"abs", "abs(dec('-5.25'))", "the decimal without its sign"}, []cel.FunctionOpt{
		cel.Overload("abs_decimal", []*cel.Type{DecimalType}, DecimalType,
			unary(func(d Decimal) ref.Val { return Decimal{d.Abs()} })),
	}},
	{Function{"round", "round(dec('2.345'), 2)",
		"the decimal rounded to 0 to 18 decimal places, half away from zero"}, []cel.FunctionOpt{
		cel.Overload("round_decimal_int", []*cel.Type{DecimalType, cel.IntType}, DecimalType,
			rounding((*money.Calc).Round)),
	}},
	{Function{"roundUp", "roundUp(dec('2.341'), 2)",
		"the decimal rounded to 0 to 18 decimal places, away from zero"}, []cel.FunctionOpt{
		cel.Overload("round_up_decimal_int", []*cel.Type{DecimalType, cel.IntType}, DecimalType,
			rounding((*money.Calc).RoundUp)),
	}},
	{Function{"min", "min(order.total, dec(100))", "the smaller of two decimals"}, []cel.FunctionOpt{
		cel.Overload("min_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType,
			binary(func(a, b Decimal) ref.Val {
				return Decimal{a.Min(b.Decimal)}
			})),
	}},
	{Function{"max", "max(order.total, dec(100))", "the larger of two decimals"}, []cel.FunctionOpt{
		cel.Overload("max_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType,
			binary(func(a, b Decimal) ref.Val {
				return Decimal{a.Max(b.Decimal)}
			})),
	}},
	{Function{"sum", "sum(order.lines.map(l, l.subTotal))", "the exact sum of a list of decimals"},
		[]cel.FunctionOpt{
			cel.Overload("sum_list_decimal", []*cel.Type{cel.ListType(DecimalType)}, DecimalType,
				unary(func(list traits.Lister) ref.Val {
					var total money.Total
					for it := list.Iterator(); it.HasNext() == types.True; {
						d, ok := it.Next().(Decimal)
						if !ok {
							return types.NewErr("sum: an element is not a decimal")
						}
						total.Add(d.Decimal)
					}
					return calculated(func(c *money.Calc) decimal.Decimal { return c.SumOf(&total) })
				})),
		}},
	{Function{"percent", "percent(dec('2.9'), order.total)", "a percentage of an amount"},
		[]cel.FunctionOpt{
			cel.Overload("percent_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType,
				binary(func(p, x Decimal) ref.Val {
					return calculated(func(c *money.Calc) decimal.Decimal {
						return c.Percent(p.Decimal,
							x.Decimal)
					})
				})),
		}},
	{Function{"share", "share(order.tax1, order.subTotal)",
		"the first as a percentage of the second"}, []cel.FunctionOpt{
		cel.Overload("share_decimal_decimal", []*cel.Type{DecimalType, DecimalType}, DecimalType,
			binary(func(part, whole Decimal) ref.Val {
				return calculated(func(c *money.Calc) decimal.Decimal {
					return c.Quo(c.Mul(part.Decimal, money.Hundred), whole.Decimal)
				})
			})),
	}},
	{Function{"near", "near(order.total, order.amountPaid, dec('0.01'))",
		"whether two decimals differ by at most the third"}, []cel.FunctionOpt{
		cel.Overload("near_decimal_decimal_decimal", []*cel.Type{DecimalType, DecimalType, DecimalType},
			cel.BoolType, cel.FunctionBinding(near)),
	}},
	{Function{"string", "string(order.total)", "a decimal as text without needless zeros: 12.5"},
		[]cel.FunctionOpt{
			cel.Overload("string_decimal", []*cel.Type{DecimalType}, cel.StringType,
				unary(func(d Decimal) ref.Val { return types.String(money.Plain(d.Decimal)) })),
		}},
	{Function{"money", "money(order.total)", "an amount as text with two decimals or more: 12.50"},
		[]cel.FunctionOpt{
			cel.Overload("money_decimal", []*cel.Type{DecimalType}, cel.StringType,
				unary(func(d Decimal) ref.Val { return types.String(money.Text(d.Decimal)) })),
		}},
	{Function{"blank", "blank(order.orderRemarks)", "whether a text is empty or only white space"},
		[]cel.FunctionOpt{
			cel.Overload("blank_string", []*cel.Type{cel.StringType}, cel.BoolType,
				unary(func(s types.String) ref.Val {
					return types.Bool(strings.TrimSpace(string(s)) == "")
				})),
		}},
	{Function{"is", "order.paymentStatus.is('paid')",
		"whether two texts are the same without regard to case and surrounding white space"},
		[]cel.FunctionOpt{
			cel.MemberOverload("string_is_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
				binary(func(a, b types.String) ref.Val {
					return types.Bool(
						fold.Case(strings.TrimSpace(string(a))) == fold.Case(strings.TrimSpace(string(b))))
				})),
		}},
	{Function{"trim", "order.poNumber.trim()", "a text without the white space around it"},
		textFunction("trim", strings.TrimSpace)},
	{Function{"upper", "order.poNumber.upper()", "a text in capitals"},
		textFunction("upper", strings.ToUpper)},
	{Function{"lower", "order.poNumber.lower()", "a text in small letters"},
		textFunction("lower", strings.ToLower)},
	{Function{"hasCode", "line.product.hasCode('DR')",
		"whether the product's name or SKU has a code as a whole token; false if there is no product"},
		[]cel.FunctionOpt{
			cel.MemberOverload("product_has_code", []*cel.Type{productType.cel, cel.StringType},
				cel.BoolType,
				ofProduct(productcode.Has)),
		}},
	{Function{"hasPrefix", "line.product.hasPrefix('DR-')",
		"whether the product's name or SKU starts with a text in this case; " +
			"false if there is no product"},
		[]cel.FunctionOpt{
			cel.MemberOverload("product_has_prefix", []*cel.Type{productType.cel, cel.StringType},
				cel.BoolType, ofProduct(productcode.HasPrefix)),
		}},
	{Function{"days", "now - order.orderDate > days(14)", "a number of days, as a duration"},
		[]cel.FunctionOpt{
			cel.Overload("days_int", []*cel.Type{cel.IntType}, cel.DurationType,
				unary(func(n types.Int) ref.Val {
					if n > maxDays || n < -maxDays {
						return types.NewErr("days(%d): at most %d are possible", int64(n), maxDays)
					}
					return types.Duration{Duration: time.Duration(n) * 24 * time.Hour}
				})),
		}},
	{Function{"daysBetween", "daysBetween(order.orderDate, now)",
		"whole calendar days from the first date to the second, negative if the second is earlier; " +
			"a day is counted by the date's own offset, or else by TZ"}, []cel.FunctionOpt{
		cel.Overload("days_between_timestamp_timestamp",
			[]*cel.Type{cel.TimestampType, cel.TimestampType}, cel.IntType,
			binary(func(a, b types.Timestamp) ref.Val {
				return types.Int(DaysBetween(a.Time, b.Time))
			})),
	}},
}

// unary binds a function of one argument. CEL calls it only with this type.
func unary[A ref.Val](f func(A) ref.Val) cel.OverloadOpt {
	return cel.UnaryBinding(func(v ref.Val) ref.Val {
		a, ok := v.(A)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		return f(a)
	})
}

// binary binds a function of two arguments. CEL calls it only with these types.
func binary[A, B ref.Val](f func(A, B) ref.Val) cel.OverloadOpt {
	return cel.BinaryBinding(func(v, w ref.Val) ref.Val {
		a, ok := v.(A)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		b, ok := w.(B)
		if !ok {
			return types.MaybeNoSuchOverloadErr(w)
		}
		return f(a, b)
	})
}

func rounding(
	round func(c *money.Calc, d decimal.Decimal, scale int) decimal.Decimal,
) cel.OverloadOpt {
	return binary(func(d Decimal, n types.Int) ref.Val {
		if n < 0 || n >= decimal.MaxScale {
			return types.NewErr("round to %d decimals: only 0 to %d are possible", int64(n),
				decimal.MaxScale-1)
		}
		return calculated(func(c *money.Calc) decimal.Decimal { return round(c, d.Decimal, int(n)) })
	})
}

func near(args ...ref.Val) ref.Val {
	var d [3]decimal.Decimal
	for i, arg := range args {
		value, ok := arg.(Decimal)
		if !ok {
			return types.MaybeNoSuchOverloadErr(arg)
		}
		d[i] = value.Decimal
	}
	var c money.Calc
	result := c.Near(d[0], d[1], d[2])
	if err := c.Err(); err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(result)
}

// ofProduct binds a predicate on a product and a string. The product may be nil.
func ofProduct(ask func(*inflow.Product, string) bool) cel.OverloadOpt {
	return binary(func(v *objectValue, text types.String) ref.Val {
		product, ok := v.pointer.(*inflow.Product)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		return types.Bool(ask(product, string(text)))
	})
}

// DaysBetween returns the number of calendar days from a to b. Each time counts in its own
// location.
func DaysBetween(a, b time.Time) int {
	const secondsADay = 24 * 60 * 60
	day := func(t time.Time) int64 {
		year, month, date := t.Date()
		return time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Unix() / secondsADay
	}
	return int(day(b) - day(a))
}

func textFunction(name string, change func(string) string) []cel.FunctionOpt {
	return []cel.FunctionOpt{
		cel.MemberOverload("string_"+name, []*cel.Type{cel.StringType}, cel.StringType,
			unary(func(s types.String) ref.Val {
				return types.String(change(string(s)))
			})),
	}
}

// functionCosts sets the cost of the functions whose work grows with their arguments.
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
