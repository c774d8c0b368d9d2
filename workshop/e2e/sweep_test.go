package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/activities"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/worker"
)

// byHand is a schedule that never triggers during a test.
var byHand = worker.Sweep{Every: 1000 * time.Hour, Days: 30, Account: "company"}

// sweepNow does what 'gate sweep' does.
func (s *stack) sweepNow() *ordercheck.Sweep {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*waitFor)
	defer cancel()
	s.waitForSchedule()
	sweep, err := operations.SweepNow(ctx, s.temporal, operations.SweepOptions{})
	require.NoError(s.t, err)
	return sweep
}

// waitForSchedule waits until a new worker has created the schedule.
func (s *stack) waitForSchedule() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		_, err := s.schedule().Describe(s.t.Context())
		return err == nil
	}, waitFor, tick)
}

func (s *stack) schedule() client.ScheduleHandle {
	return s.temporal.ScheduleClient().GetHandle(s.t.Context(), ordercheck.SweepScheduleID)
}

// latestSweep returns the id of the workflow that the schedule started last.
func (s *stack) latestSweep() string {
	s.t.Helper()
	var actions []client.ScheduleActionResult
	require.Eventually(s.t, func() bool {
		described, err := s.schedule().Describe(s.t.Context())
		if err != nil {
			return false
		}
		actions = described.Info.RecentActions
		return len(actions) > 0
	}, waitFor, tick)
	return actions[len(actions)-1].StartWorkflowResult.WorkflowID
}

// inList returns the ids of InFlow's orders, sorted by number.
func (s *stack) inList() []string {
	s.t.Helper()
	orders := s.fake.Orders()
	slices.SortStableFunc(orders, func(a, b fakeinflow.OrderSummary) int {
		return strings.Compare(a.Number, b.Number)
	})
	ids := make([]string, len(orders))
	for i := range orders {
		ids[i] = orders[i].ID
	}
	return ids
}

// miss sends the signal of a sweep that knows an older version than the run.
func (s *stack) miss(id, version string) {
	s.t.Helper()
	require.NoError(s.t, s.temporal.SignalWorkflow(s.t.Context(), ordercheck.WorkflowID(id), "",
		ordercheck.SignalWebhookDelivered,
		[]ordercheck.Delivery{{Event: ordercheck.EventMissedWebhook, ReceivedAt: time.Now(),
			OrderVersion: version}}))
}

// sees waits until a check has seen the order's latest version.
func (s *stack) sees(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		answer, err := s.temporal.QueryWorkflow(s.t.Context(), ordercheck.WorkflowID(id), "",
			ordercheck.QueryReport)
		var report ordercheck.Report
		return err == nil && answer.Get(&report) == nil && report.OrderVersion == s.version(id)
	}, waitFor, tick, "the last version of order %s is not checked", id)
}

func missedIDs(sweep *ordercheck.Sweep) []string {
	ids := make([]string, len(sweep.Orders))
	for i, order := range sweep.Orders {
		ids[i] = order.SalesOrderID
	}
	return ids
}

