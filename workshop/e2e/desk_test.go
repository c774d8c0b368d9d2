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

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"error-check-gate/desk"
	"error-check-gate/internal/desklink"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/signin"
)

const (
	deskSecret = "a secret of the desk, long enough"
	deskToken  = "a-token-of-the-warehouse-0123456789"
	manager    = "manager@northgatecabinets.example"
	rep        = "dana@northgatecabinets.example"
)

// deskStack is a gate with a desk and a mail server. The desk speaks HTTPS unless options say else.
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
	smtp := notify.SMTP{Addr: mails.SMTPAddr, TLS: notify.TLSNone, From: mail.Address{Address: "gate@example.com"}}

	d := &deskStack{mails: mails, server: httptest.NewUnstartedServer(nil)}
	scheme, start := "https://", d.server.StartTLS
	if o.plainDesk {
		scheme, start = "http://", d.server.Start
	}
	address := scheme + d.server.Listener.Addr().String()
	links, err := desklink.New([]string{deskSecret}, time.Hour)
	require.NoError(t, err)
	o.notifier, err = notify.New(notify.Options{SMTP: smtp, SalesRep: true, DeskURL: address, DeskLinks: links})
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
			Mode: signin.ModeMail, Secrets: []string{deskSecret}, BaseURL: base, People: []string{manager}, Mail: smtp.SendText,
		},
	})
	require.NoError(t, err)
	serve(t, func(ctx context.Context) error { server.Run(ctx); return nil })
	d.server.Config.Handler = server.Handler()
	start()
	t.Cleanup(d.server.Close)
	return d
}

// browser is somebody's browser.
type browser struct {
	d      *deskStack
	client *http.Client
}

func (d *deskStack) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(d.t, err)
	return &browser{d, &http.Client{Transport: d.server.Client().Transport, Jar: jar}}
}

func (b *browser) get(address string) (status int, body string) {
	b.d.t.Helper()
	answer, err := b.client.Get(b.d.at(address))
	return b.read(answer, err)
}

