package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/workshop/internal/docsection"
)

// verdict is what came of a run, beside what failed in it.
type verdict struct {
	seed uint64
	size
	struck map[blow]int
	killed int

	sent, attempts, failedAttempts int
	fetches                        int
	// fetchedWhileAnswered are deliveries whose last fetch began after they had been sent
	// and before their answer had been read, as happens where the answer is slow.
	fetchedWhileAnswered int
	held                 int
	cancelled            int // runs, by hand
	hugeHeld             int // held orders with more findings than a report lists
	incomplete           int // orders that InFlow had answered for without lines when all was quiet
	notices              int // with different keys
	noticesTwice         int // with the key of one that had arrived
	caughtUpAfter        time.Duration
	ingress, worker      atRest
	scrapes, scrapesAway int // answered, and while the process was dead
	slowestScrape        time.Duration
	ingressBefore        atRest
	workerBefore         atRest
}

// judge looks from the outside only: at the stand-in's logs, at Temporal, at what arrived.
func (r *chaos) judge(t *testing.T, seed uint64, s size) *verdict {
	t.Helper()
	v := &verdict{seed: seed, size: s, struck: r.struck, ingressBefore: r.ingressAtRest, workerBefore: r.workerAtRest}
	for _, p := range []*part{r.ingress, r.worker, r.temporal} {
		v.killed += p.killed
	}
	assert.Equal(t, s.kills, v.killed, "processes that were killed")

	ended := time.Now()
	waiting, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, r.fake.WaitIdle(waiting), "InFlow still has deliveries to make")
	r.fake.Close() // and with it the connections that it keeps for later

	v.cancelled = int(r.cancelled.Load())
	r.judgeRuns(t, r.temporalClient, v)
	v.caughtUpAfter = time.Since(ended)
	r.judgeDeliveries(t, v)
	r.judgeNotices(t, v)
	r.judgeProcesses(t, v)
	r.judgeScrapes(t, v)
	return v
}

// judgeRuns: the last report of every order is of its last version, and no run is stuck.
func (r *chaos) judgeRuns(t *testing.T, temporal client.Client, v *verdict) {
	t.Helper()
	waiting, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var orders errgroup.Group
	orders.SetLimit(8)
	latest := map[string]string{}
	for _, order := range r.fake.Orders() {
		latest[order.ID] = order.Version
	}
	require.Len(t, latest, v.orders)
	var incomplete, hugeHeld atomic.Int64
	for order, id := range r.ids {
		orders.Go(func() error {
			for {
				report, err := atRestAt(waiting, temporal, id, latest[id])
				if err == nil || errors.Is(err, errLacking) {
					if err := r.judgeReport(report, order); err != nil {
						return err
					}
				}
				switch {
				case errors.Is(err, errLacking):
					incomplete.Add(1)
					_, _ = operations.CheckNow(waiting, temporal, id) // a failure is told by the next look
					continue
				case err == nil && report.FindingsOmitted > 0 && report.Status == ordercheck.StatusFailed:
					hugeHeld.Add(1)
					return nil
				case err == nil, errors.Is(err, errRunFailed):
					return err
				}
				if !pause(waiting, time.Second) {
					return fmt.Errorf("sales order %s: %w", id, err)
				}
			}
		})
	}
	require.NoError(t, orders.Wait(), "an order's last report is false or not of its last version, or its run is stuck")
	v.incomplete, v.hugeHeld = int(incomplete.Load()), int(hugeHeld.Load())

	// What is open now are held orders, each of which was just looked at, and nothing else.
	var open *workflowservice.ListWorkflowExecutionsResponse
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var err error
		open, err = temporal.ListWorkflow(waiting, &workflowservice.ListWorkflowExecutionsRequest{
			Query: "ExecutionStatus = 'Running' AND GateStatus != 'failed'",
		})
		require.NoError(c, err)
		var names []string
		for _, run := range open.GetExecutions() {
			names = append(names, run.GetExecution().GetWorkflowId())
		}
		assert.Empty(c, names, "runs that are open, and of no held order")
	}, patience, time.Second)
	held, err := temporal.CountWorkflow(waiting, &workflowservice.CountWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running' AND WorkflowType NOT IN ('" +
			ordercheck.RulesWorkflowType + "', '" + ordercheck.OutcomesWorkflowType + "')",
	})
	require.NoError(t, err)
	v.held = int(held.GetCount())
}

// judgeReport: the report of an order's last version tells the truth about it.
func (r *chaos) judgeReport(report *ordercheck.Report, order int) error {
	id, wrong := r.ids[order], r.plan.wrong[order]
	lacking := len(report.Missing) > 0
	says := fmt.Errorf("sales order %s: %w: it is %s with %d findings, lacking %v; it breaks a rule: %v",
		id, errFalse, report.Status, len(report.Findings)+report.FindingsOmitted, report.Missing, wrong)
	if len(report.Findings) > ordercheck.MaxFindings {
		return says
	}
	switch report.Status {
	case ordercheck.StatusPassed, ordercheck.StatusWarning:
		if wrong || lacking || r.neverSeenWithLines(id, report.OrderVersion) {
			return says
		}
	case ordercheck.StatusFailed, ordercheck.StatusPending:
		if !wrong && !lacking {
			return says
		}
		if huge(order) && !lacking && (len(report.Findings) != ordercheck.MaxFindings || report.FindingsOmitted == 0) {
			return says
		}
	case ordercheck.StatusIncomplete:
		if !lacking {
			return says
		}
	default:
		return says
	}
	return nil
}

