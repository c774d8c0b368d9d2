package e2e_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

// cancel does what 'temporal workflow cancel --reason …' does for an operator.
func (s *stack) cancel(id string) error {
	_, err := s.temporal.WorkflowService().RequestCancelWorkflowExecution(s.t.Context(),
		&workflowservice.RequestCancelWorkflowExecutionRequest{
			Namespace:         s.namespace,
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: ordercheck.WorkflowID(id)},
			Identity:          "temporal-cli:anna@desk", Reason: "goods are needed",
		})
	return err
}

// cancelled waits until an order's run ends as cancelled, and returns its last report.
func (s *stack) cancelled(id string) *ordercheck.Report {
	s.t.Helper()
	_, err := s.result(id)
	var canceled *temporal.CanceledError
	require.ErrorAs(s.t, err, &canceled)
	var report ordercheck.Report
	require.NoError(s.t, canceled.Details(&report))
	return &report
}

// requireNoFailedTask checks that no workflow task failed. Temporal would retry it forever.
func (s *stack) requireNoFailedTask(id string) {
	s.t.Helper()
	for _, event := range s.history(id) {
		if failed := event.GetWorkflowTaskFailedEventAttributes(); failed != nil {
			require.Equal(s.t, enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
				failed.GetCause(), "%s", failed.GetFailure().GetMessage())
		}
	}
}

const byAnna = "temporal-cli:anna@desk ended the watch over this order by hand, by cancelling " +
	"its run. Reason: goods are needed"

// TestCancelInOneTaskWithDeliveries sends deliveries and a cancellation while no worker runs, so
// the workflow gets all of them in one task.
func TestCancelInOneTaskWithDeliveries(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := newStack(t, options{settings: holding(0), noWorker: true, notifier: r.notifier(t)})
	const orders = 12
	ids := s.createUnannounced(orders)
	for i, id := range ids {
		if i%2 == 1 {
			require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true,
				Times: 1}))
			require.NoError(t, s.fake.EditOrder(id, func(order map[string]any) {
				order["balance"] = "1.00"
			}))
		}
	}
	burst := func(id string, i int) {
		for n := range 4 {
			if n == i%4 {
				require.NoError(t, s.cancel(id))
			}
			s.postAccepted(id)
		}
	}
	for i, id := range ids {
		s.postAccepted(id)
		burst(id, i)
	}
	stop := s.startWorker()
	for i, id := range ids {
		report := s.cancelled(id)
		assert.Equal(t, byAnna, report.Note)
		assert.NotEmpty(t, s.fetches(id))
		assert.Equal(t, report.Status, s.gateStatus(id))
		if i%2 == 1 {
			assert.Equal(t, ordercheck.StatusFailed, report.Status)
			assert.Equal(t, "failed endedby-hand", r.kinds(id))
		} else {
			assert.Zero(t, report.Errors())
			assert.Empty(t, r.kinds(id))
		}
		s.requireNoFailedTask(id)
	}

	// The next delivery starts a new run. Repeat the same while the order is held.
	wrong := ids[1]
	s.postAccepted(wrong)
	require.Eventually(t, func() bool {
		return r.kinds(wrong) == "failed endedby-hand failed"
	}, waitFor, tick)
	stop()
	before := len(s.fetches(wrong))
	burst(wrong, 2)
	s.startWorker()
	assert.Equal(t, ordercheck.StatusFailed, s.cancelled(wrong).Status)
	assert.Greater(t, len(s.fetches(wrong)), before)
	assert.Equal(t, "failed endedby-hand failed endedby-hand", r.kinds(wrong))
	s.requireNoFailedTask(wrong)
}

// TestCancelsAmongDeliveries cancels orders at random moments between deliveries: while they
// settle, are fetched or held. A fetch must follow every delivery that got a 200.
func TestCancelsAmongDeliveries(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{settings: holding(0)})
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
		Every: 2, Latency: 200 * time.Millisecond}))
	ids := s.createUnannounced(12)
	answers := make([]time.Time, len(ids))
	var busy sync.WaitGroup
	for i, id := range ids {
		busy.Go(func() {
			for n := range 12 {
				answers[i] = s.postAccepted(id)
				if n%3 == i%3 {
					_ = s.cancel(id) // fails if the run has ended or is already cancelled
				}
			}
		})
	}
	busy.Wait()
	require.Eventually(t, func() bool {
		for i, id := range ids {
			fetches := s.fetches(id)
			if len(fetches) == 0 || !fetches[len(fetches)-1].Start.After(answers[i]) ||
				s.runStatus(id) == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return false
			}
		}
		return true
	}, waitFor, tick)
	for _, id := range ids {
		s.requireNoFailedTask(id)
	}
}

// TestDeliveryAfterACancel sends a delivery to a cancelled run. The run is still open, because the
// receiver of notices is down.
func TestDeliveryAfterACancel(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.ask(func() bool { return false })
	s := newStack(t, options{settings: holding(0), notifier: r.notifier(t)})
	id := s.create("balance-wrong")
	s.waitForStatus(id, ordercheck.StatusFailed)
	require.NoError(t, s.cancel(id))
	require.Eventually(t, func() bool { return s.report(id).Note == byAnna }, waitFor, tick)
	assert.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, s.runStatus(id),
		"its notices are not sent yet")
	before := len(s.fetches(id))
	s.postAccepted(id)
	require.Eventually(t, func() bool { return len(s.runs(id)) == 2 }, waitFor, tick)
	require.Eventually(t, func() bool { return len(s.fetches(id)) == before+1 }, waitFor, tick)
	r.ask(nil)
	require.Eventually(t, func() bool {
		return r.kinds(id) == "failed endedby-hand failed"
	}, waitFor, tick)
	require.NoError(t, s.cancel(id), "the next run can be cancelled too")
	assert.Equal(t, byAnna, s.cancelled(id).Note)
	assert.Equal(t, "failed endedby-hand failed endedby-hand", r.kinds(id))
	s.requireNoFailedTask(id)
}

