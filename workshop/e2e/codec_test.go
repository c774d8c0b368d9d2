package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/activities"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/temporalconn"
	"error-check-gate/worker"
)

// newPayloadKey returns a new key in the format of PAYLOAD_KEYS.
func newPayloadKey(id string) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return id + ":" + base64.StdEncoding.EncodeToString(secret)
}

func payloadKeys(t testing.TB, entries ...string) *codec.Keys {
	t.Helper()
	keys, err := codec.ParseKeys(strings.Join(entries, ","))
	require.NoError(t, err)
	return keys
}

// workerWithKeys runs a worker with other keys than the rest of the stack.
func (s *stack) workerWithKeys(keys *codec.Keys) (stop func()) {
	s.t.Helper()
	g := gate.Gate{Temporal: s.clientWithKeys(keys), Namespace: s.namespace, PayloadKeys: keys}
	return serve(s.t, func(ctx context.Context) error {
		return g.RunWorker(ctx, worker.Options{
			Settings:                s.settings,
			InflowRequestsPerMinute: s.allowance,
			StopTimeout:             5 * time.Second,
		}, &activities.Activities{Orders: s.inflow, Rules: s.rules})
	})
}

func (s *stack) clientWithKeys(keys *codec.Keys) client.Client {
	s.t.Helper()
	c, err := temporalconn.Lazy(temporalconn.Options{Address: server.Addr, Namespace: s.namespace,
		PayloadKeys: keys})
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

// failedTasks counts the workflow tasks of an order's run that failed because of a missing key.
func (s *stack) failedTasks(id, keyID string) int {
	s.t.Helper()
	n := 0
	for _, event := range s.history(id) {
		failed := event.GetWorkflowTaskFailedEventAttributes()
		if failed == nil {
			continue
		}
		n++
		assert.Contains(s.t, failed.GetFailure().GetMessage(),
			fmt.Sprintf("no key %q: add it to PAYLOAD_KEYS", keyID))
	}
	return n
}

// TestAnOrderWaitsForTheKeyThatItsWorkerLacks runs a worker without an order's key. Meanwhile the
// order's run neither fails nor loses a delivery. It continues when a worker has the key.
func TestAnOrderWaitsForTheKeyThatItsWorkerLacks(t *testing.T) {
	t.Parallel()
	right, other := newPayloadKey("right"), newPayloadKey("other")
	s := newStack(t, options{
		noWorker: true, payloadKeys: payloadKeys(t, right),
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: time.Second,
			HoldMax: time.Hour},
	})

	// The key is missing at the start of the run.
	id := s.create("balance-wrong")
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	stop := s.workerWithKeys(payloadKeys(t, "plain", other))
	require.Eventually(t, func() bool { return s.failedTasks(id, "right") > 0 }, waitFor, tick)
	stop()
	assert.Empty(t, s.fetches(id))
	stop = s.workerWithKeys(payloadKeys(t, other, right))
	s.waitForStatus(id, ordercheck.StatusFailed)
	stop()

	// The key is missing in the middle of a hold, which gets a signal from the ingress and a plain
	// one from an operator.
	stop = s.workerWithKeys(&codec.Keys{})
	failed := s.failedTasks(id, "right")
	before := len(s.fetches(id))
	answered := s.postAccepted(id)
	operator, err := client.NewLazyClient(client.Options{HostPort: server.Addr,
		Namespace: s.namespace})
	require.NoError(t, err)
	t.Cleanup(operator.Close)
	require.NoError(t, operator.SignalWorkflow(t.Context(), ordercheck.WorkflowID(id), "",
		ordercheck.SignalWebhookDelivered, []string{}))
	require.Eventually(t, func() bool { return s.failedTasks(id, "right") > failed }, waitFor, tick)
	stop()
	assert.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, s.runStatus(id))
	assert.Len(t, s.fetches(id), before)

	s.fix(id)
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	s.workerWithKeys(payloadKeys(t, right, other))
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	fetches := s.fetches(id)
	require.Greater(t, len(fetches), before)
	assert.True(t, fetches[len(fetches)-1].Start.After(answered),
		"a fetch followed the waiting delivery")
	assert.Len(t, s.runs(id), 1)
}
