package rules

import (
	"math/rand/v2"
	"testing"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSumIsExactAndIndependentOfOrder(t *testing.T) {
	parse := func(texts ...string) []decimal.Decimal {
		out := make([]decimal.Decimal, len(texts))
		for i, text := range texts {
			out[i] = decimal.MustParse(text)
		}
		return out
	}
	tests := []struct {
		addends []string
		want    string
	}{
		{nil, "0"},
		{[]string{"0.1", "0.2"}, "0.3"},
		{[]string{"-0.5", "0.25", "0.25"}, "0"},
		{[]string{"9999999999999999999", "0.1234567890123456789", "-9999999999999999999"}, "0.1234567890123456789"},
		{[]string{"5000000000000000000", "5000000000000000000", "-1"}, "9999999999999999999"},
		{[]string{"-0.0000000000000000001", "-123456789"}, "-123456789.0000000000"},
	}
	for _, tt := range tests {
		addends := parse(tt.addends...)
		for range 5 {
			var a arithmetic
			got := a.sum(addends...)
			require.NoError(t, a.err)
			assert.True(t, got.Equal(decimal.MustParse(tt.want)), "%v: %s, want %s", tt.addends, got, tt.want)
			rand.Shuffle(len(addends), func(i, j int) { addends[i], addends[j] = addends[j], addends[i] })
		}
	}
	var a arithmetic
	a.sum(parse("5000000000000000000", "5000000000000000000")...)
	require.ErrorIs(t, a.err, errTooLarge)
	assert.True(t, a.sum(decimal.One).IsZero(), "after an error every result is 0")
}

func TestAmountsAreWrittenForPeople(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0.00", "-0.000": "0.00", "9": "9.00", "9.0000": "9.00", "15.5": "15.50", "-1.23400": "-1.234", "0.00001": "0.00001",
		"9999999999999999999": "9999999999999999999",
	} {
		assert.Equal(t, want, money(decimal.MustParse(in)), in)
	}
	for in, want := range map[string]string{"0": "0", "2.0000": "2", "100": "100", "-12.50": "-12.5", "-0.0": "0"} {
		assert.Equal(t, want, plain(decimal.MustParse(in)), in)
	}
	assert.Equal(t, "1.24", cents(decimal.MustParse("1.235")))
}
