package checks_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/money"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"
)

// propertyRounds is the number of random orders in each test.
const propertyRounds = 300

// randomOrder makes an order whose numbers are mostly, but not always, right.
func randomOrder(r *rand.Rand) *inflow.SalesOrder {
	amount := func(limit int64, scale int) inflow.Amount {
		return inflow.NewAmount(decimal.MustNew(r.Int64N(2*limit)-limit, scale))
	}
	var c money.Calc
	order := &inflow.SalesOrder{SalesOrderID: "o", CustomerID: "c", IsTaxInclusive: r.IntN(4) == 0}
	var subTotals []decimal.Decimal
	for i := range r.IntN(12) {
		line := inflow.SalesOrderLine{
			SalesOrderLineID: fmt.Sprintf("line-%02d", i),
			Quantity:         inflow.Quantity{UomQuantity: amount(20, 0)},
			UnitPrice:        inflow.NewAmount(decimal.MustNew(r.Int64N(1_000_000), r.IntN(5))),
		}
		if r.IntN(2) == 0 {
			line.Discount = &inflow.PercentOrFixed{
				Value:     inflow.NewAmount(decimal.MustNew(r.Int64N(1000), 1)),
				IsPercent: r.IntN(3) > 0,
			}
		}
		readings := checks.LineSubtotals(&c, order, &line)
		subTotal := readings[r.IntN(len(readings))].Round(2)
		if r.IntN(10) == 0 {
			subTotal = c.Add(subTotal, decimal.MustNew(r.Int64N(5), 2))
		}
		line.SubTotal = inflow.NewAmount(subTotal)
		subTotals = append(subTotals, subTotal)
		order.Lines = append(order.Lines, line)
	}
	if order.Lines == nil {
		order.Lines = []inflow.SalesOrderLine{}
	}
	order.SubTotal = inflow.NewAmount(c.Sum(subTotals...))
	order.OrderFreight, order.Tax1, order.Tax2 = amount(5000, 2), amount(5000, 2), amount(300, 2)
	order.ReturnFee, order.ReturnFreight = amount(300, 2), amount(300, 2)
	totals := checks.OrderTotals(&c, order)
	order.Total = inflow.NewAmount(totals[r.IntN(len(totals))])
	if r.IntN(10) == 0 {
		order.Total = amount(100_000, 2)
	}
	order.AmountPaid = amount(100_000, 2)
	order.Balance = inflow.NewAmount(c.Sub(order.Total.Decimal, order.AmountPaid.Decimal))
	return order
}

func TestReorderingLinesChangesLineNumbersOnly(t *testing.T) {
	set := rulestest.ArithmeticSet(t)
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable, not secret
	found := 0
	for range propertyRounds {
		order := randomOrder(r)
		before := rulestest.Evaluate(t, set, order)
		r.Shuffle(len(order.Lines), func(i, j int) {
			order.Lines[i], order.Lines[j] = order.Lines[j],
				order.Lines[i]
		})
		after := rulestest.Evaluate(t, set, order)
		for _, f := range after.Findings {
			if f.LineNumber > 0 {
				require.Equal(t, order.Lines[f.LineNumber-1].SalesOrderLineID, f.LineID)
			}
		}
		require.Equal(t, withoutLineNumbers(before.Findings), withoutLineNumbers(after.Findings))
		found += len(after.Findings)
	}
	assert.Positive(t, found)
}

