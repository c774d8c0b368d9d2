package signin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/workshop/internal/browsertest"
	"error-check-gate/workshop/internal/oidctest"
)

// generous is a timeout that is far longer than a browser needs.
const generous = 5 * time.Minute

// newTab starts Chromium as wide as a phone.
func newTab(t *testing.T) context.Context {
	t.Helper()
	return browsertest.Start(t, generous, chromedp.WindowSize(375, 800))
}

// shows waits until the page has a text.
func shows(text string) chromedp.Action[chromedp.Void] {
	return browsertest.Holds(
		`document.readyState === "complete" && document.body.innerText.includes(` +
			browsertest.Quote(text) + `)`)
}

// protected serves pages with the desk's content security policy, which forbids inline scripts and
// more.
func protected(handler http.Handler) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		handler.ServeHTTP(w, r)
	}))
}

// TestSignInByMailInABrowser uses only the keyboard, at a desk on loopback without TLS.
func TestSignInByMailInABrowser(t *testing.T) {
	t.Parallel()
	d := startDesk(t, protected, nil)
	tab := newTab(t)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...), what)
	}
	do("ask for a link", chromedp.Navigate(d.URL+"/sign-in?next=/orders/SO-1"), shows("Email address"),
		chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(jane), chromedp.KeyEvent(kb.Enter),
		shows("on its way"))
	_, link := d.mail(t)
	do("use it", chromedp.Navigate(link), shows("sign in as "+jane),
		chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), shows("mail "+jane+" may override"))
	place, err := chromedp.Run(tab, chromedp.Evaluate[string](`location.pathname`))
	require.NoError(t, err)
	assert.Equal(t, "/orders/SO-1", place)
	cookies, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.cookie`))
	require.NoError(t, err)
	assert.Empty(t, cookies, "no script sees the session")
	do("come back later", chromedp.Navigate(d.URL+"/who"), shows("mail "+jane+" may override"))
	do("use it again", chromedp.Navigate(link), shows("sign in as"))
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
