package signin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/signin"
)

// refused asserts that a link signs nobody in, by either method.
func refused(t *testing.T, b *browser, link string, status int, title string) {
	t.Helper()
	for _, answer := range []page{b.get(link), b.post(link)} {
		assert.Equal(t, status, answer.status, link)
		assert.Contains(t, answer.body, "<h1>"+title+"</h1>")
		assert.Empty(t, answer.header.Get("Set-Cookie"))
	}
	assert.Equal(t, "nobody", b.who())
}

func TestForgedLinks(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *signin.Options) { o.Peer = eachRequest() })
	other := newDesk(t, func(o *signin.Options) {
		o.Secrets = []string{"another secret, of the same length as the first"}
	})
	link := d.link(t, jane, "/")
	key := link[strings.LastIndexByte(link, '/')+1:]
	foreign := other.link(t, jane, "/")
	middle := len(key) / 2
	for name, forged := range map[string]string{
		"one letter":       "x",
		"cut off":          key[:len(key)-1],
		"cut off by 40":    key[:len(key)-40],
		"changed":          key[:middle] + swapped(key[middle:middle+1]) + key[middle+1:],
		"longer":           key + "AAAA",
		"twice":            key + key,
		"escaped":          "%00%0d%0a",
		"of another desk":  foreign[strings.LastIndexByte(foreign, '/')+1:],
		"longer than ours": strings.Repeat("A", 8000),
		"base64 of marks":  "fHx8fHx8fHx8",
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, d.browser(t), "/sign-in/"+forged, http.StatusBadRequest, "This link does not work")
		})
	}
	assert.Equal(t, http.StatusOK, d.browser(t).post(link).status, "the link itself works")
}

func swapped(letter string) string {
	if letter == "A" {
		return "B"
	}
	return "A"
}

func TestExpiredLink(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	inTime, late := d.link(t, jane, "/rules"), d.link(t, jane, "/rules")
	d.clock.Advance(14 * time.Minute)
	assert.Equal(t, http.StatusOK, d.browser(t).post(inTime).status)
	d.clock.Advance(time.Minute)
	b := d.browser(t)
	refused(t, b, late, http.StatusGone, "This link has expired")
	assert.Contains(t, b.get(late).body, `href="/sign-in?next=%2Frules"`, "the page keeps the destination")
	// Another desk's clock may be ahead, but not by much.
	d.clock.Advance(-time.Hour)
	refused(t, d.browser(t), late, http.StatusGone, "This link has expired")
}

func TestReplayedLink(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *signin.Options) { o.Peer = eachRequest() })
	link := d.link(t, jane, "/")
	assert.Equal(t, http.StatusOK, d.browser(t).post(link).status)
	thief := d.browser(t)
	answer := thief.post(link)
	assert.Equal(t, http.StatusGone, answer.status)
	assert.Contains(t, answer.body, "This link has already been used")
	assert.Equal(t, "nobody", thief.who())
	// Another spelling of the key is the same link, or no link.
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, spelling := range strings.Split(letters, "") {
		thief.post(link[:len(link)-1] + spelling)
	}
	for _, end := range []string{"=", "==", "%0a", "%0d%0a%0d%0a"} {
		thief.post(link + end)
	}
	assert.Equal(t, "nobody", thief.who())
}

func TestMailScannerUsesNothingUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	link := d.link(t, jane, "/")
	scanner := d.browser(t)
	for _, method := range []string{http.MethodGet, http.MethodGet, http.MethodHead} {
		answer := scanner.do(scanner.request(method, link, nil))
		assert.Equal(t, http.StatusOK, answer.status)
		assert.Empty(t, answer.header.Get("Set-Cookie"))
	}
	assert.Equal(t, "nobody", scanner.who())
	assert.Equal(t, http.StatusOK, d.browser(t).post(link).status)
}

func TestLinkStaysValidIfItsUseCannotBeRecorded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	link := d.link(t, jane, "/")
	d.broken.Store(true)
	b := d.browser(t)
	answer := b.post(link)
	assert.Equal(t, http.StatusServiceUnavailable, answer.status)
	assert.NotEmpty(t, answer.header.Get("Retry-After"))
	assert.Contains(t, answer.body, `href="`+strings.TrimPrefix(link, d.URL)+`"`)
	assert.Equal(t, "nobody", b.who())
	d.broken.Store(false)
	b.post(link)
	assert.Equal(t, "mail "+jane+" may override", b.who())
}

func TestLinkOfSomebodyWhoWasRemoved(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	link := d.link(t, jane, "/")
	key := strings.TrimPrefix(link, d.URL)
	without := newDesk(t, func(o *signin.Options) { o.People = []string{"jack@example.com"} })
	refused(t, without.browser(t), key, http.StatusGone, "This link no longer works")
}

