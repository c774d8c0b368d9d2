package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

// hostileTexts are texts that try to break pages.
func hostileTexts() map[string]string {
	return map[string]string{
		"markup":     `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "`{{.}}",
		"long":       strings.Repeat("W", 10_000),
		"rtl":        "abc\u202edef\u2066ghi",
		"javascript": "javascript:alert(1)",
		"control":    "a\x00b\r\nSet-Cookie: c=d\x1b[31m\u2028",
		"not UTF-8":  "a\xff\xfe\xc0b",
	}
}

// hostileOrder has the text in each field.
func hostileOrder(text string) orders.Order {
	o := orderstest.New().Order
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

func hostileRow(text string) orders.Row {
	return orders.Row{
		SalesOrderID: orderstest.ID, OrderNumber: text, Customer: text, SalesRep: text,
		Status: ordercheck.StatusFailed, Since: time.Now(), Errors: 2, FailedRules: []string{text},
		First: text,
	}
}

func TestHostileTextsAreEscaped(t *testing.T) {
	t.Parallel()
	for name, text := range hostileTexts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDesk(t)
			boss := d.as(testManager)
			d.orders.Order = hostileOrder(text)
			d.orders.Rows = []orders.Row{hostileRow(text)}
			d.orders.InForce = ordercheck.InForce{RuleSet: ordercheck.RuleSet{Name: text, Digest: text}}
			d.orders.Rules.Rules = []ordercheck.DescribedRule{{ID: text, Description: text, Enabled: true}}
			query := url.QueryEscape(text[:min(len(text), 300)])
			pages := []response{
				boss.get(testOrderPath), boss.get("/"), boss.get("/?q=" + query), boss.get("/rules"),
				boss.get("/?rep=" + query), boss.get("/?rule=" + query), boss.get("/?status=" + query),
				boss.post(testOrderPath+"/override",
					url.Values{"finding": {text}, "reason": {text}, "until": {text}}),
				d.visitor().post(testOrderPath+"/comment", url.Values{"text": {text}}),
			}
			for _, page := range pages {
				for _, bad := range []string{
					"<script>", "<img", `href="javascript:`, "onerror=alert(1)>'",
				} {
					assert.NotContains(t, page.body, bad)
				}
				assert.Equal(t, 1, strings.Count(page.body, "<h1"))
				assert.Equal(t, 1, strings.Count(page.body, "</html>"), "the page is complete")
				assert.NotContains(t, page.body, "Something went wrong")
			}
		})
	}
}

func TestOrderWithHundredsOfFindings(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	f := d.orders.Order.Findings[0]
	d.orders.Order.Findings = nil
	for i := range 500 {
		f.ID, f.LineNumber = fmt.Sprintf("price/%d", i), i+1
		d.orders.Order.Findings = append(d.orders.Order.Findings, f)
	}
	d.orders.Order.FindingsOmitted = 1500
	got := d.as(testManager).get(testOrderPath)
	assert.Equal(t, http.StatusOK, got.status)
	assert.Less(t, len(got.body), 1<<20)
	assert.Contains(t, got.body, "1,500 more")
}
