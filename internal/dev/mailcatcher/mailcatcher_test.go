package mailcatcher_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
)

func start(t *testing.T, o mailcatcher.Options) *mailcatcher.Server {
	t.Helper()
	s, err := mailcatcher.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	return s
}

const letter = "From: Gate <gate@example.com>\r\nTo: jane@example.com\r\n" +
	"Subject: =?utf-8?q?gr=C3=BCn?=\r\nMessage-ID: <1@example.com>\r\n" +
	"X-Own: yes\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nplain <b>\r\n--b\r\nContent-Type: text/html\r\n\r\n" +
	"<html><head></head><body><script>alert(1)</script>" +
	"<a href=\"https://example.com\">link</a></body></html>\r\n--b--\r\n"

func send(t *testing.T, s *mailcatcher.Server, auth smtp.Auth) error {
	t.Helper()
	return smtp.SendMail(s.SMTPAddr, auth, "gate@example.com", []string{"jane@example.com"},
		[]byte(letter))
}

func TestMailIsCaughtAndReadBack(t *testing.T) {
	s := start(t, mailcatcher.Options{})
	none, err := s.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, none)

	require.NoError(t, send(t, s, nil))
	list, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "grün", list[0].Subject)
	assert.Equal(t, "1@example.com", list[0].MessageID)
	assert.Equal(t, "jane@example.com", list[0].To[0].Address)

	m, err := s.Read(t.Context(), list[0].ID)
	require.NoError(t, err)
	assert.Equal(t, "grün", m.Subject)
	assert.Equal(t, "=?utf-8?q?gr=C3=BCn?=", m.Header.Get("Subject"))
	assert.Equal(t, "yes", m.Header.Get("X-Own"))
	assert.Contains(t, m.Text, "plain <b>")
	assert.Contains(t, m.HTML, "<a href=")
	raw, err := s.Raw(t.Context(), list[0].ID)
	require.NoError(t, err)
	assert.Contains(t, string(raw), "--b--")
	support, err := s.HTMLSupport(t.Context(), list[0].ID)
	require.NoError(t, err)
	assert.Greater(t, support, 0.0)

	_, err = s.Read(t.Context(), "none")
	require.ErrorIs(t, err, mailcatcher.ErrNoSuchMail)
}

func TestMailIsKeptInItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "mail.db")
	s := start(t, mailcatcher.Options{DBFile: file})
	require.NoError(t, send(t, s, nil))
	require.NoError(t, s.Stop())
	list, err := start(t, mailcatcher.Options{DBFile: file}).List(t.Context())
	require.NoError(t, err)
	assert.Len(t, list, 1)
}

func TestOnlyUsersInTheFileMaySend(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte("gate:right\n"), 0o600))
	s := start(t, mailcatcher.Options{AuthFile: file})
	host, _, err := net.SplitHostPort(s.SMTPAddr)
	require.NoError(t, err)
	require.Error(t, send(t, s, nil))
	require.Error(t, send(t, s, smtp.PlainAuth("", "gate", "wrong", host)))
	require.NoError(t, send(t, s, smtp.PlainAuth("", "gate", "right", host)))
}

func TestSettingsInTheEnvironmentAreIgnored(t *testing.T) {
	t.Setenv("MP_SMTP_BIND_ADDR", "127.0.0.1:1")
	t.Setenv("MP_SMTP_AUTH", "nobody:secret")
	require.NoError(t, send(t, start(t, mailcatcher.Options{}), nil))
}

func TestPageShowsTheMail(t *testing.T) {
	s := start(t, mailcatcher.Options{DBFile: filepath.Join(t.TempDir(), "mail.db")})
	page := httptest.NewServer(s.Page())
	t.Cleanup(page.Close)
	_, body := get(t, page.URL+"/", "")
	assert.Contains(t, body, "No mail has come yet")

	require.NoError(t, send(t, s, nil))
	_, body = get(t, page.URL+"/", "")
	assert.Contains(t, body, "grün")
	list, err := s.List(t.Context())
	require.NoError(t, err)
	path := "/mail/" + list[0].ID
	assert.Contains(t, body, `href="`+path+`"`)

	_, body = get(t, page.URL+path, "")
	assert.Contains(t, body, "plain &lt;b&gt;")
	assert.Contains(t, body, `src="`+path+`/html"`)
	resp, body := get(t, page.URL+path+"/html", "")
	assert.Contains(t, body, `<base target="_blank">`)
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'",
		"no script of a mail runs")
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "sandbox allow-popups")
	resp, body = get(t, page.URL+path+"/source", "")
	assert.Contains(t, body, "Subject: =?utf-8?q?gr=C3=BCn?=")
	assert.True(t, strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain"))

	resp, _ = get(t, page.URL+"/mail/none", "")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	resp, _ = get(t, page.URL+"/", "mail.example.com")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.NoError(t, s.Kill())
	resp, _ = get(t, page.URL+"/", "")
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
}

func TestServePageEndsWithItsContext(t *testing.T) {
	s := start(t, mailcatcher.Options{})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServePage(ctx, l) }()
	resp, _ := get(t, "http://"+l.Addr().String()+"/", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	cancel()
	require.NoError(t, <-served)
}

func get(t *testing.T, address, host string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func TestPortInUseIsNamed(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = mailcatcher.Start(t.Context(),
		mailcatcher.Options{SMTPPort: taken.Addr().(*net.TCPAddr).Port})
	require.ErrorContains(t, err, taken.Addr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestUnusableCommandIsAnError(t *testing.T) {
	_, err := mailcatcher.Start(t.Context(),
		mailcatcher.Options{CLI: filepath.Join(t.TempDir(), "mailpit")})
	require.ErrorContains(t, err, "start the mail catcher")
	_, err = mailcatcher.Start(t.Context(), mailcatcher.Options{CLI: "/bin/false"})
	require.ErrorContains(t, err, "the mail catcher ended by itself (exit status 1)")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = mailcatcher.Start(ctx, mailcatcher.Options{})
	require.ErrorContains(t, err, "did not become ready")
}
