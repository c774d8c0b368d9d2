package money

import (
	"math/rand/v2"
	"testing"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(texts ...string) []decimal.Decimal {
	out := make([]decimal.Decimal, len(texts))
	for i, text := range texts {
		out[i] = decimal.MustParse(text)
	}
	return out
}

func TestSumIsExactAndIndependentOfOrder(t *testing.T) {
	tests := []struct {
		addends []string
		want    string
	}{
		{nil, "0"},
		{[]string{"0.1", "0.2"}, "0.3"},
		{[]string{"-0.5", "0.25", "0.25"}, "0"},
		{[]string{"9999999999999999999", "0.1234567890123456789", "-9999999999999999999"},
			"0.1234567890123456789"},
		{[]string{"5000000000000000000", "5000000000000000000", "-1"}, "9999999999999999999"},
		{[]string{"-0.0000000000000000001", "-123456789"}, "-123456789.0000000000"},
		{[]string{"4611686018427.387903", "4611686018427.387903", "1"}, "9223372036855.775806"},
		{[]string{"-4611686018427.387903", "-4611686018427.387903", "0.0000001"},
			"-9223372036854.7758059"},
	}
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // repeatable, not secret
	for _, tt := range tests {
		addends := parse(tt.addends...)
		for range 5 {
			var c Calc
			got := c.Sum(addends...)
			require.NoError(t, c.Err())
			assert.True(t, got.Equal(decimal.MustParse(tt.want)), "%v: %s, want %s", tt.addends, got,
				tt.want)
			r.Shuffle(len(addends), func(i, j int) { addends[i], addends[j] = addends[j], addends[i] })
		}
	}
}

func TestFirstErrorIsKept(t *testing.T) {
	var c Calc
	c.Sum(parse("5000000000000000000", "5000000000000000000")...)
	require.ErrorIs(t, c.Err(), ErrTooLarge)
	assert.True(t, c.Quo(decimal.One, decimal.Zero).IsZero())
	require.ErrorIs(t, c.Err(), ErrTooLarge)
	assert.True(t, c.Sum(decimal.One).IsZero(), "after an error every result is 0")
	assert.False(t, c.Near(decimal.One, decimal.One, decimal.One), "after an error nothing is near")

	c = Calc{}
	c.Quo(decimal.Zero, decimal.Zero)
	require.ErrorIs(t, c.Err(), ErrDivideByZero)
}

func TestNearIsInclusive(t *testing.T) {
	cent := decimal.MustParse("0.01")
	for other, want := range map[string]bool{"1": true, "1.01": true, "0.99": true,
		"1.0100000001": false, "0.98": false, "-1": false} {
		var c Calc
		assert.Equal(t, want, c.Near(decimal.One, decimal.MustParse(other), cent), other)
	}
}

func TestRound(t *testing.T) {
	tests := []struct {
		in    string
		scale int
		want  string
	}{
		{"2.675", 2, "2.68"},
		{"2.665", 2, "2.67"},
		{"-2.665", 2, "-2.67"},
		{"2.664999", 2, "2.66"},
		{"0.5", 0, "1"},
		{"-0.5", 0, "-1"},
		{"0.4999999999999999999", 0, "0"},
		{"7", 2, "7"},
		{"0.1234567890123456785", 18, "0.123456789012345679"},
		{"0.1234567890123456785", 19, "0.1234567890123456785"},
	}
	for _, tt := range tests {
		var c Calc
		got := c.Round(decimal.MustParse(tt.in), tt.scale)
		require.NoError(t, c.Err())
		assert.Equal(t, tt.want, got.String(), tt.in)
	}
}

func TestRoundUp(t *testing.T) {
	for in, want := range map[string]string{"2.671": "2.68", "2.67": "2.67", "2.6700": "2.67",
		"-2.671": "-2.68", "0.0001": "0.01", "7": "7"} {
		var c Calc
		assert.Equal(t, want, c.RoundUp(decimal.MustParse(in), 2).String(), in)
		require.NoError(t, c.Err())
	}
}

func TestPercent(t *testing.T) {
	var c Calc
	assert.Equal(t, "25", Plain(c.Percent(decimal.MustParse("12.5"), decimal.MustParse("200"))))
	require.NoError(t, c.Err())
}

func TestTexts(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0.00", "-0.000": "0.00", "9": "9.00", "9.0000": "9.00", "15.5": "15.50",
		"-1.23400": "-1.234", "0.00001": "0.00001",
		"9999999999999999999": "9999999999999999999",
	} {
		assert.Equal(t, want, Text(decimal.MustParse(in)), in)
	}
	for in, want := range map[string]string{"0": "0", "2.0000": "2", "100": "100", "-12.50": "-12.5",
		"-0.0": "0"} {
		assert.Equal(t, want, Plain(decimal.MustParse(in)), in)
	}
	for in, want := range map[string]string{"1.235": "1.24", "1": "1.00", "-0.001": "0.00"} {
		assert.Equal(t, want, Cents(decimal.MustParse(in)), in)
	}
}

func BenchmarkSum(b *testing.B) {
	addends := make([]decimal.Decimal, 100)
	for i := range addends {
		addends[i] = decimal.MustNew(int64(i)*101, 2)
	}
	b.ReportAllocs()
	for b.Loop() {
		var c Calc
		c.Sum(addends...)
	}
}
