package signin_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/signin"
	"error-check-gate/workshop/internal/oidctest"
)

const unverified = "sue@ours.example"

// oidcDesk is a desk with its provider.
type oidcDesk struct {
	*desk
	provider *oidctest.Provider
}

func newOIDCDesk(t *testing.T, change func(*signin.Options, *oidctest.Options)) *oidcDesk {
	t.Helper()
	return startOIDCDesk(t, httptest.NewTLSServer, change)
}

func startOIDCDesk(
	t *testing.T, listen func(http.Handler) *httptest.Server,
	change func(*signin.Options, *oidctest.Options),
) *oidcDesk {
	t.Helper()
	var provider *oidctest.Provider
	d := startDesk(t, listen, func(o *signin.Options) {
		o.Peer = eachRequest()
		o.Mode = signin.ModeOIDC
		known := oidctest.Options{
			Accounts: []oidctest.Account{
				{Address: "Jane@Example.com", Verified: true}, {Address: "jim@ours.example", Verified: true},
				{Address: unverified}, {Address: "eve@elsewhere.example", Verified: true},
			},
			RedirectURI: o.BaseURL.String() + "/sign-in/oidc/callback",
		}
		if change != nil {
			change(o, &known)
		}
		provider = oidctest.Start(t, known)
		o.OIDC = signin.OIDC{
			Issuer: provider.Issuer, ClientID: provider.ClientID, ClientSecret: provider.ClientSecret,
		}
	})
	return &oidcDesk{d, provider}
}

var loginID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signIn signs in with the provider's login form.
func (d *oidcDesk) signIn(b *browser, start, address string) page {
	b.t.Helper()
	form := b.get(start)
	require.Equal(b.t, http.StatusOK, form.status, form.body)
	id := loginID.FindStringSubmatch(form.body)
	require.NotNil(b.t, id, form.body)
	return b.post(d.provider.Issuer+"/login/username",
		"id", id[1], "username", address, "password", oidctest.Password)
}

func TestSignInByOpenIDConnect(t *testing.T) {
	t.Parallel()
	for name, thin := range map[string]bool{
		"address in the ID token": false, "address in the user info": true,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newOIDCDesk(t, func(_ *signin.Options, o *oidctest.Options) { o.ThinTokens = thin })
			b := d.browser(t)
			start := b.get("/sign-in?next=/orders/1%3Fx%3D1%26y")
			assert.Contains(t, start.body, `href="/sign-in/oidc?next=%2forders%2f1%3fx%3d1%26y"`)
			assert.Contains(t, start.body, "Sign in with 127.0.0.1")
			done := d.signIn(b, "/sign-in/oidc?next=%2forders%2f1%3fx%3d1%26y", "Jane@Example.com")
			assert.Equal(t, http.StatusOK, done.status, done.body)
			assert.Equal(t, d.URL+"/orders/1?x=1&y", done.url.String())
			assert.Equal(t, "oidc "+jane+" may override", b.who())
			assert.Empty(t, b.cookie("__Host-desk-oidc"))
			assert.NotContains(t, strings.ToLower(d.log.String()), jane)

			b.post("/sign-out")
			assert.Equal(t, "nobody", b.who())
		})
	}
}

func TestAuthorizationRequest(t *testing.T) {
	t.Parallel()
	d := newOIDCDesk(t, nil)
	b := d.browser(t)
	b.stay()
	first, second := b.get("/sign-in/oidc?next=//evil.example"), b.get("/sign-in/oidc?choose=1")
	assert.Regexp(t,
		`^__Host-desk-oidc=[A-Za-z0-9_-]+; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$`,
		first.header.Get("Set-Cookie"))
	location, err := url.Parse(first.header.Get("Location"))
	require.NoError(t, err)
	query := location.Query()
	assert.Equal(t, d.URL+"/sign-in/oidc/callback", query.Get("redirect_uri"))
	assert.Equal(t, "openid email", query.Get("scope"))
	assert.Equal(t, "S256", query.Get("code_challenge_method"))
	assert.Empty(t, query.Get("prompt"))
	location, err = url.Parse(second.header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, "select_account", location.Query().Get("prompt"))
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		assert.GreaterOrEqual(t, len(query.Get(name)), 22, name)
		assert.NotEqual(t, query.Get(name), location.Query().Get(name), name)
	}
}

func TestAccountsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newOIDCDesk(t, nil)
	for address, title := range map[string]string{
		unverified:              "Your address is not verified",
		"eve@elsewhere.example": "This account may not sign in here",
	} {
		b := d.browser(t)
		answer := d.signIn(b, "/sign-in/oidc?next=/rules", address)
		assert.Equal(t, http.StatusForbidden, answer.status)
		assert.Contains(t, answer.body, title)
		assert.Contains(t, answer.body, `href="/sign-in/oidc?choose=1&amp;next=%2Frules"`)
		assert.Equal(t, "nobody", b.who())
	}
}

