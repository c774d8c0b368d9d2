package checks_test

import (
	"os"
	"path/filepath"
	"testing"

	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func loadDeliveryRecord(t *testing.T, rows string) (*rules.Set, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(
		t,
		os.WriteFile(filepath.Join(dir, "record.csv"),
			[]byte("Sales Order#,Area,Handling,Shipment Quote Amount,Date\n"+rows), 0o600),
	)
	path := filepath.Join(dir, "rules.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`version: 1
name: delivery
tables: {record: {file: record.csv, key: "Sales Order#"}}
rules:
- {id: delivery, builtin: delivery-fee, severity: error, params: {table: record, handlingCode: Z_HANDLING}}
`), 0o600))
	return rulefile.Load(t.Context(), path)
}

// TestTheDeliveryRecordIsUnderstoodOrRefused checks that an unknown word or key does not switch the
// check off.
func TestTheDeliveryRecordIsUnderstoodOrRefused(t *testing.T) {
	order := rulestest.ParseOrder(t,
		`{"salesOrderId":"o","orderNumber":"SO-\u00c4123","orderFreight":"100","lines":[]}`)
	for _, row := range []string{
		"so-\u00e4123,In Town,Yes,300,", "SO-A\u0308123 ,in  town,YES,,", "SO-\u00c4123,IN TOWN,y,,",
		"SO-\u00c4123,In\u00a0Town,TRUE,,",
		"SO-\u00c4123,In Town,No,,", "SO-\u00c4123,In Town,n,,", "SO-\u00c4123,In Town,false,,",
		"SO-\u00c4123,out of town,,300,",
	} {
		set, err := loadDeliveryRecord(t, row+"\n")
		require.NoError(t, err, row)
		assert.Len(t, rulestest.Evaluate(t, set, order).Findings, 1, row)
	}
	set, err := loadDeliveryRecord(t, "SO-\u00c4123,pick-UP,,,\n")
	require.NoError(t, err)
	assert.Empty(t, rulestest.Evaluate(t, set, order).Findings)

	for row, want := range map[string]string{
		"SO-1,In-Town,Yes,300,": `record.csv:2:2: unknown area: write In Town, Out of Town, Pick-up, ` +
			`or add it to otherAreas if no amount is due there: "In-Town"`,
		"SO-1,,Yes,300,":               "record.csv:2:2: unknown area",
		"SO-1,In Town,Maybe,300,":      `record.csv:2:3: unknown word: write Yes or No: "Maybe"`,
		"SO-1,In Town,,300,":           "record.csv:2:3: unknown word",
		"SO-1,Out of Town,Perhaps,3,":  "record.csv:2:3: unknown word",
		"SO-1,Out of Town,No,,":        "record.csv:2:4: the cell is empty",
		"SO-1,In Town,No,three,":       "record.csv:2:4: not an amount",
		"SO-1,Out of Town,No,\"1,5\",": "record.csv:2:4: not an amount",
	} {
		_, err := loadDeliveryRecord(t, row+"\n")
		assert.ErrorContains(t, err, want, row)
	}
}
