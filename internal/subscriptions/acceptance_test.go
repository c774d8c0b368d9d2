package subscriptions

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

func TestProbeExplainsRefusals(t *testing.T) {
	key, err := inflow.ParseSecret(newSecret)
	require.NoError(t, err)
	status, body := http.StatusOK, ""
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status/100 == 3 {
			w.Header().Set("Location", "https://gate.example.com/")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer receiver.Close()
	for code, want := range map[int]string{
		200: "not from a gate", 202: "not from a gate", 301: "redirect", 400: "changed the request",
		401: "does not know the secret", 403: "ALLOWED_PEERS",
		404: WebhookPath, 405: WebhookPath, 429: "too many", 500: "a gate does not respond",
		502: "a proxy", 503: "a proxy",
	} {
		status = code
		assert.Contains(t, probe(t.Context(), receiver.URL, key), want)
	}
	status, body = 200, `{"status":"received","salesOrderId":"x"}`
	assert.Contains(t, probe(t.Context(), receiver.URL, key), "not from a gate")
	body = `{"status":"ignored","event":"gate.probe"}`
	assert.Empty(t, probe(t.Context(), receiver.URL, key))
	receiver.Close()
	assert.Contains(t, probe(t.Context(), receiver.URL, key), "nothing listens")
	assert.NotEmpty(t, probe(t.Context(), "https://no-such-host.invalid/", key))
}

// TestEachProbeHasItsOwnConnection checks that probes share no connection, because a load
// balancer would send all of them to the same ingress.
func TestEachProbeHasItsOwnConnection(t *testing.T) {
	w := newWorld(t, 0)
	require.NoError(t, w.keeper().Keep(fresh()))
	var connections atomic.Int64
	receiver := httptest.NewUnstartedServer(receiverOf(w.file))
	receiver.Config.ConnState = countNew(&connections)
	receiver.Start()
	defer receiver.Close()
	key, err := inflow.ParseSecret(newSecret)
	require.NoError(t, err)
	m, _ := w.manager(w.client)
	require.NoError(t, m.Test(t.Context(), receiver.URL+WebhookPath, key, Acceptance{InARow: 7}))
	assert.EqualValues(t, 7, connections.Load())
}

// TestRefusalRestartsTheCount checks that a refused probe resets the count of accepted probes.
func TestRefusalRestartsTheCount(t *testing.T) {
	key, err := inflow.ParseSecret(newSecret)
	require.NoError(t, err)
	var n atomic.Int64
	refuse := map[int64]bool{3: true, 6: true}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refuse[n.Add(1)] {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"status":"ignored","event":"gate.probe"}`))
	}))
	defer receiver.Close()
	w := newWorld(t, 0)
	m, lines := w.manager(w.client)
	require.NoError(t, m.Test(t.Context(), receiver.URL, key, Acceptance{InARow: 4}))
	assert.EqualValues(t, 10, n.Load())
	assert.Len(t, lines.lines, 1, "the same reason is shown once")

	m.pause = waits(10, probeDelay)
	err = m.Test(t.Context(), receiver.URL, key, Acceptance{InARow: 1 << 30})
	var refused *NotAccepted
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Reason, "deliveries in a row")
}

func countNew(n *atomic.Int64) func(c net.Conn, state http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
}