// TestNoticeInFlightIsSentOnce makes a run continue as new while an attempt to send a notice is in
// flight. The run first waits for the attempt.
func TestNoticeInFlightIsSentOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	r.ask(func() bool {
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-release
		return true
	})
	s := newStack(t, options{settings: holding(0), notifier: r.notifier(t)})
	id := s.create("balance-wrong")
	<-arrived
	s.signal(id, 2001)
	s.postAccepted(id) // wakes a run that should continue as new
	require.Eventually(t, func() bool {
		return s.asks(id, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
	}, waitFor, tick)
	close(release)
	require.Eventually(t, func() bool { return len(s.runs(id)) == 2 }, waitFor, tick)
	s.fix(id)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	assert.Equal(t, "failed resolved", r.kinds(id))
}

// asks reports whether the order's latest run has an event of that type.
func (s *stack) asks(id string, eventType enumspb.EventType) bool {
	s.t.Helper()
	for _, event := range s.events(ordercheck.WorkflowID(id), "") {
		if event.GetEventType() == eventType {
			return true
		}
	}
	return false
}

// wrongTwice creates an order with errors of two rules, one of which is overridden.
func (s *stack) wrongTwice() (id string) {
	s.t.Helper()
	order := s.sample("no-lines")
	order["balance"] = "1.00"
	id, err := s.fake.AddOrder(order)
	require.NoError(s.t, err)
	s.waitForStatus(id, ordercheck.StatusFailed)
	report := s.report(id)
	require.Greater(s.t, len(report.Findings), 1)
	_, err = operations.Override(s.t.Context(), s.temporal, id, ordercheck.OverrideRequest{
		Findings: []string{report.Findings[0].ID}, By: "Anna", Reason: "agreed",
		Until: time.Now().AddDate(50, 0, 0),
	})
	require.NoError(s.t, err)
	return id
}

// TestOverrideSurvivesACancelledRun overrides an error before its run is cancelled. The override
// also survives a later run that could not check the order.
func TestOverrideSurvivesACancelledRun(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{settings: holding(0)})
	id := s.wrongTwice()
	require.NoError(t, s.cancel(id))
	s.cancelled(id)
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
		Status: 401, Times: 1}))
	s.postAccepted(id)
	require.Eventually(t, func() bool {
		return s.runStatus(id) == enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	}, waitFor, tick)
	require.Eventually(t, func() bool {
		return len(s.runs(id)) == 2
	}, waitFor, tick, "Temporal's list does not show the second run")
	s.postAccepted(id)
	s.waitForStatus(id, ordercheck.StatusFailed)
	first := s.report(id).Findings[0]
	assert.Equal(t, ordercheck.FindingOverridden, first.State)
	require.NotNil(t, first.Override)
	assert.Equal(t, "Anna", first.Override.By)

	// The order has a failed run, but its latest run was cancelled by hand, so a rerun skips it.
	require.NoError(t, s.cancel(id))
	s.cancelled(id)
	rerun, err := operations.Rerun(t.Context(), s.temporal, operations.RerunOptions{})
	require.NoError(t, err)
	assert.Equal(t, operations.RerunResult{Skipped: 1}, rerun)
}

// TestTerminateAndReset sends deliveries after a terminate or reset. A new run checks them.
func TestTerminateAndReset(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{settings: holding(0)})

	terminated := s.create("balance-wrong")
	s.waitForStatus(terminated, ordercheck.StatusFailed)
	require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), ordercheck.WorkflowID(terminated),
		"", "test"))
	s.postAccepted(terminated)
	require.Eventually(t, func() bool { return len(s.runs(terminated)) == 2 }, waitFor, tick)
	s.waitForStatus(terminated, ordercheck.StatusFailed)
	s.fix(terminated)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(terminated).Status)

	reset := s.wrongTwice()
	s.postAccepted(reset)
	require.Eventually(t, func() bool { return len(s.fetches(reset)) == 2 }, waitFor, tick)
	answer, err := s.temporal.ResetWorkflowExecution(t.Context(),
		&workflowservice.ResetWorkflowExecutionRequest{
			Namespace:         s.namespace,
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: ordercheck.WorkflowID(reset)},
			Reason:            "test", RequestId: "reset-" + reset,
			WorkflowTaskFinishEventId: firstTask(s, reset),
		})
	require.NoError(t, err)
	require.NotEmpty(t, answer.GetRunId())
	require.Eventually(t, func() bool {
		return len(s.fetches(reset)) > 2
	}, waitFor, tick, "the reset run starts again")
	s.waitForStatus(reset, ordercheck.StatusFailed)
	require.NoError(t, s.cancel(reset))
	s.cancelled(reset)
}

// firstTask returns the id of the first WorkflowTaskCompleted event of an order's run.
func firstTask(s *stack, id string) int64 {
	s.t.Helper()
	for _, event := range s.events(ordercheck.WorkflowID(id), "") {
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return event.GetEventId()
		}
	}
	return 0
}
