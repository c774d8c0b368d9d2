package desk

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
	// maxEarlierRuns limits the runs before the latest one whose timelines a page shows.
	maxEarlierRuns = 10
	// timelineWithin limits the wait for them: the page is worth more than its past.
	timelineWithin = 3 * time.Second
	// maxPastKept limits the timelines of ended runs in memory. Each has at most 50 entries.
	maxPastKept = 500
)

// past keeps the timelines of runs that ended: they never change.
type past struct {
	mu   sync.Mutex
	runs map[string][]ordercheck.TimelineEntry
}

func (p *past) get(runID string) ([]ordercheck.TimelineEntry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries, ok := p.runs[runID]
	return entries, ok
}

func (p *past) put(runID string, entries []ordercheck.TimelineEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs == nil || len(p.runs) >= maxPastKept {
		p.runs = map[string][]ordercheck.TimelineEntry{} // a full cache begins anew; reading it again is cheap
	}
	p.runs[runID] = entries
}

// timeline returns what happened to an order, over earlier runs too, oldest first. If earlier runs
// cannot be read, it returns what the latest one knows and an error.
func (o *runs) timeline(ctx context.Context, order *Order) ([]ordercheck.TimelineEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, timelineWithin)
	defer cancel()
	now := slices.Clone(order.Timeline)
	page, err := o.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: maxEarlierRuns,
		Query: fmt.Sprintf("WorkflowType = '%s' AND WorkflowId = '%s' AND ExecutionStatus NOT IN ('Running', 'ContinuedAsNew')",
			ordercheck.WorkflowType, ordercheck.WorkflowID(order.SalesOrderID)),
	})
	if err != nil {
		return now, fmt.Errorf("list the earlier runs of sales order %s: %w", order.SalesOrderID, err)
	}
	var entries []ordercheck.TimelineEntry
	var errs []error
	for _, run := range slices.Backward(page.GetExecutions()) {
		if run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			continue
		}
		earlier, err := o.pastTimeline(ctx, order.SalesOrderID, run.GetExecution().GetRunId())
		errs = append(errs, err)
		entries = append(entries, earlier...)
	}
	entries = append(entries, now...)
	slices.SortStableFunc(entries, func(a, b ordercheck.TimelineEntry) int { return a.At.Compare(b.At) })
	// The latest run may itself be one of those that ended.
	return slices.Compact(entries), errors.Join(errs...)
}

func (o *runs) pastTimeline(ctx context.Context, id, runID string) ([]ordercheck.TimelineEntry, error) {
	if entries, ok := o.past.get(runID); ok {
		return entries, nil
	}
	view, err := o.ask(ctx, id, runID)
	if err != nil {
		return nil, err
	}
	o.past.put(runID, view.Report.Timeline)
	return view.Report.Timeline, nil
}
