package pages

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/browsertest"
	"error-check-gate/internal/signin"
)

// TestHostileTextsBreakNoLayout checks pages with hostile texts, as wide as a screen and as a small
// phone.
func TestHostileTextsBreakNoLayout(t *testing.T) {
	t.Parallel()
	d := startDesk(t, func(o *Options) { o.SignIn = signin.Options{Mode: signin.ModeNone} })
	plain := httptest.NewServer(d.Handler)
	t.Cleanup(plain.Close)
	tab := browsertest.Start(t, 5*time.Minute)
	wrong := browsertest.Listen(tab)
	texts := hostileTexts()
	for _, name := range []string{"long", "rtl", "markup"} {
		d.orders.Order = hostileOrder(texts[name])
		d.orders.Rows = []orders.Row{hostileRow(texts[name]), {
			SalesOrderID: "2", OrderNumber: "SO-1", Customer: "Jim", SalesRep: "Al", Status: "failed",
			Since: time.Now(), Errors: 1, First: "x",
		}}
		for _, path := range []string{testOrderPath, "/"} {
			require.NoError(t, chromedp.Do(tab, chromedp.Navigate(plain.URL+path)))
			for _, width := range []int64{1280, 320} {
				require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 800)))
				faults, err := chromedp.Run(tab, browsertest.Faults())
				require.NoError(t, err)
				assert.Empty(t, faults, "%s at %s, %d pixels", name, path, width)
			}
		}
	}
	// A text in right-to-left direction does not change the direction of others.
	d.orders.Rows = []orders.Row{hostileRow(texts["rtl"])}
	require.NoError(t, chromedp.Do(tab,
		chromedp.Navigate(plain.URL+"/"), chromedp.EmulateViewport(1280, 800)))
	after, err := chromedp.Run(tab, chromedp.Evaluate[bool](`(() => {
		const more = document.querySelector(".more").getBoundingClientRect();
		const text = document.querySelector("td[data-label='What is wrong'] bdi");
		return more.left > text.getBoundingClientRect().left;
	})()`))
	require.NoError(t, err)
	assert.True(t, after)
	assert.Empty(t, wrong.All(), "the browser reports nothing")
}

// TestRulesPageFits checks the page with the rules in a browser, with everything that it can show.
func TestRulesPageFits(t *testing.T) {
	t.Parallel()
	d := startDesk(t, func(o *Options) { o.SignIn = signin.Options{Mode: signin.ModeNone} })
	plain := httptest.NewServer(d.Handler)
	t.Cleanup(plain.Close)
	countOutcomes(d.orders)
	tab := browsertest.Start(t, 5*time.Minute)
	wrong := browsertest.Listen(tab)
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(plain.URL+"/rules")))
	for _, width := range []int64{1280, 375, 320} {
		require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 800)))
		faults, err := chromedp.Run(tab, browsertest.Faults())
		require.NoError(t, err)
		assert.Empty(t, faults, "%d pixels", width)
	}
	// A phone shows each number with its name. Faults cannot see that.
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
