package e2e_test

import (
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/activities"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

const holdField = "custom3"

// newMarkStack returns a stack whose workers show holds in a custom field.
func newMarkStack(t *testing.T, o options) *stack {
	t.Helper()
	var err error
	o.holdMarks, err = activities.NewHoldMarks(holdField, "", time.UTC, false)
	require.NoError(t, err)
	return newStack(t, o)
}

// document returns InFlow's document of an order, with its lines.
func (s *stack) document(id string) map[string]any {
	s.t.Helper()
	document, err := s.fake.Order(id)
	require.NoError(s.t, err)
	return document
}

// mark returns the hold field of an order.
func (s *stack) mark(id string) string {
	custom, _ := s.document(id)["customFields"].(map[string]any)
	text, _ := custom[holdField].(string)
	return text
}

func (s *stack) waitForMark(id, prefix string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		if prefix == "" {
			return s.mark(id) == ""
		}
		return strings.HasPrefix(s.mark(id), prefix)
	}, waitFor, tick, "the mark of order %s is %q", id, s.mark(id))
}

// writes returns the requests that wrote an order.
func (s *stack) writes(id string) (writes []fakeinflow.Request) {
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RoutePutSalesOrder && request.SalesOrderID == id {
			writes = append(writes, request)
		}
	}
	return writes
}

// withoutMark returns an order without the fields that a mark changes.
func withoutMark(document map[string]any) map[string]any {
	rest := map[string]any{}
	for name, value := range document {
		switch name {
		case "timestamp", "lastModifiedById", "customFields":
		default:
			rest[name] = value
		}
	}
	return rest
}

func TestAHoldShowsOnTheOrderInInflow(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	order := s.sample("balance-wrong")
	order["customFields"] = map[string]any{"custom1": "kept"}
	id, err := s.fake.AddOrder(order)
	require.NoError(t, err)
	before := withoutMark(s.document(id))

	s.waitForMark(id, "HOLD since ")
	assert.Contains(t, s.mark(id), s.report(id).Findings[0].Message[:20])
	custom, ok := s.document(id)["customFields"].(map[string]any)
	require.True(t, ok)
	assert.Equal(t, "kept", custom["custom1"])
	assert.Equal(t, before, withoutMark(s.document(id)), "nothing else has changed")
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	require.Eventually(
		t,
		func() bool { return s.report(id).OrderVersion == s.version(id) },
		waitFor,
		tick,
		"the report is of the version that the mark made",
	)
	// Two of these requests are for the mark. Wait for them, because the gate could take a save for
	// its own write while it waits for the webhook of that write.
	require.Eventually(
		t,
		func() bool { return len(s.fetches(id)) == 4 && !s.deskView(id).CheckDue },
		waitFor,
		tick,
	)
	evaluated := s.evaluations(id)

	s.fix(id)
	report := s.mustResult(id)
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Empty(t, s.mark(id), "the run ends after the mark is gone")
	assert.Len(t, s.writes(id), 2)
	assert.Equal(t, evaluated+1, s.evaluations(id), "the gate's own writes are not evaluated")
	assert.Equal(t, []int{4, 2, 2, 4, 2, 2}, s.markPriorities(id),
		"only the first request of a mark waits for others")
	assert.Len(t, s.runs(id), 1, "the webhook of the last write starts no run")
	assert.Equal(
		t,
		2,
		deliveriesIn(report),
		"the order was announced when it was made and when it was fixed: %v",
		report.Timeline,
	)
}

// markPriorities returns the priorities of the requests for an order's marks.
func (s *stack) markPriorities(id string) (priorities []int) {
	s.t.Helper()
	for _, event := range s.history(id) {
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		switch scheduled.GetActivityType().GetName() {
		case ordercheck.ActivityReadHoldField, ordercheck.ActivityWriteHoldField:
			priorities = append(priorities, int(scheduled.GetPriority().GetPriorityKey()))
		}
	}
	return priorities
}

