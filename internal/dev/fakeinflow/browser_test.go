package fakeinflow_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/browsertest"
	"error-check-gate/internal/dev/fakeinflow"
)

// A person edits an order with the keyboard and watches the webhook go out, breaks the
// API and mends it again, in a real browser.
func TestPageInABrowser(t *testing.T) {
	hook := newReceiver(t, 503)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{0}})
	tab := browsertest.Start(t, generous)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...), what)
	}
	wrong := browsertest.Listen(tab)
	fitsAt := func(width int64) {
		t.Helper()
		do("another width", chromedp.EmulateViewport(width, 800))
		over, err := chromedp.Run(tab, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
		require.NoError(t, err)
		assert.LessOrEqual(t, over, 0, "at %d pixels", width)
	}

	do("an empty account", chromedp.Navigate(a.url+"/_fake/"), browsertest.Contains("body", "There are no orders"), browsertest.Contains("#subscribers", "Nobody has subscribed"),
		browsertest.Contains("body", "Nothing was sent yet"), browsertest.Contains("body", "are sound"))
	fitsAt(360)

	for _, sample := range samples(t) {
		a.add(sample.Order)
	}
	a.subscribe(hook.url, documentedEvents...)
	do("find and open an order", chromedp.EmulateViewport(1280, 900), chromedp.Navigate(a.url+"/_fake/"), browsertest.Contains("#subscribers", hook.url),
		chromedp.SendKeys(`input[name="q"]`, "1051"+kb.Enter), browsertest.Contains("section", "SO-001051"),
		chromedp.WaitNotPresent(`//a[text()="SO-001042"]`), chromedp.Focus(`[data-order]`), chromedp.SendKeys(`[data-order]`, kb.Enter),
		chromedp.WaitVisible(`input[name="lines.0.subTotal"]`))
	do("edit it and save it with Enter", browsertest.Overwrite(`input[name="lines.0.subTotal"]`, "945.00"+kb.Enter),
		browsertest.Contains("#saved", "Saved as version"))
	do("a screen reader says that it is saved", browsertest.Holds(`document.activeElement.id === "saved"`))
	orders := a.api(http.MethodGet, "/sales-orders?filter[orderNumber]=SO-001051&include=lines", "").list(t)
	require.Len(t, orders, 1)
	assert.Equal(t, "945.00", within[string](t, orders[0], "lines", 0, "subTotal"))

	do("watch the webhook", browsertest.Contains("#deliveries", "delivered"), browsertest.Contains("#deliveries", "503 in"), browsertest.Contains("#deliveries", "then 200 in"), browsertest.Contains("#deliveries", "SO-001051"),
		chromedp.Focus(`[data-number="1"]`), chromedp.SendKeys(`[data-number="1"]`, kb.Enter), browsertest.Contains("#deliveries pre", within[string](t, orders[0], "salesOrderId")))
	fitsAt(1280)
	fitsAt(360)

	do("break the API", chromedp.EmulateViewport(1280, 900), browsertest.Overwrite("#json", `{"status":99}`+kb.Enter), browsertest.Contains("#refused", "status 99"),
		browsertest.Overwrite("#json", `{"status":500}`+kb.Enter), browsertest.Contains("#faults", `{"status":500}`))
	assert.Equal(t, 500, a.api(http.MethodGet, "/sales-orders", "").status)
	do("and mend it", chromedp.Focus("#clear"), chromedp.SendKeys("#clear", kb.Enter), browsertest.Contains("body", "are sound"))
	assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders", "").status)

	do("a copy is a new order", chromedp.Click(`button[formaction]`), browsertest.Contains("#saved", "Saved as version"), browsertest.Contains("#order", "SO-000018"), browsertest.Contains("#deliveries", "salesOrder.created"))
	assert.Empty(t, wrong.All(), "the browser has nothing to complain of")
	if file := os.Getenv("SCREENSHOT"); file != "" {
		picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, picture, 0o600))
	}
}