func (b *browser) post(address string, form url.Values) (status int, body string) {
	b.d.t.Helper()
	answer, err := b.client.PostForm(b.d.at(address), form)
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

// mailTo waits for a mail to somebody whose subject and text have a text each, and returns it.
func (d *deskStack) mailTo(address, subject, text string) *mailcatcher.Mail {
	d.t.Helper()
	var found *mailcatcher.Mail
	require.Eventually(d.t, func() bool {
		list, err := d.mails.List(d.t.Context())
		require.NoError(d.t, err)
		for _, summary := range list {
			if !strings.Contains(summary.Subject, subject) ||
				!slices.ContainsFunc(summary.To, func(to *mail.Address) bool { return to.Address == address }) {
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

// signIn signs somebody in by mail.
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

// release asks the API whether an order may leave.
func (d *deskStack) release(id string) string {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.at("/api/v1/orders/"+id), nil)
	require.NoError(d.t, err)
	request.Header.Set("Authorization", "Bearer "+deskToken)
	answer, err := d.server.Client().Do(request)
	require.NoError(d.t, err)
	defer answer.Body.Close()
	require.Equal(d.t, http.StatusOK, answer.StatusCode)
	var order struct{ Release string }
	require.NoError(d.t, json.NewDecoder(answer.Body).Decode(&order))
	return order.Release
}

// TestAnOrderFromItsMistakeToItsRelease is the story that the desk exists for.
func TestAnOrderFromItsMistakeToItsRelease(t *testing.T) {
	t.Parallel()
	d := newDeskStack(t, options{settings: orderlife.Settings{SettleQuiet: settleQuiet, HoldMax: time.Hour}})

	// An order breaks, and the sales rep gets a mail.
	id := d.create("balance-wrong")
	d.waitForStatus(id, ordercheck.StatusFailed)
	number := d.report(id).OrderNumber
	assert.Equal(t, "no", d.release(id))
	link := linkInMail.FindString(d.mailTo(rep, "[FAILED] "+number, "").Text)

	// The mail's link opens the order without signing in. Its key does not stay in the address.
	dana := d.browser()
	status, page := dana.get(link)
	require.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, number)
	assert.Contains(t, page, "Acting as <strong><bdi>"+rep)
	assert.NotContains(t, page, `name="reason"`, "taking responsibility needs signing in")

	// The rep comments and checks again. The link allows nothing else.
	_, page = dana.post("/orders/"+id+"/comment", url.Values{"text": {"The customer paid by check."}})
	assert.Contains(t, page, "The customer paid by check.")
	_, page = dana.post("/orders/"+id+"/check", nil)
	assert.Contains(t, page, "The order was checked just now.")
	status, page = dana.post("/orders/"+id+"/override", url.Values{"finding": {"all"}, "reason": {"trust me"}, "until": {"2999-01-01"}})
	assert.Equal(t, http.StatusUnprocessableEntity, status)
	assert.Contains(t, page, "You may not take responsibility")
	_, page = dana.get("/")
	assert.Contains(t, page, "Type your mail address", "the list needs signing in")

	// The manager signs in and takes responsibility for a while.
	boss := d.browser()
	boss.signIn(manager, "/orders/"+id)
	_, page = boss.get("/?q=" + number)
	assert.Contains(t, page, "/orders/"+id)
	until := time.Now().Add(5 * time.Second).UTC().Truncate(time.Second)
	status, page = boss.post("/orders/"+id+"/override", url.Values{
		"finding": {"all"}, "reason": {"The check is in the mail."}, "until": {until.Format(time.RFC3339)},
	})
	require.Equal(t, http.StatusOK, status, page)
	assert.Contains(t, page, "You have taken responsibility.")
	d.waitForStatus(id, ordercheck.StatusOverridden)
	assert.Equal(t, "yes", d.release(id))

	// The while ends, and the order is held again.
	d.waitForStatus(id, ordercheck.StatusFailed)
	assert.Equal(t, "no", d.release(id))
	d.mailTo(rep, "[FAILED] "+number, "The override by "+manager+" has ended")

	// The rep fixes it, and it may leave.
	d.fix(id)
	assert.Equal(t, ordercheck.StatusPassed, d.mustResult(id).Status)
	assert.Equal(t, "yes", d.release(id))
	_, page = dana.get("/orders/" + id)
	assert.Contains(t, page, "<strong>Yes</strong>")

	// The timeline tells all of it.
	kinds := map[ordercheck.TimelineKind]bool{}
	for _, entry := range d.report(id).Timeline {
		kinds[entry.Kind] = true
	}
	for _, kind := range []ordercheck.TimelineKind{
		ordercheck.TimelineDelivery, ordercheck.TimelineConfirmed, ordercheck.TimelineNotified, ordercheck.TimelineCommented,
		ordercheck.TimelineOverridden, ordercheck.TimelineOverrideEnded, ordercheck.TimelineResolved,
	} {
		assert.True(t, kinds[kind], kind)
	}
	assert.Contains(t, page, "The check is in the mail.")
	for _, sentence := range []string{
		"InFlow announced", "Checked: 1 error", "Checked: nothing is wrong.", "Held from now on, because of 1 error",
		"Told the sales rep: the order is held.", "Took responsibility for 1 error until", "This responsibility has ended.",
	} {
		assert.Contains(t, page, sentence, "the page tells it in people's words")
	}
}

// TestADeliveryOnItsWayHoldsTheOrder: InFlow was told that a delivery in a batch was received, and the
// order's own run does not know of it yet.
func TestADeliveryOnItsWayHoldsTheOrder(t *testing.T) {
	t.Parallel()
	d := newDeskStack(t, options{settings: orderlife.Settings{SettleQuiet: settleQuiet, HoldMax: time.Hour}})
	id, other := d.create("plain"), d.create("plain")
	d.mustResult(id)
	d.mustResult(other)
	require.Equal(t, "yes", d.release(id))

	// A batch that no worker takes: its task queue has none.
	run, err := d.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: ordercheck.HandOverWorkflowID(uuid.NewString()), TaskQueue: "nobody",
	}, ordercheck.HandOverWorkflowType, ordercheck.DeliveryBatch{Orders: []ordercheck.OrderDeliveries{
		{SalesOrderID: strings.ToUpper(id), Deliveries: []ordercheck.Delivery{{Event: "salesOrder.updated"}}},
	}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return d.release(id) == "unknown" }, waitFor, tick)
	assert.Equal(t, "yes", d.release(other))
	require.NoError(t, d.temporal.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "the test has seen it"))
	require.Eventually(t, func() bool { return d.release(id) == "yes" }, waitFor, tick)
}
