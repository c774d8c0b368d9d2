package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

func TestOnlyTextsOfTheGateAreMarks(t *testing.T) {
	t.Parallel()
	marks, err := NewHoldMarks("custom3", "", time.UTC, false)
	require.NoError(t, err)
	const mark = "HOLD since 25 Nov: total is wrong"
	known := []ordercheck.KnownMarks{{Field: "custom3", Texts: []string{mark}}}
	nothing := []ordercheck.KnownMarks{{Field: "custom3"}}
	partly := []ordercheck.KnownMarks{{Field: "custom3", Partial: true}}
	for name, tt := range map[string]struct {
		value       string
		known       []ordercheck.KnownMarks
		own, theirs bool
	}{
		"empty":                       {value: "", known: known},
		"its mark":                    {value: mark, known: known, own: true},
		"words appended":              {value: mark + " CALL BOB", known: known, theirs: true},
		"a mark's form":               {value: "HOLD since 26 Nov: Bob is ill", known: known, theirs: true},
		"a mark's form, none written": {value: mark, known: nothing, theirs: true},
		"a mark that nobody remembers": {
			value: mark, known: nil, own: true,
		},
		"a mark's form, after a reset": {value: mark, known: partly, own: true},
		"words, after a reset":         {value: "call Bob", known: partly, theirs: true},
		"words, nothing remembered":    {value: "call Bob", known: nil, theirs: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			order := &inflow.SalesOrder{CustomFields: map[string]string{"custom3": tt.value}}
			field := marks.takeFrom(order, tt.known)
			want := ordercheck.HoldField{Name: "custom3", Foreign: tt.theirs}
			seen := tt.value
			if tt.own {
				want.Text, seen = tt.value, ""
			}
			assert.Equal(t, &want, field)
			assert.Equal(t, seen, order.CustomFields["custom3"], "the rules see this value")
		})
	}
}

// Rules never see a mark, even if the worker that fetches the order writes no marks or uses
// another field.
func TestNoRuleSeesAMark(t *testing.T) {
	t.Parallel()
	const mark = "HOLD since 25 Nov: total is wrong"
	known := []ordercheck.KnownMarks{{Field: "custom3", Texts: []string{mark}}}
	moved, err := NewHoldMarks("custom4", "", time.UTC, false)
	require.NoError(t, err)
	for _, marks := range []*HoldMarks{nil, moved} {
		order := &inflow.SalesOrder{CustomFields: map[string]string{"custom3": mark}}
		marks.takeFrom(order, known)
		assert.Empty(t, order.CustomFields["custom3"])
	}
}

func TestContentHashIsTheSameWithAndWithoutAMark(t *testing.T) {
	t.Parallel()
	before := inflow.SalesOrder{Timestamp: "1", CustomFields: map[string]string{"custom1": "kept"}}
	after := inflow.SalesOrder{
		Timestamp: "2", CustomFields: map[string]string{"custom1": "kept", "custom3": ""},
	}
	assert.Equal(t, contentHash(before), contentHash(after))
	after.PONumber = "4711"
	assert.NotEqual(t, contentHash(before), contentHash(after))
}

// A conflict (409) is not certain: a proxy may have repeated a write that InFlow has done.
func TestCertainlyNotWritten(t *testing.T) {
	t.Parallel()
	for status, certain := range map[int]bool{
		200: false, 400: true, 401: true, 404: true, 408: false, 409: false, 429: true,
		500: false, 503: false,
	} {
		assert.Equal(t, certain, certainlyNotWritten(status), status)
	}
}
