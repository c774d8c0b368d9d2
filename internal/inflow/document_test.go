package inflow_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// writer returns a client of a stand-in that has one order.
func writer(t *testing.T, order map[string]any) (*fakeinflow.Server, *inflow.Client, string) {
	t.Helper()
	fake, err := fakeinflow.New(fakeinflow.Options{})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	server := httptest.NewServer(fake.Handler())
	t.Cleanup(server.Close)
	client, err := inflow.NewClient(inflow.Options{
		BaseURL: server.URL, CompanyID: fake.CompanyID(), APIKey: fake.APIKey(),
	})
	require.NoError(t, err)
	id, err := fake.AddOrder(order)
	require.NoError(t, err)
	return fake, client, id
}

func sampleOrder(t *testing.T) map[string]any {
	t.Helper()
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	return samples[0].Order
}

func TestWriteCustomFieldsChangesNothingElse(t *testing.T) {
	t.Parallel()
	order := sampleOrder(t)
	order["customFields"] = map[string]any{"custom1": "kept", "custom3": "old"}
	_, client, id := writer(t, order)
	before, err := client.SalesOrderDocument(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, "old", before.CustomField("custom3"))
	fields, err := before.CustomFields()
	require.NoError(t, err)
	fields["custom3"] = "HOLD"
	written, err := client.WriteCustomFields(t.Context(), id, before.Timestamp(), fields)
	require.NoError(t, err)
	after, err := client.SalesOrderDocument(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, after.Timestamp(), written.Timestamp())
	assert.Equal(t, after.Fingerprints("custom3"), written.Fingerprints("custom3"),
		"the answer is the whole order")
	assert.Equal(t, "HOLD", after.CustomField("custom3"))
	assert.Equal(t, "kept", after.CustomField("custom1"))
	assert.Equal(t, before.Fingerprints("custom3"), after.Fingerprints("custom3"))
	assert.NotEqual(t, before.Fingerprints("custom1"), after.Fingerprints("custom1"))
}

func TestWriteCustomFieldsRefusesWhatSomebodySavedMeanwhile(t *testing.T) {
	t.Parallel()
	fake, client, id := writer(t, sampleOrder(t))
	before, err := client.SalesOrderDocument(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, fake.SetField(id, "poNumber", "4711"))
	_, err = client.WriteCustomFields(
		t.Context(),
		id,
		before.Timestamp(),
		map[string]string{"custom3": "HOLD"},
	)
	failure(t, err, inflow.KindConflict)
	_, err = client.WriteCustomFields(
		t.Context(),
		id,
		before.Timestamp(),
		map[string]string{"custom11": "HOLD"},
	)
	require.ErrorContains(t, err, "custom1 to custom10")
	_, err = client.WriteCustomFields(t.Context(), id, "", map[string]string{"custom3": "HOLD"})
	require.ErrorContains(t, err, "timestamp is missing")
}

// TestFingerprintsShowWhatAWriteDamaged is for an InFlow that answers 200, but changes more than
// the write asked for.
func TestFingerprintsShowWhatAWriteDamaged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		damage fakeinflow.WriteFault
		want   []string
	}{
		"serial numbers": {fakeinflow.WriteFault{SerialsDropped: true}, []string{"lines"}},
		"a line":         {fakeinflow.WriteFault{Changed: "lines.0.description"}, []string{"lines"}},
		"a text":         {fakeinflow.WriteFault{Changed: "poNumber"}, []string{"poNumber"}},
		"remarks":        {fakeinflow.WriteFault{Changed: "orderRemarks"}, []string{inflow.Contact}},
		"another field":  {fakeinflow.WriteFault{Changed: "customFields.custom4"}, []string{"customFields"}},
		"the same field": {fakeinflow.WriteFault{Changed: "customFields.custom3"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			order := sampleOrder(t)
			lines, ok := order["lines"].([]any)
			require.True(t, ok)
			line, ok := lines[0].(map[string]any)
			require.True(t, ok)
			quantity, ok := line["quantity"].(map[string]any)
			require.True(t, ok)
			quantity["serialNumbers"] = []any{"S1", "S2"}
			fake, client, id := writer(t, order)
			before, err := client.SalesOrderDocument(t.Context(), id)
			require.NoError(t, err)
			require.NoError(t, fake.SetFault(fakeinflow.Fault{
				Route: fakeinflow.RoutePutSalesOrder, Write: tt.damage,
			}))
			_, err = client.WriteCustomFields(
				t.Context(),
				id,
				before.Timestamp(),
				map[string]string{"custom3": "HOLD"},
			)
			require.NoError(t, err)
			after, err := client.SalesOrderDocument(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, 2, before.SerialNumbers())
			if tt.damage.SerialsDropped {
				assert.Zero(t, after.SerialNumbers())
			}
			was, is := before.Fingerprints("custom3"), after.Fingerprints("custom3")
			changed := []string{}
			for name := range is {
				if was[name] != is[name] {
					changed = append(changed, name)
				}
			}
			assert.Equal(t, tt.want, changed)
		})
	}
}

func TestADocumentShowsNothingOfTheOrder(t *testing.T) {
	t.Parallel()
	order := sampleOrder(t)
	order["orderRemarks"] = "call Jane"
	_, client, id := writer(t, order)
	document, err := client.SalesOrderDocument(t.Context(), id)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		assert.NotContains(t, fmt.Sprintf(verb, document), "Jane", verb)
	}
}

func TestCustomFieldNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"custom1", "custom9", "custom10"} {
		assert.True(t, inflow.IsCustomField(name), name)
	}
	for _, name := range []string{"", "custom", "custom0", "custom11", "custom01", "Custom1", "custom-1", "custom1 "} {
		assert.False(t, inflow.IsCustomField(name), name)
	}
}

// A write sends all custom fields back, so it must not begin if one could be lost.
func TestCustomFieldsThatCannotBeSentBackAreAnError(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ fields, fault string }{
		"texts":        {`{"custom1":"a","custom2":"","custom3":null}`, ""},
		"none":         {`null`, ""},
		"a number":     {`{"custom3":5}`, "custom3 is not a text"},
		"another name": {`{"custom11":"a"}`, "none of custom1 to custom10"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var document inflow.Document
			require.NoError(t, document.UnmarshalJSON([]byte(`{"customFields":`+tt.fields+`}`)))
			_, err := document.CustomFields()
			if tt.fault == "" {
				require.NoError(t, err)
				return
			}
			failure(t, err, inflow.KindBadResponse)
			assert.ErrorContains(t, err, tt.fault)
		})
	}
}

func TestADocumentSaysWhatInflowLeftOut(t *testing.T) {
	t.Parallel()
	fake, client, id := writer(t, sampleOrder(t))
	whole, err := client.SalesOrderDocument(t.Context(), id)
	require.NoError(t, err)
	assert.Empty(t, whole.Missing())
	assert.Empty(t, whole.LeftOut())
	require.NoError(t, fake.SetFault(fakeinflow.Fault{LeftOut: []string{"lines"}}))
	partial, err := client.SalesOrderDocument(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, []string{"lines"}, partial.Missing())
	assert.Equal(t, []string{"lines"}, partial.LeftOut())
}
