package e2e_test

import (
	"context"
	"fmt"
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
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workshop/internal/browsertest"
)

// gatedOrders is an InFlow client that fetches only while it is open. Other fetches wait.
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

// TestDeskInABrowser uses every function of the desk in Chromium, as a manager and as a sales rep.
func TestDeskInABrowser(t *testing.T) {
	t.Parallel()
	b := newDeskTab(t)
	wrong := browsertest.Listen(b.tab)
	b.signInByMail()
	b.useTheList()
	b.checkWithTheKeyboard()
	b.watchACheck()
	b.takeResponsibility()
	b.followTheMailsLink()
	assert.Empty(t, wrong.All(), "the browser reports no errors")
}

// deskTab is a browser tab at a desk with two held orders.
type deskTab struct {
	t             *testing.T
	d             *deskStack
	gated         *gatedOrders
	tab           context.Context
	first, second string // ids of the orders
	number, order string // number and path of the first one
}

func newDeskTab(t *testing.T) *deskTab {
	t.Helper()
	gated := &gatedOrders{open: make(chan struct{}, 1)}
	gated.open <- struct{}{}
	d := newDeskStack(t, options{
		plainDesk: true, settings: orderlife.Settings{SettleQuiet: settleQuiet, HoldMax: time.Hour},
		orders: func(client *inflow.Client) activities.Orders {
			gated.Orders = client
			return gated
		},
	})
	b := &deskTab{t: t, d: d, gated: gated}
	b.first, b.second = d.create("balance-wrong"), d.create("order-subtotal-wrong")
	d.waitForStatus(b.first, ordercheck.StatusFailed)
	d.waitForStatus(b.second, ordercheck.StatusFailed)
	b.number, b.order = d.report(b.first).OrderNumber, "/orders/"+b.first
	b.tab = browsertest.Start(t, waitFor)
	return b
}

// do runs steps, which must succeed. what describes the steps if they fail.
func (b *deskTab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.tab, steps...); err != nil {
		page, _ := chromedp.Run(b.tab, // only for the message
			chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		require.NoError(b.t, err, "%s; the page is:\n%s", what, page)
	}
}

func (b *deskTab) page(path string) chromedp.Action[chromedp.Void] {
	return chromedp.Navigate(b.d.at(path))
}

// sound checks the page for faults at several widths. If the variable SCREENSHOTS names a folder,
// it saves pictures there.
func (b *deskTab) sound(name string) {
	b.t.Helper()
	for _, width := range []int64{1280, 375, 320} {
		b.do("another width", chromedp.EmulateViewport(width, 800))
		faults, err := chromedp.Run(b.tab, browsertest.Faults())
		require.NoError(b.t, err)
		assert.Empty(b.t, faults, "%s at %d pixels", name, width)
		b.screenshots(name + "-%s-" + strings.Repeat("w", int(width/320)) + ".png")
	}
	b.do("the width of a phone", chromedp.EmulateViewport(375, 800))
}

func (b *deskTab) screenshots(pattern string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		require.NoError(b.t, err)
		picture, err := chromedp.Run(b.tab, chromedp.FullScreenshot(100))
		require.NoError(b.t, err)
		file := filepath.Join(folder, fmt.Sprintf(pattern, scheme))
		require.NoError(b.t, os.WriteFile(file, picture, 0o600))
	}
}

// pageLoaded is true in a browser when the page is complete.
const pageLoaded = `document.readyState === "complete" && `

func shows(text string) chromedp.Action[chromedp.Void] {
	return browsertest.Holds(pageLoaded +
		`document.body.innerText.includes(` + browsertest.Quote(text) + `)`)
}

func isAt(path string) chromedp.Action[chromedp.Void] {
	return browsertest.Holds(pageLoaded +
		`location.pathname + location.search === ` + browsertest.Quote(path))
}

func press(keys ...string) chromedp.Action[chromedp.Void] {
	return chromedp.KeyEvent(strings.Join(keys, ""))
}

// signInByMail signs the manager in by mail and keyboard, and opens the requested order.
func (b *deskTab) signInByMail() {
	b.t.Helper()
	b.do("ask for a link", b.page(b.order), shows("Email address"),
		press(kb.Tab, kb.Tab, kb.Tab, manager, kb.Enter), shows("on its way"))
	b.sound("sign-in-sent")
	link := linkInMail.FindString(b.d.mailTo(manager, "Sign in", "").Text)
	b.do("use it", chromedp.Navigate(link), shows("sign in as "+manager))
	b.sound("sign-in-confirm")
	b.do("press the button", press(kb.Tab, kb.Tab, kb.Tab, kb.Enter), isAt(b.order), shows(b.number))
	b.sound("order")
}

// useTheList searches, filters, shares the list by URL, and exports it as CSV.
func (b *deskTab) useTheList() {
	b.t.Helper()
	b.do("find the order", b.page("/"), shows("2 orders"), chromedp.Focus(`[name=q]`),
		press(strings.ToLower(b.number), kb.Enter),
		shows("1 order"), browsertest.Holds(`location.search.includes("q=")`))
	b.sound("list")
	csv, err := chromedp.Run(b.tab,
		chromedp.Evaluate[string](`document.querySelector("a[href*='format=csv']").getAttribute("href")`))
	require.NoError(b.t, err)
	assert.Contains(b.t, csv, "q="+strings.ToLower(b.number))
	b.do("find nothing", b.page("/?q=nobody"), shows("No order was found"))
	b.sound("list-no-match")
	b.do("an empty tab", b.page("/?status=overridden"), shows("No order is overridden"))
	b.sound("list-empty")
	b.do("rules", b.page("/rules"), shows("order-subtotal"),
		browsertest.Holds(`document.querySelector("a[href*='rule=order-subtotal']")`))
	b.sound("rules")
	b.do("from a rule to its orders", chromedp.Click(`a[href*='rule=order-subtotal']`),
		shows("1 order"))
}

