package desk

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/signin"
)

const (
	testSecret = "a secret of the desk, long enough"
	// testManager may do everything, testReader not override, testRep has no account.
	testManager = "manager@example.com"
	testReader  = "reader@example.com"
	testRep     = "rep@example.com"
)

// testDesk is the desk's pages behind a real listener. The orders are the test's; Temporal is away.
type testDesk struct {
	*Server
	t      *testing.T
	orders *fakeOrders
	http   *httptest.Server
	log    *lockedLog
	signIn *signin.Service // makes sessions of its own, as another process with the same secret does
	mails  chan string
}

func startDesk(t *testing.T, changes ...func(*Options)) *testDesk {
	t.Helper()
	d := &testDesk{t: t, orders: newFakeOrders(), log: &lockedLog{}, http: httptest.NewUnstartedServer(nil), mails: make(chan string, 1)}
	d.http.StartTLS()
	t.Cleanup(d.http.Close)
	temporal, err := client.NewLazyClient(client.Options{HostPort: closedPort(t), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	base, err := url.Parse(d.http.URL)
	require.NoError(t, err)
	links, err := desklink.New([]string{testSecret}, time.Hour)
	require.NoError(t, err)
	o := Options{
		Temporal: temporal, Namespace: "default", Links: links, Location: time.UTC,
		Logger: slog.New(slog.NewTextHandler(d.log, nil)),
		SignIn: signin.Options{
			Mode: signin.ModeMail, Secrets: []string{testSecret}, BaseURL: base, People: []string{testManager, testReader},
			MayOverride: []string{testManager}, Mail: func(_ context.Context, _, _, text string) error { d.mails <- text; return nil },
		},
	}
	for _, change := range changes {
		change(&o)
	}
	d.Server, err = New(o)
	require.NoError(t, err)
	d.Server.orders = d.orders
	d.timeline = func(_ context.Context, order *Order) ([]ordercheck.TimelineEntry, error) {
		return slices.Clone(order.Timeline), nil
	}
	d.list(Row{SalesOrderID: testOrderID, OrderNumber: testOrderNumber, Status: ordercheck.StatusFailed, Errors: 1, Since: time.Now()})
	d.http.Config.Handler = d.Handler()

	o.SignIn.UseOnce = func(context.Context, string) (bool, error) { return true, nil }
	o.SignIn.Render = func(w http.ResponseWriter, _ *http.Request, status int, _ string, _ any) { w.WriteHeader(status) }
	d.signIn, err = signin.New(t.Context(), o.SignIn)
	require.NoError(t, err)
	return d
}

// closedPort returns an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// list puts rows on the board.
func (d *testDesk) list(rows ...Row) {
	d.board.latest.Store(&snapshot{rows: rows, at: time.Now(), next: make(chan struct{})})
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

var linkInText = regexp.MustCompile(`https://\S+/sign-in/(\S+)`)

// as signs somebody in.
func (d *testDesk) as(address string) *visitor {
	d.t.Helper()
	ctx, stop := context.WithCancel(d.t.Context())
	defer stop()
	go d.signIn.Run(ctx)
	mux := http.NewServeMux()
	d.signIn.Register(mux)
	ask := httptest.NewRequestWithContext(ctx, http.MethodPost, "/sign-in", strings.NewReader(url.Values{"email": {address}}.Encode()))
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	mux.ServeHTTP(httptest.NewRecorder(), ask)
	key := linkInText.FindStringSubmatch(<-d.mails)[1]
	signedIn := httptest.NewRecorder()
	mux.ServeHTTP(signedIn, httptest.NewRequestWithContext(ctx, http.MethodPost, "/sign-in/"+key, nil))
	v := d.visitor()
	base, err := url.Parse(d.http.URL)
	require.NoError(d.t, err)
	v.client.Jar.SetCookies(base, signedIn.Result().Cookies()) //nolint:bodyclose // a recorder's
	return v
}

// byLink follows a link in a mail to the test's order.
func (d *testDesk) byLink(address string) *visitor {
	d.t.Helper()
	v := d.visitor()
	answer := v.get("/orders/" + testOrderID + "?k=" + d.key(testOrderID, address))
	require.Equal(d.t, http.StatusSeeOther, answer.status)
	return v
}

func (d *testDesk) key(id, address string) string {
	d.t.Helper()
	key, err := d.links.Sign(id, address, time.Now())
	require.NoError(d.t, err)
	return key
}

func (v *visitor) get(address string) answered {
	v.d.t.Helper()
	return v.do(http.MethodGet, address, nil)
}

func (v *visitor) post(address string, form url.Values) answered {
	v.d.t.Helper()
	return v.do(http.MethodPost, address, form)
}

// do sends a request and checks what is true of every answer.
func (v *visitor) do(method, address string, form url.Values) answered {
	t := v.d.t
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, v.d.http.URL+address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header = v.header.Clone()
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := v.client.Do(request)
	require.NoError(t, err)
	defer func() { assert.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"), address)
	assert.Equal(t, "DENY", response.Header.Get("X-Frame-Options"), address)
	policy := response.Header.Get("Content-Security-Policy")
	assert.Contains(t, policy, "frame-ancestors 'none'", address)
	assert.NotContains(t, policy, "unsafe", address)
	if to := response.Header.Get("Location"); to != "" {
		assert.Regexp(t, `^/([^/\\]|$)`, to, "a redirect stays at the desk")
	}
	return answered{response.StatusCode, response.Header, body}
}