// TestMissedWebhooksAreFound stops the ingress until InFlow has given up deliveries.
func TestMissedWebhooksAreFound(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: time.Second,
			GracePeriod: time.Hour, HoldMax: time.Hour},
		retryDelays: []time.Duration{0, time.Second}, sweep: byHand,
	})
	var ids []string
	for _, name := range []string{"plain", "percent-discount", "compound-tax", "fully-paid",
		"balance-wrong", "total-wrong"} {
		ids = append(ids, s.createRecent(name))
	}
	old := s.create("plain")
	for _, id := range append(slices.Clone(ids), old) {
		s.waitForRun(id)
		s.sees(id)
	}
	before := s.fetchCounts(append(slices.Clone(ids), old))

	covered := s.sweepNow()
	assert.Equal(t, 6, covered.Listed)
	assert.Equal(t, 6, covered.Changed)
	assert.Zero(t, covered.Missed)
	assert.Zero(t, covered.AlreadyRunning)

	s.stopIngress()
	completed, held, unseen := ids[0], ids[4], ids[1]
	for _, id := range []string{completed, held, completed} {
		s.save(id)
	}
	created := s.createRecent("fixed-discount")
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	for _, delivery := range s.fake.Deliveries()[len(ids)+1:] {
		require.Equal(t, fakeinflow.DeliveryGivenUp, delivery.State)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhook/inflow")
	var lc net.ListenConfig
	edge, err := lc.Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	serve(t, s.newIngress(edge))
	s.save(unseen) // its delivery arrives
	s.sees(unseen)

	found := s.sweepNow()
	missed := []string{completed, held, created}
	assert.ElementsMatch(t, missed, missedIDs(found))
	assert.Equal(t, 3, found.Missed)
	assert.Equal(t, 7, found.Listed)
	for _, id := range missed {
		s.sees(id)
	}
	before[completed]++
	before[held]++
	before[unseen]++
	before[created] = 1
	all := append(slices.Clone(ids), old, created)
	assert.Equal(t, before, s.fetchCounts(all), "only the missed orders are fetched")
	assert.Len(t, s.runs(held), 1, "the order's open run has checked it")
	assert.Len(t, s.runs(completed), 2)
	s.startedBySweep(created)

	again := s.sweepNow()
	assert.Zero(t, again.Missed, "%v", again.Orders)
	assert.Equal(t, before, s.fetchCounts(all))
}

// startedBySweep checks that the order's history says that a sweep found it.
func (s *stack) startedBySweep(id string) {
	s.t.Helper()
	var reasons []string
	for _, event := range s.history(id) {
		signaled := event.GetWorkflowExecutionSignaledEventAttributes()
		for _, payload := range signaled.GetInput().GetPayloads() {
			// the first rule set in a new namespace
			if reason := string(payload.GetData()); !strings.Contains(reason,
				ordercheck.EventRulesChanged) {
				reasons = append(reasons, reason)
			}
		}
		if started := event.GetWorkflowExecutionStartedEventAttributes(); started != nil {
			assert.EqualValues(s.t, ordercheck.PrioritySweep,
				started.GetPriority().GetPriorityKey())
		}
		if scheduled :=
			event.GetActivityTaskScheduledEventAttributes(); scheduled.GetActivityType().GetName() == ordercheck.ActivityFetchOrder {
			assert.EqualValues(s.t, ordercheck.PrioritySweep,
				scheduled.GetPriority().GetPriorityKey())
		}
	}
	require.Len(s.t, reasons, 1)
	assert.Contains(s.t, reasons[0], `"event":"missed-webhook"`)
	assert.Contains(s.t, reasons[0], `"orderVersion":"`+s.version(id)+`"`)
}

// TestSweepMarksSurvive checks that a sweep continues from the previous one's mark, even with a new
// worker or schedule.
func TestSweepMarksSurvive(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{sweep: byHand, noWorker: true})
	stop := s.startWorker()
	id := s.createRecent("plain")
	s.mustResult(id)
	first := s.sweepNow()
	require.Equal(t, s.version(id), first.Marks.Next)
	assert.Empty(t, first.Marks.Mark)

	stop()
	stop = s.startWorker()
	second := s.sweepNow()
	assert.Equal(t, first.Marks.SeenAt, second.Marks.SeenAt,
		"within a minute, the first sweep's next mark is kept but not yet used")
	assert.Equal(t, first.Marks.Next, second.Marks.Next)

	// A new schedule has no last result, so the sweep looks for the previous sweep in Temporal's
	// list.
	require.NoError(t, s.schedule().Delete(t.Context()))
	require.Eventually(t, func() bool {
		_, err := s.schedule().Describe(t.Context())
		return err != nil
	}, waitFor, tick)
	stop()
	s.startWorker()
	require.Eventually(t, func() bool {
		return s.sweepNow().Marks.SeenAt.Equal(first.Marks.SeenAt)
	}, waitFor, tick)
}

