package orders

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/ordercheck"
)

const (
	// maxEarlierRuns is the maximum number of earlier runs whose timelines a page shows.
	maxEarlierRuns = 10
	// timelineTimeout limits the wait for earlier runs, because a page without them is better
	// than no page.
	timelineTimeout = 3 * time.Second
	// maxCachedTimelines is the maximum number of timelines we cache. Each has at most 50 entries.
	maxCachedTimelines = 500
)

// Timeline returns what happened to an order, oldest first, including its earlier runs. If those
// cannot be read, it returns the entries of the latest run and an error.
func (r *Runs) Timeline(
	ctx context.Context, order *Order,
) ([]ordercheck.TimelineEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, timelineTimeout)
	defer cancel()
	latest := slices.Clone(order.Timeline)
	page, err := r.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: maxEarlierRuns,
		Query: fmt.Sprintf("WorkflowType = '%s' AND WorkflowId = '%s' AND "+
			"ExecutionStatus NOT IN ('Running', 'ContinuedAsNew')",
			ordercheck.WorkflowType, ordercheck.WorkflowID(order.SalesOrderID)),
	})
	if err != nil {
		return latest, fmt.Errorf("list the earlier runs of sales order %s: %w",
			order.SalesOrderID, err)
	}
	var entries []ordercheck.TimelineEntry
	var errs []error
	for _, run := range slices.Backward(page.GetExecutions()) {
		if run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			continue
		}
		earlier, err := r.closedTimeline(ctx, order.SalesOrderID, run.GetExecution().GetRunId())
		errs = append(errs, err)
		entries = append(entries, earlier...)
	}
	entries = append(entries, latest...)
	slices.SortStableFunc(entries,
		func(a, b ordercheck.TimelineEntry) int { return a.At.Compare(b.At) })
	// If the latest run is closed, its entries are in the list twice.
	return slices.Compact(entries), errors.Join(errs...)
}

// closedTimeline returns the timeline of a closed run.
func (r *Runs) closedTimeline(
	ctx context.Context, id, runID string,
) ([]ordercheck.TimelineEntry, error) {
	if entries, ok := r.timelines.get(runID); ok {
		return entries, nil
	}
	view, err := r.query(ctx, id, runID)
	if err != nil {
		return nil, err
	}
	r.timelines.put(runID, view.Report.Timeline)
	return view.Report.Timeline, nil
}

// timelineCache keeps the timelines of closed runs, which never change.
type timelineCache struct {
	mu   sync.Mutex
	runs map[string][]ordercheck.TimelineEntry
}

func (c *timelineCache) get(runID string) ([]ordercheck.TimelineEntry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, ok := c.runs[runID]
	return entries, ok
}

func (c *timelineCache) put(runID string, entries []ordercheck.TimelineEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil || len(c.runs) >= maxCachedTimelines {
		// The cache is full. Empty it, because it is cheap to read a timeline again.
		c.runs = map[string][]ordercheck.TimelineEntry{}
	}
	c.runs[runID] = entries
}
