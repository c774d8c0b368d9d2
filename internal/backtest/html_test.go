package backtest_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/backtest"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/rules/rulestest"
)

const markup = `<script>document.title = "owned"</script><img src="https://evil.example/x.png">`

// hostileResult is a result with texts that try to break the page.
func hostileResult(t *testing.T) *backtest.Result {
	t.Helper()
	text := map[int]string{
		2: markup,
		3: strings.Repeat("W", 200),
		7: "\u202eright to left \u05d0\u05d1\u05d2 " + strings.Repeat("long words ", 30),
	}
	var orders []*inflow.SalesOrder
	for number := 1; number <= 10; number++ {
		orders = append(orders, newOrder(number, func(o *inflow.SalesOrder) {
			o.IsInvoiced = true
			o.IsQuote = number%2 == 0
			if hostile := text[number]; hostile != "" {
				o.OrderNumber, o.Customer.Name, o.OrderRemarks = hostile, hostile, hostile
			}
		}))
	}
	now, proposed := sources(t)
	quoting := rulestest.LoadText(t, toTry, `
version: 1
name: quoting
rules:
- {id: quoting-the-remarks-of-the-order-with-a-long-name, scope: order, severity: error, when: "order.total < dec(800)", message: "order.orderRemarks", description: "`+strings.Repeat("What it says. ", 10)+`"}
`)
	result := run(t, writeOrders(t, whole(), orders...), backtest.Options{
		File: "orders.jsonl", Now: now, New: backtest.Source{Set: quoting, From: proposed.From},
		Notices: &backtest.Notices{
			Receivers: []string{"office@example.com", "number 1 of NOTIFY_URLS"},
			Messages:  func(bool) (int, int) { return 1, 1 },
		},
	})
	result.Notes = append(result.Notes, "A note.")
	result.FailAbove = result.Fail(2.5)
	return result
}

func TestPageEscapesTexts(t *testing.T) {
	var page bytes.Buffer
	require.NoError(t, hostileResult(t).WriteHTML(&page))
	assert.NotContains(t, page.String(), "<script")
	assert.NotContains(t, page.String(), "<img")
	assert.Contains(t, page.String(), "&lt;script&gt;")
	assert.NotRegexp(t, regexp.MustCompile(`<[^>]*\s(src|href)=|url\(`), page.String())
}

func TestTextForATerminal(t *testing.T) {
	now, proposed := sources(t)
	result := run(t, tenOrders(t), backtest.Options{
		File: "orders.jsonl", Now: now, New: proposed,
		Notices: &backtest.Notices{Messages: func(bool) (int, int) { return 1, 0 }},
	})
	result.Notes = append(result.Notes, "A note.")
	var text strings.Builder
	require.NoError(t, result.WriteText(&text))
	assert.Equal(t, wantText, text.String())

	var hostile strings.Builder
	require.NoError(t, hostileResult(t).WriteText(&hostile))
	assert.NotContains(t, hostile.String(), "\x1b")
}

const wantText = `10 orders of 2026-01-13 to 2026-01-22, as exported at 2026-02-01 12:00 UTC (orders.jsonl)
now  in-force  RULES_FILE: a.yaml
new  to-try    b.yaml

                               now  new  more  fewer  more in %
orders held                      3    8     5      0    50.00 %
orders not checked completely    0    1     1      0    10.00 %
mails                            3    8     5      0

rule     severity  change              now  new  more  fewer  new in %
added    error     new                   –    1     1      0   10.00 %
large    error                           3    5     2      0   50.00 %
remark   error     warning before        1    1     0      0   10.00 %
trial    error     no longer on trial    1    1     0      0   10.00 %
divides  error     new                   –    0     0      0    0.00 %
changed  error     new                   –    0     0      0    0.00 %
off      error     new, off              –    –     0      0    0.00 %
gone     error     removed               1    –     0      1    0.00 %

1 other rule found nothing in either set

orders that only the new rules hold
  +  SO-7  2026-01-19  Oak & Sons  above 500
  +  SO-6  2026-01-18  Oak & Sons  above 500
  +  SO-3  2026-01-15  Oak & Sons  no remark
  +  SO-2  2026-01-14  Oak & Sons  a quote
  +  SO-1  2026-01-13  Oak & Sons  100

added: orders that break it in the new set only
  +  SO-2  2026-01-14  Oak & Sons  a quote

large: orders that break it in the new set only
  +  SO-7  2026-01-19  Oak & Sons  above 500
  +  SO-6  2026-01-18  Oak & Sons  above 500

remark: orders that break it
     SO-3  2026-01-15  Oak & Sons  no remark

trial: orders that break it
     SO-1  2026-01-13  Oak & Sons  100

divides: could not be evaluated on 1 order, such as: division by zero

changed: not looked at on 1 order: the file does not have the order as it was when it was invoiced

gone: orders that no longer break it
  -  SO-10  2026-01-22  Oak & Sons  above 900

note: A note.
`