// TestPurposesDoNotMix presents every signed value for every other purpose.
func TestPurposesDoNotMix(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	provider := newOIDCDesk(t, nil)
	link := d.link(t, jane, "/")
	session := d.signedIn(t, jane).cookie("__Host-desk")
	starting := provider.browser(t)
	starting.stay()
	starting.get("/sign-in/oidc")
	values := map[string]string{
		"link": link[strings.LastIndexByte(link, '/')+1:], "session": session,
		"state": starting.cookie("__Host-desk-oidc"),
	}
	for name, value := range values {
		require.NotEmpty(t, value, name)
		b := d.browser(t)
		if name != "link" {
			refused(t, b, "/sign-in/"+value, http.StatusBadRequest, "This link does not work")
		}
		if name != "session" {
			b.setCookie("__Host-desk", value)
			assert.Equal(t, "nobody", b.who(), name)
		}
		if name != "state" {
			at := provider.browser(t)
			at.setCookie("__Host-desk-oidc", value)
			answer := at.get("/sign-in/oidc/callback?state=&code=1")
			assert.Equal(t, http.StatusBadRequest, answer.status, name)
		}
	}
	b := provider.browser(t)
	b.setCookie("__Host-desk", session)
	assert.Equal(t, "nobody", b.who(), "a session of the previous mode")
}

func TestOpenRedirects(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *signin.Options) { o.Peer = eachRequest() })
	for i, test := range []struct{ next, want string }{
		{"", "/"},
		{"/", "/"},
		{"/orders/SO-000123", "/orders/SO-000123"},
		{"/?status=failed&q=a%20b%26c#top", "/?status=failed&q=a%20b%26c#top"},
		{"/orders/", "/orders/"},
		{"/orders/1?to=https://evil.example//x", "/orders/1?to=https://evil.example//x"},
		{"//evil.example", "/"},
		{"///evil.example", "/"},
		{"/\\evil.example", "/"},
		{"\\/evil.example", "/"},
		{"\\\\evil.example", "/"},
		{"/orders\\..\\x", "/"},
		{"https://evil.example", "/"},
		{"https:evil.example", "/"},
		{"https:/evil.example", "/"},
		{"javascript:alert(1)", "/"},
		{"data:text/html,x", "/"},
		{"evil.example", "/"},
		{"@evil.example", "/"},
		{".evil.example", "/"},
		{"/.//evil.example", "/"},
		{"/..//evil.example", "/"},
		{"/orders/..//evil.example", "/"},
		{"/orders//1", "/"},
		{"/\t/evil.example", "/"},
		{"/\n/evil.example", "/"},
		{"\t//evil.example", "/"},
		{" //evil.example", "/"},
		{"/orders/1\r\nSet-Cookie: a=b", "/"},
		{"/\x00", "/"},
		{"/\x7f", "/"},
		{"/\u202egro.live", "/"},
		{"/\xff", "/"},
		{"/%zz", "/"},
		{"/%2f%2fevil.example", "/%2f%2fevil.example"}, // browsers do not decode it
		{"/sign-out", "/"},
		{"/sign-in", "/"},
		{"/sign-in?next=/sign-in", "/"},
		{"/sign-in/oidc", "/"},
		{"/" + strings.Repeat("x", 511), "/" + strings.Repeat("x", 511)},
		{"/" + strings.Repeat("x", 512), "/"},
	} {
		assert.Equal(t, test.want, signin.LocalPath(test.next), "%q", test.next)
		b := d.browser(t)
		b.stay()
		b.post("/sign-in", "email", numbered(i), "next", test.next)
		_, link := d.mail(t)
		assert.Equal(t, test.want, b.post(link).header.Get("Location"), "%q", test.next)
	}
	assert.Equal(t, "/sign-in", signin.Path("//evil.example"))
	assert.Equal(t, "/sign-in?next=%2Forders%2F1%3Fx%3D1", signin.Path("/orders/1?x=1"))
}

func TestOtherOriginCannotSignInOrOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	link := d.link(t, jane, "/")
	b := d.signedIn(t, jane)
	for _, address := range []string{link, "/sign-in", "/sign-out"} {
		request := b.request(http.MethodPost, address, strings.NewReader("email=jim%40ours.example"))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", "https://evil.example")
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		assert.Equal(t, http.StatusForbidden, b.do(request).status, address)
	}
	assert.Equal(t, "mail "+jane+" may override", b.who())
}

func TestMarkupInAnAddressIsText(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	b := d.browser(t)
	answer := b.post("/sign-in", "email", "'+{alert}`$&|@ours.example")
	assert.Equal(t, http.StatusOK, answer.status)
	assert.Contains(t, answer.body, "&#39;&#43;{alert}`$&amp;|@ours.example")
	form := b.get(`/sign-in?next=/%22%3E%3Cscript%3E`)
	assert.NotContains(t, form.body, "<script>")
}
