package chaos_test

import (
	"fmt"
	"maps"
	"math/big"

	"github.com/google/uuid"
)

const (
	// hugeEvery makes one in 30 orders huge.
	hugeEvery = 30
	// hugeTimes is the number of times that a huge order repeats the three lines of the sample.
	// With an error in each of the 540 lines, it has more errors than a report lists.
	hugeTimes = 180
)

// huge reports whether an order has more lines than a report can list findings.
func huge(order int) bool { return order%hugeEvery == hugeEvery/2 }

// enlarge repeats the lines of an order, and multiplies its amounts so that the order stays right.
func enlarge(order map[string]any) error {
	lines, _ := order["lines"].([]any)
	var many []any
	for range hugeTimes {
		for _, line := range lines {
			fields, ok := line.(map[string]any)
			if !ok {
				return fmt.Errorf("a line of the sample is a %T", line)
			}
			fields = maps.Clone(fields)
			fields["salesOrderLineId"] = uuid.NewString()
			many = append(many, fields)
		}
	}
	order["lines"] = many
	for _, field := range []string{"orderFreight", "subTotal", "tax1", "total", "balance"} {
		amount, err := number(order[field])
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		order[field] = amount.Mul(amount, big.NewRat(hugeTimes, 1)).FloatString(5)
	}
	return nil
}

// shiftLines adds an amount to the subtotal of each line.
func shiftLines(order map[string]any, by int64) error {
	lines, _ := order["lines"].([]any)
	for _, line := range lines {
		fields, ok := line.(map[string]any)
		if !ok {
			return fmt.Errorf("a line is a %T", line)
		}
		amount, err := number(fields["subTotal"])
		if err != nil {
			return fmt.Errorf("subTotal: %w", err)
		}
		fields["subTotal"] = amount.Add(amount, big.NewRat(by, 1)).FloatString(5)
	}
	return nil
}

func number(value any) (*big.Rat, error) {
	text, _ := value.(string)
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, fmt.Errorf("%v is not a number", value)
	}
	return n, nil
}
