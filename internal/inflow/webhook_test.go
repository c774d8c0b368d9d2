package inflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

const (
	hookedOrderID = "8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11"
	hookedAt      = "2025-10-28T12:00:00Z"
)

// hooked returns an event of the sales order hookedOrderID.
func hooked(event string, action inflow.Action, at string) inflow.Webhook {
	return inflow.Webhook{Event: event, Entity: inflow.EntitySalesOrder, Action: action,
		SalesOrderID: hookedOrderID, OccurredAt: at}
}

// other returns an event of something else than a sales order.
func other(event string, entity inflow.Entity, action inflow.Action) inflow.Webhook {
	return inflow.Webhook{Event: event, Entity: entity, Action: action}
}

// readPayload is a payload, and what ParseWebhook makes of it. In body, $ID stands for
// hookedOrderID, $UPPER for the same in capitals, and $AT for hookedAt.
type readPayload struct {
	name, body string
	want       inflow.Webhook
}

// readPayloads lists events of sales orders, then events of others, then unknown events.
var readPayloads = []readPayload{
	{"documented, updated",
		`{"event":"salesOrder.updated","data":{"salesOrderId":"$ID"},"timestamp":"$AT"}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, hookedAt)},
	{"documented, created", `{"event":"salesOrder.created","data":{"salesOrderId":"$ID"}}`,
		hooked("salesOrder.created", inflow.ActionCreated, "")},
	{"live, created", `{"eventType":"SalesOrderCreatedV1","salesOrderId":"$ID"}`,
		hooked("SalesOrderCreatedV1", inflow.ActionCreated, "")},
	{"live, version 1",
		`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"$ID","timestamp":"$AT"}`,
		hooked("SalesOrderUpdatedV1", inflow.ActionUpdated, hookedAt)},
	{"live, version 2", `{"eventType":"SalesOrderUpdatedV2","salesOrderId":"$ID"}`,
		hooked("SalesOrderUpdatedV2", inflow.ActionUpdated, "")},
	{"live, version 37", `{"eventType":"SalesOrderUpdatedV37","salesOrderId":"$ID"}`,
		hooked("SalesOrderUpdatedV37", inflow.ActionUpdated, "")},
	{"other case", `{"event":"SALESORDER.Updated","data":{"salesOrderId":"$ID"}}`,
		hooked("SALESORDER.Updated", inflow.ActionUpdated, "")},
	{"live name in the documented form",
		`{"event":"salesorderupdatedv1","data":{"salesOrderId":"$ID"}}`,
		hooked("salesorderupdatedv1", inflow.ActionUpdated, "")},
	{"documented name in the live form",
		`{"eventType":"salesOrder.created","salesOrderId":"$ID"}`,
		hooked("salesOrder.created", inflow.ActionCreated, "")},
	{"both forms",
		`{"event":"salesOrder.updated","eventType":"SalesOrderUpdatedV1",` +
			`"salesOrderId":"$ID","data":{"salesOrderId":"$ID"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"both forms, the id in another case",
		`{"event":"salesOrder.updated","salesOrderId":"$UPPER","data":{"salesOrderId":"$ID"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"documented, the id in capitals",
		`{"event":"salesOrder.updated","data":{"salesOrderId":"$UPPER"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"live, the id in capitals", `{"eventType":"SalesOrderUpdatedV1","salesOrderId":"$UPPER"}`,
		hooked("SalesOrderUpdatedV1", inflow.ActionUpdated, "")},
	{"two events, one of the order",
		`{"event":"customer.updated","eventType":"SalesOrderUpdatedV1","salesOrderId":"$ID"}`,
		hooked("SalesOrderUpdatedV1", inflow.ActionUpdated, "")},
	{"event null in one form",
		`{"event":null,"eventType":"SalesOrderUpdatedV1","data":null,"salesOrderId":"$ID"}`,
		hooked("SalesOrderUpdatedV1", inflow.ActionUpdated, "")},
	{"unknown fields",
		`{"x":[{"a":1,"a":2}],"event":"salesOrder.updated","data":{"y":1e999,"salesOrderId":"$ID"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"white space and a byte order mark",
		"\ufeff \r\n{ \"event\" :\t\"salesOrder.updated\", \"data\":{\"salesOrderId\":\"$ID\"} }\n",
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"written by Python",
		`{"event": "salesOrder.updated", "data": {"salesOrderId": "$ID"}, "timestamp": "$AT"}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, hookedAt)},
	{"escaped",
		`{"ev\u0065nt":"salesOrder\u002eupdated",` +
			`"data":{"salesOrderId":"8a3c6d4e\u002d71c2-4d0a-9f53-2d6f0c1e7b11"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"timestamp not a string",
		`{"event":"salesOrder.updated","timestamp":1761652800,"data":{"salesOrderId":"$ID"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"timestamp too long",
		`{"event":"salesOrder.updated","timestamp":"` + strings.Repeat("2", 65) +
			`","data":{"salesOrderId":"$ID"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},
	{"timestamp not printable",
		`{"event":"salesOrder.updated","timestamp":"\u001b[31m","data":{"salesOrderId":"$ID"}}`,
		hooked("salesOrder.updated", inflow.ActionUpdated, "")},

	{"customer", `{"event":"customer.created","data":{"customerId":"1"}}`,
		other("customer.created", inflow.EntityCustomer, inflow.ActionCreated)},
	{"vendor", `{"event":"vendor.updated"}`,
		other("vendor.updated", inflow.EntityVendor, inflow.ActionUpdated)},
	{"product", `{"eventType":"ProductUpdatedV1","productId":"1"}`,
		other("ProductUpdatedV1", inflow.EntityProduct, inflow.ActionUpdated)},
	{"purchase order", `{"event":"purchaseOrder.updated","data":{"salesOrderId":5}}`,
		other("purchaseOrder.updated", inflow.EntityPurchaseOrder, inflow.ActionUpdated)},

	{"no event", `{}`, inflow.Webhook{}},
	{"no event, but an id", `{"salesOrderId":"$ID"}`, inflow.Webhook{}},
	{"event empty", `{"event":""}`, inflow.Webhook{}},
	{"event a number", `{"event":5}`, inflow.Webhook{}},
	{"event an object", `{"event":{"name":"salesOrder.updated"}}`, inflow.Webhook{}},
	{"another action", `{"event":"salesOrder.deleted","data":{"salesOrderId":"1"}}`,
		inflow.Webhook{Event: "salesOrder.deleted"}},
	{"another entity", `{"event":"stockTransfer.created"}`,
		inflow.Webhook{Event: "stockTransfer.created"}},
	{"entity within another name", `{"event":"notASalesOrder.updated"}`,
		inflow.Webhook{Event: "notASalesOrder.updated"}},
	{"digits without a v", `{"event":"SalesOrderUpdated2"}`,
		inflow.Webhook{Event: "SalesOrderUpdated2"}},
	{"control characters", `{"event":"a\u0000b\u001b[31mc\nd\u202eé"}`,
		inflow.Webhook{Event: "a?b?[31mc?d??"}},
	{"long name", `{"event":"` + strings.Repeat("e", 1000) + `"}`,
		inflow.Webhook{Event: strings.Repeat("e", inflow.MaxEventLength)}},
}

func TestParseWebhook(t *testing.T) {
	for _, tc := range readPayloads {
		t.Run(tc.name, func(t *testing.T) {
			body := strings.NewReplacer("$ID", hookedOrderID, "$AT", hookedAt,
				"$UPPER", strings.ToUpper(hookedOrderID)).Replace(tc.body)
			got, err := inflow.ParseWebhook([]byte(body))
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
			assert.Equal(t, tc.want.Entity != "", got.Known())
			assert.Equal(t, tc.want.Entity == inflow.EntitySalesOrder, got.IsSalesOrder())
		})
	}
}

func refusedPayloads() []struct {
	name, body string
	reason     inflow.PayloadReason
	message    string
} {
	documented := func(id string) string {
		return `{"event":"salesOrder.updated","data":{"salesOrderId":` + id + `}}`
	}
	return []struct {
		name, body string
		reason     inflow.PayloadReason
		message    string
	}{
		{"empty", "", inflow.PayloadNotJSON, "the body is empty"},
		{"white space", " \n", inflow.PayloadNotJSON, "the body is empty"},
		{"not JSON", "event=salesOrder.updated", inflow.PayloadNotJSON, "not valid JSON at byte 1"},
		{"cut off", `{"event":"salesOrder.updated"`, inflow.PayloadNotJSON, "it ends too early"},
		{"cut off in a string", `{"event":"salesOr`, inflow.PayloadNotJSON, "it ends too early"},
		{"comma at the end", `{"event":"salesOrder.updated",}`, inflow.PayloadNotJSON,
			"not valid JSON"},
		{"single quotes", `{'event':'salesOrder.updated'}`, inflow.PayloadNotJSON,
			"not valid JSON at byte 2"},
		{"trailing data", documented(`"x"`) + `{}`, inflow.PayloadNotJSON, "not valid JSON"},
		{"trailing zero byte", documented(`"x"`) + "\x00", inflow.PayloadNotJSON, "not valid JSON"},
		{"NaN", `{"event":NaN}`, inflow.PayloadNotJSON, "not valid JSON"},
		{"not UTF-8", "{\"event\":\"\xff\"}", inflow.PayloadNotJSON, "not valid UTF-8"},
		{"UTF-16", "\xff\xfe{\x00}\x00", inflow.PayloadNotJSON, "not valid UTF-8"},
		{"control character in a string", "{\"event\":\"a\nb\"}", inflow.PayloadNotJSON,
			"not valid JSON"},
		{"nested too deep", strings.Repeat(`{"a":`, 100_000), inflow.PayloadNotJSON,
			"not valid JSON"},
		{"arrays nested too deep", `{"event":` + strings.Repeat("[", 20_000) +
			strings.Repeat("]", 20_000) + `}`, inflow.PayloadNotJSON, "not valid JSON"},
		{"an array", `[{"event":"salesOrder.updated"}]`, inflow.PayloadNotObject,
			"not a JSON object"},
		{"a string", `"salesOrder.updated"`, inflow.PayloadNotObject, "not a JSON object"},
		{"a huge number", strings.Repeat("9", 200_000), inflow.PayloadNotObject,
			"not a JSON object"},
		{"null", `null`, inflow.PayloadNotObject, "not a JSON object"},
		{"event twice", `{"event":"customer.updated","event":"salesOrder.updated"}`,
			inflow.PayloadDuplicateKey, "a field twice"},
		{"event twice, once escaped",
			`{"event":"customer.updated","\u0065vent":"salesOrder.updated"}`,
			inflow.PayloadDuplicateKey, "a field twice"},
		{"id twice",
			`{"event":"salesOrder.updated","data":{"salesOrderId":"a","salesOrderId":"b"}}`,
			inflow.PayloadDuplicateKey, "data has a field twice"},
		{"unknown field twice", `{"x":1,"event":"customer.updated","x":1}`,
			inflow.PayloadDuplicateKey, "a field twice"},

		{"no id", `{"event":"salesOrder.updated"}`, inflow.PayloadOrderIDMissing, "has no id"},
		{"no id in the data", `{"event":"salesOrder.updated","data":{"id":"1"}}`,
			inflow.PayloadOrderIDMissing, "has no id"},
		{"data not an object", `{"event":"salesOrder.updated","data":"` + hookedOrderID + `"}`,
			inflow.PayloadOrderIDMissing, "has no id"},
		{"id null", documented(`null`), inflow.PayloadOrderIDMissing, "has no id"},
		{"id empty", documented(`""`), inflow.PayloadOrderIDInvalid,
			"data.salesOrderId: the sales order id is empty"},
		{"id empty, live", `{"eventType":"SalesOrderUpdatedV1","salesOrderId":""}`,
			inflow.PayloadOrderIDInvalid, "salesOrderId: the sales order id is empty"},
		{"id a number", documented(`5`), inflow.PayloadOrderIDInvalid,
			"data.salesOrderId is not a string"},
		{"id a huge number", documented(strings.Repeat("9", 200_000)), inflow.PayloadOrderIDInvalid,
			"data.salesOrderId is not a string"},
		{"id an object", documented(`{"salesOrderId":"x"}`), inflow.PayloadOrderIDInvalid,
			"data.salesOrderId is not a string"},
		{"id of 129 bytes", documented(`"` + strings.Repeat("a", 129) + `"`),
			inflow.PayloadOrderIDInvalid, "129 bytes, at most 128"},
		{"id with a slash", documented(`"a/b"`), inflow.PayloadOrderIDInvalid, "at byte 2"},
		{"id with a space", documented(`" a"`), inflow.PayloadOrderIDInvalid, "at byte 1"},
		{"id with a line feed", documented(`"a\n"`), inflow.PayloadOrderIDInvalid, "at byte 2"},
		{"id beyond ASCII", documented(`"é"`), inflow.PayloadOrderIDInvalid, "at byte 1"},
		{"id of half a surrogate", documented(`"\ud800"`), inflow.PayloadOrderIDInvalid,
			"at byte 1"},
		{"two ids", `{"event":"salesOrder.updated","salesOrderId":"a","data":{"salesOrderId":"b"}}`,
			inflow.PayloadOrderIDClash, "name different orders"},
		{"two ids that differ in case and are not UUIDs",
			`{"event":"salesOrder.updated","salesOrderId":"a","data":{"salesOrderId":"A"}}`,
			inflow.PayloadOrderIDClash, "name different orders"},
		{"two ids, one of them bad",
			`{"event":"salesOrder.updated","salesOrderId":"/","data":{"salesOrderId":"b"}}`,
			inflow.PayloadOrderIDInvalid, "salesOrderId: "},
	}
}

func TestParseWebhookRefuses(t *testing.T) {
	for _, tc := range refusedPayloads() {
		t.Run(tc.name, func(t *testing.T) {
			got, err := inflow.ParseWebhook([]byte(tc.body))
			var refused *inflow.PayloadError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, tc.reason, refused.Reason)
			assert.Contains(t, refused.Error(), tc.message)
			assert.Less(t, len(refused.Error()), 200)
			assert.Zero(t, got)
		})
	}
}

// TestParseWebhookAcceptsEveryValidID tries ids with [A-Za-z0-9._:-], of 1 to 128 bytes.
func TestParseWebhookAcceptsEveryValidID(t *testing.T) {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
	for _, id := range append(strings.Split(allowed, ""), allowed, strings.Repeat("z", 128)) {
		got, err := inflow.ParseWebhook(fmt.Appendf(nil,
			`{"event":"salesOrder.updated","data":{"salesOrderId":%q}}`, id))
		require.NoError(t, err)
		assert.Equal(t, id, got.SalesOrderID)
	}
	for c := range 128 {
		encoded, err := json.Marshal(string(rune(c)))
		require.NoError(t, err)
		_, err = inflow.ParseWebhook(fmt.Appendf(nil,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":%s}`, encoded))
		assert.Equal(t, strings.ContainsRune(allowed, rune(c)), err == nil, "character %#x", c)
	}
}

func TestNewWebhookBody(t *testing.T) {
	at := time.Date(2025, 10, 28, 14, 0, 0, 0, time.FixedZone("", 2*60*60))
	documented, err := inflow.NewWebhookBody(inflow.FormDocumented, "salesOrder.updated",
		hookedOrderID, at)
	require.NoError(t, err)
	assert.Equal(t,
		`{"event":"salesOrder.updated","data":{"salesOrderId":"`+hookedOrderID+`"},`+
			`"timestamp":"2025-10-28T12:00:00Z"}`, string(documented))
	live, err := inflow.NewWebhookBody(inflow.FormLive, "SalesOrderUpdatedV1", hookedOrderID, at)
	require.NoError(t, err)
	assert.Equal(t, `{"eventType":"SalesOrderUpdatedV1","salesOrderId":"`+hookedOrderID+`"}`,
		string(live))
	_, err = inflow.NewWebhookBody("v3", "salesOrder.updated", hookedOrderID, at)
	require.ErrorContains(t, err, `unknown payload form "v3"`)

	for _, form := range []inflow.PayloadForm{inflow.FormDocumented, inflow.FormLive} {
		for _, action := range []inflow.Action{inflow.ActionCreated, inflow.ActionUpdated} {
			body, err := inflow.NewWebhookBody(form, inflow.EventName(form, action), hookedOrderID,
				at)
			require.NoError(t, err)
			got, err := inflow.ParseWebhook(body)
			require.NoError(t, err)
			assert.Equal(t, action, got.Action)
			assert.Equal(t, hookedOrderID, got.SalesOrderID)
		}
	}
}

// FuzzParseWebhook checks that accepted values are safe to use, that refusals have a short reason,
// and that no sales order event that encoding/json can read is dropped or gets another id.
func FuzzParseWebhook(f *testing.F) {
	for _, form := range []inflow.PayloadForm{inflow.FormDocumented, inflow.FormLive} {
		for _, action := range []inflow.Action{inflow.ActionCreated, inflow.ActionUpdated} {
			body, err := inflow.NewWebhookBody(form, inflow.EventName(form, action), hookedOrderID,
				time.Unix(1761652800, 0))
			require.NoError(f, err)
			f.Add(body)
		}
	}
	for _, tc := range refusedPayloads() {
		if len(tc.body) < 1000 {
			f.Add([]byte(tc.body))
		}
	}
	f.Add([]byte(`{"event":"customer.created","data":{"customerId":"1"}}`))
	f.Add([]byte("\ufeff{\"event\":\"salesOrder.updated\",\"x\":[1e999,{}],\"salesOrderId\":\"a\"}"))

	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := inflow.ParseWebhook(body)
		if err != nil {
			var refused *inflow.PayloadError
			if !errors.As(err, &refused) || refused.Reason == "" || len(err.Error()) > 200 ||
				!utf8.ValidString(err.Error()) {
				t.Fatalf("error %q", err)
			}
			if w != (inflow.Webhook{}) {
				t.Fatalf("refused, and yet %+v", w)
			}
			return
		}
		if len(w.Event) > inflow.MaxEventLength || strings.ContainsFunc(w.Event, func(r rune) bool {
			return r < ' ' || r > '~'
		}) {
			t.Fatalf("event %q", w.Event)
		}
		if w.IsSalesOrder() {
			if err := ordercheck.ValidateSalesOrderID(w.SalesOrderID); err != nil {
				t.Fatalf("accepted id %q: %v", w.SalesOrderID, err)
			}
		} else if w.SalesOrderID != "" || w.OccurredAt != "" {
			t.Fatalf("not a sales order's event, and yet %+v", w)
		}

		var object map[string]any
		dec := json.NewDecoder(strings.NewReader(strings.TrimPrefix(string(body), "\ufeff")))
		dec.UseNumber() // 1e999 is a number, if not a float
		if err := dec.Decode(&object); err != nil {
			t.Fatalf("accepted a body that is not a JSON object: %v", err)
		}
		if object["event"] != "salesOrder.updated" && object["eventType"] != "SalesOrderUpdatedV1" {
			return
		}
		data, _ := object["data"].(map[string]any)
		if !w.IsSalesOrder() || (object["salesOrderId"] != w.SalesOrderID &&
			data["salesOrderId"] != w.SalesOrderID) {
			t.Fatalf("%s was read as %+v", body, w)
		}
	})
}
