package notify_test

import (
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

func digest() *notify.Digest {
	return &notify.Digest{
		Key: "digest-2026-11-23T08:00:00Z", At: noon, Held: 2, New: 1, Pending: 3,
		Orders: []notify.DigestOrder{
			{
				SalesOrderID: orderID, RunID: "run-1", Number: "SO-000123",
				Customer: "Acme <b>Kitchens</b>", SalesRep: "Ann",
				First: "The PO number is missing.", Errors: 2, HeldSince: noon.Add(-48 * time.Hour),
			},
			{SalesOrderID: "an-order", Errors: 1, HeldSince: noon.Add(-time.Hour), New: true},
		},
	}
}

func sendDigest(t *testing.T, o notify.Options, d *notify.Digest) {
	t.Helper()
	n := notifier(t, o)
	for _, target := range n.DigestTargets() {
		require.NoError(t, n.SendDigest(t.Context(), target, d))
	}
}

func TestDigestListsHeldOrders(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	sendDigest(t, to(s.SMTPAddr, jane), digest())
	m := received(t, s)
	assert.Equal(t, "[HELD] 2 orders on 23 Nov 2026", m.Subject)
	assert.Equal(t, `2 orders are held, 1 of them new.
3 more orders have new errors. They will be held if nobody fixes them in time. Fix an order in InFlow and save it. It is then checked again automatically, and released when all its errors are gone.

* SO-000123, Acme <b>Kitchens</b> (Ann)
  2 errors: The PO number is missing.
  since 21 Nov 2026 12:00 UTC
  https://temporal.example.com/namespaces/default/workflows/sales-order-`+orderID+`/run-1/user-metadata
  https://app.inflowinventory.com/sales-orders/`+orderID+`

* [NEW] an-order
  1 error
  since 23 Nov 2026 11:00 UTC
  https://temporal.example.com/namespaces/default/workflows/sales-order-an-order
  https://app.inflowinventory.com/sales-orders/an-order

-- 
Error Check Gate · 23 Nov 2026 12:00 UTC
`, strings.ReplaceAll(m.Text, "\r\n", "\n"))
	assert.Contains(t, m.HTML, "Acme &lt;b&gt;Kitchens&lt;/b&gt;")
	assert.NotContains(t, m.HTML, "ZgotmplZ")
	assert.Less(t, strings.Index(m.HTML, "SO-000123"), strings.Index(m.HTML, "an-order"))
	support, err := s.HTMLSupport(t.Context(), m.ID)
	require.NoError(t, err)
	assert.Greater(t, support, 90.0)
}

func TestRepeatedDigestIsTheSameMail(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options, signer := atDesk(t, to(s.SMTPAddr, jane, jim))
	for range 2 {
		sendDigest(t, options, digest())
	}
	list, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 4)
	ids := map[string]string{}
	for _, summary := range list {
		m := read(t, s, summary.ID)
		receiver := m.To[0].Address
		if ids[receiver] != "" {
			assert.Equal(t, ids[receiver], m.MessageID)
		}
		ids[receiver] = m.MessageID
		assert.Contains(t, m.Text, "https://gate.example.com/\r\n", "the list")
		links := deskLink.FindAllString(m.Text, -1)
		require.Len(t, links, 2)
		assert.Equal(t, links, deskLink.FindAllString(m.HTML, -1))
		_, key, _ := strings.Cut(links[0], "?k=")
		signedFor, err := signer.Verify(key, orderID, noon)
		require.NoError(t, err)
		assert.Equal(t, receiver, signedFor)
	}
	assert.Len(t, ids, 2)
}

func TestDigestLimitsListedOrders(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	d := digest()
	d.Held, d.Pending, d.New, d.Orders = 1700, 1, 0, nil
	for i := range ordercheck.MaxDigestOrders {
		d.Orders = append(d.Orders, notify.DigestOrder{
			SalesOrderID: fmt.Sprintf("order-%d", i), Number: fmt.Sprintf("SO-%06d", i),
			Customer: strings.Repeat("C", 5000),
			First:    strings.Repeat("wrong ", 1000), Errors: 1, HeldSince: noon,
		})
	}
	options, _ := atDesk(t, to(s.SMTPAddr, jane))
	options.Redirect = mail.Address{Address: "trial@example.com"}
	sendDigest(t, options, d)
	m := received(t, s)
	assert.Equal(t, "trial@example.com", m.To[0].Address)
	assert.Equal(t, "[TRIAL] [HELD] 1700 orders on 23 Nov 2026", m.Subject)
	for _, part := range []string{m.Text, m.HTML} {
		assert.Contains(t, part, "and 1200 more")
		assert.Contains(t, part, "1 more order has new errors")
		assert.Contains(t, part, "jane@example.com")
		assert.Less(t, len(part), 1<<20)
	}
}
