package signin_test

import (
	"context"
	"errors"
	"html/template"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/signin"
	"error-check-gate/internal/testkit"
)

const (
	jane   = "jane@example.com"
	secret = "a secret of the tests, thirty-two bytes or more"
)

// sentMail is a mail that a desk sent.
type sentMail struct{ to, subject, text string }

// desk is a desk with only the sign-in pages, behind a real listener with TLS.
type desk struct {
	*httptest.Server
	service *signin.Service
	options signin.Options
	clock   *testkit.Clock
	log     *testkit.Log
	mails   chan sentMail
	used    sync.Map     // ids of links
	broken  atomic.Bool  // makes UseOnce fail
	stop    func()       // ends Run, and waits for it
	mailErr atomic.Value // returned by Mail
}

// newDesk starts a desk for Jane and everybody at ours.example.
func newDesk(t *testing.T, change func(*signin.Options)) *desk {
	t.Helper()
	return startDesk(t, httptest.NewTLSServer, change)
}

func startDesk(
	t *testing.T, listen func(http.Handler) *httptest.Server, change func(*signin.Options),
) *desk {
	t.Helper()
	d := &desk{clock: testkit.NewClock(), log: &testkit.Log{}, mails: make(chan sentMail, 1000)}
	var handler atomic.Pointer[http.Handler]
	d.Server = listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*handler.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	base, err := url.Parse(d.URL)
	require.NoError(t, err)
	d.options = signin.Options{
		Mode: signin.ModeMail, Secrets: []string{secret}, BaseURL: base,
		People: []string{jane, "@ours.example"}, MayOverride: []string{jane},
		Mail: func(_ context.Context, to, subject, text string) error {
			if err, _ := d.mailErr.Load().(error); err != nil {
				return err
			}
			d.mails <- sentMail{to, subject, text}
			return nil
		},
		UseOnce: func(_ context.Context, id string) (bool, error) {
			if d.broken.Load() {
				return false, errors.New("Temporal is unavailable")
			}
			_, known := d.used.LoadOrStore(id, true)
			return !known, nil
		},
		Render: renderer(t), Now: d.clock.Now,
		Logger: d.log.Logger(),
	}
	if change != nil {
		change(&d.options)
	}
	d.service, err = signin.New(d.options)
	require.NoError(t, err)
	running := d.handler()
	handler.Store(&running)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { d.service.Run(ctx); close(ended) }()
	d.stop = func() { cancel(); <-ended }
	t.Cleanup(d.stop)
	return d
}

// handler protects the routes like the real desk. /who and / show who is signed in.
func (d *desk) handler() http.Handler {
	mux := http.NewServeMux()
	d.service.Register(mux)
	mux.HandleFunc("GET /{rest...}", func(w http.ResponseWriter, r *http.Request) {
		person, ok := d.service.Who(r)
		if !ok {
			http.Error(w, "nobody", http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, string(person.Method)+" "+person.Address)
		if person.MayOverride {
			_, _ = io.WriteString(w, " may override")
		}
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// renderer renders the desk's own templates in a small layout.
func renderer(t *testing.T) func(http.ResponseWriter, *http.Request, int, string, any) {
	t.Helper()
	const layout = `<title>{{template "title" .}}</title>{{template "main" .}}`
	pages := map[string]*template.Template{}
	for _, name := range []string{"sign-in", "sign-in-sent", "sign-in-confirm", "sign-in-failed"} {
		page, err := template.Must(template.New("layout").Parse(layout)).
			ParseFiles("../../desk/pages/templates/" + name + ".html")
		require.NoError(t, err)
		pages[name] = page
	}
	return func(w http.ResponseWriter, _ *http.Request, status int, name string, data any) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		assert.NoError(t, pages[name].Execute(w, struct{ Data any }{data}))
	}
}

// browser returns a browser, which keeps cookies and follows redirects.
func (d *desk) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t: t, base: d.URL, client: &http.Client{Transport: d.Client().Transport, Jar: jar}}
}

type browser struct {
	t      *testing.T
	base   string
	client *http.Client
}

// page is an answer with its whole body.
type page struct {
	status int
	header http.Header
	body   string
	url    *url.URL // after redirects
}

func (b *browser) do(request *http.Request) page {
	b.t.Helper()
	response, err := b.client.Do(request)
	require.NoError(b.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	return page{response.StatusCode, response.Header, string(body), response.Request.URL}
}

func (b *browser) request(method, address string, body io.Reader) *http.Request {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.base + address
	}
	request, err := http.NewRequestWithContext(b.t.Context(), method, address, body)
	require.NoError(b.t, err)
	return request
}

func (b *browser) get(address string) page {
	b.t.Helper()
	return b.do(b.request(http.MethodGet, address, nil))
}

// post sends a form of name and value pairs, as a page of the same origin does.
func (b *browser) post(address string, pairs ...string) page {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	request := b.request(http.MethodPost, address, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(request)
}

// stay makes the browser return redirects instead of following them.
func (b *browser) stay() {
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
}

// who returns the desk's answer about the person at the browser, or "nobody".
func (b *browser) who() string { b.t.Helper(); return strings.TrimSpace(b.get("/who").body) }

// cookie returns the value of one of the desk's cookies.
func (b *browser) cookie(name string) string {
	b.t.Helper()
	base, err := url.Parse(b.base)
	require.NoError(b.t, err)
	for _, cookie := range b.client.Jar.Cookies(base) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

func (b *browser) setCookie(name, value string) {
	b.t.Helper()
	base, err := url.Parse(b.base)
	require.NoError(b.t, err)
	b.client.Jar.SetCookies(base, []*http.Cookie{{Name: name, Value: value, Secure: true, Path: "/"}})
}

var mailedLink = regexp.MustCompile(`(?m)^https?://\S+$`)

// mail returns the next mail and the link in it.
func (d *desk) mail(t *testing.T) (mail sentMail, link string) {
	t.Helper()
	select {
	case mail = <-d.mails:
	case <-t.Context().Done():
		require.Fail(t, "no mail was sent")
	}
	link = mailedLink.FindString(mail.text)
	require.NotEmpty(t, link, mail.text)
	return mail, link
}

// link asks for a sign-in link for an address and returns it.
func (d *desk) link(t *testing.T, address, next string) string {
	t.Helper()
	answer := d.browser(t).post("/sign-in", "email", address, "next", next)
	require.Equal(t, http.StatusOK, answer.status, answer.body)
	_, link := d.mail(t)
	return link
}

// signedIn returns the browser of a person who has signed in by mail.
func (d *desk) signedIn(t *testing.T, address string) *browser {
	t.Helper()
	b := d.browser(t)
	answer := b.post(d.link(t, address, "/"))
	require.Equal(t, http.StatusOK, answer.status, answer.body)
	return b
}
