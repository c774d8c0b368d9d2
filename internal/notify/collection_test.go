package notify_test

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// collection returns a failed and a resolved notice, and one that is not listed.
func collection(t *testing.T, n *notify.Notifier) *ordercheck.Collection {
	t.Helper()
	return &ordercheck.Collection{
		Key: "gathered-run-1-set-1", At: noon.Add(time.Hour), Omitted: 1,
		Notices: []ordercheck.GatheredNotice{n.Brief(failed()), n.Brief(resolved())},
	}
}

func sendCollection(t *testing.T, n *notify.Notifier, c *ordercheck.Collection) {
	t.Helper()
	for _, target := range n.Targets(&notify.Notice{}) {
		require.NoError(t, n.SendCollection(t.Context(), target, c))
	}
}

func TestCollectiveMail(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options, signer := atDesk(t, to(s.SMTPAddr, jane))
	n := notifier(t, options)
	sendCollection(t, n, collection(t, n))
	m := received(t, s)
	assert.Equal(t, "[COLLECTED] 3 notices: 1 failed, 1 resolved, 1 not listed", m.Subject)
	links := deskLink.FindAllString(m.Text, -1)
	require.Len(t, links, 2)
	_, key, _ := strings.Cut(links[0], "?k=")
	receiver, err := signer.Verify(key, orderID, noon)
	require.NoError(t, err)
	assert.Equal(t, jane.Address, receiver)
	assert.Equal(t, `3 notices in one mail: 1 failed, 1 resolved, 1 not listed.
There were too many notices to send each one alone (NOTICES_PER_HOUR). A failed order is held until somebody fixes it in InFlow and saves it.

https://gate.example.com/

* [FAILED] SO-000123, Acme Kitchens
  2 errors: line 2: The line's subtotal is not quantity × price less discount.
  23 Nov 2026 12:00 UTC
  `+links[0]+`
  https://app.inflowinventory.com/sales-orders/`+orderID+`

* [RESOLVED] SO-000123, Acme Kitchens
  line 2: The line's subtotal is not quantity × price less discount.
  23 Nov 2026 12:00 UTC
  `+links[1]+`
  https://app.inflowinventory.com/sales-orders/`+orderID+`

and 1 more

-- 
Error Check Gate · 23 Nov 2026 13:00 UTC
`, strings.ReplaceAll(m.Text, "\r\n", "\n"))
	for _, link := range links {
		assert.Contains(t, m.HTML, `href="`+link+`"`)
	}
	assert.Empty(t, m.Header.Get("References"))
}

func TestCollectiveMessageInChatsAndWebhooks(t *testing.T) {
	t.Parallel()
	hook, chat := newReceiver(t), newReceiver(t)
	options := mattermost(t, chat)
	options.Destinations = append(options.Destinations, destinations(t, hook.URL)...)
	options, _ = atDesk(t, options)
	n := notifier(t, options)
	c := collection(t, n)
	for i := range 500 {
		brief := n.Brief(failed())
		brief.OrderNumber, brief.First = fmt.Sprintf("SO-%d", i),
			strings.Repeat("@channel <wrong> ", 20)
		c.Notices = append(c.Notices, brief)
	}
	sendCollection(t, n, c)
	var posted struct {
		Kind, Key, Text string
		Notices         []struct {
			Key, OrderNumber string
			Links            struct{ Order, Desk string }
		}
		NoticesOmitted int
	}
	require.NoError(t, json.Unmarshal([]byte(hook.requests()[0].body), &posted))
	assert.Equal(t, "collection", posted.Kind)
	assert.Equal(t, c.Key, hook.requests()[0].header.Get("Idempotency-Key"))
	assert.Len(t, posted.Notices, 502)
	assert.Equal(t, 1, posted.NoticesOmitted)
	assert.Equal(t, deskOrder, posted.Notices[0].Links.Desk)
	text := chatText(t, chat)
	assert.Equal(t, text, posted.Text)
	assert.True(t, strings.HasPrefix(text, "[COLLECTED] 503 notices: 501 failed, 1 resolved, 1 "+
		"not listed\n• [FAILED] SO-000123: 2 errors: line 2: "), text)
	assert.True(t, strings.HasSuffix(text, "\nand 493 more\nhttps://gate.example.com/"), text)
	assert.Less(t, len([]rune(text)), 2000, "the limit of the strictest chat")
	assert.NotContains(t, text, "@channel")
}

func TestEachReceiverHasItsOwnName(t *testing.T) {
	t.Parallel()
	options := to("127.0.0.1:1", jane)
	options.SalesRep = true
	n := notifier(t, options)
	receivers := map[string]bool{}
	for _, rep := range []string{"ann@example.com", "bob@example.com", "ANN@example.com",
		"not an address"} {
		notice := failed()
		notice.HasSalesRep, notice.SalesRepEmail = true, rep
		for _, target := range n.Targets(notice) {
			receivers[target.Receiver()] = true
			assert.NotContains(t, target.Receiver(), "@")
		}
	}
	assert.Len(t, receivers, 4, "jane, ann, bob, and nobody: %v", receivers)
	for receiver := range receivers {
		if strings.HasPrefix(receiver, ordercheck.TargetSalesRep) {
			assert.Equal(t, ordercheck.TargetSalesRep, ordercheck.ReceiverTarget(receiver))
		}
		assert.Equal(t, receiver, ordercheck.GatherReceiver(ordercheck.GatherWorkflowID(receiver)))
	}
}

func TestCollectiveMailInATrial(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options := to(s.SMTPAddr, jane)
	options.Redirect = mail.Address{Address: "trial@example.com"}
	n := notifier(t, options)
	sendCollection(t, n, collection(t, n))
	m := received(t, s)
	assert.True(t, strings.HasPrefix(m.Subject, "[TRIAL] [COLLECTED]"), m.Subject)
	assert.Contains(t, m.Text, "jane@example.com")
}
