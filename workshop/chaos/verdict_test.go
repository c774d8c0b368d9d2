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

// verdict holds the numbers of a run. The test itself reports failures.
type verdict struct {
	seed uint64
	size
	injected map[faultKind]int
	killed   int

	sent, attempts, failedAttempts int
	fetches                        int
	// fetchedWhileAnswered counts deliveries whose last fetch began after they were sent and before
	// their answer was read. This happens if the answer is slow.
	fetchedWhileAnswered int
	writes               writes
	held                 int
	cancelled            int // runs, by hand
	hugeHeld             int // held orders with more findings than a report lists
	incomplete           int // orders whose last answers from InFlow lacked their lines
	notices              int // with different keys
	noticesTwice         int // with a key that had already arrived
	caughtUpAfter        time.Duration
	ingress, worker      resources
	scrapes, scrapesAway int // scrapes answered, and scrapes while the process was dead
	slowestScrape        time.Duration
	ingressBefore        resources
	workerBefore         resources
}

// judge checks the result of a run from the outside: it reads the stand-in's orders and logs,
// Temporal's data, and the notices that arrived.
func (r *chaos) judge(t *testing.T, seed uint64, s size) *verdict {
	t.Helper()
	v := &verdict{
		seed: seed, size: s, injected: r.injected,
		ingressBefore: r.ingressAtRest, workerBefore: r.workerAtRest,
	}
	for _, p := range []*part{r.ingress, r.worker, r.temporal} {
		v.killed += p.killed
	}
	assert.Equal(t, s.kills, v.killed, "processes that were killed")

	ended := time.Now()
	waiting, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	v.cancelled = int(r.cancelled.Load())
	// The last marks cause webhooks, which must change nothing.
	for range 2 {
		require.NoError(t, r.fake.WaitIdle(waiting), "InFlow still has deliveries to make")
		r.judgeRuns(t, r.temporalClient, v)
	}
	v.caughtUpAfter = time.Since(ended)
	r.fake.Close() // with its idle connections
	r.judgeWrites(t, v)
	r.judgeDeliveries(t, v)
	r.judgeNotices(t, v)
	r.judgeProcesses(t, v)
	r.judgeScrapes(t, v)
	return v
}

