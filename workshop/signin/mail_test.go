package signin_test

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/signin"
)

func TestSignInByMail(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	b := d.browser(t)
	form := b.get("/sign-in?next=/orders/SO-1%3Fshow%3Dall")
	assert.Equal(t, http.StatusOK, form.status)
	assert.Contains(t, form.body, `value="/orders/SO-1?show=all"`)

	sent := b.post("/sign-in", "email", " Jane@Example.COM ", "next", "/orders/SO-1?show=all")
	assert.Equal(t, http.StatusOK, sent.status)
	assert.Contains(t, sent.body, jane)
	mail, link := d.mail(t)
	assert.Equal(t, jane, mail.to)
	assert.Equal(t, "Sign in to the order desk", mail.subject)
	assert.Contains(t, mail.text, "The link works once, for 15 minutes.")
	assert.Contains(t, mail.text, "ignore this email")
	assert.NotContains(t, link, "=")
	assert.Equal(t, "nobody", b.who())

	confirm := b.get(link)
	assert.Equal(t, http.StatusOK, confirm.status)
	assert.Contains(t, confirm.body, "sign in as <strong>"+jane)
	assert.Equal(t, "no-store", confirm.header.Get("Cache-Control"))
	b.stay()
	done := b.post(link)
	assert.Equal(t, http.StatusSeeOther, done.status)
	assert.Equal(t, "/orders/SO-1?show=all", done.header.Get("Location"))
	cookie := done.header.Get("Set-Cookie")
	assert.Regexp(t,
		`^__Host-desk=[A-Za-z0-9_-]+; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax$`, cookie)
	assert.Equal(t, "mail "+jane+" may override", b.who())

	// A person who presses the button twice, or signs in again, ends up where they wanted to go.
	assert.Equal(t, "/orders/SO-1?show=all", b.post(link).header.Get("Location"))
	assert.Equal(t, "/rules", b.get("/sign-in?next=/rules").header.Get("Location"))
	assert.NotContains(t, d.log.String(), jane)
}

func TestSignInThroughAMailServer(t *testing.T) {
	t.Parallel()
	server, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	smtp := notify.SMTP{
		Addr: server.SMTPAddr, TLS: notify.TLSNone, From: mail.Address{Address: "desk@example.com"},
	}
	d := newDesk(t, func(o *signin.Options) { o.Mail = smtp.SendText })
	b := d.browser(t)
	next := "/orders/SO-1?x=" + strings.Repeat("&<>", 150)
	b.post("/sign-in", "email", jane, "next", next)
	d.stop() // sends the mails that were asked for

	list, err := server.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	received, err := server.Read(t.Context(), list[0].ID)
	require.NoError(t, err)
	link := mailedLink.FindString(strings.ReplaceAll(received.Text, "\r", ""))
	require.NotEmpty(t, link, received.Text)
	b.stay()
	assert.Equal(t, next, b.post(link).header.Get("Location"), "a long path survives the mail")
}

func TestMailTellsNobodyWhoIsKnown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	known := d.browser(t).post("/sign-in", "email", jane)
	unknown := d.browser(t).post("/sign-in", "email", "jack@example.com")
	assert.Equal(t, known.status, unknown.status)
	assert.Equal(t, strings.ReplaceAll(known.body, "jane", "jack"), unknown.body)
	known.header.Del("Date")
	unknown.header.Del("Date")
	known.header.Del("Content-Length")
	unknown.header.Del("Content-Length")
	assert.Equal(t, known.header, unknown.header)
	d.stop()
	assert.Len(t, d.mails, 1)
}

// TestAnswerDoesNotWaitForMail uses a mail server that hangs until the test has its answers.
func TestAnswerDoesNotWaitForMail(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{})
	d := newDesk(t, func(o *signin.Options) {
		send := o.Mail
		o.Mail = func(ctx context.Context, to, subject, text string) error {
			<-answered
			return send(ctx, to, subject, text)
		}
		o.Peer = eachRequest()
	})
	// The queue holds far fewer mails.
	for i := range 3000 {
		require.Equal(t, http.StatusOK, d.browserless(numbered(i), "").Code)
	}
	close(answered)
	d.stop()
	assert.Less(t, len(d.mails), 1000)
	assert.NotEmpty(t, d.mails)
	lines := strings.Count(d.log.String(), "were dropped")
	assert.True(t, 1 <= lines && lines < 10, "%d lines in the log", lines)
}