// deskView returns the answer of the latest run to the desk's query.
func (s *stack) deskView(id string) (view ordercheck.DeskView) {
	s.t.Helper()
	answer, err := s.temporal.QueryWorkflow(
		s.t.Context(),
		ordercheck.WorkflowID(id),
		"",
		ordercheck.QueryDesk,
	)
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Get(&view))
	return view
}

// evaluations counts the evaluations of an order.
func (s *stack) evaluations(id string) (n int) {
	s.t.Helper()
	for _, event := range s.history(id) {
		if event.GetActivityTaskScheduledEventAttributes().
			GetActivityType().
			GetName() ==
			ordercheck.ActivityCheckOrder {
			n++
		}
	}
	return n
}

func TestWithoutAHoldFieldNoOrderIsWritten(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	id := s.create("balance-wrong")
	s.waitForStatus(id, ordercheck.StatusFailed)
	s.fix(id)
	s.mustResult(id)
	for _, request := range s.fake.Requests() {
		assert.NotEqual(t, fakeinflow.RoutePutSalesOrder, request.Route)
	}
}

func TestTextsOfPeopleInTheHoldFieldStay(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	order := s.sample("balance-wrong")
	order["customFields"] = map[string]any{holdField: "call Bob"}
	id, err := s.fake.AddOrder(order)
	require.NoError(t, err)
	s.waitForStatus(id, ordercheck.StatusFailed)
	s.fix(id)
	s.mustResult(id)
	assert.Equal(t, "call Bob", s.mark(id))
	assert.Empty(t, s.writes(id))
}

// TestAWriteThatDamagesAnOrderStopsAllMarks makes InFlow answer a write with 200 and lose a serial
// number.
func TestAWriteThatDamagesAnOrderStopsAllMarks(t *testing.T) {
	t.Parallel()
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })
	for name, tt := range map[string]struct {
		fault   fakeinflow.Fault
		damaged []string
	}{
		"serial numbers": {fakeinflow.Fault{Write: fakeinflow.WriteFault{SerialsDropped: true}}, []string{"lines"}},
		"another field":  {fakeinflow.Fault{Write: fakeinflow.WriteFault{Changed: "poNumber"}}, []string{"poNumber"}},
		"a lost answer": {
			fakeinflow.Fault{
				AnswerLost: true, Times: 1, Write: fakeinflow.WriteFault{SerialsDropped: true},
			},
			[]string{"lines"},
		},
		"a refused key": {fakeinflow.Fault{Status: 403}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := strings.ReplaceAll(name, " ", "-") + "@example.com"
			notifier, err := notify.New(notify.Options{
				SMTP: notify.SMTP{
					Addr: catcher.SMTPAddr,
					TLS:  notify.TLSNone,
					From: mail.Address{Address: "gate@example.com"},
				},
				To: []mail.Address{{Address: receiver}},
			})
			require.NoError(t, err)
			s := newMarkStack(t, options{notifier: notifier})
			fault := tt.fault
			fault.Route = fakeinflow.RoutePutSalesOrder
			require.NoError(t, s.fake.SetFault(fault))
			id := s.createWithSerials()
			var stop *ordercheck.HoldMarksStop
			require.Eventually(t, func() bool {
				stop, err = operations.HoldMarksStopped(t.Context(), s.temporal)
				return err == nil && stop != nil
			}, waitFor, tick)
			assert.Equal(t, id, stop.SalesOrderID)
			assert.Equal(t, tt.damaged, stop.Damaged)
			require.Eventually(t, func() bool {
				caught, err := catcher.List(t.Context())
				require.NoError(t, err)
				return slices.ContainsFunc(caught, func(m mailcatcher.Summary) bool {
					return strings.Contains(m.Subject, "[STOPPED]") && m.To[0].Address == receiver
				})
			}, waitFor, tick)

			s.fake.ClearFaults()
			other := s.create("balance-wrong")
			s.waitForStatus(other, ordercheck.StatusFailed)
			s.waitForStatus(id, ordercheck.StatusFailed)
			written := len(s.writes(other))
			assert.Zero(t, written, "no other order is marked")

			assert.Equal(t, 2, s.resumeMarks())
			s.waitForMark(other, "HOLD since ")
			s.waitForMark(id, "HOLD since ")
		})
	}
}