func TestForeignState(t *testing.T) {
	t.Parallel()
	d := newOIDCDesk(t, nil)
	callback := func(b *browser, address string) string {
		stop := b.client.CheckRedirect
		b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.URL.Path == "/sign-in/oidc/callback" {
				return http.ErrUseLastResponse
			}
			return nil
		}
		defer func() { b.client.CheckRedirect = stop }()
		return d.signIn(b, "/sign-in/oidc", address).header.Get("Location")
	}
	attacker := d.browser(t)
	of := callback(attacker, "jim@ours.example")
	require.Contains(t, of, "code=")

	victim := d.browser(t)
	assertFault := func(answer page) {
		t.Helper()
		assert.Equal(t, http.StatusBadRequest, answer.status)
		assert.Contains(t, answer.body, "This sign-in was not started here")
		assert.Equal(t, "nobody", victim.who())
	}
	assertFault(victim.get(of)) // never started
	callback(victim, "Jane@Example.com")
	assertFault(victim.get(of)) // started, but not this one
	own := callback(victim, "Jane@Example.com")
	assertFault(victim.get(own + "&iss=https://evil.example"))

	own = callback(victim, "Jane@Example.com")
	victim.setCookie("__Host-desk-oidc", attacker.cookie("__Host-desk-oidc"))
	assertFault(victim.get(own))

	// The attacker's code with the victim's state. PKCE refuses it.
	own = callback(victim, "Jane@Example.com")
	mixed, err := url.Parse(own)
	require.NoError(t, err)
	stolen, err := url.Parse(of)
	require.NoError(t, err)
	query := mixed.Query()
	query.Set("code", stolen.Query().Get("code"))
	mixed.RawQuery = query.Encode()
	answer := victim.get(mixed.String())
	assert.Equal(t, http.StatusBadRequest, answer.status)
	assert.Contains(t, answer.body, "Your sign-in was not confirmed")
	assert.Equal(t, "nobody", victim.who())

	// The same callback a second time.
	own = callback(victim, "Jane@Example.com")
	assert.Equal(t, http.StatusOK, victim.get(own).status)
	victim.post("/sign-out")
	assertFault(victim.get(own))

	// Too late.
	own = callback(victim, "Jane@Example.com")
	d.clock.Advance(10 * time.Minute)
	assertFault(victim.get(own))
}

func TestErrorsOfTheProvider(t *testing.T) {
	t.Parallel()
	d := newOIDCDesk(t, nil)
	for code, status := range map[string]int{
		"access_denied": http.StatusBadRequest, "<script>\r\n": http.StatusBadRequest,
		"temporarily_unavailable": http.StatusServiceUnavailable,
		"invalid_scope":           http.StatusServiceUnavailable,
	} {
		b := d.browser(t)
		b.stay()
		location, err := url.Parse(b.get("/sign-in/oidc?next=/rules").header.Get("Location"))
		require.NoError(t, err)
		answer := b.get("/sign-in/oidc/callback?" + url.Values{
			"state": {location.Query().Get("state")}, "error": {code}, "error_description": {"<script>text"},
		}.Encode())
		assert.Equal(t, status, answer.status, code)
		assert.Contains(t, answer.body, "next=%2Frules", code)
		assert.NotContains(t, answer.body+d.log.String(), "script")
	}
}

func TestProviderIsUnavailable(t *testing.T) {
	t.Parallel()
	d := newOIDCDesk(t, nil)
	d.provider.SetDown(true)
	b := d.browser(t)
	assert.Equal(t, http.StatusOK, b.get("/sign-in").status)
	answer := b.get("/sign-in/oidc?next=/rules")
	assert.Equal(t, http.StatusServiceUnavailable, answer.status)
	assert.NotEmpty(t, answer.header.Get("Retry-After"))
	assert.Contains(t, answer.body, "The sign-in service does not answer")
	assert.Contains(t, answer.body, `href="/sign-in/oidc?next=%2Frules"`)

	d.provider.SetDown(false)
	assert.Equal(t, http.StatusOK, d.signIn(b, "/sign-in/oidc?next=/rules", "Jane@Example.com").status)
	assert.Equal(t, "oidc "+jane+" may override", b.who())

	// The provider goes down while somebody signs in.
	late := d.browser(t)
	late.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		d.provider.SetDown(r.URL.Path == "/sign-in/oidc/callback")
		return nil
	}
	answer = d.signIn(late, "/sign-in/oidc?next=/rules", "Jane@Example.com")
	assert.Equal(t, http.StatusServiceUnavailable, answer.status)
	assert.Contains(t, answer.body, `href="/sign-in/oidc?next=%2Frules"`)
	assert.Equal(t, "nobody", late.who())
}

func TestProviderRefusesTheDesk(t *testing.T) {
	t.Parallel()
	d := newOIDCDesk(t, nil)
	d.options.OIDC.ClientSecret = "another secret"
	wrong := newDesk(t, func(o *signin.Options) {
		base := o.BaseURL
		*o = d.options
		o.BaseURL = base
	})
	// The provider sends people only to the desk that it knows. Give its answer to the other desk.
	b := d.browser(t)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Transport: b.client.Transport, Jar: jar}
	at := &browser{t: t, base: wrong.URL, client: client}
	at.stay()
	start := at.get("/sign-in/oidc").header.Get("Location")
	start = strings.ReplaceAll(start, url.QueryEscape(wrong.URL), url.QueryEscape(d.URL))
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/sign-in/oidc/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	answer := d.signIn(b, start, "Jane@Example.com")
	location, err := url.Parse(answer.header.Get("Location"))
	require.NoError(t, err)
	refusal := at.get("/sign-in/oidc/callback?" + location.RawQuery)
	assert.Equal(t, http.StatusServiceUnavailable, refusal.status)
	assert.Contains(t, d.log.String(), "exchange the code: the provider answered 401")
	assert.NotContains(t, d.log.String(), "another secret")
}

func TestOtherModesDoNotApply(t *testing.T) {
	t.Parallel()
	d := newOIDCDesk(t, nil)
	b := d.browser(t)
	for _, answer := range []page{
		b.post("/sign-in", "email", jane), b.get("/sign-in/key"), b.post("/sign-in/key"),
	} {
		assert.Equal(t, http.StatusNotFound, answer.status)
		assert.Contains(t, answer.body, "You cannot sign in this way")
	}
	byMail := newDesk(t, nil)
	assert.Equal(t, http.StatusNotFound, byMail.browser(t).get("/sign-in/oidc").status)
	assert.Equal(t, http.StatusNotFound, byMail.browser(t).get("/sign-in/oidc/callback").status)
}
