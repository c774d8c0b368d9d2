package rulefile_test

import (
	"testing"

	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"

	"github.com/stretchr/testify/assert"
)

// TestTwoSpellingsOfOneNameAreAFault loads names in two spellings. Without the fault, one of the
// two entries would win by chance.
func TestTwoSpellingsOfOneNameAreAFault(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"caps": {
			map[string]string{"rules.yaml": "version: 1\nname: cap\nrules:\n" +
				"- {id: cap, builtin: discount-cap, severity: error, params: {by: product, caps: {DR-18: " +
				"\"10\", dr-18: \"90\"}}}\n"},
			`rules.yaml:4:95: caps has this name twice: line 4, column 82 spells it "DR-18"; ` +
				`keep one: "dr-18"`,
		},
		"multiples": {
			map[string]string{"rules.yaml": "version: 1\nname: m\nrules:\n" +
				"- id: odd\n  builtin: odd-quantity\n  severity: error\n  params:\n    multiples:\n      " +
				"K\u00fcche: \"10\"\n      ku\u0308che: \"1\"\n"},
			"rules.yaml:10:7: multiples has this name twice: line 9, column 7 spells it \"K\u00fcche\"; " +
				"keep one: \"ku\u0308che\"",
		},
		"rates": {
			map[string]string{
				"rules.yaml": "version: 1\nname: m\ntables:\n  c: {file: c.csv, key: Product}\nrules:\n" +
					"- id: fee\n  builtin: fee-by-category\n  severity: error\n  params: {feeCode: Z, table: c, " +
					"rates: {Base Cabinet: 15, base  cabinet: 30}}\n",
				"c.csv": "Product,Category\nB12,Base Cabinet\n"},
			`rules.yaml:9:60: rates has this name twice: line 9, column 42 spells it "Base Cabinet"; ` +
				`keep one: "base cabinet"`,
		},
		"a table's rows": {
			map[string]string{
				"rules.yaml": "version: 1\nname: cap\ntables:\n  caps: {file: caps.csv, key: " +
					"Product}\nrules:\n" +
					"- {id: cap, builtin: discount-cap, severity: error, params: {by: product, table: caps}}\n",
				"caps.csv": "Product,Cap\nDR-18,10\ndr-18,90\n",
			},
			`caps.csv:3:1: row 2 has this key in another spelling, "DR-18": use one spelling: "dr-18"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, []string{tt.want}, faultsOf(t, rulestest.Write(t, tt.files), "rules.yaml"))
		})
	}
}

func TestAListIsChangedByPlainNumbersOnly(t *testing.T) {
	_, err := rulefile.Patched([]any{"a", "b"}, map[string]any{"1": "c", "01": nil})
	assert.ErrorContains(t, err, `not "01"`)
}
