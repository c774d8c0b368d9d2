package dev

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

// watchEvery is how often the table looks for reports that are new.
const watchEvery = 500 * time.Millisecond

// watcher prints a row for each report as it comes, by what every operator can
// see: Temporal's list of runs and the query for the report.
type watcher struct {
	temporal  client.Client
	namespace string
	uiURL     string
	out       io.Writer
	logger    *slog.Logger
	since     time.Time
	// shown gets a value for each row.
	shown chan struct{}

	// printed is the time of the report last shown for a run.
	printed map[string]time.Time
}

const rowFormat = "%-11s  %-10s  %-46s  %s\n"

// run prints until ctx is done.
func (w *watcher) run(ctx context.Context) {
	w.printed = make(map[string]time.Time)
	fmt.Fprintf(w.out, rowFormat, "ORDER", "STATUS", "FINDINGS", "RUN")
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		// The next look gets over it: a run just closed, a worker just started. What does not
		// pass, such as a dead Temporal, is told by who watches that.
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.logger.WarnContext(ctx, "the table could not be brought up to date", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *watcher) look(ctx context.Context) error {
	query := fmt.Sprintf("WorkflowType = '%s' AND (ExecutionStatus = 'Running' OR CloseTime >= '%s')",
		ordercheck.WorkflowType, w.since.UTC().Format(time.RFC3339Nano))
	runs, err := w.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 200})
	if err != nil {
		return fmt.Errorf("list the runs: %w", err)
	}
	// Visibility answers newest first; people read downwards.
	executions := runs.GetExecutions()
	for i := len(executions) - 1; i >= 0; i-- {
		execution := executions[i].GetExecution()
		if err := w.show(ctx, execution.GetWorkflowId(), execution.GetRunId(), executions[i].GetCloseTime() != nil); err != nil {
			return err
		}
	}
	return nil
}

// closedRun marks a run that will not change any more.
var closedRun = time.Unix(1<<40, 0)

func (w *watcher) show(ctx context.Context, workflowID, runID string, closed bool) error {
	last := w.printed[runID]
	if last.Equal(closedRun) {
		return nil
	}
	answer, err := w.temporal.QueryWorkflow(ctx, workflowID, runID, ordercheck.QueryReport)
	if err != nil {
		return fmt.Errorf("ask for the report of %s: %w", workflowID, err)
	}
	var report ordercheck.Report
	if err := answer.Get(&report); err != nil {
		return fmt.Errorf("read the report of %s: %w", workflowID, err)
	}
	if report.Status != ordercheck.StatusChecking && !report.CheckedAt.Equal(last) || closed && report.Status == ordercheck.StatusUnchecked {
		number := report.OrderNumber
		if number == "" {
			number = report.SalesOrderID
		}
		fmt.Fprintf(w.out, rowFormat, number, report.Status, summarize(&report),
			fmt.Sprintf("%s/namespaces/%s/workflows/%s/%s/user-metadata", w.uiURL, w.namespace, workflowID, runID))
		w.printed[runID] = report.CheckedAt
		select {
		case w.shown <- struct{}{}:
		default: // nobody counts any more
		}
	}
	if closed {
		w.printed[runID] = closedRun
	}
	return nil
}

// summarize names the broken rules, each with how often it is broken.
func summarize(report *ordercheck.Report) string {
	if len(report.Findings) == 0 {
		return "-"
	}
	var names []string
	times := make(map[string]int)
	for f := range report.All() {
		if times[f.RuleID] == 0 {
			names = append(names, f.RuleID)
		}
		times[f.RuleID] += f.Findings()
	}
	for i, name := range names {
		if n := times[name]; n > 1 {
			names[i] = fmt.Sprintf("%s ×%d", name, n)
		}
	}
	return strings.Join(names, ", ")
}
