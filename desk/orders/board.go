package orders

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
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
	// listPageSize is the maximum number of runs that Temporal lists in one call.
	listPageSize = 1000
	// MaxListed is the maximum number of held orders in memory. Nobody works through more. The board
	// logs when it leaves some out.
	MaxListed = 20_000
	// maxUnchecked is the maximum number of unchecked and incomplete orders in memory. Each costs a
	// call to Temporal.
	maxUnchecked = 500
	// minPause is the minimum pause between two refreshes. After a slow refresh, the pause is
	// pauseFactor times the duration of the refresh, so that the desk does not overload Temporal.
	minPause    = 2 * time.Second
	pauseFactor = 4
	// refreshTimeout limits one refresh.
	refreshTimeout = 20 * time.Second
	// refreshFor is the time for which the board keeps refreshing after a request.
	refreshFor = time.Minute
	// maxAge is the age at which a list is stale. A request then waits up to maxRefreshWait for a
	// new one.
	maxAge         = 15 * time.Second
	maxRefreshWait = 5 * time.Second
)

// board keeps the orders that need attention in memory. Temporal takes a second to list thousands
// of runs, and it cannot filter by customer or sales rep because it only sees them encrypted.
type board struct {
	temporal  client.Client
	converter converter.DataConverter
	logger    *slog.Logger
	watchdog  *watchdog.Watchdog
	now       func() time.Time

	latest      atomic.Pointer[snapshot]
	lastRequest atomic.Int64  // Unix nanoseconds
	wake        chan struct{} // holds one value after a request
	failed      rate.Sometimes
}

// snapshot is the result of one refresh. It never changes.
type snapshot struct {
	rows []Row // sorted by CompareRows
	at   time.Time
	err  error         // if the refresh failed; rows and at are then from the last good refresh
	next chan struct{} // closed when there is a newer snapshot
}

func newBoard(o *Options) *board {
	b := &board{
		temporal: o.Temporal, converter: o.Converter, logger: o.Logger, watchdog: o.Watchdog, now: o.Now,
		wake: make(chan struct{}, 1), failed: rate.Sometimes{First: 1, Interval: time.Minute},
	}
	b.latest.Store(&snapshot{next: make(chan struct{})})
	return b
}

// run refreshes the board until ctx ends, but not while no requests come in.
func (b *board) run(ctx context.Context) {
	for {
		if b.now().Sub(time.Unix(0, b.lastRequest.Load())) > refreshFor {
			// Reading thousands of runs needs several times the memory that the board keeps.
			debug.FreeOSMemory()
			select {
			case <-ctx.Done():
				return
			case <-b.wake:
			}
		}
		began := time.Now()
		b.refresh(ctx)
		rest := time.NewTimer(max(minPause, pauseFactor*time.Since(began)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

func (b *board) refresh(ctx context.Context) {
	defer b.watchdog.Begin("the list of held orders")()
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	at := b.now()
	rows, err := b.list(ctx)
	previous := b.latest.Load()
	current := &snapshot{rows: rows, at: at, err: err, next: make(chan struct{})}
	if err != nil {
		current.rows, current.at = previous.rows, previous.at
		b.failed.Do(func() {
			b.logger.WarnContext(ctx, "the list of held orders could not be read", "error", err)
		})
	}
	b.latest.Store(current)
	close(previous.next)
}

// get returns the latest snapshot. If that is old, it waits for the next one, until ctx ends or
// maxRefreshWait is over.
func (b *board) get(ctx context.Context) (*snapshot, error) {
	b.lastRequest.Store(b.now().UnixNano())
	select {
	case b.wake <- struct{}{}:
	default:
	}
	s := b.latest.Load()
	if b.now().Sub(s.at) > maxAge && (s.err == nil || s.at.IsZero()) {
		timer := time.NewTimer(maxRefreshWait)
		defer timer.Stop()
		select {
		case <-s.next:
		case <-timer.C:
		case <-ctx.Done():
		}
		s = b.latest.Load()
	}
	if s.at.IsZero() {
		return nil, fmt.Errorf("%w: Temporal has not listed its runs yet", ErrUnavailable)
	}
	return s, nil
}

// page returns the part of the board that a filter selects.
func (b *board) page(ctx context.Context, f Filter) (Page, error) {
	s, err := b.get(ctx)
	if err != nil {
		return Page{}, err
	}
	now := b.now()
	page, err := Select(s.rows, f, now)
	page.At, page.Stale = s.at, s.err != nil || now.Sub(s.at) > maxAge
	return page, err
}

// list reads the open runs of orders with errors, and the closed runs of orders that were not
// completely checked.
func (b *board) list(ctx context.Context) ([]Row, error) {
	rows, err := b.query(ctx, fmt.Sprintf(
		"WorkflowType = '%s' AND ExecutionStatus = 'Running' AND %s IN ('%s', '%s', '%s')",
		ordercheck.WorkflowType, ordercheck.SearchGateStatus,
		ordercheck.StatusPending, ordercheck.StatusFailed, ordercheck.StatusOverridden), MaxListed)
	if err != nil {
		return nil, err
	}
	unchecked, err := b.unchecked(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, unchecked...)
	slices.SortStableFunc(rows, CompareRows)
	return rows, nil
}

func (b *board) query(ctx context.Context, query string, limit int) ([]Row, error) {
	var rows []Row
	var token []byte
	for {
		page, err := b.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, NextPageToken: token,
			PageSize: int32(min(listPageSize, limit)), //nolint:gosec // at most listPageSize
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
			b.logger.WarnContext(ctx, "a list of orders was too long and was cut",
				"limit", limit, "query", query)
			return rows, nil
		}
	}
}

// unchecked lists the orders whose latest run ended without a complete check.
func (b *board) unchecked(ctx context.Context) ([]Row, error) {
	rows, err := b.query(ctx, fmt.Sprintf(
		"WorkflowType = '%s' AND ExecutionStatus IN ('Completed', 'Failed') AND %s IN ('%s', '%s')",
		ordercheck.WorkflowType, ordercheck.SearchGateStatus,
		ordercheck.StatusIncomplete, ordercheck.StatusUnchecked), maxUnchecked)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	seen := map[string]bool{}
	var latest []Row
	for _, row := range rows { // Temporal lists the latest run of an order first
		if seen[row.SalesOrderID] {
			continue
		}
		seen[row.SalesOrderID] = true
		// A later run may have checked the order: it is not in this list.
		workflowID := ordercheck.WorkflowID(row.SalesOrderID)
		description, err := b.temporal.DescribeWorkflowExecution(ctx, workflowID, "")
		if err != nil {
			return nil, fmt.Errorf("look up the latest run of sales order %s: %w", row.SalesOrderID, err)
		}
		info := description.GetWorkflowExecutionInfo()
		current, ok := b.row(info)
		running := info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		if ok && !running && current.Status == row.Status {
			latest = append(latest, current)
		}
	}
	return latest, nil
}

// row converts one run of Temporal's list. If a field cannot be read, it stays empty and the order
// is still listed.
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
			b.failed.Do(func() {
				b.logger.Warn("the memo of a run could not be read", "error", err)
			})
		}
	}
	row.Customer, row.SalesRep = memo.Customer, memo.SalesRep
	row.First, row.NextAt = memo.First, memo.NextAt
	return row, true
}

// searchAttribute leaves value unchanged if the run has no such attribute or it cannot be read.
func searchAttribute(attributes map[string]*commonpb.Payload, name string, value any) {
	if payload := attributes[name]; payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, value)
	}
}