// checkWithTheKeyboard uses the skip link and "Check again" without a mouse.
func (b *deskTab) checkWithTheKeyboard() {
	b.t.Helper()
	b.do("the skip link", b.page(b.order), shows(b.number), press(kb.Tab),
		browsertest.Holds(
			`document.activeElement.matches(".skip") && `+
				`document.activeElement.getBoundingClientRect().left >= 0`),
		press(kb.Enter), browsertest.Holds(`location.hash === "#main"`))
	for range 10 {
		b.do("go on", press(kb.Tab),
			browsertest.Holds(`getComputedStyle(document.activeElement).outlineStyle !== "none"`))
		found, err := chromedp.Run(b.tab,
			chromedp.Evaluate[bool](`document.activeElement.innerText === "Check again"`))
		require.NoError(b.t, err)
		if found {
			break
		}
	}
	b.do("check again", press(kb.Enter),
		browsertest.Contains("#live[role=status]", "The order was checked just now."),
		isAt(b.order)) // not ?done=checked: a reload must not say it again
}

// watchACheck sees the result of a check without a reload.
func (b *deskTab) watchACheck() {
	b.t.Helper()
	<-b.gated.open
	status, _ := b.d.post(b.first)
	require.Equal(b.t, http.StatusOK, status)
	b.do("a check is running", b.page(b.order), shows("A check is waiting or running"),
		chromedp.Focus(`a[href="`+b.order+`"]`))
	b.sound("order-waiting")
	b.d.setBalance(b.first, "700.00")
	b.gated.open <- struct{}{}
	b.do("its result", browsertest.Contains("#live", "The order was checked just now."),
		shows("700.00"),
		browsertest.Holds(`document.activeElement.id === "live"`)) // the focus moves to the message
}

// takeResponsibility overrides errors. A refused form keeps its input.
func (b *deskTab) takeResponsibility() {
	b.t.Helper()
	b.do("without an end", chromedp.Click(`[name=finding][value=all]`),
		chromedp.Focus(`[name=reason]`), press("The customer pays <later>."),
		chromedp.Click(`.override button`), browsertest.Contains("[role=alert]", "Choose how long"),
		browsertest.Holds(
			`document.querySelector("[name=reason]").value === "The customer pays <later>."`),
		browsertest.Holds(`document.querySelector("[name=finding][value=all]").checked`),
		browsertest.Holds(`document.activeElement.id === "faults"`))
	b.sound("order-refused")
	b.do("for a week", chromedp.Click(`.override fieldset.inline label:nth-of-type(2) input`),
		chromedp.Click(`.override button`),
		browsertest.Contains("#live", "You have taken responsibility."),
		shows("The customer pays <later>."))
	b.sound("order-overridden")
	b.d.waitForStatus(b.first, ordercheck.StatusOverridden)
	b.do("one error until a date", b.page("/orders/"+b.second),
		chromedp.Click(`[name=finding]:not([value=all])`),
		chromedp.Focus(`[name=reason]`), press("Known."),
		browsertest.Holds(`(document.querySelector("[type=date]").value = "2999-12-31")`),
		chromedp.Click(`.override button`),
		browsertest.Contains("#live", "You have taken responsibility."))
	overridden := 0
	for _, finding := range b.d.report(b.second).Findings {
		if finding.Override != nil {
			overridden++
			assert.Equal(b.t, "Known.", finding.Override.Reason)
			assert.Equal(b.t, "3000-01-01T00:00:00Z",
				finding.Override.Until.UTC().Format(time.RFC3339), "the last day is included")
		}
	}
	assert.Equal(b.t, 1, overridden)

	b.do("sign out", chromedp.Click(`form[action="/sign-out"] button`), shows("You are signed out"))
	b.sound("signed-out")
	b.do("and be out", b.page(b.order), shows("Email address"))
}

// followTheMailsLink opens the sales rep's link, with JavaScript off.
func (b *deskTab) followTheMailsLink() {
	b.t.Helper()
	_, err := chromedp.Call(b.tab, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(b.t, err)
	link := linkInMail.FindString(b.d.mailTo(rep, "[FAILED] "+b.number, "").Text)
	key, err := url.Parse(link)
	require.NoError(b.t, err)
	require.NotEmpty(b.t, key.Query().Get("k"))
	b.do("a mail's link", chromedp.Navigate(link), isAt(b.order), shows("Acting as "+rep),
		shows("Sign in"))
	b.sound("order-by-link")
	b.do("comment", chromedp.Focus(`[name=text]`), press("I have called the customer."),
		chromedp.Click(`.comment button`),
		browsertest.Contains("#live", "Your comment is in the timeline."),
		shows("I have called the customer."))
	b.do("check again", chromedp.Click(`form[action$="/check"] button`),
		browsertest.Contains("#live", "The order was checked just now."))
	<-b.gated.open
	status, _ := b.d.post(b.first)
	require.Equal(b.t, http.StatusOK, status)
	b.do("reload by hand", b.page(b.order), shows("A check is waiting or running"))
	b.gated.open <- struct{}{}
	require.Eventually(b.t, func() bool {
		b.do("reload", chromedp.Click(`#live a`), shows(b.number))
		waiting, err := chromedp.Run(b.tab,
			chromedp.Evaluate[bool](`document.body.innerText.includes("A check is waiting")`))
		return err == nil && !waiting
	}, waitFor, tick)
	b.do("the list is not the link's", b.page("/"), shows("Email address"))
	b.do("nothing there", b.page("/nothing"), shows("There is no such page"))
	b.sound("no-such-page")
}
