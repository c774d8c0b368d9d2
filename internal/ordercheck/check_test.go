package ordercheck_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

func TestOnlyLargeDigestsAreCompressed(t *testing.T) {
	for name, tc := range map[string]struct {
		digest   string
		readable bool
	}{
		"small": {`{"lines":[]}`, true},
		"large": {`{"lines":["` + strings.Repeat("x", 3<<20) + `"]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(ordercheck.FetchedOrder{Order: ordercheck.Digest(tc.digest)})
			require.NoError(t, err)
			assert.Equal(t, tc.readable, strings.Contains(string(data), tc.digest))
			assert.Less(t, len(data), 1<<20)
			var back ordercheck.FetchedOrder
			require.NoError(t, json.Unmarshal(data, &back))
			assert.Equal(t, tc.digest, string(back.Order))
		})
	}
}

func TestDigestTooLargeForAPayloadIsRefused(t *testing.T) {
	noise := make([]byte, 3<<20)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	digest := ordercheck.Digest(`"` + base64.StdEncoding.EncodeToString(noise) + `"`)
	require.ErrorIs(t, digest.CheckSize(), ordercheck.ErrDigestTooLarge)
}

func TestDamagedDigestIsAnError(t *testing.T) {
	for _, data := range []string{`{"gzip":"AAAA"}`, `{"gzip":5}`, `{"gzip":"H4sIAAAA"}`} {
		var d ordercheck.Digest
		require.Error(t, json.Unmarshal([]byte(data), &d), data)
	}
}

func TestValidateSalesOrderID(t *testing.T) {
	for id, wantErr := range map[string]string{
		"8a3c6d4e-0000-4000-8000-000000000001": "",
		"A.b_c:d-9":                            "",
		strings.Repeat("x", 128):               "",
		"":                                     "is empty",
		strings.Repeat("x", 129):               "129 bytes",
		"a b":                                  "at byte 2",
		"a/b":                                  "at byte 2",
		"é":                                    "at byte 1",
		"a\x00":                                "at byte 2",
	} {
		err := ordercheck.ValidateSalesOrderID(id)
		if wantErr == "" {
			assert.NoError(t, err, "%q", id)
		} else {
			assert.ErrorContains(t, err, wantErr, "%q", id)
		}
	}
}

func TestWorkflowIDNamesItsOrder(t *testing.T) {
	assert.Equal(t, "sales-order-42", ordercheck.WorkflowID("42"))
	id, ok := ordercheck.SalesOrderID("sales-order-42")
	assert.True(t, ok)
	assert.Equal(t, "42", id)
	for _, other := range []string{"", "sales-order-", "sweep-orders", "42"} {
		_, ok := ordercheck.SalesOrderID(other)
		assert.False(t, ok, other)
	}
}