// judgeRuns waits until the last report of every order is about its last version and the order's
// mark is right. No run may be stuck.
func (r *chaos) judgeRuns(t *testing.T, temporal client.Client, v *verdict) {
	t.Helper()
	waiting, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var orders errgroup.Group
	orders.SetLimit(8)
	require.Len(t, r.fake.Orders(), v.orders)
	var incomplete, hugeHeld atomic.Int64
	for order, id := range r.ids {
		orders.Go(func() error {
			for {
				report, err := r.atRest(waiting, temporal, id)
				if err == nil || errors.Is(err, errLacking) {
					if err := r.judgeReport(report, order); err != nil {
						return err
					}
				}
				switch {
				case errors.Is(err, errLacking):
					incomplete.Add(1)
					// The next pass finds a failure.
					_, _ = operations.CheckNow(waiting, temporal, id)
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
	require.NoError(t, orders.Wait(), "an order's last report is wrong or of an older version, "+
		"its mark is wrong, or its run is stuck")
	v.incomplete, v.hugeHeld = v.incomplete+int(incomplete.Load()), int(hugeHeld.Load())

	// Only runs of held orders may be open. Their orders were checked just now.
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
		assert.Empty(c, names, "open runs of orders that are not held")
	}, patience, time.Second)
	held, err := temporal.CountWorkflow(waiting, &workflowservice.CountWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running' AND WorkflowType NOT IN ('" +
			ordercheck.RulesWorkflowType + "', '" + ordercheck.OutcomesWorkflowType + "')",
	})
	require.NoError(t, err)
	v.held = int(held.GetCount())
}

// judgeReport returns an error if the report of an order's last version is wrong.
func (r *chaos) judgeReport(report *ordercheck.Report, order int) error {
	id, wrong := r.ids[order], r.plan.wrong[order]
	lacking := len(report.Missing) > 0
	findings := len(report.Findings) + report.FindingsOmitted
	says := fmt.Errorf(
		"sales order %s: %w: it is %s with %d findings, lacking %v; it breaks a rule: %v",
		id, errFalse, report.Status, findings, report.Missing, wrong)
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
		cut := len(report.Findings) == ordercheck.MaxFindings && report.FindingsOmitted > 0
		if huge(order) && !lacking && !cut {
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

// neverSeenWithLines reports whether InFlow left the lines out of every answer since a person last
// saved the order, up to this version. The gate's own writes make versions with the same lines.
func (r *chaos) neverSeenWithLines(id, version string) bool {
	since := r.linesLeftOut[id]
	if since.IsZero() {
		return false
	}
	saved := r.written[id].before
	return !slices.ContainsFunc(r.fake.Requests(), func(request fakeinflow.Request) bool {
		return request.Route == fakeinflow.RouteGetSalesOrder && request.SalesOrderID == id &&
			request.OrderVersion > saved && request.OrderVersion <= version &&
			(request.Start.Before(since) || request.End.After(r.faultsCleared))
	})
}

var (
	errRunFailed = errors.New("its run ended without a report")
	errLacking   = errors.New("its check lacked data")
	errFalse     = errors.New("its report is wrong")
)

// atRest returns the report of an order, or an error if the order's run has not come to rest with a
// report of the order's version and with the mark that belongs to it.
func (r *chaos) atRest(
	ctx context.Context, temporal client.Client, id string,
) (*ordercheck.Report, error) {
	order, err := r.fake.Order(id)
	if err != nil {
		return nil, err
	}
	version, _ := order["timestamp"].(string)
	report, open, err := atRestAt(ctx, temporal, id, version)
	if err == nil {
		err = judgeMark(order, report, open)
	}
	return report, err
}

// atRestAt returns the report of an order's latest run, and whether the run is open. It fails if
// the run has not come to rest with a report of that version.
func atRestAt(
	ctx context.Context, temporal client.Client, id, version string,
) (_ *ordercheck.Report, open bool, _ error) {
	workflowID := ordercheck.WorkflowID(id)
	described, err := temporal.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return nil, false, err
	}
	var report ordercheck.Report
	run := described.GetWorkflowExecutionInfo().GetExecution()
	switch status := described.GetWorkflowExecutionInfo().GetStatus(); status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		if err := temporal.GetWorkflow(ctx, workflowID, run.GetRunId()).Get(ctx, &report); err != nil {
			return nil, false, err
		}
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		err := temporal.GetWorkflow(ctx, workflowID, run.GetRunId()).Get(ctx, nil)
		var cancelled *sdktemporal.CanceledError
		if !errors.As(err, &cancelled) {
			return nil, false, err
		}
		if err := cancelled.Details(&report); err != nil {
			return nil, false, fmt.Errorf("sales order %s: %w: it was cancelled: %w", id, errRunFailed, err)
		}
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		open = true
		answer, err := temporal.QueryWorkflow(ctx, workflowID, "", ordercheck.QueryReport)
		if err != nil {
			return nil, false, err
		}
		if err := answer.Get(&report); err != nil {
			return nil, false, err
		}
		n := len(described.GetPendingActivities())
		if n > 0 || described.GetPendingWorkflowTask() != nil {
			return nil, true, fmt.Errorf("its run waits for %d activities", n)
		}
	default:
		return nil, false, fmt.Errorf("sales order %s: %w: %s", id, errRunFailed, status)
	}
	switch {
	case report.OrderVersion != version:
		return nil, open, fmt.Errorf("its last report is of version %s, InFlow has %s",
			report.OrderVersion, version)
	case len(report.Missing) > 0:
		return &report, open, errLacking
	case !open:
		return &report, false, nil
	case report.Status != ordercheck.StatusFailed:
		return nil, true, fmt.Errorf("its run is open as %s", report.Status)
	}
	return &report, true, oneTimer(ctx, temporal, run)
}

// oneTimer returns an error if a held order does not sleep on exactly one timer. Earlier timers
// must have fired or be cancelled.
func oneTimer(ctx context.Context, temporal client.Client, run *commonpb.WorkflowExecution) error {
	started, ended := 0, 0
	events := temporal.GetWorkflowHistory(ctx, run.GetWorkflowId(), run.GetRunId(), false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
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

// judgeDeliveries checks that a fetch followed each delivery that was answered with 2xx.
func (r *chaos) judgeDeliveries(t *testing.T, v *verdict) {
	t.Helper()
	lastFetch := map[string]time.Time{}
	for _, request := range r.fake.Requests() {
		if request.Route != fakeinflow.RouteGetSalesOrder {
			continue
		}
		v.fetches++
		if request.Status == 200 && request.Start.After(lastFetch[request.SalesOrderID]) {
			lastFetch[request.SalesOrderID] = request.Start
		}
	}
	for _, delivery := range r.fake.Deliveries() {
		v.sent++
		assert.Equal(t, fakeinflow.DeliveryDelivered, delivery.State,
			"delivery %d of sales order %s", delivery.Number, delivery.SalesOrderID)
		for _, attempt := range delivery.Attempts {
			v.attempts++
			if attempt.Error != "" {
				v.failedAttempts++
				continue
			}
			fetched := lastFetch[delivery.SalesOrderID]
			if !assert.True(t, fetched.After(attempt.Start),
				"delivery %d of sales order %s was answered with %d at %v, and its last fetch began at %v",
				delivery.Number, delivery.SalesOrderID, attempt.Status, attempt.End, fetched) {
				continue
			}
			if !fetched.After(attempt.End) {
				v.fetchedWhileAnswered++
			}
		}
	}
	assert.Equal(t, v.deliveries+v.writes.applied, v.sent,
		"one for each save, by people and by the gate")
}

// judgeNotices checks that nobody is notified twice of the same set of findings. Because an order
// breaks one rule or none, a notice that it is right must come between two notices that it is
// wrong. A notice may repeat with the same key if the worker died before Temporal knew that it was
// received.
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
		assert.NotEqual(t, last[id], n.Kind,
			"sales order %s: two notices in a row with different keys", id)
		assert.Contains(t, []string{"failed", "resolved", "ended"}, n.Kind)
		last[id] = n.Kind
	}
	stillHeld := 0
	for _, kind := range last {
		if kind == "failed" {
			stillHeld++
		}
	}
	assert.Equal(t, v.held, stillHeld,
		"held orders, and orders whose last notice says that they are wrong")
}

// judgeProcesses checks that goroutines and open files do not accumulate.
func (r *chaos) judgeProcesses(t *testing.T, v *verdict) {
	t.Helper()
	const spare = 12 // for connections that are open at the moment
	// The worker's cache keeps the coroutines of held orders: the life of the order, the watch for
	// a cancellation, and the one that starts senders.
	const perHeldOrder = 3
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		var err error
		v.ingress, err = measure(t.Context(), r.ingressAdmin, r.ingress.pid())
		require.NoError(c, err)
		v.worker, err = measure(t.Context(), r.workerAdmin, r.worker.pid())
		require.NoError(c, err)
		assert.LessOrEqual(c, v.ingress.goroutines,
			v.ingressBefore.goroutines+spare, "goroutines of the ingress")
		assert.LessOrEqual(c, v.ingress.files, v.ingressBefore.files+spare, "open files of the ingress")
		assert.LessOrEqual(c, v.worker.goroutines,
			v.workerBefore.goroutines+spare+perHeldOrder*v.held, "goroutines of the worker")
		assert.LessOrEqual(c, v.worker.files, v.workerBefore.files+spare, "open files of the worker")
	}, patience, time.Second)
}

