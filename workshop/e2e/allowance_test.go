package e2e_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/telemetry"
)

// starts returns the start times of all requests to InFlow, in order.
func (s *stack) starts() []time.Time {
	var starts []time.Time
	for _, request := range s.fake.Requests() {
		starts = append(starts, request.Start)
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

// rateLimited counts the requests that InFlow refused with 429.
func (s *stack) rateLimited() (n int) {
	for _, request := range s.fake.Requests() {
		if request.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// mostWithin returns the largest number of times in any window of the given length. times is
// sorted.
func mostWithin(length time.Duration, times []time.Time) (most int) {
	first := 0
	for last := range times {
		for times[last].Sub(times[first]) >= length {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// TestTwoWorkersShareTheAllowance takes a minute, because InFlow's quota is per minute. If each
// worker had its own limit, or if a burst came on top of it, InFlow would refuse a request.
func TestTwoWorkersShareTheAllowance(t *testing.T) {
	t.Parallel()
	const perMinute, orders = 60, 62
	s := newStack(t, options{allowance: perMinute})
	s.startWorker()
	ids := s.loseDeliveriesAndCreate(orders)
	// Retries count as requests too.
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
		Status: http.StatusInternalServerError, Times: 3}))
	s.deliver(ids)

	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool {
			return len(s.fetches(id)) == 0
		}) || s.rateLimited() > 0
	}, waitFor, tick)
	starts := s.starts()
	assert.Zero(t, s.rateLimited(), "InFlow refused no request")
	assert.LessOrEqual(t, mostWithin(time.Minute, starts), perMinute)
	assert.GreaterOrEqual(t, mostWithin(time.Minute, starts), perMinute*3/4,
		"most of the quota is used")
	assert.Greater(t, len(starts), perMinute, "there were more requests than fit into a minute")
}

// TestAStormOfEditsWaitsUntilItIsQuiet doesn't count fetches: on a slow machine the storm lasts
// longer, with pauses.
func TestAStormOfEditsWaitsUntilItIsQuiet(t *testing.T) {
	t.Parallel()
	// Use production settings: people save for some seconds.
	s := newStack(t, options{settings: orderlife.Settings{SettleQuiet: 2 * time.Second,
		SettleMax: 30 * time.Second}})
	ids := s.loseDeliveriesAndCreate(20)
	var mu sync.Mutex
	answered := map[string]time.Time{}
	var senders sync.WaitGroup
	for _, id := range ids {
		for range 5 {
			senders.Go(func() {
				for range 5 {
					at := s.postAccepted(id)
					mu.Lock()
					if at.After(answered[id]) {
						answered[id] = at
					}
					mu.Unlock()
				}
			})
		}
	}
	senders.Wait()

	for _, id := range ids {
		require.Eventually(t, func() bool {
			seen := s.fetches(id)
			return len(seen) > 0 && seen[len(seen)-1].Start.After(answered[id])
		}, waitFor, tick, "a fetch of order %s begins after its last delivery was answered", id)
		s.mustResult(id)
		s.assertFetchedWhenQuiet(id)
	}
}

// waitForTurn waits until a fetch of the order is queued with the priority.
func (s *stack) waitForTurn(id string, priority int32) {
	s.t.Helper()
	var waiting []*workflowpb.PendingActivityInfo
	require.Eventually(s.t, func() bool {
		run, err := s.temporal.DescribeWorkflowExecution(s.t.Context(), ordercheck.WorkflowID(id),
			"")
		waiting = run.GetPendingActivities()
		if err != nil || len(waiting) != 1 {
			return false
		}
		pending := waiting[0]
		return pending.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED &&
			pending.GetPriority().GetPriorityKey() == priority
	}, waitFor, tick, "no request of priority %d waits for order %s, but %v", priority, id,
		&waiting)
}

// startAsSweep starts a check with the lowest priority, as a sweep does.
func (s *stack) startAsSweep(id string) {
	s.t.Helper()
	_, err := s.temporal.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: ordercheck.WorkflowID(id), TaskQueue: ordercheck.TaskQueue,
		Priority: temporal.Priority{PriorityKey: ordercheck.PrioritySweep},
	}, ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: id})
	require.NoError(s.t, err)
}

