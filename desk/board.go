package desk

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/time/rate"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/watchdog"
)

const (
	// boardPage is the most runs that Temporal lists at once.
	boardPage = 1000
	// maxBoard limits the orders in memory. Nobody works through more; what is cut is logged.
	maxBoard = 20_000
	// boardRest is the shortest pause between two looks at Temporal's list. A look that takes long
	// is followed by a pause of several times that, so that the desk never loads Temporal.
	boardRest       = 2 * time.Second
	boardRestFactor = 4
	// boardTimeout limits one look.
	boardTimeout = 20 * time.Second
	// boardInterest is how long the board stays fresh after somebody has looked at it.
	boardInterest = time.Minute
	// boardMaxAge is the age from which a reader waits for a new look, and boardWait how long.
	boardMaxAge = 15 * time.Second
	boardWait   = 5 * time.Second
)

// board keeps the orders that hold something up, in memory. Temporal's list takes a second for
// thousands of runs, and customers and sales reps are encrypted there, so it cannot filter by them.
type board struct {
	temporal  client.Client
	converter converter.DataConverter
	logger    *slog.Logger
	watchdog  *watchdog.Watchdog
	now       func() time.Time

	latest atomic.Pointer[snapshot]
	wanted atomic.Int64  // when somebody last looked, in Unix nanoseconds
	wake   chan struct{} // holds one when somebody looks
	failed rate.Sometimes
}

// snapshot is the outcome of a look. It never changes.
type snapshot struct {
	rows []Row // those held longest first
	at   time.Time
	err  error         // of the look, if it failed; rows and at are then those of the one before
	next chan struct{} // closed when there is a newer one
}

func newBoard(
	c client.Client, dc converter.DataConverter, logger *slog.Logger, w *watchdog.Watchdog, now func() time.Time,
) *board {
	b := &board{
		temporal: c, converter: dc, logger: logger, watchdog: w, now: now,
		wake: make(chan struct{}, 1), failed: rate.Sometimes{First: 1, Interval: time.Minute},
	}
	b.latest.Store(&snapshot{next: make(chan struct{})})
	return b
}

// run looks at Temporal's list until ctx ends, while somebody is interested.
func (b *board) run(ctx context.Context) {
	for {
		if b.now().Sub(time.Unix(0, b.wanted.Load())) > boardInterest {
			select {
			case <-ctx.Done():
				return
			case <-b.wake:
			}
		}
		began := time.Now()
		b.look(ctx)
		rest := time.NewTimer(max(boardRest, boardRestFactor*time.Since(began)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

func (b *board) look(ctx context.Context) {
	defer b.watchdog.Begin("the list of held orders")()
	ctx, cancel := context.WithTimeout(ctx, boardTimeout)
	defer cancel()
	at := b.now()
	rows, err := b.list(ctx)
	before := b.latest.Load()
	now := &snapshot{rows: rows, at: at, err: err, next: make(chan struct{})}
	if err != nil {
		now.rows, now.at = before.rows, before.at
		b.failed.Do(func() { b.logger.WarnContext(ctx, "the list of held orders could not be read", "error", err) })
	}
	b.latest.Store(now)
	close(before.next)
}

// get returns the latest snapshot, after a new look if it is old. ctx and boardWait bound the wait.
func (b *board) get(ctx context.Context) (*snapshot, error) {
	b.wanted.Store(b.now().UnixNano())
	select {
	case b.wake <- struct{}{}:
	default:
	}
	s := b.latest.Load()
	if b.now().Sub(s.at) > boardMaxAge && (s.err == nil || s.at.IsZero()) {
		patience := time.NewTimer(boardWait)
		defer patience.Stop()
		select {
		case <-s.next:
		case <-patience.C:
		case <-ctx.Done():
		}
		s = b.latest.Load()
	}
	if s.at.IsZero() {
		return nil, fmt.Errorf("%w: Temporal's list of runs has not answered", ErrUnavailable)
	}
	return s, nil
}

// list reads the open runs of orders with errors, and the ended runs that left an order unchecked.
func (b *board) list(ctx context.Context) ([]Row, error) {
	rows, err := b.query(ctx, fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND %s IN ('%s', '%s', '%s')",
		ordercheck.WorkflowType, ordercheck.SearchGateStatus,
		ordercheck.StatusPending, ordercheck.StatusFailed, ordercheck.StatusOverridden), maxBoard)
	if err != nil {
		return nil, err
	}
	unchecked, err := b.unchecked(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, unchecked...)
	slices.SortStableFunc(rows, compareRows)
	return rows, nil
}

// compareRows sorts by how long orders have been waiting, and by id, so that an order is never
// listed on two pages.
func compareRows(a, b Row) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.SalesOrderID, b.SalesOrderID))
}