// resumeMarks does what 'gate marks resume' does.
func (s *stack) resumeMarks() (orders int) {
	s.t.Helper()
	require.NoError(s.t, operations.ResumeHoldMarks(s.t.Context(), s.temporal))
	orders, err := operations.CheckForHoldMarks(s.t.Context(), s.temporal)
	require.NoError(s.t, err)
	return orders
}

// createWithSerials makes a wrong order whose first line has serial numbers.
func (s *stack) createWithSerials() string {
	s.t.Helper()
	order := s.sample("balance-wrong")
	lines, ok := order["lines"].([]any)
	require.True(s.t, ok)
	line, ok := lines[0].(map[string]any)
	require.True(s.t, ok)
	quantity, ok := line["quantity"].(map[string]any)
	require.True(s.t, ok)
	quantity["serialNumbers"] = []any{"S1", "S2"}
	id, err := s.fake.AddOrder(order)
	require.NoError(s.t, err)
	return id
}

// TestALostAnswerMakesOneMark makes InFlow apply a write whose answer is lost.
func TestALostAnswerMakesOneMark(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RoutePutSalesOrder, AnswerLost: true, Times: 1,
	}))
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	s.waitForCompleted(id, ordercheck.ActivityReadHoldField, 2)
	s.waitForCompleted(id, ordercheck.ActivityFetchOrder, 2) // for the webhook of the write
	s.fix(id)
	report := s.mustResult(id)
	assert.Empty(t, s.mark(id))
	assert.Equal(t, 2, s.applied(id))
	assert.Equal(t, 2, deliveriesIn(report), "the gate's own writes are not deliveries: %v", report.Timeline)
	s.requireMarksOn()
}

// waitForCompleted waits until the order's latest run has completed an activity n times.
func (s *stack) waitForCompleted(id, activity string, n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		scheduled, completed := map[int64]bool{}, 0
		for _, event := range s.history(id) {
			attributes := event.GetActivityTaskScheduledEventAttributes()
			if attributes.GetActivityType().GetName() == activity {
				scheduled[event.GetEventId()] = true
			}
			done := event.GetActivityTaskCompletedEventAttributes()
			if done != nil && scheduled[done.GetScheduledEventId()] {
				completed++
			}
		}
		return completed >= n
	}, waitFor, tick)
}

// applied counts the writes of an order that InFlow applied.
func (s *stack) applied(id string) (n int) {
	for _, write := range s.writes(id) {
		if write.Status == http.StatusOK || write.Status == 0 { // 0: nobody had the answer
			n++
		}
	}
	return n
}

func deliveriesIn(report *ordercheck.Report) (n int) {
	for _, entry := range report.Timeline {
		if entry.Kind == ordercheck.TimelineDelivery {
			n++
		}
	}
	return n
}

func (s *stack) requireMarksOn() {
	s.t.Helper()
	stop, err := operations.HoldMarksStopped(s.t.Context(), s.temporal)
	require.NoError(s.t, err)
	require.Nil(s.t, stop)
}

