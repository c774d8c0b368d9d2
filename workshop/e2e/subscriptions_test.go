package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

// subscriber is a stack with a subscription made by 'gate webhooks', and an ingress process that
// reads its secrets from a file.
type subscriber struct {
	*stack
	t       *testing.T
	env     []string // environment of gate commands
	secrets string   // the file
}

func newSubscriber(t *testing.T) *subscriber {
	t.Helper()
	s := &subscriber{stack: newStack(t, options{}), t: t,
		secrets: filepath.Join(t.TempDir(), "secrets")}
	s.env = []string{"INFLOW_API_URL=" + s.inflowURL, "INFLOW_COMPANY_ID=" + s.fake.CompanyID(),
		"INFLOW_API_KEY=" + s.fake.APIKey()}
	for _, own := range s.subscriptions() { // the stack's
		s.webhooks("unsubscribe", own.ID)
	}
	s.url = fmt.Sprintf("http://127.0.0.1:%d/webhook/inflow", freePort(t))
	return s
}

// startIngress runs 'gate ingress' until the test ends.
func (s *subscriber) startIngress() {
	s.t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhook/inflow")
	startGate(s.t, []string{
		"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"LISTEN_ADDR=" + address,
		"ADMIN_ADDR=127.0.0.1:0", "WEBHOOK_SECRET_FILE=" + s.secrets, "AUDIT_LOG=off",
		"LOG_LEVEL=error",
	}, "ingress")
}

type subscription struct {
	ID     string   `json:"webHookSubscriptionId"`
	URL    string   `json:"url"`
	Events []string `json:"events"`
}

// webhooks runs 'gate webhooks', which must succeed.
func (s *subscriber) webhooks(args ...string) (stdout, stderr string) {
	s.t.Helper()
	c := startGate(s.t, s.env, append([]string{"webhooks"}, args...)...)
	status := c.exit()
	for line := range c.lines {
		stdout += line + "\n"
	}
	require.Zero(s.t, status, "gate webhooks %s: %s", strings.Join(args, " "), c.stderr.String())
	return stdout, c.stderr.String()
}

func (s *subscriber) subscriptions() (list []subscription) {
	s.t.Helper()
	out, _ := s.webhooks("list", "--json")
	require.NoError(s.t, json.Unmarshal([]byte(out), &list))
	return list
}

// theSubscription returns the only subscription.
func (s *subscriber) theSubscription() subscription {
	s.t.Helper()
	list := s.subscriptions()
	require.Len(s.t, list, 1)
	return list[0]
}

// editing saves the orders in turn, 20 times per second, until stop is called.
func (s *subscriber) editing(ids []string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(time.Second / 20)
		defer ticker.Stop()
		for i := 0; ; i++ {
			assert.NoError(s.t, s.fake.EditOrder(ids[i%len(ids)], func(document map[string]any) {
				document["orderRemarks"] = fmt.Sprint(i)
			}))
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(done)
		<-ended
	})
	s.t.Cleanup(stop)
	return stop
}

// noneRefused checks that all deliveries got 2xx, or 503, which asks for a retry. It returns the
// number of deliveries per subscription.
func (s *subscriber) noneRefused() map[string]int {
	s.t.Helper()
	require.NoError(s.t, s.fake.WaitIdle(s.t.Context()))
	sent := map[string]int{}
	for _, delivery := range s.fake.Deliveries() {
		if delivery.State == fakeinflow.DeliveryGivenUp && len(delivery.Attempts) == 0 {
			continue // it waited when its subscription was removed: the new one sends too
		}
		sent[delivery.SubscriptionID]++
		require.NotEmpty(s.t, delivery.Attempts)
		for _, attempt := range delivery.Attempts {
			require.Contains(s.t, []int{http.StatusOK, http.StatusServiceUnavailable},
				attempt.Status, "delivery %d of %s: %+v",
				delivery.Number, delivery.SubscriptionID, delivery.Attempts)
		}
	}
	return sent
}