// hookedOrders returns small pages, and runs a hook before each page.
type hookedOrders struct {
	*inflow.Client
	entries int

	mu     sync.Mutex
	page   int
	before func(page int)
}

func (h *hookedOrders) ListSalesOrders(
	ctx context.Context, query inflow.ListQuery,
) (inflow.SalesOrderList, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.page++
	if h.before != nil {
		h.before(h.page)
	}
	list, err := h.Client.ListSalesOrders(ctx, query)
	list.Orders = list.Orders[:min(h.entries, len(list.Orders))]
	return list, err
}

// TestEditsDuringASweep changes orders' position, version and number while a sweep reads the list.
// All webhooks are lost.
func TestEditsDuringASweep(t *testing.T) {
	t.Parallel()
	hooked := &hookedOrders{entries: 3}
	s := newStack(t, options{sweep: byHand, orders: func(c *inflow.Client) activities.Orders {
		hooked.Client = c
		return hooked
	}})
	require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
	ids := make([]string, 8)
	for i := range ids {
		order := s.recent("plain")
		order["orderNumber"] = fmt.Sprintf("SO-10%d", i)
		var err error
		ids[i], err = s.fake.AddOrder(order)
		require.NoError(t, err)
	}
	renumber := func(id, number string) {
		assert.NoError(t, s.fake.EditOrder(id, func(order map[string]any) {
			order["orderNumber"] = number
		}))
	}
	hooked.before = func(page int) {
		switch page {
		case 2:
			renumber(ids[2], "SO-999") // the next page begins with it, but it moves to the end
			s.save(ids[0])             // already read; it changes before the last page
			assert.NoError(t, s.fake.DeleteOrder(ids[1]))
		case 4:
			renumber(ids[6], "SO-050") // not read yet; it moves to a page that was read
			s.save(ids[7])
		}
	}
	first := s.sweepNow()
	hooked.mu.Lock()
	hooked.before = nil
	hooked.mu.Unlock()
	second := s.sweepNow()
	assert.LessOrEqual(t, second.Missed, 3, "unchanged orders that the first sweep read are not "+
		"checked again: %v", second.Orders)
	for i, id := range ids {
		if i != 1 {
			s.sees(id)
		}
	}
	third := s.sweepNow()
	assert.Zero(t, third.Missed, "%v", third.Orders)
	assert.Equal(t, 7, third.Listed)
	assert.GreaterOrEqual(t, first.Missed, 6)
}

// TestTwoWorkersKeepOneSchedule changes the settings and looks at the schedule.
func TestTwoWorkersKeepOneSchedule(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{sweep: worker.Sweep{Every: time.Hour, Days: 30, Account: "company"}})
	stop := s.startWorker()
	state := func() (*client.Schedule, bool) {
		described, err := s.schedule().Describe(t.Context())
		if err != nil {
			return nil, false
		}
		return &described.Schedule, true
	}
	becomes := func(what string, is func(*client.Schedule) bool) (schedule *client.Schedule) {
		t.Helper()
		require.Eventually(t, func() (ok bool) {
			schedule, ok = state()
			return ok && is(schedule)
		}, waitFor, tick, what)
		return schedule
	}
	every := func(d time.Duration) func(*client.Schedule) bool {
		return func(schedule *client.Schedule) bool { return schedule.Spec.Intervals[0].Every == d }
	}
	schedule := becomes("made", every(time.Hour))
	assert.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, schedule.Policy.Overlap)
	assert.Equal(t, time.Hour, schedule.Policy.CatchupWindow)
	assert.False(t, schedule.State.Paused)
	assert.Equal(t, ordercheck.PrioritySweep,
		schedule.Action.(*client.ScheduleWorkflowAction).Priority.PriorityKey)

	restart := func(sweep worker.Sweep) {
		stop()
		s.sweep = sweep
		stop = s.startWorker()
	}
	restart(worker.Sweep{Every: 2 * time.Hour, Days: 7, Account: "company"})
	becomes("changed", every(2*time.Hour))
	assert.Equal(t, time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -7), s.sweepNow().From)

	restart(worker.Sweep{Days: 7, Account: "company"})
	becomes("paused", func(schedule *client.Schedule) bool {
		return schedule.State.Paused && strings.Contains(schedule.State.Note, "SWEEP_EVERY is 0")
	})
	assert.Zero(t, s.sweepNow().Listed, "a person can still sweep")

	restart(worker.Sweep{Every: time.Hour, Days: 7, Account: "company"})
	becomes("on again", func(schedule *client.Schedule) bool {
		return !schedule.State.Paused && every(time.Hour)(schedule)
	})

	require.NoError(t, s.schedule().Pause(t.Context(),
		client.SchedulePauseOptions{Note: "stocktaking"}))
	restart(worker.Sweep{Every: 3 * time.Hour, Days: 7, Account: "company"})
	becomes("changed, and still paused", func(schedule *client.Schedule) bool {
		return every(3*time.Hour)(schedule) && schedule.State.Paused &&
			schedule.State.Note == "stocktaking"
	})
}