// TestAWorkerKilledDuringAMark kills a worker when InFlow has written the mark but Temporal does
// not know yet.
func TestAWorkerKilledDuringAMark(t *testing.T) {
	t.Parallel()
	for name, damaged := range map[string][]string{"no damage": nil, "damage": {"lines"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newMarkStack(t, options{noWorker: true})
			if damaged != nil {
				require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
					Route: fakeinflow.RoutePutSalesOrder, Times: 1,
					Write: fakeinflow.WriteFault{SerialsDropped: true},
				}))
			}
			stuck := s.startRole(roleStuckMark)
			id := s.createWithSerials()
			stuck.waitForLine(writtenLine)
			require.NoError(t, stuck.Process.Kill())
			_ = stuck.Wait() // returns the kill as an error
			s.waitForMark(id, "HOLD since ")

			s.startWorker()
			// Temporal waits 20 seconds for the worker that was killed.
			if damaged != nil {
				var stop *ordercheck.HoldMarksStop
				require.Eventually(t, func() bool {
					var err error
					stop, err = operations.HoldMarksStopped(t.Context(), s.temporal)
					return err == nil && stop != nil
				}, waitFor, tick)
				assert.Equal(t, damaged, stop.Damaged)
				return
			}
			s.waitForCompleted(id, ordercheck.ActivityReadHoldField, 2)
			evaluated := s.evaluations(id)
			s.fix(id)
			require.Eventually(t, func() bool { return s.mark(id) == "" }, waitFor, tick)
			report := s.mustResult(id)
			assert.Equal(t, ordercheck.StatusPassed, report.Status)
			assert.Equal(t, evaluated+1, s.evaluations(id), "the gate's own writes are not evaluated")
			s.requireMarksOn()
		})
	}
}

// TestTwoWorkersWriteOneMark runs two workers. They write one mark, because an order has one run.
func TestTwoWorkersWriteOneMark(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	s.startWorker()
	var ids []string
	for range 4 {
		ids = append(ids, s.create("balance-wrong"))
	}
	for _, id := range ids {
		s.waitForMark(id, "HOLD since ")
		s.fix(id)
	}
	for _, id := range ids {
		s.mustResult(id)
		assert.Empty(t, s.mark(id))
		assert.Equal(t, 2, s.applied(id))
	}
}

// TestAWorkerWithoutTheFieldLeavesNoMark switches marks off for one worker, because a setting
// reaches the workers one after the other.
func TestAWorkerWithoutTheFieldLeavesNoMark(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	s.holdMarks = nil
	s.startWorker()
	s.fix(id)
	require.Eventually(t, func() bool { return s.mark(id) == "" }, waitFor, tick)
	s.mustResult(id)
}

// TestAMarkIsWrittenAcrossRuns makes a run continue as new during a slow write.
func TestAMarkIsWrittenAcrossRuns(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RoutePutSalesOrder, Latency: 5 * time.Second, Times: 1,
	}))
	id := s.create("balance-wrong")
	s.waitForStatus(id, ordercheck.StatusFailed)
	s.waitForScheduled(id, ordercheck.ActivityWriteHoldField)
	s.signal(id, 2001)
	require.Eventually(t, func() bool { return len(s.runs(id)) == 2 }, waitFor, tick)
	s.waitForMark(id, "HOLD since ")
	s.fix(id)
	s.mustResult(id)
	assert.Empty(t, s.mark(id))
	assert.Equal(t, 2, s.applied(id))
	s.requireMarksOn()
}

// waitForScheduled waits until the order's latest run has scheduled an activity.
func (s *stack) waitForScheduled(id, activity string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		for _, event := range s.history(id) {
			scheduled := event.GetActivityTaskScheduledEventAttributes()
			if scheduled.GetActivityType().GetName() == activity {
				return true
			}
		}
		return false
	}, waitFor, tick)
}

// TestARightOrderKeepsItsRunWhileMarksAreStopped fixes an order while marks are stopped. If its run
// ended, nothing would remove the mark later.
func TestARightOrderKeepsItsRunWhileMarksAreStopped(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RoutePutSalesOrder, Status: 403,
	}))
	s.fix(id)
	require.Eventually(t, func() bool {
		stop, err := operations.HoldMarksStopped(t.Context(), s.temporal)
		return err == nil && stop != nil
	}, waitFor, tick)
	s.waitForStatus(id, ordercheck.StatusPassed)
	assert.NotEmpty(t, s.mark(id))
	s.fake.ClearFaults()
	assert.Equal(t, 1, s.resumeMarks(), "the run is open")
	s.mustResult(id)
	assert.Empty(t, s.mark(id))
}

