package table

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNumbersAreReadAsPeopleSeeThem(t *testing.T) {
	for name, tt := range map[string]struct {
		in      notation
		numbers map[string]string
		refused []string
	}{
		"commas between cells": {
			pointNotation,
			map[string]string{
				"1250": "1250", "1250.50": "1250.50", "$1,250.50": "1250.50", "€ 12": "12", "-3.5": "-3.5",
				"1,234,567": "1234567", "0": "0",
				"1.250": "1.250", "12,500": "12500", "12,500.00": "12500.00", "12.50 €": "12.50",
				"(1,250.00)": "-1250.00", "- $5": "-5", "$-5": "-5",
				"USD 12": "12", "12 USD": "12", "1 250.50": "1250.50", "1'250": "1250", "1\u00a0250": "1250",
				"\u2212 4": "-4", "+4": "4", ".5": "0.5", "25%": "25%", "12.5 %": "12.5%", "007": "7",
			},
			[]string{"12,50", "1,2", "abc", "1.2.3", ",123", "1,23,456", "0,500", "1.250,50", "1.234.567",
				"1e3", "", "-", ".", "5-", "--5", "-(5)", "12 pcs", "1 25", "%", "2024-03-01", "1/2", "10%%",
				"5 000 0"},
		},
		"semicolons between cells": {
			commaNotation,
			map[string]string{
				"12,500": "12.500", "0,500": "0.500", "12,5": "12.5", "1250": "1250", "1.250,50": "1250.50",
				"1.250.000": "1250000", "1.250.000,5": "1250000.5",
				"12.50": "12.50", "0.500": "0.500", "12345.678": "12345.678", "12,50 €": "12.50",
				"-3,5": "-3.5", "1 250,5": "1250.5", "1'250.50": "1250.50", "12,5 %": "12.5%",
			},
			[]string{"1.250", "999.999", "1,250.50", "1,250,000", "1.25.000", "abc", ",", "1,2,3", "1.250 €",
				"-1.250", "1.250%"},
		},
		"tabs between cells, texts in workbooks": {
			eitherNotation,
			map[string]string{
				"1250": "1250", "12,5": "12.5", "12.5": "12.5", "1.250,50": "1250.50", "1,250.50": "1250.50",
				"1,250,000": "1250000", "1.250.000": "1250000",
				"0,500": "0.500", "0.500": "0.500", "12.5000": "12.5000", "1 250,500": "1250.500",
			},
			[]string{"12,500", "1.250", "1,2.3,4", "1.2.3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for text, want := range tt.numbers {
				got, err := parseNumber(text, tt.in)
				require.NoError(t, err, text)
				shown := got.value.String()
				if got.percent {
					shown += "%"
				}
				assert.Equal(t, want, shown, text)
			}
			for _, text := range tt.refused {
				got, err := parseNumber(text, tt.in)
				assert.Error(t, err, "%q is read as %v", text, got)
			}
		})
	}

	_, err := parseNumber("1.250", commaNotation)
	require.EqualError(t, err, "ambiguous: 1.250 may be 1250 or 1,250: write 1250 or 1,250")
	_, err = parseNumber("12,500", eitherNotation)
	require.EqualError(t, err, "ambiguous: 12,500 may be 12500 or 12.500: write 12500 or 12.5000")
	for _, text := range []string{"12500", "12.5000"} { // the advice works
		_, err = parseNumber(text, eitherNotation)
		require.NoError(t, err)
	}
	_, err = parseNumber("twelve", commaNotation)
	require.EqualError(t, err, "not an amount: write it like 1250,50")
}
