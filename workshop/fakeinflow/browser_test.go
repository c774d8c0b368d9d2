package fakeinflow_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/workshop/internal/browsertest"
)

// generous is a timeout that is far longer than a browser needs.
const generous = 5 * time.Minute

// startReceiver starts a receiver of webhooks that answers the first one with 503.
func startReceiver(t *testing.T) (url string) {
	t.Helper()
	var available atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !available.Swap(true) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestPageInABrowser edits an order with the keyboard, watches the webhook go out, makes the API
// fail and repairs it, all in a real browser.
func TestPageInABrowser(t *testing.T) {
	hook := startReceiver(t)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{0}})
	tab := browsertest.Start(t, generous)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...), what)
	}
	complaints := browsertest.Listen(tab)
	fitsAt := func(width int64) {
		t.Helper()
		do("another width", chromedp.EmulateViewport(width, 800))
		const excess = `document.documentElement.scrollWidth - document.documentElement.clientWidth`
		over, err := chromedp.Run(tab, chromedp.Evaluate[int](excess))
		require.NoError(t, err)
		assert.LessOrEqual(t, over, 0, "at %d pixels", width)
	}
	press := func(selector string) chromedp.Action[chromedp.Void] {
		return chromedp.Steps(chromedp.Focus(selector), chromedp.SendKeys(selector, kb.Enter))
	}

	do("open an empty account", chromedp.Navigate(a.url+"/_fake/"),
		browsertest.Contains("body", "There are no orders"),
		browsertest.Contains("#subscribers", "Nobody has subscribed"),
		browsertest.Contains("body", "Nothing was sent yet"),
		browsertest.Contains("body", "are sound"))
	fitsAt(360)

	a.addSamples()
	require.Equal(t, 200, a.subscribe(hook, "salesOrder.created", "salesOrder.updated").status)
	do("find and open an order", chromedp.EmulateViewport(1280, 900),
		chromedp.Navigate(a.url+"/_fake/"), browsertest.Contains("#subscribers", hook),
		chromedp.SendKeys(`input[name="q"]`, "1051"+kb.Enter),
		browsertest.Contains("section", "SO-001051"),
		chromedp.WaitNotPresent(`//a[text()="SO-001042"]`), press(`[data-order]`),
		chromedp.WaitVisible(`input[name="lines.0.subTotal"]`))
	do("edit it and save it with Enter",
		browsertest.Overwrite(`input[name="lines.0.subTotal"]`, "945.00"+kb.Enter),
		browsertest.Contains("#saved", "Saved as version"))
	do("a screen reader says that it is saved",
		browsertest.Holds(`document.activeElement.id === "saved"`))
	orders := a.api(http.MethodGet,
		"/sales-orders?filter[orderNumber]=SO-001051&include=lines", "").list(t)
	require.Len(t, orders, 1)
	assert.Equal(t, "945.00", within[string](t, orders[0], "lines", 0, "subTotal"))

	do("watch the webhook", browsertest.Contains("#deliveries", "delivered"),
		browsertest.Contains("#deliveries", "503 in"),
		browsertest.Contains("#deliveries", "then 200 in"),
		browsertest.Contains("#deliveries", "SO-001051"), press(`[data-number="1"]`),
		browsertest.Contains("#deliveries pre", within[string](t, orders[0], "salesOrderId")))
	fitsAt(1280)
	fitsAt(360)

	do("make the API fail", chromedp.EmulateViewport(1280, 900),
		browsertest.Overwrite("#json", `{"status":99}`+kb.Enter),
		browsertest.Contains("#refused", "status 99"),
		browsertest.Overwrite("#json", `{"status":500}`+kb.Enter),
		browsertest.Contains("#faults", `{"status":500}`))
	assert.Equal(t, 500, a.api(http.MethodGet, "/sales-orders", "").status)
	do("repair it", press("#clear"), browsertest.Contains("body", "are sound"))
	assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders", "").status)

	do("copy the order to a new one", chromedp.Click(`button[formaction]`),
		browsertest.Contains("#saved", "Saved as version"),
		browsertest.Contains("#order", "SO-000018"),
		browsertest.Contains("#deliveries", "salesOrder.created"))
	assert.Empty(t, complaints.All(), "the browser reports nothing")
	if file := os.Getenv("SCREENSHOT"); file != "" {
		picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, picture, 0o600))
	}
}
