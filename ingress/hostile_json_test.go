package ingress

import (
	"fmt"
	"strings"
)

// The bodies in this file have a valid signature.

// hostileSizes returns cases whose JSON is deep or large.
func hostileSizes() []hostileCase {
	return []hostileCase{
		{
			"arrays 100,000 deep", raw{body: strings.Repeat("[", 100_000)},
			400, someError, "payload-not-json",
		},
		{
			"arrays 100,000 deep, closed",
			raw{body: strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)},
			400, someError, "payload-not-json",
		},
		{
			"objects 40,000 deep", raw{body: strings.Repeat(`{"a":`, 40_000)},
			400, someError, "payload-not-json",
		},
		{
			"depth in a field",
			raw{
				body: withField(`"x":` + strings.Repeat("[", 100_000) +
					strings.Repeat("]", 100_000)),
			},
			400, someError, "payload-not-json",
		},
		{
			"depth in data",
			raw{
				body: `{"event":"salesOrder.updated","data":{"x":` + strings.Repeat("[", 100_000) +
					strings.Repeat("]", 100_000) + `}}`,
			},
			400, someError, "payload-not-json",
		},
		{
			"a number of 200 KiB", raw{body: strings.Repeat("9", 200<<10)},
			400, someError, "payload-not-an-object",
		},
		{
			"a number of 200 KiB in a field",
			raw{body: withField(`"x":` + strings.Repeat("9", 200<<10))},
			200, received(orderID), "received",
		},
		{
			"a number beyond all", raw{body: withField(`"x":1e999999999`)},
			200, received(orderID), "received",
		},
		{
			"an id of 200 KiB of digits", raw{body: withID(strings.Repeat("9", 200<<10))},
			400, someError, "order-id-invalid",
		},
		{
			"a string of 200 KiB",
			raw{body: withField(`"x":"` + strings.Repeat("x", 200<<10) + `"`)},
			200, received(orderID), "received",
		},
		{
			"a string of 40,000 escapes",
			raw{body: withField(`"x":"` + strings.Repeat(`\u0041`, 40_000) + `"`)},
			200, received(orderID), "received",
		},
		{
			"an array of 20,000", raw{body: "[" + list(20_000, zero) + "]"},
			400, someError, "payload-not-an-object",
		},
		{
			"an array of 20,000 in a field",
			raw{body: withField(`"x":[` + list(20_000, zero) + `]`)},
			200, received(orderID), "received",
		},
		{
			"5,000 fields",
			raw{
				body: withField(
					list(5_000, func(i int) string { return fmt.Sprintf(`"k%d":0`, i) })),
			},
			200, received(orderID), "received",
		},
	}
}

// hostileFields returns cases whose body has a field twice.
func hostileFields() []hostileCase {
	return []hostileCase{
		{
			"an event twice",
			raw{
				body: `{"event":"customer.updated","event":"salesOrder.updated","salesOrderId":"a"}`,
			},
			400, someError, "payload-duplicate-key",
		},
		{
			"an id twice",
			raw{body: `{"event":"salesOrder.updated","salesOrderId":"a","salesOrderId":"b"}`},
			400, someError, "payload-duplicate-key",
		},
		{
			"an id twice, alike",
			raw{body: `{"event":"salesOrder.updated","salesOrderId":"a","salesOrderId":"a"}`},
			400, someError, "payload-duplicate-key",
		},
		{
			"an id twice, once escaped",
			raw{body: `{"event":"salesOrder.updated","salesOrderId":"a","salesOrder\u0049d":"b"}`},
			400, someError, "payload-duplicate-key",
		},
		{
			"an id twice in data",
			raw{
				body: `{"event":"salesOrder.updated","data":{"salesOrderId":"a","salesOrderId":"b"}}`,
			},
			400, someError, "payload-duplicate-key",
		},
		{
			"an id in another case too",
			raw{body: `{"event":"salesOrder.updated","salesOrderId":"a","SALESORDERID":"b"}`},
			200, received("a"), "received",
		},
		{
			"data twice",
			raw{
				body: `{"event":"salesOrder.updated","data":{"salesOrderId":"a"},"data":{"salesOrderId":"b"}}`,
			},
			400, someError, "payload-duplicate-key",
		},
		{
			"a field 40,000 times",
			raw{body: "{" + list(40_000, func(int) string { return `"a":0` }) + "}"},
			400, someError, "payload-duplicate-key",
		},
		{
			"two orders",
			raw{
				body: `{"event":"salesOrder.updated","salesOrderId":"a","data":{"salesOrderId":"b"}}`,
			},
			400, someError, "order-id-clash",
		},
	}
}