// TestSweepsDoNotOverlap starts a second sweep, which waits for the first one.
func TestSweepsDoNotOverlap(t *testing.T) {
	t.Parallel()
	reading, goOn := make(chan struct{}), make(chan struct{})
	hooked := &hookedOrders{entries: 100}
	hooked.before = func(page int) {
		if page == 1 {
			close(reading)
			<-goOn
		}
	}
	s := newStack(t, options{sweep: byHand, orders: func(c *inflow.Client) activities.Orders {
		hooked.Client = c
		return hooked
	}})
	results := make(chan *ordercheck.Sweep, 2)
	go func() { results <- s.sweepNow() }()
	<-reading
	alreadyRunning := make(chan string, 1)
	go func() {
		sweep, err := operations.SweepNow(t.Context(), s.temporal,
			operations.SweepOptions{AlreadyRunning: func(id string) {
				alreadyRunning <- id
			}})
		assert.NoError(t, err)
		results <- sweep
	}()
	assert.Contains(t, <-alreadyRunning, ordercheck.SweepScheduleID)
	close(goOn)
	first, second := <-results, <-results
	require.NotNil(t, first)
	require.NotNil(t, second)
	assert.False(t, second.BeganAt.Before(first.EndedAt), "the second sweep begins after the "+
		"first has ended")
}

// TestMetricsOfSweeps checks that a new worker knows the time of the last successful sweep.
func TestMetricsOfSweeps(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{sweep: byHand})
	require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
	s.createRecent("plain")
	sweep := s.sweepNow()
	require.Equal(t, 1, sweep.Missed)
	// Wait for Temporal's list, because a worker reads it only twice a minute.
	require.Eventually(t, func() bool {
		count, err := s.temporal.CountWorkflow(t.Context(),
			&workflowservice.CountWorkflowExecutionsRequest{
				Namespace: s.namespace, Query: "WorkflowType = 'SweepOrders' AND ExecutionStatus = " +
					"'Completed'",
			})
		return err == nil && count.GetCount() == 1
	}, waitFor, tick)

	reader := metric.NewManualReader()
	serve(t, func(ctx context.Context) error {
		return s.gate().RunWorker(ctx, worker.Options{
			Sweep: byHand, InflowRequestsPerMinute: plenty,
			Meter: metric.NewMeterProvider(metric.WithReader(reader)),
		}, &activities.Activities{Orders: s.inflow, Rules: s.rules})
	})
	var gauges map[string]float64
	require.Eventually(t, func() bool {
		gauges = gaugeValues(t, reader)
		return gauges["gate.sweep.last.success"] > 0
	}, waitFor, tick)
	assert.InDelta(t, float64(sweep.EndedAt.Unix()), gauges["gate.sweep.last.success"], 60)
	assert.InDelta(t, 1, gauges["gate.sweep.last.missed"], 0)
	assert.InDelta(t, byHand.Every.Seconds(), gauges["gate.sweep.every"], 0)
}

