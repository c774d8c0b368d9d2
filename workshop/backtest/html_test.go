// Package backtest_test opens the pages of gate rules try in a browser.
package backtest_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/backtest"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulestest"
	"error-check-gate/workshop/internal/browsertest"
)

const (
	markup  = `<script>document.title = "owned"</script><img src="https://evil.example/x.png">`
	inForce = `
version: 1
name: in-force
rules:
- {id: large, scope: order, severity: error, when: "order.total > dec(700)", message: "'above 700'"}
- {id: gone, scope: order, severity: error, when: "order.total > dec(900)", message: "'above 900'"}
`
	proposed = `
version: 1
name: to-try
rules:
- {id: added, scope: order, severity: error, when: "order.isQuote", message: "'a quote'"}
- {id: large, scope: order, severity: error, when: "order.total > dec(500)", message: "'above 500'"}
- {id: changed, builtin: changed-after-invoice, severity: error}
`
	quoting = proposed + `
- id: quoting-the-remarks-of-the-order-with-a-long-name
  scope: order
  severity: error
  when: "order.total < dec(800)"
  message: "order.orderRemarks"
  description: "What it says. What it says. What it says. What it says. What it says. What it says."
`
)

// try evaluates ten orders with the rules in force and with the rules in others. texts has, by the
// order's number, a text that replaces the order's number, customer and remarks.
func try(t *testing.T, others string, texts map[int]string) *backtest.Result {
	t.Helper()
	exported := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	var orders []*inflow.SalesOrder
	for number := 1; number <= 10; number++ {
		order := &inflow.SalesOrder{
			SalesOrderID: fmt.Sprintf("0de40000-0000-4000-8000-%012d", number),
			OrderNumber:  fmt.Sprintf("SO-%d", number), Timestamp: fmt.Sprintf("%016X", number),
			CustomerID: "c", Customer: &inflow.Customer{CustomerID: "c", Name: "Oak & Sons"},
			OrderDate:    inflow.Time{Time: exported.AddDate(0, 0, number-20)},
			OrderRemarks: "Agreed", Lines: []inflow.SalesOrderLine{},
			Total:      inflow.NewAmount(decimal.MustNew(int64(number)*100, 0)),
			IsQuote:    number%2 == 0,
			IsInvoiced: true,
		}
		if text := texts[number]; text != "" {
			order.OrderNumber, order.Customer.Name, order.OrderRemarks = text, text, text
		}
		orders = append(orders, order)
	}
	slices.SortFunc(orders, orderfile.Compare)
	header := orderfile.Header{
		Complete: true, TimeZone: "UTC", Asked: rules.Requirements, MadeAt: exported,
	}
	header.Window.From = "2026-01-02"
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	w, err := orderfile.Create(path, header)
	require.NoError(t, err)
	for _, order := range orders {
		require.NoError(t, w.Add(order, exported))
	}
	require.NoError(t, w.Commit())
	file, err := orderfile.Open(path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	result, err := backtest.Run(t.Context(), file, backtest.Options{
		File: "orders.jsonl",
		Now:  backtest.Source{Set: rulestest.LoadText(t, inForce), From: "RULES_FILE: a.yaml"},
		New:  backtest.Source{Set: rulestest.LoadText(t, others), From: "b.yaml"},
		Notices: &backtest.Notices{
			Receivers: []string{"office@example.com", "number 1 of NOTIFY_URLS"},
			Messages:  func(bool) (int, int) { return 1, 1 },
		},
	})
	require.NoError(t, err)
	result.Notes = append(result.Notes, "A note.")
	return result
}

// TestPageInABrowser opens the page as people open a mail's attachment, on a screen and on a phone.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	results := map[string]*backtest.Result{
		"plain": try(t, proposed, nil),
		"same":  try(t, inForce, nil),
		"hostile": try(t, quoting, map[int]string{
			2: markup,
			3: strings.Repeat("W", 200),
			7: "\u202eright to left \u05d0\u05d1\u05d2 " + strings.Repeat("long words ", 30),
		}),
	}
	results["hostile"].FailAbove = results["hostile"].Fail(2.5)
	tab := browsertest.Start(t, 5*time.Minute)
	complaints := browsertest.Listen(tab)
	for name, result := range results {
		path := filepath.Join(t.TempDir(), "report.html")
		file, err := os.Create(path) //nolint:gosec // the test's own folder
		require.NoError(t, err)
		require.NoError(t, result.WriteHTML(file))
		require.NoError(t, file.Close())
		address := url.URL{Scheme: "file", Path: path}
		require.NoError(t, chromedp.Do(tab, chromedp.Navigate(address.String())))
		for _, width := range []int64{1280, 375, 320} {
			require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 800)))
			faults, err := chromedp.Run(tab, browsertest.Faults())
			require.NoError(t, err)
			assert.Empty(t, faults, "%s, %d pixels", name, width)
		}
		requests, err := chromedp.Run(tab,
			chromedp.Evaluate[int](`performance.getEntriesByType("resource").length`))
		require.NoError(t, err)
		assert.Zero(t, requests, "%s sends no requests", name)
		title, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.title`))
		require.NoError(t, err)
		assert.Equal(t, "Rules tried on 10 orders", title)
	}
	assert.Empty(t, complaints.All(), "the browser reports nothing")
}
