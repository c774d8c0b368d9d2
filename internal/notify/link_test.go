package notify_test

import (
	"encoding/json"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
)

const deskOrder = "https://gate.example.com/orders/" + orderID

func atDesk(t *testing.T, o notify.Options) (notify.Options, *desklink.Signer) {
	t.Helper()
	signer, err := desklink.New([]string{strings.Repeat("s", desklink.MinSecret)}, 720*time.Hour)
	require.NoError(t, err)
	o.DeskURL, o.DeskLinks = "https://gate.example.com/", signer
	return o, signer
}

var deskLink = regexp.MustCompile(`https://gate\.example\.com/orders/[^\s"<]+`)

// keyIn returns the link's key, which must be the same in both parts of the mail.
func keyIn(t *testing.T, m *mailcatcher.Mail) string {
	t.Helper()
	links := deskLink.FindAllString(m.Text, -1)
	require.Len(t, links, 1)
	assert.Equal(t, links, deskLink.FindAllString(m.HTML, -1))
	parsed, err := url.Parse(links[0])
	require.NoError(t, err)
	assert.Equal(t, "/orders/"+orderID, parsed.Path)
	assert.Len(t, parsed.Query(), 1)
	return parsed.Query().Get("k")
}

func TestMailLinksAreSignedForTheirReceiver(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options := to(s.SMTPAddr, jane, jim)
	options.SalesRep = true
	options, signer := atDesk(t, options)
	notice := failed()
	notice.HasSalesRep, notice.SalesRepEmail = true, "rep@example.com"
	require.Empty(t, sendAll(t, notifier(t, options), notice))
	list, err := s.List(t.Context())
	require.NoError(t, err)
	keys := map[string]string{}
	for _, summary := range list {
		m := read(t, s, summary.ID)
		require.Len(t, m.To, 1)
		key := keyIn(t, m)
		receiver, err := signer.Verify(key, orderID, noon.Add(time.Hour))
		require.NoError(t, err)
		assert.Equal(t, m.To[0].Address, receiver)
		keys[receiver] = key
		_, err = signer.Verify(key, orderID, noon.Add(720*time.Hour))
		require.ErrorIs(t, err, desklink.ErrExpired, "30 days after the notice's date")
		for _, part := range []string{m.Text, m.HTML} {
			assert.Contains(t, part, "app.inflowinventory.com")
			assert.NotContains(t, part, "temporal.example.com", "the desk replaces the run")
		}
	}
	assert.Len(t, keys, 3)
}

func TestRepeatedMailHasTheSameLink(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options, _ := atDesk(t, to(s.SMTPAddr, jane))
	for range 2 {
		require.NoError(t, send(t, options, failed()))
	}
	list, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, list[0].MessageID, list[1].MessageID)
	assert.Equal(t, keyIn(t, read(t, s, list[0].ID)), keyIn(t, read(t, s, list[1].ID)))
}

func TestTrialLinkIsSignedForItsReceiver(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options, signer := atDesk(t, to(s.SMTPAddr, jane))
	options.Redirect = mail.Address{Address: "trial@example.com"}
	require.NoError(t, send(t, options, failed()))
	receiver, err := signer.Verify(keyIn(t, received(t, s)), orderID, noon)
	require.NoError(t, err)
	assert.Equal(t, "trial@example.com", receiver)
}

func TestChatsAndWebhooksGetUnsignedLinks(t *testing.T) {
	t.Parallel()
	hook, chat := newReceiver(t), newReceiver(t)
	options := mattermost(t, chat)
	options.Destinations = append(options.Destinations, destinations(t, hook.URL)...)
	options.TemporalUIURL, options.Namespace = "https://temporal.example.com", "default"
	options, _ = atDesk(t, options)
	require.Empty(t, sendAll(t, notifier(t, options), failed()))

	var said struct{ Text string }
	require.NoError(t, json.Unmarshal([]byte(chat.requests()[0].body), &said))
	assert.True(t, strings.HasSuffix(said.Text, "\n"+deskOrder), said.Text)
	assert.NotContains(t, said.Text, "temporal.example.com")

	var posted struct {
		Text  string
		Links struct{ Order, Desk, Run string }
	}
	require.NoError(t, json.Unmarshal([]byte(hook.requests()[0].body), &posted))
	assert.Equal(t, said.Text, posted.Text)
	assert.Equal(t, deskOrder, posted.Links.Desk)
	assert.Contains(t, posted.Links.Run, "https://temporal.example.com/", "software gets all links")
	assert.NotContains(t, hook.requests()[0].body, "?k=")
}

func TestLinksAreUnsignedWithoutSecrets(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options := to(s.SMTPAddr, jane)
	options.DeskURL = "https://gate.example.com"
	require.NoError(t, send(t, options, failed()))
	m := received(t, s)
	assert.Contains(t, strings.ReplaceAll(m.Text, "\r\n", "\n"), "\nDesk      "+deskOrder+"\n")
	assert.Contains(t, m.HTML, `href="`+deskOrder+`"`)
}