// TestCommandsStopWaiting runs commands until --wait is over. They say so, and that their work
// continues.
func TestCommandsStopWaiting(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{sweep: byHand})
	s.waitForSchedule()
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Status: 503}))
	for command, want := range map[string]struct {
		status int
		says   string
	}{
		"sweep --wait 4s": {1, "the sweep has not ended within 4s and goes on: see " +
			"workflow type SweepOrders"},
		"check an-order --wait 4s": {2, "no report within 4s: the check goes on as workflow " +
			"sales-order-an-order"},
	} {
		output, err := s.shell("gate "+command, "")
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, output)
		assert.Equal(t, want.status, exit.ExitCode(), command)
		assert.Contains(t, output, want.says)
		assert.Equal(t, 1, strings.Count(output, "\n"), output)
	}
}

// sweepFrom runs a sweep that starts from mark. The schedule's own sweeps leave a mark only if they
// are at least a minute apart.
func (s *stack) sweepFrom(mark string) *ordercheck.Sweep {
	s.t.Helper()
	now := time.Now().UTC()
	run, err := s.temporal.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: "sweep-from-a-mark", TaskQueue: ordercheck.TaskQueue,
	}, ordercheck.SweepWorkflowType, ordercheck.SweepStart{
		Account: "company",
		Carried: &ordercheck.CarriedSweep{NewestFirst: true, Sweep: ordercheck.Sweep{
			From: now.AddDate(0, 0, -30), BeganAt: now, NewestFirst: true,
			Orders: []ordercheck.ListedOrder{},
			Marks: ordercheck.SweepMarks{
				Mark: mark, Next: mark, SeenAt: now.Add(-time.Hour), Account: "company",
			},
		}},
	})
	require.NoError(s.t, err)
	var sweep ordercheck.Sweep
	require.NoError(s.t, run.Get(s.t.Context(), &sweep))
	return &sweep
}

// lists returns the requests for lists of orders. They include the look-up of a customer's orders,
// which the worker caches for the customer's next orders.
func (s *stack) lists() (lists []fakeinflow.Request) {
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RouteListSalesOrders {
			lists = append(lists, request)
		}
	}
	return lists
}

// unsortedOrders lists orders by number, whatever the query asks for.
type unsortedOrders struct{ *inflow.Client }

func (u unsortedOrders) ListSalesOrders(
	ctx context.Context, query inflow.ListQuery,
) (inflow.SalesOrderList, error) {
	query.NewestFirst = false
	return u.Client.ListSalesOrders(ctx, query)
}

// TestAnOldOrderEditedTodayIsFound edits an order whose date is before the sweep's days, and loses
// the webhook. The sweep finds the order. If InFlow does not sort, the sweep finds only recent
// orders, and says so.
func TestAnOldOrderEditedTodayIsFound(t *testing.T) {
	t.Parallel()
	for name, sorted := range map[string]bool{"sorted": true, "not sorted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, options{sweep: byHand, orders: func(c *inflow.Client) activities.Orders {
				if sorted {
					return c
				}
				return unsortedOrders{c}
			}})
			old := s.create("plain")
			ids := []string{old}
			for range 5 {
				ids = append(ids, s.createRecent("plain"))
			}
			for _, id := range ids {
				s.waitForRun(id)
				s.sees(id)
			}
			mark := s.version(ids[5])
			s.stopIngress()
			s.save(ids[2])
			s.save(old)

			before := len(s.lists())
			done := s.sweepFrom(mark)
			if !sorted {
				assert.Equal(t, []string{ids[2]}, missedIDs(done))
				assert.False(t, done.NewestFirst)
				assert.NotZero(t, done.Marks.UnsortedAt)
				assert.Equal(t, 5, done.Listed)
				return
			}
			assert.Equal(t, []string{old, ids[2]}, missedIDs(done), "the one saved last comes first")
			assert.True(t, done.NewestFirst)
			assert.Equal(t, 2, done.Listed)
			assert.Len(t, s.lists(), before+1, "one request")
			s.sees(old)
			s.sees(ids[2])
		})
	}
}