func TestTenThousandSignInsForOneAddress(t *testing.T) {
	t.Parallel()
	for name, addresses := range map[string]func(int) string{
		"a person":               func(int) string { return jane },
		"somebody at a domain":   func(int) string { return "jim@ours.example" },
		"one mailbox, with tags": func(i int) string { return "jim+" + numbered(i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, func(o *signin.Options) { o.Peer = eachRequest() })
			for i := range 10_000 {
				require.Equal(t, http.StatusOK, d.browserless(addresses(i), "").Code)
			}
			d.stop()
			assert.Len(t, d.mails, 3)
			lines := strings.Count(d.log.String(), "asked for too many")
			assert.True(t, 1 <= lines && lines < 10, "%d lines in the log", lines)
		})
	}
}

func TestMailsAreAllowedAgainLater(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for range 3 {
		d.link(t, jane, "/")
		d.clock.Advance(4 * time.Minute)
	}
	d.clock.Advance(3 * time.Minute) // 15 minutes after the first
	d.link(t, jane, "/")
	d.browser(t).post("/sign-in", "email", jane)
	d.stop()
	assert.Empty(t, d.mails)
}

func TestPeerIsLimited(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *signin.Options) {
		o.Peer = nil
	})
	b := d.browser(t)
	ask := func() page {
		form := strings.NewReader("email=jack%40example.com&next=%2Frules")
		request := b.request(http.MethodPost, "/sign-in", form)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
		// A forged header must not change the peer.
		request.Header.Set("X-Forwarded-For", time.Now().String())
		return b.do(request)
	}
	for range 20 {
		require.Equal(t, http.StatusOK, ask().status)
	}
	refused := ask()
	assert.Equal(t, http.StatusTooManyRequests, refused.status)
	assert.Equal(t, "60", refused.header.Get("Retry-After"))
	assert.Contains(t, refused.body, "/sign-in?next=%2Frules")
	d.clock.Advance(time.Minute)
	assert.Equal(t, http.StatusOK, ask().status)
}

func TestGuessingIsLimited(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	b := d.browser(t)
	for range 20 {
		require.Equal(t, http.StatusBadRequest, b.post("/sign-in/guess").status)
	}
	refused := b.post("/sign-in/guess")
	assert.Equal(t, http.StatusTooManyRequests, refused.status)
	assert.NotEmpty(t, refused.header.Get("Retry-After"))
}

func TestFaultsOfTheForm(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *signin.Options) { o.Peer = eachRequest() })
	b := d.browser(t)
	for name, address := range map[string]string{
		"none":                   "",
		"no domain":              "jane@",
		"no name":                "@example.com",
		"two":                    "jane@example.com,jack@example.com",
		"two at signs":           "jane@example.com@example.com",
		"a name beside":          "Jane <jane@example.com>",
		"another header":         "jane@example.com\r\nBcc: jack@example.com",
		"another header, bare":   "jane@example.com\nBcc: jack@example.com",
		"a line in the name":     "jane\r\n@example.com",
		"an SMTP command":        "jane@example.com>\r\nRCPT TO:<jack@example.com",
		"a quoted name":          `"jane"@example.com`,
		"a Kelvin sign for k":    "jac\u212a@ours.example",
		"a dotless i":            "j\u0131m@ours.example",
		"not UTF-8":              "jane\xff@example.com",
		"a NUL byte":             "jane\x00@example.com",
		"written right to left":  "\u202ejane@example.com",
		"longer than SMTP takes": strings.Repeat("j", 250) + "@ours.example",
	} {
		answer := b.post("/sign-in", "email", address, "next", "/rules")
		assert.Equal(t, http.StatusBadRequest, answer.status, name)
		assert.Contains(t, answer.body, "Enter your email address", name)
		assert.Contains(t, answer.body, `value="/rules"`, name)
	}
	large := b.post("/sign-in", "email", jane, "rest", strings.Repeat("x", 64<<10))
	assert.Equal(t, http.StatusRequestEntityTooLarge, large.status)
	assert.Contains(t, large.body, "The form is too large")
	request := b.request(http.MethodPost, "/sign-in", strings.NewReader("email=%zz"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusBadRequest, b.do(request).status)
	d.stop()
	assert.Empty(t, d.mails)
}

func TestMailThatCannotBeSentIsLogged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.mailErr.Store(errors.New("the mail server is away"))
	assert.Equal(t, http.StatusOK, d.browser(t).post("/sign-in", "email", jane).status)
	d.stop()
	assert.Contains(t, d.log.String(), "the mail server is away")
	assert.NotContains(t, d.log.String(), jane)
}