func (b *board) query(ctx context.Context, query string, limit int) ([]Row, error) {
	var rows []Row
	var token []byte
	for {
		page, err := b.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: int32(min(boardPage, limit)), NextPageToken: token, //nolint:gosec // at most boardPage
		})
		if err != nil {
			return nil, fmt.Errorf("list the runs (%s): %w", query, err)
		}
		for _, run := range page.GetExecutions() {
			if row, ok := b.row(run); ok {
				rows = append(rows, row)
			}
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return rows, nil
		}
		if len(rows) >= limit {
			b.logger.WarnContext(ctx, "a list of orders is cut", "limit", limit, "query", query)
			return rows, nil
		}
	}
}

// row reads what Temporal lists of a run. What cannot be read stays empty: the order is listed all
// the same.
func (b *board) row(run *workflowpb.WorkflowExecutionInfo) (Row, bool) {
	id, ok := ordercheck.SalesOrderID(run.GetExecution().GetWorkflowId())
	if !ok {
		return Row{}, false
	}
	attributes := run.GetSearchAttributes().GetIndexedFields()
	row := Row{SalesOrderID: id, Since: run.GetStartTime().AsTime()}
	searchAttribute(attributes, ordercheck.SearchOrderNumber, &row.OrderNumber)
	searchAttribute(attributes, ordercheck.SearchGateStatus, &row.Status)
	searchAttribute(attributes, ordercheck.SearchErrorCount, &row.Errors)
	searchAttribute(attributes, ordercheck.SearchFailedRules, &row.FailedRules)
	searchAttribute(attributes, ordercheck.SearchHeldSince, &row.HeldSince)
	if !row.HeldSince.IsZero() {
		row.Since = row.HeldSince
	}
	var memo ordercheck.DeskMemo
	if payload := run.GetMemo().GetFields()[ordercheck.MemoDesk]; payload != nil {
		if err := b.converter.FromPayload(payload, &memo); err != nil {
			b.failed.Do(func() { b.logger.Warn("what a run tells the desk could not be read", "error", err) })
		}
	}
	row.Customer, row.SalesRep, row.First, row.NextAt = memo.Customer, memo.SalesRep, memo.First, memo.NextAt
	return row, true
}

func searchAttribute(attributes map[string]*commonpb.Payload, name string, value any) {
	if payload := attributes[name]; payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, value) // stays empty
	}
}

// maxUnchecked limits the orders that are listed as unchecked or incomplete.
const maxUnchecked = 500

// unchecked lists the orders whose latest run ended without a verdict.
func (b *board) unchecked(ctx context.Context) ([]Row, error) {
	rows, err := b.query(ctx, fmt.Sprintf(
		"WorkflowType = '%s' AND ExecutionStatus IN ('Completed', 'Failed') AND %s IN ('%s', '%s')",
		ordercheck.WorkflowType, ordercheck.SearchGateStatus, ordercheck.StatusIncomplete, ordercheck.StatusUnchecked), maxUnchecked)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	ids := map[string]bool{}
	var latest []Row
	for _, row := range rows { // the latest run first
		if ids[row.SalesOrderID] {
			continue
		}
		ids[row.SalesOrderID] = true
		description, err := b.temporal.DescribeWorkflowExecution(ctx, ordercheck.WorkflowID(row.SalesOrderID), "")
		if err != nil {
			return nil, fmt.Errorf("look at the latest run of sales order %s: %w", row.SalesOrderID, err)
		}
		info := description.GetWorkflowExecutionInfo()
		if now, ok := b.row(info); ok && info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING && now.Status == row.Status {
			latest = append(latest, now)
		}
	}
	return latest, nil
}
