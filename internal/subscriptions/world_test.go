package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// world holds a fake InFlow account and a receiver of its webhooks. The fake tries each delivery
// once. The receiver reads the secret file for each request.
type world struct {
	t      *testing.T
	fake   *fakeinflow.Server
	client *inflow.Client
	url    string // the receiver's webhook URL
	file   string // the receiver's secret file
	order  string
}

func newWorld(t *testing.T, timeout time.Duration) *world {
	t.Helper()
	w := &world{t: t, file: filepath.Join(t.TempDir(), "secrets")}
	var err error
	w.fake, err = fakeinflow.New(fakeinflow.Options{RetryDelays: []time.Duration{}})
	require.NoError(t, err)
	api := httptest.NewServer(w.fake.Handler())
	t.Cleanup(func() {
		api.Close()
		w.fake.Close()
	})
	w.client, err = inflow.NewClient(inflow.Options{
		BaseURL: api.URL, CompanyID: w.fake.CompanyID(), APIKey: w.fake.APIKey(), Timeout: timeout,
	})
	require.NoError(t, err)
	receiver := httptest.NewServer(receiverOf(w.file))
	t.Cleanup(receiver.Close)
	w.url = receiver.URL + WebhookPath
	w.order, err = w.fake.AddOrder(map[string]any{})
	require.NoError(t, err)
	return w
}

// receiverOf returns a handler that answers like the ingress, with the secrets in file.
func receiverOf(file string) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			out.WriteHeader(http.StatusBadRequest)
			return
		}
		content, _ := os.ReadFile(file)
		keys, _ := inflow.ParseSecretLines(content)
		verifier, err := inflow.NewVerifier(keys)
		if err == nil {
			_, err = verifier.Verify(r.Header.Values(inflow.SignatureHeader), body)
		}
		webhook, parseErr := inflow.ParseWebhook(body)
		switch {
		case r.URL.Path != WebhookPath:
			out.WriteHeader(http.StatusNotFound)
		case err != nil:
			out.WriteHeader(http.StatusUnauthorized)
		case parseErr != nil:
			out.WriteHeader(http.StatusBadRequest)
		case webhook.IsSalesOrder():
			fmt.Fprintf(out, `{"status":"received","salesOrderId":%q}`, webhook.SalesOrderID)
		default:
			fmt.Fprintf(out, `{"status":"ignored","event":%q}`, webhook.Event)
		}
	}
}

// manager returns a manager that does not really wait, and its messages.
func (w *world) manager(api API) (*Manager, *messages) {
	var lines messages
	return &Manager{API: api, Say: lines.add,
		pause: func(ctx context.Context, _ time.Duration) error {
			return ctx.Err()
		}}, &lines
}

// waits returns a pause that allows n waits of d, and then reports that the time is over.
func waits(n int, d time.Duration) func(context.Context, time.Duration) error {
	return func(ctx context.Context, asked time.Duration) error {
		if asked == d {
			if n--; n < 0 {
				return context.DeadlineExceeded
			}
		}
		return ctx.Err()
	}
}

type messages struct {
	mu    sync.Mutex
	lines []string
}

func (s *messages) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *messages) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func (w *world) keeper() *SecretFile { return &SecretFile{Path: w.file} }

func (w *world) subscribe(api API) (*Subscribed, *messages, error) {
	m, lines := w.manager(api)
	result, err := m.Subscribe(w.t.Context(),
		SubscribeOptions{URL: w.url, Events: DefaultEvents(), Keeper: w.keeper()})
	return result, lines, err
}

func (w *world) mustSubscribe() *Subscribed {
	w.t.Helper()
	result, _, err := w.subscribe(w.client)
	require.NoError(w.t, err)
	require.True(w.t, result.Created)
	return result
}

func (w *world) rotate(api API, id string, keeper Keeper) (*Rotated, *messages, error) {
	m, lines := w.manager(api)
	result, err := m.Rotate(w.t.Context(), id,
		RotateOptions{Keeper: keeper, Acceptance: Acceptance{InARow: 3}})
	return result, lines, err
}

func (w *world) list() []inflow.Subscription {
	w.t.Helper()
	list, err := w.client.Subscriptions(context.WithoutCancel(w.t.Context()))
	require.NoError(w.t, err)
	return list
}

// edit saves an order and waits until every subscriber got it.
func (w *world) edit() {
	w.t.Helper()
	require.NoError(w.t, w.fake.EditOrder(w.order, func(map[string]any) {}))
	require.NoError(w.t, w.fake.WaitIdle(w.t.Context()))
}

// delivered returns the number of deliveries. It fails the test if one was refused.
func (w *world) delivered() int {
	w.t.Helper()
	deliveries := w.fake.Deliveries()
	for _, delivery := range deliveries {
		require.Equal(w.t, fakeinflow.DeliveryDelivered, delivery.State, "delivery %d to %s: %+v",
			delivery.Number, delivery.SubscriptionID, delivery.Attempts)
	}
	return len(deliveries)
}

// works checks that there is exactly one subscription, and that its deliveries are accepted.
func (w *world) works() inflow.Subscription {
	w.t.Helper()
	list := w.list()
	require.Len(w.t, list, 1)
	assert.Equal(w.t, w.url, list[0].URL)
	assert.Equal(w.t, DefaultEvents(), list[0].Events)
	before := w.delivered()
	w.edit()
	assert.Equal(w.t, before+1, w.delivered())
	return list[0]
}

func (w *world) secrets() []string {
	w.t.Helper()
	content, err := os.ReadFile(w.file)
	require.NoError(w.t, err)
	return strings.Fields(string(content))
}

// hookedAPI runs hooks before and after each call. If a hook fails, the call fails.
type hookedAPI struct {
	API
	before, after func(call int) error
	calls         int
}

func hooked[T any](h *hookedAPI, call func() (T, error)) (T, error) {
	h.calls++
	var none T
	if h.before != nil {
		if err := h.before(h.calls); err != nil {
			return none, err
		}
	}
	answer, err := call()
	if h.after != nil {
		if hookErr := h.after(h.calls); hookErr != nil {
			return none, hookErr
		}
	}
	return answer, err
}

func (h *hookedAPI) Subscriptions(ctx context.Context) ([]inflow.Subscription, error) {
	return hooked(h, func() ([]inflow.Subscription, error) { return h.API.Subscriptions(ctx) })
}

func (h *hookedAPI) Subscribe(
	ctx context.Context, request inflow.SubscriptionRequest,
) (*inflow.Subscription, error) {
	return hooked(h, func() (*inflow.Subscription, error) { return h.API.Subscribe(ctx, request) })
}

func (h *hookedAPI) Unsubscribe(ctx context.Context, id string) error {
	_, err := hooked(h, func() (struct{}, error) { return struct{}{}, h.API.Unsubscribe(ctx, id) })
	return err
}

// errCrash is the error of every call after the process was killed.
var errCrash = errors.New("the process was killed")

// newSubscription creates a subscription directly at InFlow, as somebody else would.
func (w *world) newSubscription(url string, events ...string) string {
	w.t.Helper()
	created, err := w.client.Subscribe(w.t.Context(), inflow.SubscriptionRequest{
		ID: uuid.NewString(), RequestID: uuid.NewString(), URL: url, Events: events,
	})
	require.NoError(w.t, err)
	return created.ID
}
