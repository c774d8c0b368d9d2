package e2e_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// TestWorkerKilledWhileHandingOver kills a worker while it hands a batch of deliveries to their
// orders.
func TestWorkerKilledWhileHandingOver(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})
	ids := s.createUnannounced(12)
	handOver := s.startHandOver(ids)
	answers := map[string]time.Time{}
	for _, id := range ids {
		answers[id] = time.Now()
	}

	stuck := s.startRole(roleStuckHandOver)
	stuck.waitForLine(handingOverLine)
	require.NoError(t, stuck.Process.Kill())
	_ = stuck.Wait() // returns the kill as an error

	s.startWorker()
	s.requireFetchesAfter(answers)
	require.NoError(t, s.temporal.GetWorkflow(t.Context(), handOver, "").Get(t.Context(), nil))
	for _, event := range s.events(handOver, "") {
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			assert.Zero(t, scheduled.GetRetryPolicy().GetMaximumAttempts(), "it is retried forever")
			assert.Zero(t, scheduled.GetScheduleToCloseTimeout().AsDuration())
		}
	}
}

// TestIngressKilledWhileCommitting kills the ingress. No delivery that got a 200 is lost.
func TestIngressKilledWhileCommitting(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})
	ids := s.createUnannounced(40)
	const secret = "a-secret-of-the-test-that-is-long"
	port := freePort(t)
	edge := startGate(t, []string{
		"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"ADMIN_ADDR=127.0.0.1:0",
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", port), "WEBHOOK_SECRET=" + secret, "AUDIT_LOG=off",
	}, "ingress")
	var err error
	s.keys, err = inflow.ParseSecrets(secret)
	require.NoError(t, err)
	s.url = fmt.Sprintf("http://127.0.0.1:%d/webhook/inflow", port)
	require.Eventually(t, func() bool {
		//nolint:noctx // to this machine
		connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		return err == nil && connection.Close() == nil
	}, waitFor, tick)

	enough, killed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		<-enough
		assert.NoError(t, edge.Process.Signal(syscall.SIGKILL))
		<-edge.done
	}()
	answers := s.postAll(ids, killed, func(answered int) {
		if answered == len(ids)/2 {
			close(enough)
		}
	})
	s.startWorker()
	s.requireFetchesAfter(answers)
	assert.NotEmpty(t, s.handOvers())
}

// startHandOver commits one delivery for each order as a batch, as the ingress does, and returns
// the workflow's id.
func (s *stack) startHandOver(ids []string) string {
	s.t.Helper()
	var batch ordercheck.DeliveryBatch
	for _, id := range ids {
		batch.Orders = append(batch.Orders, ordercheck.OrderDeliveries{
			SalesOrderID: id, Deliveries: []ordercheck.Delivery{{Event: "salesOrder.updated",
				ReceivedAt: time.Now()}},
		})
	}
	run, err := s.temporal.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: ordercheck.HandOverWorkflowID(uuid.NewString()), TaskQueue: ordercheck.TaskQueue,
	}, ordercheck.HandOverWorkflowType, batch)
	require.NoError(s.t, err)
	return run.GetID()
}

// handOvers returns the ids of all batches in Temporal.
func (s *stack) handOvers() (ids []string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		answer, err := s.temporal.ListWorkflow(s.t.Context(),
			&workflowservice.ListWorkflowExecutionsRequest{
				Query: fmt.Sprintf("WorkflowType = '%s'", ordercheck.HandOverWorkflowType),
			})
		if err != nil {
			return false
		}
		for _, execution := range answer.GetExecutions() {
			ids = append(ids, execution.GetExecution().GetWorkflowId())
		}
		return len(ids) > 0
	}, waitFor, tick)
	return ids
}

// requireFetchesAfter checks invariant 1.
func (s *stack) requireFetchesAfter(answers map[string]time.Time) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		last := map[string]time.Time{}
		for _, request := range s.fake.Requests() {
			if request.Route == fakeinflow.RouteGetSalesOrder &&
				request.Start.After(last[request.SalesOrderID]) {
				last[request.SalesOrderID] = request.Start
			}
		}
		for id, at := range answers {
			if !last[id].After(at) {
				return false
			}
		}
		return true
	}, waitFor, tick, "no fetch followed a delivery that got a 200")
}