// neverSeenWithLines says whether InFlow left out the lines in each answer with a version of the order.
func (r *chaos) neverSeenWithLines(id, version string) bool {
	since := r.linesLeftOut[id]
	if since.IsZero() {
		return false
	}
	return !slices.ContainsFunc(r.fake.Requests(), func(request fakeinflow.Request) bool {
		return request.Route == fakeinflow.RouteGetSalesOrder && request.SalesOrderID == id && request.OrderVersion == version &&
			(request.Start.Before(since) || request.End.After(r.faultsCleared))
	})
}

var (
	errRunFailed = errors.New("its run ended without a report")
	errLacking   = errors.New("its check lacked something")
	errFalse     = errors.New("its report is false")
)

// atRestAt says why an order's run has not yet come to rest with a report of a version.
func atRestAt(ctx context.Context, temporal client.Client, id, version string) (*ordercheck.Report, error) {
	workflowID := ordercheck.WorkflowID(id)
	described, err := temporal.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return nil, err
	}
	var report ordercheck.Report
	run := described.GetWorkflowExecutionInfo().GetExecution()
	open := false
	switch status := described.GetWorkflowExecutionInfo().GetStatus(); status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		if err := temporal.GetWorkflow(ctx, workflowID, run.GetRunId()).Get(ctx, &report); err != nil {
			return nil, err
		}
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		err := temporal.GetWorkflow(ctx, workflowID, run.GetRunId()).Get(ctx, nil)
		var cancelled *sdktemporal.CanceledError
		if !errors.As(err, &cancelled) {
			return nil, err
		}
		if err := cancelled.Details(&report); err != nil {
			return nil, fmt.Errorf("sales order %s: %w: it was cancelled: %w", id, errRunFailed, err)
		}
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		open = true
		answer, err := temporal.QueryWorkflow(ctx, workflowID, "", ordercheck.QueryReport)
		if err != nil {
			return nil, err
		}
		if err := answer.Get(&report); err != nil {
			return nil, err
		}
		if n := len(described.GetPendingActivities()); n > 0 || described.GetPendingWorkflowTask() != nil {
			return nil, fmt.Errorf("its run waits for %d activities", n)
		}
	default:
		return nil, fmt.Errorf("sales order %s: %w: %s", id, errRunFailed, status)
	}
	switch {
	case report.OrderVersion != version:
		return nil, fmt.Errorf("its last report is of version %s, InFlow has %s", report.OrderVersion, version)
	case len(report.Missing) > 0:
		return &report, errLacking
	case !open:
		return &report, nil
	case report.Status != ordercheck.StatusFailed:
		return nil, fmt.Errorf("its run is open as %s", report.Status)
	}
	return &report, oneTimer(ctx, temporal, run)
}

// oneTimer: an order that is held sleeps on one timer; those of before have fired or were cancelled.
func oneTimer(ctx context.Context, temporal client.Client, run *commonpb.WorkflowExecution) error {
	started, ended := 0, 0
	events := temporal.GetWorkflowHistory(ctx, run.GetWorkflowId(), run.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return err
		}
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_TIMER_STARTED:
			started++
		case enumspb.EVENT_TYPE_TIMER_FIRED, enumspb.EVENT_TYPE_TIMER_CANCELED:
			ended++
		default:
		}
	}
	if started-ended != 1 {
		return fmt.Errorf("its run sleeps on %d timers", started-ended)
	}
	return nil
}

// judgeDeliveries: each that was answered with 2xx was followed by a fetch.
func (r *chaos) judgeDeliveries(t *testing.T, v *verdict) {
	t.Helper()
	lastFetch := map[string]time.Time{}
	for _, request := range r.fake.Requests() {
		if request.Route == fakeinflow.RouteGetSalesOrder {
			v.fetches++
		}
		if request.Route == fakeinflow.RouteGetSalesOrder && request.Status == 200 && request.Start.After(lastFetch[request.SalesOrderID]) {
			lastFetch[request.SalesOrderID] = request.Start
		}
	}
	for _, delivery := range r.fake.Deliveries() {
		v.sent++
		assert.Equal(t, fakeinflow.DeliveryDelivered, delivery.State, "delivery %d of sales order %s", delivery.Number, delivery.SalesOrderID)
		for _, attempt := range delivery.Attempts {
			v.attempts++
			if attempt.Error != "" {
				v.failedAttempts++
				continue
			}
			fetched := lastFetch[delivery.SalesOrderID]
			if !assert.True(t, fetched.After(attempt.Start), "delivery %d of sales order %s was answered with %d at %v, and its last fetch began at %v",
				delivery.Number, delivery.SalesOrderID, attempt.Status, attempt.End, fetched) {
				continue
			}
			if !fetched.After(attempt.End) {
				v.fetchedWhileAnswered++
			}
		}
	}
	assert.Equal(t, v.deliveries, v.sent)
}

