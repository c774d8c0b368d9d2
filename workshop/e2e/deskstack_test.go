package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk"
	"error-check-gate/internal/desklink"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/signin"
)

const (
	deskSecret = "a secret of the desk, long enough"
	deskToken  = "a-token-of-the-warehouse-0123456789"
	manager    = "manager@northgatecabinets.example"
	rep        = "dana@northgatecabinets.example"
)

// deskStack is a gate with a desk and a mail server. The desk uses HTTPS unless plainDesk is set.
type deskStack struct {
	*stack
	mails  *mailcatcher.Server
	server *httptest.Server
}

func newDeskStack(t *testing.T, o options) *deskStack {
	t.Helper()
	mails, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, mails.Stop()) })
	smtp := notify.SMTP{Addr: mails.SMTPAddr, TLS: notify.TLSNone,
		From: mail.Address{Address: "gate@example.com"}}

	d := &deskStack{mails: mails, server: httptest.NewUnstartedServer(nil)}
	scheme, start := "https://", d.server.StartTLS
	if o.plainDesk {
		scheme, start = "http://", d.server.Start
	}
	address := scheme + d.server.Listener.Addr().String()
	links, err := desklink.New([]string{deskSecret}, time.Hour)
	require.NoError(t, err)
	o.notifier, err = notify.New(notify.Options{SMTP: smtp, SalesRep: true, DeskURL: address,
		DeskLinks: links})
	require.NoError(t, err)
	o.salesRep = true
	d.stack = newStack(t, o)

	base, err := url.Parse(address)
	require.NoError(t, err)
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("warehouse:read:"+deskToken+"\n"), 0o600))
	server, err := d.gate().NewDesk(desk.Options{
		Links: links, APITokensFile: tokens, Location: time.UTC,
		SignIn: signin.Options{
			Mode: signin.ModeMail, Secrets: []string{deskSecret}, BaseURL: base,
			People: []string{manager}, Mail: smtp.SendText,
		},
	})
	require.NoError(t, err)
	serve(t, func(ctx context.Context) error { server.Run(ctx); return nil })
	d.server.Config.Handler = server.Handler()
	start()
	t.Cleanup(d.server.Close)
	return d
}

// browser is a person's browser with its own cookies.
type browser struct {
	d      *deskStack
	client *http.Client
}

func (d *deskStack) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(d.t, err)
	return &browser{d, &http.Client{Transport: d.server.Client().Transport, Jar: jar}}
}

// get opens a page. While the desk responds with 503, which a busy machine can cause, it tries
// again.
func (b *browser) get(address string) (status int, body string) {
	b.d.t.Helper()
	require.Eventually(b.d.t, func() bool {
		status, body = b.getOnce(address)
		return status != http.StatusServiceUnavailable
	}, waitFor, tick, "the desk does not serve %s", address)
	return status, body
}

func (b *browser) getOnce(address string) (status int, body string) {
	b.d.t.Helper()
	answer, err := b.client.Get(b.d.at(address)) //nolint:noctx // the client has a time limit
	return b.read(answer, err)
}

func (b *browser) post(address string, form url.Values) (status int, body string) {
	b.d.t.Helper()
	answer, err := b.client.PostForm(b.d.at(address), form) //nolint:noctx // the client has a time limit
	return b.read(answer, err)
}

func (b *browser) read(answer *http.Response, err error) (int, string) {
	b.d.t.Helper()
	require.NoError(b.d.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(b.d.t, err)
	return answer.StatusCode, string(body)
}

func (d *deskStack) at(address string) string {
	if strings.HasPrefix(address, "https://") {
		return address
	}
	return d.server.URL + address
}

// mailTo waits for a mail to an address whose subject and text contain the given strings.
func (d *deskStack) mailTo(address, subject, text string) *mailcatcher.Mail {
	d.t.Helper()
	var found *mailcatcher.Mail
	require.Eventually(d.t, func() bool {
		list, err := d.mails.List(d.t.Context())
		require.NoError(d.t, err)
		for _, summary := range list {
			if !strings.Contains(summary.Subject, subject) ||
				!slices.ContainsFunc(summary.To, func(to *mail.Address) bool {
					return to.Address == address
				}) {
				continue
			}
			found, err = d.mails.Read(d.t.Context(), summary.ID)
			require.NoError(d.t, err)
			if strings.Contains(found.Text, text) {
				return true
			}
		}
		return false
	}, waitFor, tick, "no mail to %s about %s", address, subject)
	return found
}

var linkInMail = regexp.MustCompile(`https?://127\.0\.0\.1:\d+/\S+`)

// signIn signs a person in by mail.
func (b *browser) signIn(address, next string) {
	b.d.t.Helper()
	status, _ := b.post("/sign-in", url.Values{"email": {address}, "next": {next}})
	require.Equal(b.d.t, http.StatusOK, status)
	link := linkInMail.FindString(b.d.mailTo(address, "Sign in", "").Text)
	_, page := b.get(link)
	require.Contains(b.d.t, page, "Sign in")
	status, _ = b.post(link, nil)
	require.Equal(b.d.t, http.StatusOK, status)
}

// override takes responsibility for all errors of an order. If the machine is so slow that the end
// is in the past before the desk gets the form, it tries a later one.
func (b *browser) override(id, reason string, until time.Time) {
	b.d.t.Helper()
	wait := time.Until(until)
	require.Eventually(b.d.t, func() bool {
		status, page := b.post("/orders/"+id+"/override", url.Values{
			"finding": {"all"}, "reason": {reason},
			"until": {time.Now().Add(wait).UTC().Format(time.RFC3339)},
		})
		switch {
		case status == http.StatusUnprocessableEntity && strings.Contains(page, "in the past"):
			wait *= 2
			return false
		case status == http.StatusServiceUnavailable: // the desk waits only a few seconds
			return false
		}
		assert.Equal(b.d.t, http.StatusOK, status, page)
		assert.Contains(b.d.t, page, "You have taken responsibility.")
		return true
	}, waitFor, tick)
}

// release asks the API whether an order may leave. It tries again while the desk responds with 503.
func (d *deskStack) release(id string) string {
	d.t.Helper()
	var order struct{ Release string }
	require.Eventually(d.t, func() bool {
		status, body := d.api("/api/v1/orders/" + id)
		return status == http.StatusOK && assert.NoError(d.t, json.Unmarshal(body, &order))
	}, waitFor, tick, "the API does not report order %s", id)
	return order.Release
}

// api gets something from the desk's API.
func (d *deskStack) api(path string) (status int, body []byte) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.at(path),
		http.NoBody)
	if !assert.NoError(d.t, err) {
		return 0, nil
	}
	request.Header.Set("Authorization", "Bearer "+deskToken)
	answer, err := d.server.Client().Do(request)
	if !assert.NoError(d.t, err) {
		return 0, nil
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	assert.NoError(d.t, err)
	return answer.StatusCode, body
}