// hostileSyntax returns cases whose body is invalid or unusual JSON.
func hostileSyntax() []hostileCase {
	good := documentedBody(orderID)
	return []hostileCase{
		{
			"text that is not UTF-8", raw{body: withID("\"\xff\xfe\"")},
			400, someError, "payload-not-json",
		},
		{"an overlong NUL", raw{body: withID("\"\xc0\x80\"")}, 400, someError, "payload-not-json"},
		{
			"a surrogate in UTF-8", raw{body: withID("\"\xed\xa0\x80\"")},
			400, someError, "payload-not-json",
		},
		{"UTF-16", raw{body: "\xff\xfe{\x00}\x00"}, 400, someError, "payload-not-json"},
		{"a byte order mark", raw{body: "\ufeff" + good}, 200, received(orderID), "received"},
		{
			"two byte order marks", raw{body: "\ufeff\ufeff" + good},
			400, someError, "payload-not-json",
		},
		{"a NUL at the end", raw{body: good + "\x00"}, 400, someError, "payload-not-json"},
		{
			"NULs alone", raw{body: strings.Repeat("\x00", 200<<10)},
			400, someError, "payload-not-json",
		},
		{
			"white space alone", raw{body: strings.Repeat(" ", 200<<10)},
			400, someError, "payload-not-json",
		},
		{
			"garbage at the end", raw{body: good + `{"salesOrderId":"b"}`},
			400, someError, "payload-not-json",
		},
		{"comments", raw{body: `/**/` + good}, 400, someError, "payload-not-json"},
		{"NaN", raw{body: withField(`"x":NaN`)}, 400, someError, "payload-not-json"},
		{
			"a field to poison prototypes with",
			raw{body: withField(`"__proto__":{"salesOrderId":"b"}`)},
			200, received(orderID), "received",
		},
	}
}

// hostileIDs returns cases with invalid or unusual order ids and events.
func hostileIDs() []hostileCase {
	return []hostileCase{
		{
			"an id of 128 bytes", raw{body: withID(`"` + strings.Repeat("x", 128) + `"`)},
			200, received(strings.Repeat("x", 128)), "received",
		},
		{
			"an id of 129 bytes", raw{body: withID(`"` + strings.Repeat("x", 129) + `"`)},
			400, someError, "order-id-invalid",
		},
		{
			"an id of 200 KiB", raw{body: withID(`"` + strings.Repeat("x", 200<<10) + `"`)},
			400, someError, "order-id-invalid",
		},
		{ // its о is Cyrillic
			"an id that looks like another", raw{body: withID(`"оrder-1"`)},
			400, someError, "order-id-invalid",
		},
		{
			"an id with a lone surrogate", raw{body: withID(`"a\ud800b"`)},
			400, someError, "order-id-invalid",
		},
		{"an id with a NUL", raw{body: withID(`"a\u0000b"`)}, 400, someError, "order-id-invalid"},
		{
			"an id with a line break", raw{body: withID(`"a\r\nX-Evil: 1"`)},
			400, someError, "order-id-invalid",
		},
		{
			"an id that is a path", raw{body: withID(`"../../customers"`)},
			400, someError, "order-id-invalid",
		},
		{
			"an id that is a query", raw{body: withID(`"a' OR 1=1"`)},
			400, someError, "order-id-invalid",
		},
		{
			"an id with spaces around", raw{body: withID(`" a "`)},
			400, someError, "order-id-invalid",
		},
		{"a number for an id", raw{body: withID(`5`)}, 400, someError, "order-id-invalid"},
		{"a list of ids", raw{body: withID(`["a","b"]`)}, 400, someError, "order-id-invalid"},
		{"an id that is null", raw{body: withID(`null`)}, 400, someError, "order-id-missing"},
		{
			"an event of 200 KiB", raw{body: `{"event":"` + strings.Repeat("e", 200<<10) + `"}`},
			200, `{"event":"` + strings.Repeat("e", 64) + `","status":"ignored"}`, "unknown-event",
		},
		{
			"an event with lone surrogates", raw{body: `{"event":"\ud800\udfff\udc00"}`},
			200, ignored, "unknown-event",
		},
		{
			"an event to forge a line of the log with",
			raw{body: `{"event":"x\"}\n{\"reason\":\"received\""}`},
			200, ignored, "unknown-event",
		},
		{
			"a number for an event", raw{body: `{"event":1e999999999}`},
			200, `{"event":"","status":"ignored"}`, "unknown-event",
		},
		{
			"an event with a version of 50 digits",
			raw{
				body: `{"event":"SalesOrderUpdatedV` + strings.Repeat("9",
					40) + `","salesOrderId":"a"}`,
			},
			200, received("a"), "received",
		},
	}
}