// judgeNotices: an order breaks one rule or none, so that every notice of failure but the
// first follows one that all is well. A notice whose receipt was not noted down, since the
// worker died, comes again with the same key: no sender can avoid that, and receivers know it by the key.
func (r *chaos) judgeNotices(t *testing.T, v *verdict) {
	t.Helper()
	keys := map[string]bool{}
	last := map[string]string{} // kind of an order's latest notice
	for _, n := range r.notices.all() {
		if keys[n.Key] {
			v.noticesTwice++
			continue
		}
		keys[n.Key] = true
		v.notices++
		id := n.Report.SalesOrderID
		assert.NotEqual(t, last[id], n.Kind, "sales order %s: two notices in a row with different keys", id)
		assert.Contains(t, []string{"failed", "resolved", "ended"}, n.Kind)
		last[id] = n.Kind
	}
	stillHeld := 0
	for _, kind := range last {
		if kind == "failed" {
			stillHeld++
		}
	}
	assert.Equal(t, v.held, stillHeld, "orders that are held, and orders whose last notice is of failure")
}

// judgeProcesses: nothing piles up in them.
func (r *chaos) judgeProcesses(t *testing.T, v *verdict) {
	t.Helper()
	const spare = 12 // connections to Temporal and from a scrape come and go
	// A held order in the worker's cache has its coroutines.
	const perHeldOrder = 4
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		var err error
		v.ingress, err = open(t.Context(), r.ingressAdmin, r.ingress.pid())
		require.NoError(c, err)
		v.worker, err = open(t.Context(), r.workerAdmin, r.worker.pid())
		require.NoError(c, err)
		assert.LessOrEqual(c, v.ingress.goroutines, v.ingressBefore.goroutines+spare, "goroutines of the ingress")
		assert.LessOrEqual(c, v.ingress.files, v.ingressBefore.files+spare, "open files of the ingress")
		assert.LessOrEqual(c, v.worker.goroutines, v.workerBefore.goroutines+spare+perHeldOrder*v.held, "goroutines of the worker")
		assert.LessOrEqual(c, v.worker.files, v.workerBefore.files+spare, "open files of the worker")
	}, patience, time.Second)
}

// judgeScrapes: a process that is up answers, whatever else is down.
func (r *chaos) judgeScrapes(t *testing.T, v *verdict) {
	t.Helper()
	r.scraper.mu.Lock()
	defer r.scraper.mu.Unlock()
	assert.Empty(t, r.scraper.faults)
	assert.Positive(t, r.scraper.answered)
	v.scrapes, v.scrapesAway, v.slowestScrape = r.scraper.answered, r.scraper.away, r.scraper.slowest
}

// table is the verdict in Markdown.
func (v *verdict) table() string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	b.WriteString("| | |\n| --- | --- |\n")
	row("seed", "%d", v.seed)
	row("deliveries, orders", "%d, %d, within %v", v.sent, v.orders, v.during)
	var struck []string
	for what, times := range v.struck {
		struck = append(struck, fmt.Sprintf("%s %d×", what, times))
	}
	slices.Sort(struck)
	row("what went wrong", "%s", strings.Join(struck, ", "))
	row("requests to deliver, of them failed and sent again", "%d, %d", v.attempts, v.failedAttempts)
	row("deliveries answered with 2xx that no fetch followed", "0")
	row("deliveries whose last fetch began before their answer was read", "%d", v.fetchedWhileAnswered)
	row("orders whose last report is not of their last version, runs stuck", "0, 0")
	row("requests for an order at InFlow", "%d, %.2f per delivery", v.fetches, float64(v.fetches)/float64(v.sent))
	row("runs cancelled by hand", "%d", v.cancelled)
	row("orders whose last answers lacked their lines, reported as passed", "%d, 0", v.incomplete)
	row("orders held at the end, with more findings than a report lists", "%d, %d", v.held, v.hugeHeld)
	row("notices, sent twice for one confirmed set", "%d, 0", v.notices)
	row("notices repeated with the same key after a crash", "%d", v.noticesTwice)
	row("caught up after the last blow", "%v", v.caughtUpAfter.Round(time.Second))
	row("scrapes and probes answered, of a dead process, unanswered or wrong", "%d, %d, 0", v.scrapes, v.scrapesAway)
	row("slowest answer to a scrape or probe", "%v", v.slowestScrape.Round(time.Millisecond))
	row("goroutines of ingress, worker: before, after", "%d → %d, %d → %d", v.ingressBefore.goroutines, v.ingress.goroutines, v.workerBefore.goroutines, v.worker.goroutines)
	row("open files of ingress, worker: before, after", "%d → %d, %d → %d", v.ingressBefore.files, v.ingress.files, v.workerBefore.files, v.worker.files)
	return b.String()
}

// write puts the table where the page has it.
func (v *verdict) write(page string) error {
	made := fmt.Sprintf("%s, %s, %d processors:\n\n", time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	return docsection.Replace(page, "chaos", made+v.table())
}
