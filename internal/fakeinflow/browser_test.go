package fakeinflow_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/fakeinflow"
)

// newBrowser starts Chromium: what CHROMIUM names, or what the PATH has. 'make chromium'
// gets it.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "none" {
		t.Skip("CHROMIUM=none: the page is not looked at in a browser")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	require.NotEmpty(t, path, "this needs a browser: 'make chromium' gets it, or CHROMIUM names it, or CHROMIUM=none leaves it out")
	// The page is the test's own: no sandbox, which Chromium has not for root nor in many containers.
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(generous))...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(tab), "start the browser")
	limited, cancel := context.WithTimeout(tab, generous)
	t.Cleanup(cancel)
	return limited
}

// complaints are what the browser says of a page that is wrong: a script that fails, or
// something that the page's policy forbids. That a request was refused is no fault of it.
type complaints struct {
	mu    sync.Mutex
	texts []string
}

func listen(tab context.Context) *complaints {
	c := &complaints{}
	go func() {
		for message, err := range chromedp.Console(tab) {
			if err != nil {
				return // the browser has gone
			}
			if message.Source != "network" && (message.IsException() || message.Type == "error") {
				c.mu.Lock()
				c.texts = append(c.texts, message.String())
				c.mu.Unlock()
			}
		}
	}()
	return c
}

func (c *complaints) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts)
}

// contains waits until an element is there and has the text.
func contains(selector, text string) chromedp.Action[chromedp.Void] {
	return holds(`document.querySelector(` + quote(selector) + `)?.innerText.includes(` + quote(text) + `)`)
}

// holds waits until an expression of the page is true. It asks again while the page is being left
// or has not run its script yet.
func holds(expression string) chromedp.Action[chromedp.Void] {
	question := chromedp.Evaluate[bool](`!!(` + expression + `)`)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			if yes, err := question(ctx, target); yes && err == nil {
				return nil
			}
			select {
			case <-again.C:
			case <-ctx.Done():
				return fmt.Errorf("wait for %s: %w", expression, ctx.Err())
			}
		}
	})
}

// overwrite types in place of what a field holds.
func overwrite(selector, keys string) chromedp.Action[chromedp.Void] {
	selected := chromedp.Evaluate[bool](`document.querySelector(` + quote(selector) + `).select() === undefined`)
	return chromedp.Steps(chromedp.Focus(selector), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := selected(ctx, target)
		return err
	}), chromedp.KeyEvent(keys))
}

// A person edits an order with the keyboard and watches the webhook go out, breaks the
// API and mends it again, in a real browser.
func TestPageInABrowser(t *testing.T) {
	hook := newReceiver(t, 503)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{0}})
	tab := newBrowser(t)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...), what)
	}
	wrong := listen(tab)
	fitsAt := func(width int64) {
		t.Helper()
		do("another width", chromedp.EmulateViewport(width, 800))
		over, err := chromedp.Run(tab, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
		require.NoError(t, err)
		assert.LessOrEqual(t, over, 0, "at %d pixels", width)
	}

	do("an empty account", chromedp.Navigate(a.url+"/_fake/"), contains("body", "There are no orders"), contains("#subscribers", "Nobody has subscribed"),
		contains("body", "Nothing was sent yet"), contains("body", "are sound"))
	fitsAt(360)

	for _, sample := range samples(t) {
		a.add(sample.Order)
	}
	a.subscribe(hook.url, documentedEvents...)
	do("find and open an order", chromedp.EmulateViewport(1280, 900), chromedp.Navigate(a.url+"/_fake/"), contains("#subscribers", hook.url),
		chromedp.SendKeys(`input[name="q"]`, "1051"+kb.Enter), contains("section", "SO-001051"),
		chromedp.WaitNotPresent(`//a[text()="SO-001042"]`), chromedp.Focus(`[data-order]`), chromedp.SendKeys(`[data-order]`, kb.Enter),
		chromedp.WaitVisible(`input[name="lines.0.subTotal"]`))
	do("edit it and save it with Enter", overwrite(`input[name="lines.0.subTotal"]`, "945.00"+kb.Enter),
		contains("#saved", "Saved as version"))
	do("a screen reader says that it is saved", holds(`document.activeElement.id === "saved"`))
	orders := a.api(http.MethodGet, "/sales-orders?filter[orderNumber]=SO-001051&include=lines", "").list(t)
	require.Len(t, orders, 1)
	assert.Equal(t, "945.00", within[string](t, orders[0], "lines", 0, "subTotal"))

	do("watch the webhook", contains("#deliveries", "delivered"), contains("#deliveries", "503 in"), contains("#deliveries", "then 200 in"), contains("#deliveries", "SO-001051"),
		chromedp.Focus(`[data-number="1"]`), chromedp.SendKeys(`[data-number="1"]`, kb.Enter), contains("#deliveries pre", within[string](t, orders[0], "salesOrderId")))
	fitsAt(1280)
	fitsAt(360)

	do("break the API", chromedp.EmulateViewport(1280, 900), overwrite("#json", `{"status":99}`+kb.Enter), contains("#refused", "status 99"),
		overwrite("#json", `{"status":500}`+kb.Enter), contains("#faults", `{"status":500}`))
	assert.Equal(t, 500, a.api(http.MethodGet, "/sales-orders", "").status)
	do("and mend it", chromedp.Focus("#clear"), chromedp.SendKeys("#clear", kb.Enter), contains("body", "are sound"))
	assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders", "").status)

	do("a copy is a new order", chromedp.Click(`button[formaction]`), contains("#saved", "Saved as version"), contains("#order", "SO-000018"), contains("#deliveries", "salesOrder.created"))
	assert.Empty(t, wrong.all(), "the browser has nothing to complain of")
	if file := os.Getenv("SCREENSHOT"); file != "" {
		picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, picture, 0o600))
	}
}

func quote(text string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "'", `\'`) + "'"
}
