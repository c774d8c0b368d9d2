package pages

import (
	"context"
	"io"
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

	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/desklink"
	"error-check-gate/internal/signin"
	"error-check-gate/internal/testkit"
)

const (
	testSecret    = "a secret of the desk, long enough"
	testOrderPath = "/orders/" + orderstest.ID
	testManager   = "manager@example.com" // may do everything
	testReader    = "reader@example.com"  // may not override
	testRep       = "rep@example.com"     // may not sign in
)

// testDesk serves the pages on a real listener with TLS.
type testDesk struct {
	*Handler
	t      *testing.T
	orders *orderstest.Fake
	http   *httptest.Server
	log    *testkit.Log
	// signIn is another process with the same secret. It signs people in.
	signIn *signin.Service
	mails  chan string // texts
}

func startDesk(t *testing.T, changes ...func(*Options)) *testDesk {
	t.Helper()
	d := &testDesk{
		t: t, orders: orderstest.New(), log: &testkit.Log{}, mails: make(chan string, 1),
		http: httptest.NewUnstartedServer(nil),
	}
	d.http.StartTLS()
	t.Cleanup(d.http.Close)
	base, err := url.Parse(d.http.URL)
	require.NoError(t, err)
	links, err := desklink.New([]string{testSecret}, time.Hour)
	require.NoError(t, err)
	o := Options{
		Orders: d.orders, Links: links, Location: time.UTC,
		Logger: d.log.Logger(),
		SignIn: signin.Options{
			Mode: signin.ModeMail, Secrets: []string{testSecret}, BaseURL: base,
			People: []string{testManager, testReader}, MayOverride: []string{testManager},
			Mail: func(_ context.Context, _, _, text string) error {
				d.mails <- text
				return nil
			},
			UseOnce: func(context.Context, string) (bool, error) { return true, nil },
		},
	}
	for _, change := range changes {
		change(&o)
	}
	d.Handler, err = New(o)
	require.NoError(t, err)
	d.http.Config.Handler = d.Handler

	o.SignIn.Render = func(w http.ResponseWriter, _ *http.Request, status int, _ string, _ any) {
		w.WriteHeader(status)
	}
	d.signIn, err = signin.New(o.SignIn)
	require.NoError(t, err)
	return d
}

// assertUntouched asserts that nobody did anything to the order.
func (d *testDesk) assertUntouched() {
	d.t.Helper()
	d.orders.Lock()
	defer d.orders.Unlock()
	assert.Equal(d.t, orderstest.New().Order, d.orders.Order)
	assert.Zero(d.t, d.orders.Checks)
}

// visitor is somebody's browser. It follows no redirects.
type visitor struct {
	d      *testDesk
	client *http.Client
	header http.Header
}

func (d *testDesk) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(d.t, err)
	return &visitor{d, &http.Client{
		Transport: d.http.Client().Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, http.Header{}}
}

var linkInMail = regexp.MustCompile(`https://\S+/sign-in/(\S+)`)

// as returns the browser of a person who has signed in.
func (d *testDesk) as(address string) *visitor {
	d.t.Helper()
	ctx, stop := context.WithCancel(d.t.Context())
	defer stop()
	go d.signIn.Run(ctx)
	mux := http.NewServeMux()
	d.signIn.Register(mux)
	post := func(path, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, request)
		return answer
	}
	post("/sign-in", url.Values{"email": {address}}.Encode())
	key := linkInMail.FindStringSubmatch(<-d.mails)[1]
	signedIn := post("/sign-in/"+key, "").Result()
	assert.NoError(d.t, signedIn.Body.Close())
	v := d.visitor()
	base, err := url.Parse(d.http.URL)
	require.NoError(d.t, err)
	v.client.Jar.SetCookies(base, signedIn.Cookies())
	return v
}

// byLink returns the browser of a person who has followed a link to the test's order.
func (d *testDesk) byLink(address string) *visitor {
	d.t.Helper()
	v := d.visitor()
	got := v.get(testOrderPath + "?k=" + d.key(orderstest.ID, address))
	require.Equal(d.t, http.StatusSeeOther, got.status)
	return v
}

// key returns the key of a link.
func (d *testDesk) key(id, address string) string {
	d.t.Helper()
	key, err := d.links.Sign(id, address, time.Now())
	require.NoError(d.t, err)
	return key
}

// response is a response that was read.
type response struct {
	status int
	header http.Header
	body   string
}

func (v *visitor) get(address string) response {
	v.d.t.Helper()
	return v.do(http.MethodGet, address, nil)
}

func (v *visitor) post(address string, form url.Values) response {
	v.d.t.Helper()
	return v.do(http.MethodPost, address, form)
}

// do sends a request and checks what must hold for every response.
func (v *visitor) do(method, address string, form url.Values) response {
	t := v.d.t
	t.Helper()
	request, err := http.NewRequestWithContext(
		t.Context(), method, v.d.http.URL+address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header = v.header.Clone()
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	received, err := v.client.Do(request)
	require.NoError(t, err)
	defer func() { assert.NoError(t, received.Body.Close()) }()
	body, err := io.ReadAll(received.Body)
	require.NoError(t, err)
	assert.Equal(t, "nosniff", received.Header.Get("X-Content-Type-Options"), address)
	assert.Equal(t, "DENY", received.Header.Get("X-Frame-Options"), address)
	policy := received.Header.Get("Content-Security-Policy")
	assert.Contains(t, policy, "frame-ancestors 'none'", address)
	assert.NotContains(t, policy, "unsafe", address)
	if to := received.Header.Get("Location"); to != "" {
		assert.Regexp(t, `^/([^/\\]|$)`, to, "redirects stay at the desk")
	}
	return response{received.StatusCode, received.Header, string(body)}
}