// judgeScrapes checks that a running process answered every scrape and probe.
func (r *chaos) judgeScrapes(t *testing.T, v *verdict) {
	t.Helper()
	r.scraper.mu.Lock()
	defer r.scraper.mu.Unlock()
	assert.Empty(t, r.scraper.faults)
	assert.Positive(t, r.scraper.answered)
	v.scrapes, v.scrapesAway, v.slowestScrape = r.scraper.answered, r.scraper.away, r.scraper.slowest
}

// table returns the verdict in Markdown.
func (v *verdict) table() string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	b.WriteString("| | |\n| --- | --- |\n")
	row("seed", "%d", v.seed)
	row("edits by people, orders", "%d, %d, within %v", v.deliveries, v.orders, v.during)
	var injected []string
	for what, times := range v.injected {
		injected = append(injected, fmt.Sprintf("%s %d×", what, times))
	}
	slices.Sort(injected)
	row("injected faults", "%s", strings.Join(injected, ", "))
	row("deliveries, attempts, failed attempts", "%d, %d, %d",
		v.sent, v.attempts, v.failedAttempts)
	row("accepted deliveries (2xx) without a later fetch", "0")
	row("accepted deliveries fetched before their answer was read", "%d",
		v.fetchedWhileAnswered)
	row("orders with an outdated last report, stuck runs", "0, 0")
	row("fetches of orders from InFlow", "%d, %.2f per delivery",
		v.fetches, float64(v.fetches)/float64(v.sent))
	row("hold marks written or removed, writes refused as stale, writes failed or without an answer",
		"%d, %d, %d", v.writes.applied, v.writes.stale, v.writes.failed)
	row("held orders without a mark, other orders with a mark", "0, 0")
	row("orders changed in anything but the mark", "0")
	row("runs cancelled by hand", "%d", v.cancelled)
	row("orders without lines in InFlow's last answers, reported as passed", "%d, 0", v.incomplete)
	row("orders held at the end, those with more findings than a report lists", "%d, %d",
		v.held, v.hugeHeld)
	row("notices, duplicates for one confirmed set", "%d, 0", v.notices)
	row("notices repeated with the same key after a crash", "%d", v.noticesTwice)
	row("caught up after the last fault", "%v", v.caughtUpAfter.Round(time.Second))
	row("scrapes and probes answered, sent to a dead process, unanswered or wrong", "%d, %d, 0",
		v.scrapes, v.scrapesAway)
	row("slowest answer to a scrape or probe", "%v", v.slowestScrape.Round(time.Millisecond))
	row("goroutines of ingress, worker: before, after", "%d → %d, %d → %d",
		v.ingressBefore.goroutines, v.ingress.goroutines,
		v.workerBefore.goroutines, v.worker.goroutines)
	row("open files of ingress, worker: before, after", "%d → %d, %d → %d",
		v.ingressBefore.files, v.ingress.files, v.workerBefore.files, v.worker.files)
	return b.String()
}

// write replaces the table in a page.
func (v *verdict) write(page string) error {
	today := time.Now().UTC().Format(time.DateOnly)
	made := fmt.Sprintf("%s, %s, %d processors:\n\n", today, runtime.Version(), runtime.NumCPU())
	return docsection.Replace(page, "chaos", made+v.table())
}
