package e2e_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/activities"
	"error-check-gate/internal/browsertest"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// gatedOrders is InFlow that answers only while it is open. Fetches wait meanwhile.
type gatedOrders struct {
	activities.Orders
	open chan struct{} // has one value while InFlow is open
}

func (o *gatedOrders) SalesOrder(
	ctx context.Context, id string, include []string,
) (*inflow.SalesOrder, error) {
	select {
	case open := <-o.open:
		o.open <- open
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return o.Orders.SalesOrder(ctx, id, include)
}

// TestDeskInABrowser: a manager and a sales rep use everything that the desk offers, in Chromium.
func TestDeskInABrowser(t *testing.T) {
	t.Parallel()
	gated := &gatedOrders{open: make(chan struct{}, 1)}
	gated.open <- struct{}{}
	d := newDeskStack(t, options{
		plainDesk: true, settings: orderlife.Settings{SettleQuiet: settleQuiet, HoldMax: time.Hour},
		orders: func(client *inflow.Client) activities.Orders {
			gated.Orders = client
			return gated
		},
	})
	first, second := d.create("balance-wrong"), d.create("order-subtotal-wrong")
	d.waitForStatus(first, ordercheck.StatusFailed)
	d.waitForStatus(second, ordercheck.StatusFailed)
	number := d.report(first).OrderNumber

	tab := browsertest.Start(t, waitFor)
	wrong := browsertest.Listen(tab)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(tab, steps...); err != nil {
			// only for the message
			page, _ := chromedp.Run(tab,
				chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
			require.NoError(t, err, "%s; the page is:\n%s", what, page)
		}
	}
	shows := func(text string) chromedp.Action[chromedp.Void] {
		return browsertest.Holds(`document.readyState === "complete" && document.body.innerText.includes(` + browsertest.Quote(text) + `)`)
	}
	at := func(path string) chromedp.Action[chromedp.Void] {
		return browsertest.Holds(`document.readyState === "complete" && location.pathname + location.search === ` + browsertest.Quote(path))
	}
	press := func(keys ...string) chromedp.Action[chromedp.Void] {
		return chromedp.KeyEvent(strings.Join(keys, ""))
	}
	scheme := func(name string) {
		t.Helper()
		_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		require.NoError(t, err)
	}
	pictures := os.Getenv("SCREENSHOTS")
	sound := func(name string) {
		t.Helper()
		for _, width := range []int64{1280, 375, 320} {
			do("another width", chromedp.EmulateViewport(width, 800))
			faults, err := chromedp.Run(tab, browsertest.Faults())
			require.NoError(t, err)
			assert.Empty(t, faults, "%s at %d pixels", name, width)
			for _, colours := range []string{"light", "dark"} {
				if pictures == "" {
					break
				}
				scheme(colours)
				picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
				require.NoError(t, err)
				file := filepath.Join(pictures,
					name+"-"+colours+"-"+strings.Repeat("w", int(width/320))+".png")
				require.NoError(t, os.WriteFile(file, picture, 0o600))
			}
		}
		do("the width of a phone", chromedp.EmulateViewport(375, 800))
	}
	page := func(path string) chromedp.Action[chromedp.Void] {
		return chromedp.Navigate(d.at(path))
	}
	order := "/orders/" + first

	// The manager signs in by mail and by keyboard, and comes to the order that was asked for.
	do("ask for a link", page(order), shows("Email address"),
		press(kb.Tab, kb.Tab, kb.Tab, manager, kb.Enter), shows("on its way"))
	sound("sign-in-sent")
	link := linkInMail.FindString(d.mailTo(manager, "Sign in", "").Text)
	do("use it", chromedp.Navigate(link), shows("sign in as "+manager))
	sound("sign-in-confirm")
	do("press the button", press(kb.Tab, kb.Tab, kb.Tab, kb.Enter), at(order), shows(number))
	sound("order")

	// The list: search, filter, share by URL, and export as CSV.
	do("find the order", page("/"), shows("2 orders"), chromedp.Focus(`[name=q]`),
		press(strings.ToLower(number), kb.Enter),
		shows("1 order"), browsertest.Holds(`location.search.includes("q=")`))
	sound("list")
	csv, err := chromedp.Run(tab,
		chromedp.Evaluate[string](`document.querySelector("a[href*='format=csv']").getAttribute("href")`))
	require.NoError(t, err)
	assert.Contains(t, csv, "q="+strings.ToLower(number))
	do("find nothing", page("/?q=nobody"), shows("No order was found"))
	sound("list-no-match")
	do("an empty tab", page("/?status=overridden"), shows("No order is overridden"))
	sound("list-empty")
	do("rules", page("/rules"), shows("order-subtotal"),
		browsertest.Holds(`document.querySelector("a[href*='rule=order-subtotal']")`))
	sound("rules")
	do("from a rule to its orders", chromedp.Click(`a[href*='rule=order-subtotal']`),
		shows("1 order"))

	// With the keyboard only: use the skip link, then "Check again".
	do("the skip link", page(order), shows(number), press(kb.Tab),
		browsertest.Holds(`document.activeElement.matches(".skip") && document.activeElement.getBoundingClientRect().left >= 0`),
		press(kb.Enter), browsertest.Holds(`location.hash === "#main"`))
	for range 10 {
		do("go on", press(kb.Tab),
			browsertest.Holds(`getComputedStyle(document.activeElement).outlineStyle !== "none"`))
		found, err := chromedp.Run(tab,
			chromedp.Evaluate[bool](`document.activeElement.innerText === "Check again"`))
		require.NoError(t, err)
		if found {
			break
		}
	}
	do("check again", press(kb.Enter),
		browsertest.Contains("#live[role=status]", "The order was checked just now."),
		at(order)) // not ?done=checked: a reload must not say it again

	// The result of a check appears without a reload.
	<-gated.open
	status, _ := d.post(first)
	require.Equal(t, http.StatusOK, status)
	do("a check is running", page(order), shows("A check is waiting or running"),
		chromedp.Focus(`a[href="`+order+`"]`))
	sound("order-waiting")
	d.setBalance(first, "700.00")
	gated.open <- struct{}{}
	do("its result", browsertest.Contains("#live", "The order was checked just now."),
		shows("700.00"),
		browsertest.Holds(`document.activeElement.id === "live"`)) // the focus moves to the message

	// Take responsibility. A refused form keeps its input.
	do("without an end", chromedp.Click(`[name=finding][value=all]`),
		chromedp.Focus(`[name=reason]`), press("The customer pays <later>."),
		chromedp.Click(`.override button`), browsertest.Contains("[role=alert]", "Choose how long"),
		browsertest.Holds(`document.querySelector("[name=reason]").value === "The customer pays <later>."`),
		browsertest.Holds(`document.querySelector("[name=finding][value=all]").checked`),
		browsertest.Holds(`document.activeElement.id === "faults"`))
	sound("order-refused")
	do("for a week", chromedp.Click(`.override fieldset.inline label:nth-of-type(2) input`),
		chromedp.Click(`.override button`),
		browsertest.Contains("#live", "You have taken responsibility."),
		shows("The customer pays <later>."))
	sound("order-overridden")
	d.waitForStatus(first, ordercheck.StatusOverridden)
	do("one error until a date", page("/orders/"+second),
		chromedp.Click(`[name=finding]:not([value=all])`),
		chromedp.Focus(`[name=reason]`), press("Known."), browsertest.Holds(`(document.querySelector("[type=date]").value = "2999-12-31")`),
		chromedp.Click(`.override button`),
		browsertest.Contains("#live", "You have taken responsibility."))
	overridden := 0
	for _, finding := range d.report(second).Findings {
		if finding.Override != nil {
			overridden++
			assert.Equal(t, "Known.", finding.Override.Reason)
			assert.Equal(t, "3000-01-01T00:00:00Z",
				finding.Override.Until.UTC().Format(time.RFC3339), "the last day is included")
		}
	}
	assert.Equal(t, 1, overridden)

	do("sign out", chromedp.Click(`form[action="/sign-out"] button`), shows("You are signed out"))
	sound("signed-out")
	do("and be out", page(order), shows("Email address"))

	// The rep follows the mail's link, with JavaScript off.
	_, err = chromedp.Call(tab, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	link = linkInMail.FindString(d.mailTo(rep, "[FAILED] "+number, "").Text)
	key, err := url.Parse(link)
	require.NoError(t, err)
	require.NotEmpty(t, key.Query().Get("k"))
	do("a mail's link", chromedp.Navigate(link), at(order), shows("Acting as "+rep),
		shows("Sign in"))
	sound("order-by-link")
	do("comment", chromedp.Focus(`[name=text]`), press("I have called the customer."),
		chromedp.Click(`.comment button`),
		browsertest.Contains("#live", "Your comment is in the timeline."),
		shows("I have called the customer."))
	do("check again", chromedp.Click(`form[action$="/check"] button`),
		browsertest.Contains("#live", "The order was checked just now."))
	<-gated.open
	status, _ = d.post(first)
	require.Equal(t, http.StatusOK, status)
	do("reload by hand", page(order), shows("A check is waiting or running"))
	gated.open <- struct{}{}
	require.Eventually(t, func() bool {
		do("reload", chromedp.Click(`#live a`), shows(number))
		waiting, err := chromedp.Run(tab,
			chromedp.Evaluate[bool](`document.body.innerText.includes("A check is waiting")`))
		return err == nil && !waiting
	}, waitFor, tick)
	do("the list is not the link's", page("/"), shows("Email address"))
	do("nothing there", page("/nothing"), shows("There is no such page"))
	sound("no-such-page")
	assert.Empty(t, wrong.All(), "the browser reports no errors")
}
