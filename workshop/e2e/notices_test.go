package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// receiver is a webhook that records notices.
type receiver struct {
	mu  sync.Mutex
	got []received
	// before is called before each notice. If it returns false, the notice is refused for now. Nil
	// accepts all.
	before func() bool
	server *httptest.Server
}

type received struct {
	Kind      ordercheck.NoticeKind `json:"kind"`
	Key       string                `json:"key"`
	EndReason ordercheck.EndReason  `json:"endReason"`
	Report    ordercheck.Report     `json:"report"`
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter,
		request *http.Request) {
		r.mu.Lock()
		before := r.before
		r.mu.Unlock()
		if before != nil && !before() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var notice received
		assert.NoError(t, json.NewDecoder(request.Body).Decode(&notice))
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, notice)
	}))
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ask(before func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

func (r *receiver) notifier(t *testing.T) *notify.Notifier {
	t.Helper()
	destinations, err := notify.ParseDestinations(r.server.URL)
	require.NoError(t, err)
	n, err := notify.New(notify.Options{Destinations: destinations,
		Transport: r.server.Client().Transport})
	require.NoError(t, err)
	return n
}

// about returns the notices about an order, oldest first.
func (r *receiver) about(id string) (notices []received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, notice := range r.got {
		if notice.Report.SalesOrderID == id {
			notices = append(notices, notice)
		}
	}
	return notices
}

func (r *receiver) kinds(id string) string {
	kinds := []string{}
	for _, notice := range r.about(id) {
		kinds = append(kinds, string(notice.Kind)+string(notice.EndReason))
	}
	return strings.Join(kinds, " ")
}

func newCatcher(t *testing.T) *mailcatcher.Server {
	t.Helper()
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })
	return catcher
}

// mailNotifier sends mail to two people through the catcher.
func mailNotifier(t *testing.T, catcher *mailcatcher.Server) *notify.Notifier {
	t.Helper()
	notifier, err := notify.New(notify.Options{
		SMTP: notify.SMTP{Addr: catcher.SMTPAddr, TLS: notify.TLSNone,
			From: mail.Address{Address: "gate@example.com"}},
		To: []mail.Address{{Address: "office@example.com"}, {Address: "boss@example.com"}},
	})
	require.NoError(t, err)
	return notifier
}

var noticeLine = regexp.MustCompile(`(?m)^\* \[([A-Z]+)\] (SO-\d+)|^Subject: \[([A-Z]+)\] (SO-\d+)`)

// notified returns how often each receiver was notified, by receiver and notice, such as
// "office@example.com FAILED SO-000123", and the number of collective mails per receiver.
func notified(t *testing.T, catcher *mailcatcher.Server) (times, collective map[string]int) {
	t.Helper()
	times, collective = map[string]int{}, map[string]int{}
	list, err := catcher.List(t.Context())
	require.NoError(t, err)
	for _, summary := range list {
		receiver := summary.To[0].Address
		text := "Subject: " + summary.Subject
		if strings.HasPrefix(summary.Subject, "[COLLECTED]") {
			collective[receiver]++
			m, err := catcher.Read(t.Context(), summary.ID)
			require.NoError(t, err)
			text = strings.ReplaceAll(m.Text, "\r\n", "\n")
		}
		for _, found := range noticeLine.FindAllStringSubmatch(text, -1) {
			times[receiver+" "+found[1]+found[3]+" "+found[2]+found[4]]++
		}
	}
	return times, collective
}