// TestSubscribeRotateUnsubscribe takes a subscription through its life. Its secret is rotated at 20
// deliveries per second.
func TestSubscribeRotateUnsubscribe(t *testing.T) {
	t.Parallel()
	s := newSubscriber(t)
	s.webhooks("subscribe", s.url, "--secret-file", s.secrets)
	s.startIngress()
	_, stderr := s.webhooks("subscribe", s.url, "--secret-file", s.secrets, "--test")
	assert.Contains(t, stderr, "accepted a signed test delivery")
	old := s.theSubscription()

	ids := make([]string, 20)
	for i := range ids {
		ids[i] = s.create("plain")
	}
	s.mustResult(ids[0])
	stop := s.editing(ids)
	before := len(s.fake.Deliveries())
	require.Eventually(t, func() bool {
		return len(s.fake.Deliveries()) > before+20
	}, waitFor, tick)
	s.webhooks("rotate", old.ID, "--secret-file", s.secrets, "--overlap", "1s")
	after := len(s.fake.Deliveries())
	require.Eventually(t, func() bool { return len(s.fake.Deliveries()) > after+20 }, waitFor, tick)
	stop()

	now := s.theSubscription()
	assert.NotEqual(t, old.ID, now.ID)
	assert.Equal(t, old.URL, now.URL)
	assert.Equal(t, old.Events, now.Events)
	sent := s.noneRefused()
	assert.Greater(t, sent[old.ID], 20)
	assert.Greater(t, sent[now.ID], 20)
	assert.Len(t, sent, 2)
	content, err := os.ReadFile(s.secrets)
	require.NoError(t, err)
	assert.Len(t, strings.Fields(string(content)), 2, "the old secret stays for retries")
	info, err := os.Stat(s.secrets)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())

	// Each order's latest version was fetched.
	for _, order := range s.fake.Orders() {
		require.Eventually(t, func() bool {
			fetches := s.fetches(order.ID)
			return len(fetches) > 0 && fetches[len(fetches)-1].OrderVersion == order.Version
		}, waitFor, tick)
	}

	s.webhooks("unsubscribe", now.ID)
	assert.Empty(t, s.subscriptions())
	before = len(s.fake.Deliveries())
	require.NoError(t, s.fake.EditOrder(ids[0], func(map[string]any) {}))
	assert.Len(t, s.fake.Deliveries(), before, "there are no more deliveries")
}

// TestLostSecretAndKilledRotation cuts off the response with the secret, and kills a rotation half
// way. The next command repairs the damage, and no delivery is refused.
func TestLostSecretAndKilledRotation(t *testing.T) {
	t.Parallel()
	s := newSubscriber(t)
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook,
		Cut: true, Times: 1}))
	_, stderr := s.webhooks("subscribe", s.url, "--secret-file", s.secrets)
	assert.Contains(t, stderr, "its secret, which InFlow shows only once, is lost")
	s.startIngress()
	s.webhooks("subscribe", s.url, "--secret-file", s.secrets, "--test")
	old := s.theSubscription()
	id := s.create("plain")
	s.mustResult(id)
	stop := s.editing([]string{id})

	killed := startGate(t, s.env, "webhooks", "rotate", old.ID, "--secret-file", "-")
	killed.waitForLine(func(line string) bool { return strings.HasPrefix(line, "secret ") })
	require.NoError(t, killed.Process.Kill())
	killed.exit()
	require.Len(t, s.subscriptions(), 2, "the rotation was killed half way")

	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook,
		AnswerLost: true, Times: 2}))
	_, stderr = s.webhooks("rotate", old.ID, "--secret-file", s.secrets, "--overlap", "0s")
	assert.Contains(t, stderr, "which an earlier run left")
	now := s.theSubscription()
	before := len(s.fake.Deliveries())
	require.Eventually(t, func() bool { return len(s.fake.Deliveries()) > before+5 }, waitFor, tick)
	stop()
	sent := s.noneRefused()
	assert.Greater(t, sent[now.ID], 5)
	assert.Len(t, sent, 2, "the orphaned subscriptions sent no deliveries for orders")
}
