package desk_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/desk/pages"
	"error-check-gate/internal/signin"
	"error-check-gate/workshop/internal/browsertest"
)

// startPages serves the desk's pages without sign-in.
func startPages(t *testing.T) (*orderstest.Fake, *httptest.Server) {
	t.Helper()
	fake := orderstest.New()
	handler, err := pages.New(pages.Options{
		Orders: fake, SignIn: signin.Options{Mode: signin.ModeNone}, Location: time.UTC,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return fake, server
}

// TestHostileTextsBreakNoLayout checks pages with hostile texts, as wide as a screen and as a small
// phone.
func TestHostileTextsBreakNoLayout(t *testing.T) {
	t.Parallel()
	fake, server := startPages(t)
	tab := browsertest.Start(t, 5*time.Minute)
	complaints := browsertest.Listen(tab)
	texts := orderstest.HostileTexts()
	show := func(order orders.Order, rows ...orders.Row) {
		fake.Lock()
		defer fake.Unlock()
		fake.Order, fake.Rows = order, rows
	}
	for _, name := range []string{"long", "rtl", "markup"} {
		show(orderstest.HostileOrder(texts[name]), orderstest.HostileRow(texts[name]), orders.Row{
			SalesOrderID: "2", OrderNumber: "SO-1", Customer: "Jim", SalesRep: "Al", Status: "failed",
			Since: orderstest.Now, Errors: 1, First: "x",
		})
		for _, path := range []string{"/orders/" + orderstest.ID, "/"} {
			require.NoError(t, chromedp.Do(tab, chromedp.Navigate(server.URL+path)))
			for _, width := range []int64{1280, 320} {
				require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 800)))
				faults, err := chromedp.Run(tab, browsertest.Faults())
				require.NoError(t, err)
				assert.Empty(t, faults, "%s at %s, %d pixels", name, path, width)
			}
		}
	}
	// A text in right-to-left direction does not change the direction of others.
	show(fake.Order, orderstest.HostileRow(texts["rtl"]))
	require.NoError(t, chromedp.Do(tab,
		chromedp.Navigate(server.URL+"/"), chromedp.EmulateViewport(1280, 800)))
	after, err := chromedp.Run(tab, chromedp.Evaluate[bool](`(() => {
		const more = document.querySelector(".more").getBoundingClientRect();
		const text = document.querySelector("td[data-label='What is wrong'] bdi");
		return more.left > text.getBoundingClientRect().left;
	})()`))
	require.NoError(t, err)
	assert.True(t, after)
	assert.Empty(t, complaints.All(), "the browser reports nothing")
}

// TestRulesPageFits checks the page with the rules in a browser, with everything that it can show.
func TestRulesPageFits(t *testing.T) {
	t.Parallel()
	fake, server := startPages(t)
	fake.AddOutcomes()
	tab := browsertest.Start(t, 5*time.Minute)
	wrong := browsertest.Listen(tab)
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(server.URL+"/rules")))
	for _, width := range []int64{1280, 375, 320} {
		require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 800)))
		faults, err := chromedp.Run(tab, browsertest.Faults())
		require.NoError(t, err)
		assert.Empty(t, faults, "%d pixels", width)
	}
	// A phone shows each number with its name, which browsertest.Faults does not check.
	texts, err := chromedp.Run(tab, chromedp.Evaluate[string](`
		[...document.querySelectorAll(".outcomes tbody tr")].map((row) => {
			const shown = [...row.querySelectorAll("td")]
				.filter((cell) => cell.textContent !== "0" && cell.offsetHeight > 0)
				.map((cell) => getComputedStyle(cell, "::before").content.replaceAll('"', "") +
					cell.textContent);
			if (row.querySelector(".doubtful")) shown.push("doubtful");
			return row.querySelector("code").textContent + ": " + shown.join(", ");
		}).join("\n")`))
	require.NoError(t, err)
	assert.Equal(t, `price: Fixed in time: 12, Fixed after a notice: 3, Time to fix: 2 h, Overridden: 4
shipping-address-complete: Fixed after a notice: 1, Time to fix: 3 days, Overridden: 2, Hold expired: 5, `+
		`Order cancelled: 6, Other end: 15, Not checked: 9, doubtful
depth: `, texts)
	assert.Empty(t, wrong.All(), "the browser reports nothing")
}
