package fakeinflow_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

// generous is the timeout for an event that must happen. Only a failing test waits this long.
const generous = 5 * time.Minute

// receiver receives webhooks at a real listener.
type receiver struct {
	url string

	mu       sync.Mutex
	received []received
	statuses []int // the statuses of the next answers; later ones are 200
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{statuses: statuses}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		assert.NoError(t, err)
		assert.Equal(t, http.MethodPost, req.Method)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.received = append(r.received, received{header: req.Header, body: body})
		status := http.StatusOK
		if len(r.statuses) > 0 {
			status, r.statuses = r.statuses[0], r.statuses[1:]
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.received...)
}

// subscribe subscribes a URL to events and returns the secret.
func (a *account) subscribe(url string, events ...string) string {
	a.t.Helper()
	body, err := json.Marshal(map[string]any{
		"url": url, "events": events, "webHookSubscriptionId": uuid.NewString(), "webHookSubscriptionRequestId": uuid.NewString(),
	})
	require.NoError(a.t, err)
	resp := a.api(http.MethodPut, "/webhooks", string(body))
	require.Equal(a.t, 200, resp.status, "%s", resp.body)
	secret, _ := resp.object(a.t)["secret"].(string)
	return secret
}

// settle waits until no delivery is in flight, and returns all deliveries.
func (a *account) settle() []fakeinflow.Delivery {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), generous)
	defer cancel()
	require.NoError(a.t, a.WaitIdle(ctx))
	return a.Deliveries()
}

var (
	documentedEvents = []string{"salesOrder.created", "salesOrder.updated"}
	liveEvents       = []string{"SalesOrderCreatedV1", "SalesOrderUpdatedV1"}
	eventTime        = time.Date(2025, 10, 28, 12, 0, 0, 999, time.UTC)
)

func fixedClock() time.Time { return eventTime }

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret)) // the key is the text itself, not decoded base64
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestDeliveryIsSigned(t *testing.T) {
	hook := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{Clock: fixedClock})
	secret := a.subscribe(hook.url+"/webhook/inflow", documentedEvents...)
	id := a.add(nil)
	deliveries := a.settle()

	got := hook.all()
	require.Len(t, got, 1)
	assert.Equal(t, "application/json", got[0].header.Get("Content-Type"))
	assert.Equal(t, []string{sign(secret, got[0].body)}, got[0].header.Values("x-inflow-hmac-sha256"))
	assert.Equal(t, `{"event":"salesOrder.created","data":{"salesOrderId":"`+id+`"},"timestamp":"2025-10-28T12:00:00Z"}`, string(got[0].body))

	require.Len(t, deliveries, 1)
	assert.Equal(t, fakeinflow.DeliveryDelivered, deliveries[0].State)
	assert.Equal(t, hook.url+"/webhook/inflow", deliveries[0].URL)
	assert.Equal(t, string(got[0].body), deliveries[0].Body)
	assert.Equal(t, a.Orders()[0].Version, deliveries[0].OrderVersion)
	require.Len(t, deliveries[0].Attempts, 1)
	assert.Equal(t, 200, deliveries[0].Attempts[0].Status)
	assert.False(t, deliveries[0].Attempts[0].End.Before(deliveries[0].Attempts[0].Start))
}

