package e2e_test

import (
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// document returns an order as InFlow has it, with its lines.
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

// withoutMark returns an order without what a mark changes.
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
	// Two of these requests are of the mark. A save while the gate waits for its own webhook could not
	// be told from it.
	require.Eventually(
		t,
		func() bool { return len(s.fetches(id)) == 4 && !s.deskView(id).CheckOwed },
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
	assert.Len(t, s.runs(id), 1, "the webhook of the last write starts no run")
	deliveries := 0
	for _, entry := range report.Timeline {
		if entry.Kind == ordercheck.TimelineDelivery {
			deliveries++
		}
	}
	assert.Equal(
		t,
		2,
		deliveries,
		"the order was announced when it was made and when it was fixed: %v",
		report.Timeline,
	)
}

// deskView is the answer to the desk's query, of the latest run.
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

func TestOtherPeoplesWordsInTheHoldFieldStay(t *testing.T) {
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

// TestAWriteThatDamagesAnOrderStopsAllMarks: InFlow answers 200, and a serial number is gone.
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
		"a refused key":  {fakeinflow.Fault{Status: 403}, nil},
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

			orders, err := operations.ResumeHoldMarks(t.Context(), s.temporal)
			require.NoError(t, err)
			assert.Equal(t, 2, orders)
			s.waitForMark(other, "HOLD since ")
			s.waitForMark(id, "HOLD since ")
		})
	}
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

// TestALostAnswerMakesOneMark: the write arrives, its answer doesn't.
func TestALostAnswerMakesOneMark(t *testing.T) {
	t.Parallel()
	s := newMarkStack(t, options{})
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RoutePutSalesOrder, AnswerLost: true, Times: 1,
	}))
	id := s.create("balance-wrong")
	s.waitForMark(id, "HOLD since ")
	s.fix(id)
	s.mustResult(id)
	assert.Empty(t, s.mark(id))
	stop, err := operations.HoldMarksStopped(t.Context(), s.temporal)
	require.NoError(t, err)
	assert.Nil(t, stop)
}

// TestASaveDuringAMarkIsNotOverwritten: InFlow refuses the write, and the gate reads the order again.
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