func TestTextAppendedToAMarkStays(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	words := s.mark(id) + " - CALL BOB"
	require.NoError(t, s.fake.SetField(id, "customFields."+holdField, words))
	s.fix(id)
	s.mustResult(id)
	assert.Equal(t, words, s.mark(id))
	assert.Len(t, s.writes(id), 1)
}

// TestAChangedFieldMovesTheMark changes the setting of the hold field while an order is held.
func TestAChangedFieldMovesTheMark(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{noWorker: true})
	stop := s.startWorker()
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	stop()
	var err error
	s.holdMarks, err = activities.NewHoldMarks("custom4", "", time.UTC, false)
	require.NoError(t, err)
	s.startWorker()
	s.resumeMarks()
	s.waitForMark(id, "")
	require.Eventually(t, func() bool {
		custom, _ := s.document(id)["customFields"].(map[string]any)
		return custom["custom4"] != nil && custom["custom4"] != ""
	}, waitFor, tick)
}

// TestASaveDuringAMarkIsNotOverwritten saves an order while the gate marks it. InFlow refuses the
// write, and the gate reads the order again.
func TestASaveDuringAMarkIsNotOverwritten(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RoutePutSalesOrder, Status: 409, Times: 2,
	}))
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	puts := 0
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RoutePutSalesOrder {
			puts++
		}
	}
	assert.Equal(t, 3, puts)
}

func TestAMarkOfATerminatedRunIsTakenAway(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	err := s.temporal.TerminateWorkflow(t.Context(), ordercheck.WorkflowID(id), "", "a test")
	require.NoError(t, err)
	s.fix(id)
	require.Eventually(t, func() bool { return len(s.runs(id)) == 2 }, waitFor, tick)
	s.mustResult(id)
	assert.Empty(t, s.mark(id))
}

// TestTheSweepTakesAwayTheMarkOfATerminatedRun sweeps an order that nobody saves again. Its error
// now has a grace period of an hour, so the order is not held.
func TestTheSweepTakesAwayTheMarkOfATerminatedRun(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{noWorker: true, sweep: byHand})
	stop := s.startWorker()
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	s.sweepNow()
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	stop()
	s.settings = holding(time.Hour)
	s.startWorker()
	err := s.temporal.TerminateWorkflow(t.Context(), ordercheck.WorkflowID(id), "", "a test")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.sweepNow().Terminated == 1 }, waitFor, tick,
		"Temporal lists the run as terminated a moment later")
	s.waitForMark(id, "")
	assert.Len(t, s.runs(id), 2)
	assert.Zero(t, s.sweepNow().Terminated)
}

// TestAMarkOfAResetRunIsTakenAway resets a run to a time before its mark, so the run does not know
// the mark.
func TestAMarkOfAResetRunIsTakenAway(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	var before int64 // the workflow task that ends with the first step of the mark
	for _, event := range s.history(id) {
		if event.GetWorkflowTaskCompletedEventAttributes() != nil {
			before = event.GetEventId()
		}
		name := event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
		if name == ordercheck.ActivityReadHoldField {
			break
		}
	}
	_, err := s.temporal.ResetWorkflowExecution(t.Context(),
		&workflowservice.ResetWorkflowExecutionRequest{
			Namespace: s.namespace, RequestId: uuid.NewString(), Reason: "a test",
			WorkflowExecution:         &commonpb.WorkflowExecution{WorkflowId: ordercheck.WorkflowID(id)},
			WorkflowTaskFinishEventId: before,
		})
	require.NoError(t, err)
	s.fix(id)
	report := s.mustResult(id)
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Empty(t, s.mark(id))
}
