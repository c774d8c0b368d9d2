package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/signin/oidctest"
)

// generous is far longer than a browser needs.
const generous = 2 * time.Minute

// newTab starts Chromium as wide as a phone: what CHROMIUM names, or what the PATH has.
func newTab(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "none" {
		t.Skip("CHROMIUM=none: the pages are not looked at in a browser")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	require.NotEmpty(t, path, "this needs a browser: 'make chromium' gets it, or CHROMIUM names it, "+
		"or CHROMIUM=none leaves it out")
	// The pages are the test's own: no sandbox, which Chromium doesn't have for root.
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(
		chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		// Chromium drops keys that are pressed before a page is painted.
		chromedp.Flag("allow-pre-commit-input", true),
		chromedp.WindowSize(375, 800), chromedp.WSURLReadTimeout(generous))...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(tab), "start the browser")
	limited, cancel := context.WithTimeout(tab, generous)
	t.Cleanup(cancel)
	return limited
}

// shows waits until the page has a text.
func shows(text string) chromedp.Action[chromedp.Void] {
	question := chromedp.Evaluate[bool](`document.readyState === "complete" &&
		document.body.innerText.includes(` + strconv.Quote(text) + `)`)
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
				return fmt.Errorf("wait for %q: %w", text, ctx.Err())
			}
		}
	})
}

// protected serves pages with the desk's policy, which forbids scripts in a page among other
// things.
func protected(handler http.Handler) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		handler.ServeHTTP(w, r)
	}))
}

// TestSignInByMailInABrowser goes by keyboard alone, at a desk on loopback without TLS.
func TestSignInByMailInABrowser(t *testing.T) {
	t.Parallel()
	d := startDesk(t, protected, nil)
	tab := newTab(t)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...), what)
	}
	do("ask for a link", chromedp.Navigate(d.URL+"/sign-in?next=/orders/SO-1"), shows("Mail address"),
		chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(jane), chromedp.KeyEvent(kb.Enter),
		shows("on its way"))
	_, link := d.mail(t)
	do("use it", chromedp.Navigate(link), shows("You sign in as "+jane),
		chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), shows("mail "+jane+" may override"))
	place, err := chromedp.Run(tab, chromedp.Evaluate[string](`location.pathname`))
	require.NoError(t, err)
	assert.Equal(t, "/orders/SO-1", place)
	cookies, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.cookie`))
	require.NoError(t, err)
	assert.Empty(t, cookies, "no script sees the session")
	do("come back later", chromedp.Navigate(d.URL+"/who"), shows("mail "+jane+" may override"))
	do("use it again", chromedp.Navigate(link), shows("You sign in as"))
}

func TestSignInByOpenIDConnectInABrowser(t *testing.T) {
	t.Parallel()
	d := startOIDCDesk(t, protected, nil)
	tab := newTab(t)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...), what)
	}
	signIn := func(address string) {
		t.Helper()
		do("sign in at the provider", shows("Password"),
			chromedp.Focus(`[name=username]`), chromedp.KeyEvent(address),
			chromedp.Focus(`[name=password]`), chromedp.KeyEvent(oidctest.Password),
			chromedp.KeyEvent(kb.Enter))
	}
	do("start", chromedp.Navigate(d.URL+"/sign-in?next=/orders/SO-1"), shows("Sign in with 127.0.0.1"),
		chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	signIn("eve@elsewhere.example")
	do("use another account", shows("This account may not sign in here"),
		chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	signIn("Jane@Example.com")
	do("arrive", shows("oidc "+jane+" may override"))
	place, err := chromedp.Run(tab, chromedp.Evaluate[string](`location.pathname`))
	require.NoError(t, err)
	assert.Equal(t, "/orders/SO-1", place)
}
