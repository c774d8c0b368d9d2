package notify_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
)

func TestSendText(t *testing.T) {
	t.Parallel()
	server := catcher(t, mailcatcher.Options{})
	smtp := to(server.SMTPAddr).SMTP
	link := "https://desk.example.com/sign-in/" + strings.Repeat("key=", 100)
	text := "Open this link:\n\n" + link + "\n"
	const subject = "Sign in\r\nBcc: jim@example.com"
	require.NoError(t, smtp.SendText(t.Context(), jane.Address, subject, text))
	m := received(t, server)
	assert.Equal(t, text, strings.ReplaceAll(m.Text, "\r\n", "\n"))
	assert.Empty(t, m.HTML)
	assert.Equal(t, "Sign in Bcc: jim@example.com", m.Subject)
	require.Len(t, m.To, 1)
	assert.Equal(t, jane.Address, m.To[0].Address)
	assert.Equal(t, gate.Address, m.From.Address)
	assert.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
	assert.Regexp(t, `^[A-Z2-7]{26}@example\.com$`, m.MessageID)
	assert.NotContains(t, m.Header, "Bcc")
}

func TestSendTextErrors(t *testing.T) {
	t.Parallel()
	server := catcher(t, mailcatcher.Options{})
	smtp := to(server.SMTPAddr).SMTP
	for _, address := range []string{
		"", "jane", "jane@example.com\r\nBcc: jim@example.com", "jane@example.com, jim@example.com",
	} {
		err := smtp.SendText(t.Context(), address, "Sign in", "text")
		assert.EqualError(t, err, "send a mail: the receiver is not a valid e-mail address")
	}
	broken := smtp
	broken.From.Address = ""
	err := broken.SendText(t.Context(), jane.Address, "Sign in", "text")
	assert.ErrorContains(t, err, "From: is not set")
	list, err := server.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)

	closed := catcher(t, mailcatcher.Options{})
	require.NoError(t, closed.Stop())
	smtp.Addr = closed.SMTPAddr
	err = smtp.SendText(t.Context(), jane.Address, "Sign in", "text")
	assert.Equal(t, notify.Error{
		Target: "one address", Reason: "the mail server cannot be reached: connection refused",
	}, *asError(t, err))
	assert.NotContains(t, err.Error(), jane.Address)
}
