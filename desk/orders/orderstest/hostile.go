package orderstest

import (
	"strings"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

// HostileTexts returns texts that try to break pages, by name.
func HostileTexts() map[string]string {
	return map[string]string{
		"markup":     `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "`{{.}}",
		"long":       strings.Repeat("W", 10_000),
		"rtl":        "abc\u202edef\u2066ghi",
		"javascript": "javascript:alert(1)",
		"control":    "a\x00b\r\nSet-Cookie: c=d\x1b[31m\u2028",
		"not UTF-8":  "a\xff\xfe\xc0b",
	}
}

// HostileOrder returns an order that has the text in every field.
func HostileOrder(text string) orders.Order {
	o := New().Order
	at := o.CheckedAt
	o.OrderNumber, o.Customer, o.SalesRep, o.Note = text, text, text, text
	f := &o.Findings[0]
	f.ID, f.RuleID, f.Message, f.Expected, f.Actual, f.Fix = text, text, text, text, text, text
	f.Override = &ordercheck.Override{By: text, Reason: text, Until: at}
	o.Findings = append(o.Findings, *f)
	o.Findings[1].Severity = ordercheck.SeverityWarning
	o.RuleErrors = []ordercheck.RuleError{{RuleID: text, Error: text}}
	o.Skipped = []ordercheck.Skipped{{RuleID: text, Reason: text, Missing: []string{text}}}
	o.Timeline = nil
	for _, kind := range []ordercheck.TimelineKind{
		ordercheck.TimelineCommented, ordercheck.TimelineNotified, ordercheck.TimelineChecked,
		ordercheck.TimelineKind(text),
	} {
		entry := ordercheck.TimelineEntry{At: at, Kind: kind, Text: text, By: text}
		o.Timeline = append(o.Timeline, entry)
	}
	return o
}

// HostileRow returns a row of the list that has the text in every field.
func HostileRow(text string) orders.Row {
	return orders.Row{
		SalesOrderID: ID, OrderNumber: text, Customer: text, SalesRep: text,
		Status: ordercheck.StatusFailed, Since: Now, Errors: 2, FailedRules: []string{text},
		First: text,
	}
}