func TestPayloadForms(t *testing.T) {
	tests := map[string]struct {
		form   fakeinflow.PayloadForm
		events []string
		want   []string // bodies for one creation and four updates, with ID for the id
	}{
		"documented names": {fakeinflow.PayloadAsSubscribed, documentedEvents, []string{
			`{"event":"salesOrder.created","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
		}},
		"live names": {fakeinflow.PayloadAsSubscribed, liveEvents, []string{
			`{"eventType":"SalesOrderCreatedV1","salesOrderId":"ID"}`,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"ID"}`,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"ID","timestamp":"2025-10-28T12:00:00Z"}`,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"ID","timestamp":"2025-10-28T12:00:00Z"}`,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"ID"}`,
		}},
		"live": {fakeinflow.PayloadLive, documentedEvents, []string{
			`{"eventType":"SalesOrderCreatedV1","salesOrderId":"ID"}`,
			`{"eventType":"SalesOrderUpdatedV2","salesOrderId":"ID"}`,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"ID","timestamp":"2025-10-28T12:00:00Z"}`,
			`{"eventType":"SalesOrderUpdatedV2","salesOrderId":"ID","timestamp":"2025-10-28T12:00:00Z"}`,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"ID"}`,
		}},
		"documented": {fakeinflow.PayloadDocumented, liveEvents[1:], []string{
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
		}},
		"alternate": {fakeinflow.PayloadAlternate, documentedEvents, []string{
			`{"event":"salesOrder.created","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"eventType":"SalesOrderUpdatedV1","salesOrderId":"ID"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
			`{"eventType":"SalesOrderUpdatedV2","salesOrderId":"ID"}`,
			`{"event":"salesOrder.updated","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
		}},
		"created only": {fakeinflow.PayloadAsSubscribed, documentedEvents[:1], []string{
			`{"event":"salesOrder.created","data":{"salesOrderId":"ID"},"timestamp":"2025-10-28T12:00:00Z"}`,
		}},
		"another entity": {fakeinflow.PayloadAsSubscribed, []string{"customer.updated"}, []string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hook := newReceiver(t)
			a := newAccount(t, fakeinflow.Options{Clock: fixedClock, PayloadForm: tt.form})
			a.subscribe(hook.url, tt.events...)
			id := a.add(nil)
			a.settle()
			for range 4 {
				require.NoError(t, a.EditOrder(id, func(map[string]any) {}))
				a.settle()
			}
			got := []string{}
			for _, request := range hook.all() {
				got = append(got, strings.ReplaceAll(string(request.body), id, "ID"))
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestDeliveryIsRetried(t *testing.T) {
	hook := newReceiver(t, 500, 302, 429)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond, time.Hour}})
	a.subscribe(hook.url, documentedEvents...)
	a.add(nil)
	deliveries := a.settle()
	require.Len(t, deliveries, 1)
	assert.Equal(t, fakeinflow.DeliveryDelivered, deliveries[0].State)
	var statuses []int
	for _, attempt := range deliveries[0].Attempts {
		statuses = append(statuses, attempt.Status)
		assert.Equal(t, attempt.Status != 200, attempt.Error != "")
	}
	assert.Equal(t, []int{500, 302, 429, 200}, statuses)
	attempts := deliveries[0].Attempts
	assert.GreaterOrEqual(t, attempts[2].Start.Sub(attempts[1].End), 10*time.Millisecond)
	assert.GreaterOrEqual(t, attempts[3].Start.Sub(attempts[2].End), 20*time.Millisecond)
	for _, request := range hook.all() {
		assert.Equal(t, hook.all()[0].body, request.body, "each attempt sends the same body")
	}
}

func TestDeliveryIsGivenUp(t *testing.T) {
	hook := newReceiver(t, 500, 500, 500, 500)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{0, time.Millisecond}})
	a.subscribe(hook.url, documentedEvents...)
	a.add(nil)
	deliveries := a.settle()
	assert.Equal(t, fakeinflow.DeliveryGivenUp, deliveries[0].State)
	assert.Len(t, hook.all(), 3)
}

func TestDeliveryFailsWithoutAnAnswer(t *testing.T) {
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer slow.Close()
	for name, url := range map[string]string{"cut": cut.URL, "slow": slow.URL, "nobody there": "http://127.0.0.1:1/"} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t,
				fakeinflow.Options{RetryDelays: []time.Duration{}, DeliveryTimeout: 50 * time.Millisecond})
			a.subscribe(url, documentedEvents...)
			a.add(nil)
			deliveries := a.settle()
			assert.Equal(t, fakeinflow.DeliveryGivenUp, deliveries[0].State)
			require.Len(t, deliveries[0].Attempts, 1)
			assert.Zero(t, deliveries[0].Attempts[0].Status)
			assert.NotEmpty(t, deliveries[0].Attempts[0].Error)
		})
	}
}

func TestEverySubscriberIsNotified(t *testing.T) {
	one, two := newReceiver(t), newReceiver(t)
	a := newAccount(t, fakeinflow.Options{})
	secretOne, secretTwo := a.subscribe(one.url, documentedEvents...), a.subscribe(two.url, liveEvents...)
	assert.NotEqual(t, secretOne, secretTwo)
	a.add(nil)
	a.settle()
	assert.Len(t, one.all(), 1)
	assert.Len(t, two.all(), 1)
	assert.Contains(t, string(one.all()[0].body), `"event"`)
	assert.Contains(t, string(two.all()[0].body), `"eventType"`)
}

func TestDeliveryFaults(t *testing.T) {
	bodies := func(hook *receiver, numberOf map[string]string) (got []string) {
		for _, request := range hook.all() {
			for id, name := range numberOf {
				if strings.Contains(string(request.body), id) {
					got = append(got, name)
				}
			}
		}
		return got
	}
	start := func(t *testing.T) (*account, *receiver, map[string]string) {
		hook := newReceiver(t)
		a := newAccount(t, fakeinflow.Options{})
		names := map[string]string{a.add(nil): "first", a.add(nil): "second"}
		a.subscribe(hook.url, documentedEvents...)
		return a, hook, names
	}
	edit := func(a *account, names map[string]string, name string) {
		for id, n := range names {
			if n == name {
				require.NoError(a.t, a.EditOrder(id, func(map[string]any) {}))
			}
		}
	}
	t.Run("lost", func(t *testing.T) {
		a, hook, names := start(t)
		require.NoError(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true, Times: 1}))
		edit(a, names, "first")
		edit(a, names, "second")
		deliveries := a.settle()
		assert.Equal(t, []string{"second"}, bodies(hook, names))
		assert.Equal(t, fakeinflow.DeliveryLost, deliveries[0].State)
		assert.Empty(t, deliveries[0].Attempts)
	})
	t.Run("doubled", func(t *testing.T) {
		a, hook, names := start(t)
		require.NoError(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Doubled: true, Times: 1}))
		edit(a, names, "first")
		assert.Len(t, a.settle(), 2)
		got := hook.all()
		require.Len(t, got, 2)
		assert.Equal(t, got[0].body, got[1].body)
		edit(a, names, "first")
		a.settle()
		assert.Len(t, hook.all(), 3)
	})
	t.Run("delayed", func(t *testing.T) {
		a, _, names := start(t)
		require.NoError(t,
			a.SetDeliveryFault(fakeinflow.DeliveryFault{Delay: 30 * time.Millisecond, Times: 1}))
		before := time.Now()
		edit(a, names, "first")
		assert.GreaterOrEqual(t, a.settle()[0].Attempts[0].Start.Sub(before), 30*time.Millisecond)
	})
	t.Run("reordered", func(t *testing.T) {
		a, hook, names := start(t)
		require.NoError(t,
			a.SetDeliveryFault(fakeinflow.DeliveryFault{Reordered: true, Delay: time.Hour, Times: 1}))
		edit(a, names, "first")
		edit(a, names, "second")
		deliveries := a.settle()
		assert.Equal(t, []string{"second", "first"}, bodies(hook, names))
		assert.Less(t, deliveries[0].OrderVersion, deliveries[1].OrderVersion)
	})
	t.Run("reordered, and nothing follows", func(t *testing.T) {
		a, hook, names := start(t)
		require.NoError(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Reordered: true, Delay: 10 * time.Millisecond, Times: 1}))
		edit(a, names, "first")
		a.settle()
		assert.Equal(t, []string{"first"}, bodies(hook, names))
	})
	t.Run("of one order", func(t *testing.T) {
		a, hook, names := start(t)
		for id, name := range names {
			if name == "second" {
				require.NoError(t,
					a.SetDeliveryFault(fakeinflow.DeliveryFault{SalesOrderID: strings.ToUpper(id), Lost: true}))
			}
		}
		edit(a, names, "first")
		edit(a, names, "second")
		edit(a, names, "second")
		a.settle()
		assert.Equal(t, []string{"first"}, bodies(hook, names))
		a.ClearFaults()
		edit(a, names, "second")
		a.settle()
		assert.Len(t, hook.all(), 2)
	})
	t.Run("refused", func(t *testing.T) {
		a, _, _ := start(t)
		assert.Error(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Times: 1}))
		assert.Error(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Delay: -1}))
	})
}

func TestWaitIdleEndsWithItsContext(t *testing.T) {
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{time.Hour}})
	a.subscribe("http://127.0.0.1:1/", documentedEvents...)
	require.NoError(t, a.WaitIdle(t.Context()), "nothing is in flight")
	a.add(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.WaitIdle(ctx), context.DeadlineExceeded)
}

func TestCloseEndsDeliveries(t *testing.T) {
	hook := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{time.Hour}})
	a.subscribe("http://127.0.0.1:1/", documentedEvents...)
	a.subscribe(hook.url, documentedEvents...)
	require.NoError(t, a.SetDeliveryFault(fakeinflow.DeliveryFault{Delay: time.Hour, Times: 2}))
	id := a.add(nil)
	a.Close()
	require.NoError(t, a.WaitIdle(t.Context()))
	require.NoError(t, a.EditOrder(id, func(map[string]any) {}))
	require.NoError(t, a.WaitIdle(t.Context()))
	for _, delivery := range a.Deliveries() {
		assert.NotContains(t, []fakeinflow.DeliveryState{fakeinflow.DeliveryPending,
			fakeinflow.DeliveryDelivered}, delivery.State)
	}
	assert.Empty(t, hook.all())
}

func TestManyEditsAtOnce(t *testing.T) {
	const edits = 100
	hook := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{})
	a.subscribe(hook.url, documentedEvents[1])
	id := a.add(map[string]any{"lines": []any{map[string]any{"subTotal": "0.00"}}})
	var running sync.WaitGroup
	for range edits {
		running.Go(func() {
			assert.NoError(t, a.EditOrder(id, func(document map[string]any) {
				remarks, _ := document["orderRemarks"].(string)
				document["orderRemarks"] = remarks + "x"
			}))
			assert.Equal(t, 200, a.api(http.MethodGet, "/sales-orders/"+id+"?include=lines", "").status)
		})
	}
	running.Wait()
	deliveries := a.settle()
	assert.Len(t, hook.all(), edits)
	order, err := a.Order(id)
	require.NoError(t, err)
	assert.Len(t, order["orderRemarks"], edits, "no edit is lost")
	versions := map[string]bool{}
	for i, delivery := range deliveries {
		assert.Equal(t, i+1, delivery.Number)
		versions[delivery.OrderVersion] = true
	}
	assert.Len(t, versions, edits)
}

// TestDeliveriesAtOnceAreBounded sends a burst. The receiver gets at most DeliveriesAtOnce requests
// at a time, and the whole burst arrives.
func TestDeliveriesAtOnceAreBounded(t *testing.T) {
	const atOnce, burst = 3, 60
	var mu sync.Mutex
	active, most, connections := 0, 0, map[string]bool{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		active++
		most = max(most, active)
		connections[r.RemoteAddr] = true
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		active--
		failing := len(connections) == 1
		mu.Unlock()
		if failing {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer hook.Close()
	quiet := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{DeliveriesAtOnce: atOnce, RetryDelays: []time.Duration{0, time.Millisecond, time.Millisecond, time.Millisecond}, RetryJitter: 1})
	a.subscribe(hook.URL, documentedEvents...)
	a.subscribe(quiet.url, documentedEvents...)
	for range burst {
		a.add(nil)
	}
	a.settle()
	mu.Lock()
	defer mu.Unlock()
	assert.LessOrEqual(t, most, atOnce)
	assert.LessOrEqual(t, len(connections), 2*atOnce, "connections are reused")
	assert.Len(t, quiet.all(), burst, "one subscription does not delay another")
}

// TestSlowReceiverDelaysOnlyItself has one receiver that does not answer. Another one still gets
// every delivery.
func TestSlowReceiverDelaysOnlyItself(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-release
	}))
	defer slow.Close()
	quick := newReceiver(t)
	a := newAccount(t, fakeinflow.Options{DeliveriesAtOnce: 1})
	a.subscribe(slow.URL, documentedEvents...)
	a.subscribe(quick.url, documentedEvents...)
	for range 5 {
		a.add(nil)
	}
	require.Eventually(t, func() bool { return len(quick.all()) == 5 }, generous, 5*time.Millisecond)
	close(release)
	for _, delivery := range a.settle() {
		assert.Equal(t, fakeinflow.DeliveryDelivered, delivery.State)
	}
}

func TestUnsubscribingEndsDeliveries(t *testing.T) {
	hook := newReceiver(t, 500)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{time.Hour}})
	a.subscribe(hook.url, documentedEvents...)
	a.add(nil)
	require.Eventually(t, func() bool { return len(a.Deliveries()[0].Attempts) == 1 }, generous,
		5*time.Millisecond)
	assert.Equal(t, fakeinflow.DeliveryPending, a.Deliveries()[0].State)
	subscription := within[string](t, a.api(http.MethodGet, "/webhooks", "").list(t)[0],
		"webHookSubscriptionId")
	assert.Equal(t, 200, a.api(http.MethodDelete, "/webhooks/"+subscription, "").status)
	assert.Equal(t, fakeinflow.DeliveryGivenUp, a.settle()[0].State)
}

func TestSubscriptionsAreSwitchedOff(t *testing.T) {
	hook := newReceiver(t, 500, 200, 500, 500)
	a := newAccount(t, fakeinflow.Options{RetryDelays: []time.Duration{}, SwitchOffAfter: 2})
	a.subscribe(hook.url, documentedEvents...)
	off := func() bool { return within[bool](t, a.fake(http.MethodGet, "subscriptions", "").list(t)[0], "off") }
	id := a.add(nil)
	edit := func() {
		require.NoError(t, a.EditOrder(id, func(map[string]any) {}))
		a.settle()
	}
	a.settle()
	edit()
	edit()
	assert.False(t, off(), "one of the last two deliveries succeeded")
	edit()
	assert.True(t, off())
	edit()
	assert.Len(t, hook.all(), 4, "nothing is sent any more")

	subscription := a.api(http.MethodGet, "/webhooks", "").list(t)[0]
	subscription["webHookSubscriptionRequestId"] = subscriptionID
	body, err := json.Marshal(subscription)
	require.NoError(t, err)
	assert.Equal(t, 200, a.api(http.MethodPut, "/webhooks", string(body)).status)
	edit()
	assert.Len(t, hook.all(), 5)
	assert.False(t, off())
}