// withoutLineNumbers returns the findings without line numbers, sorted by ID.
func withoutLineNumbers(findings []ordercheck.Finding) []ordercheck.Finding {
	out := slices.Clone(findings)
	for i := range out {
		out[i].Message = strings.Replace(out[i].Message, fmt.Sprintf("Line %d", out[i].LineNumber),
			"Line", 1)
		out[i].LineNumber = 0
	}
	slices.SortFunc(out, func(a, b ordercheck.Finding) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func TestTrailingZerosChangeNothing(t *testing.T) {
	set := rulestest.ArithmeticSet(t)
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // repeatable, not secret
	for range propertyRounds {
		order := randomOrder(r)
		before := rulestest.Evaluate(t, set, order)

		text, err := json.Marshal(order)
		require.NoError(t, err)
		var tree any
		require.NoError(t, json.Unmarshal(text, &tree))
		padded, err := json.Marshal(rulestest.PadAmounts(r, tree))
		require.NoError(t, err)
		after := rulestest.Evaluate(t, set, rulestest.ParseOrder(t, string(padded)))
		require.Equal(t, before, after)
	}
}

// TestSoundArithmeticHasNoFindings evaluates orders whose amounts are right. They have no findings
// of the arithmetic checks, even if other checks find something.
func TestSoundArithmeticHasNoFindings(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // repeatable, not secret
	arithmeticRules := []string{
		"line-subtotal",
		"order-subtotal",
		"order-total",
		"tax-amounts",
		"line-tax-code",
		"no-tax",
		"balance",
	}
	for range propertyRounds {
		order := randomOrder(r)
		var c money.Calc
		var subTotals []decimal.Decimal
		order.Tax1Rate = inflow.NewAmount(decimal.MustNew(r.Int64N(250), 1))
		order.Tax2Rate = inflow.NewAmount(decimal.MustNew(r.Int64N(150), 1))
		order.CalculateTax2OnTax1, order.Tax1OnShipping, order.Tax2OnShipping = r.IntN(
			2,
		) == 0, r.IntN(
			2,
		) == 0, r.IntN(
			2,
		) == 0
		order.TaxingSchemeID = "scheme"
		order.TaxingScheme = &inflow.TaxingScheme{
			TaxCodes: []inflow.TaxCode{
				{TaxCodeID: "taxable", Tax1Rate: order.Tax1Rate, Tax2Rate: order.Tax2Rate},
				{TaxCodeID: "exempt"},
			},
		}
		taxable := order.Tax1Rate.Decimal.IsPos() || order.Tax2Rate.Decimal.IsPos()
		for i := range order.Lines {
			line := &order.Lines[i]
			line.TaxCodeID = "taxable"
			if r.IntN(4) == 0 {
				line.TaxCodeID, line.Tax1Rate, line.Tax2Rate = "exempt", inflow.NewAmount(
					decimal.Zero,
				), inflow.NewAmount(
					decimal.Zero,
				)
			}
			readings := checks.LineSubtotals(&c, order, line)
			subTotal := c.Round(readings[r.IntN(len(readings))], 2)
			line.SubTotal = inflow.NewAmount(subTotal)
			subTotals = append(subTotals, subTotal)
		}
		order.SubTotal = inflow.NewAmount(c.Sum(subTotals...))
		order.Tax1 = inflow.NewAmount(c.Round(checks.TaxReadings(&c, order, 0)[0], 2))
		order.Tax2 = inflow.NewAmount(c.Round(checks.TaxReadings(&c, order, 1)[0], 2))
		order.Customer = &inflow.Customer{
			TaxExemptNumber: inflow.Presence(
				!taxable || order.Tax1.Decimal.IsZero() && order.Tax2.Decimal.IsZero(),
			),
		}
		order.Total = inflow.NewAmount(checks.OrderTotals(&c, order)[0])
		order.Balance = inflow.NewAmount(c.Sub(order.Total.Decimal, order.AmountPaid.Decimal))
		require.NoError(t, c.Err())
		checked := rulestest.Evaluate(t, rulefile.Default(), order)
		require.Empty(t, checked.RuleErrors)
		for _, f := range checked.Findings {
			require.NotContains(t, arithmeticRules, f.RuleID, f.Message)
		}
	}
}

func TestSameReportAgain(t *testing.T) {
	set := rulestest.ArithmeticSet(t)
	r := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // repeatable, not secret
	for range propertyRounds {
		order := randomOrder(r)
		first, err := json.Marshal(rulestest.Evaluate(t, set, order))
		require.NoError(t, err)
		second, err := json.Marshal(rulestest.Evaluate(t, set, order))
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	}
}