// fetched returns the orders in the order of their first fetch.
func (s *stack) fetched() []string {
	requests := s.fake.Requests()
	slices.SortStableFunc(requests, func(a, b fakeinflow.Request) int {
		return a.Start.Compare(b.Start)
	})
	var ids []string
	for _, request := range requests {
		if id := request.SalesOrderID; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// TestPeopleGoBeforeWebhooksAndWebhooksBeforeTheSweep uses up the quota of one worker, so all
// fetches queue up, the least urgent ones first. Then another worker raises the quota.
func TestPeopleGoBeforeWebhooksAndWebhooksBeforeTheSweep(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(path, []byte("version: 1\nname: nothing to look "+
		"up\nrules:\n- {id: negative, scope: order, severity: error, when: 'order.total < "+
		"dec(0)', message: '\"Negative\"'}\n"), 0o600))
	live, err := live.Follow(t.Context(), []string{path},
		live.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := newStack(t, options{noWorker: true, rules: live.Set})
	s.allowance = 1
	stop := s.startWorker()
	orders := s.loseDeliveriesAndCreate(10)
	spent, swept, delivered, asked := orders[0], orders[1:4], orders[4:7], orders[7:]
	s.checkNow(spent)

	for _, id := range append(slices.Clone(swept), delivered[0], asked[2]) {
		s.startAsSweep(id)
		s.waitForTurn(id, ordercheck.PrioritySweep)
	}
	for _, id := range append(slices.Clone(delivered), asked[1]) {
		s.postAccepted(id)
		s.waitForTurn(id, ordercheck.PriorityWebhook)
	}
	// A new order, an order with a webhook, and a plain signal for an order that a sweep found.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var people sync.WaitGroup
	for _, id := range asked[:2] {
		people.Go(func() {
			report, err := operations.CheckNow(ctx, s.temporal, id)
			if assert.NoError(t, err) {
				assert.Equal(t, ordercheck.StatusPassed, report.Status)
			}
		})
	}
	require.NoError(t, s.temporal.SignalWorkflow(t.Context(), ordercheck.WorkflowID(asked[2]), "",
		ordercheck.SignalWebhookDelivered, nil))
	for _, id := range asked {
		s.waitForTurn(id, ordercheck.PriorityPerson)
	}
	require.Equal(t, []string{spent}, s.fetched(), "the quota is used up")

	stop()
	s.allowance = 60
	s.startWorker()
	people.Wait()
	require.Eventually(t, func() bool { return len(s.fetched()) == len(orders) }, waitFor, tick)
	var got []int // priorities of the fetches, in order
	for _, id := range s.fetched()[1:] {
		switch {
		case slices.Contains(asked, id):
			got = append(got, ordercheck.PriorityPerson)
		case slices.Contains(delivered, id):
			got = append(got, ordercheck.PriorityWebhook)
		default:
			got = append(got, ordercheck.PrioritySweep)
		}
	}
	overtaken := 0 // pairs in the wrong order
	for i := range got {
		for _, later := range got[i+1:] {
			if later < got[i] {
				overtaken++
			}
		}
	}
	// First come, first served would give 27. On a busy machine, neighbors may swap on the way to
	// InFlow.
	assert.LessOrEqual(t, overtaken, 2, "people first, then webhooks, then the sweep: %v", got)
	for _, id := range orders {
		assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
		assert.Len(t, s.fetches(id), 1, "fetches that were cancelled in the queue made no request")
	}
}

// scrape returns the metrics page.
func scrape(t *testing.T, recorded *telemetry.Telemetry) string {
	t.Helper()
	page := httptest.NewRecorder()
	recorded.MetricsHandler().ServeHTTP(page,
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	require.Equal(t, http.StatusOK, page.Code)
	return page.Body.String()
}

// TestRetryAfterOfInflowIsObeyed fetches orders after another program has used up the quota.
func TestRetryAfterOfInflowIsObeyed(t *testing.T) {
	t.Parallel()
	recorded, err := telemetry.Start(t.Context(),
		telemetry.Options{Service: "gate-worker", LogWriter: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, recorded.Shutdown(context.WithoutCancel(t.Context()))) })
	s := newStack(t, options{noWorker: true, telemetry: recorded})
	s.allowance = 600
	s.startWorker()
	ids := s.loseDeliveriesAndCreate(20)
	const retryAfter = 3 * time.Second
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
		Status: http.StatusTooManyRequests, RetryAfter: retryAfter}))
	s.deliver(ids)
	var first fakeinflow.Request
	require.Eventually(t, func() bool {
		for _, request := range s.fake.Requests() {
			if request.Status == http.StatusTooManyRequests {
				first = request
				return true
			}
		}
		return false
	}, waitFor, tick)
	s.fake.ClearFaults()
	for _, id := range ids {
		s.mustResult(id)
	}

	early := 0
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RouteGetSalesOrder &&
			request.Start.Before(first.Start.Add(retryAfter)) {
			early++
		}
	}
	// At 10 requests per second, all orders would be fetched within 3 s if the worker did not wait.
	assert.Less(t, early, len(ids), "some fetches waited until InFlow's Retry-After was over")
	assert.LessOrEqual(t, s.rateLimited(), early, "InFlow refused no request after the wait")

	wanted := []string{
		`gate_inflow_requests_total{operation="get sales order",outcome="ok"} 20`,
		`gate_inflow_requests_total{operation="get sales order",outcome="rate limited"} `,
		`gate_inflow_allowance_wait_seconds_count{priority="3"} `,
		`gate_inflow_allowance 600`,
		`gate_inflow_allowance_remaining_ratio 0.`,
		`gate_inflow_waiting{priority="2"} 0`, `gate_inflow_waiting{priority="3"} 0`,
		`gate_inflow_waiting{priority="4"} 0`,
		`gate_inflow_kept_back_total `,
		`temporal_activity_schedule_to_start_latency`,
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		page := scrape(t, recorded)
		for _, want := range wanted {
			assert.Contains(c, page, want)
		}
	}, waitFor, tick, "the worker reads the queue's state every few seconds")
}
