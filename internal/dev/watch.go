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
	temporal client.Client
	out      io.Writer
	logger   *slog.Logger
	since    time.Time
	// shown gets a value for each row.
	shown chan struct{}

	// printed is the time of the report last shown for a run.
	printed map[string]time.Time
}

// rowFormat fits 80 columns: a run's address is too long for a row.
const rowFormat = "%-11.11s  %-10s  %s\n"

// maxWrong is how much of a row is left for what is wrong, in characters.
const maxWrong = 55

// run prints until ctx is done.
func (w *watcher) run(ctx context.Context) {
	w.printed = make(map[string]time.Time)
	fmt.Fprintf(w.out, rowFormat, "ORDER", "STATUS", "WHAT IS WRONG")
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
		fmt.Fprintf(w.out, rowFormat, number, report.Status, summarize(&report))
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

// summarize returns the most urgent finding in the words that people read, and how many more there are.
func summarize(report *ordercheck.Report) string {
	if len(report.Findings) == 0 {
		return ordercheck.Cut(report.Note, maxWrong)
	}
	worst := &report.Findings[0]
	for i := range report.Findings {
		if f := &report.Findings[i]; f.Severity == ordercheck.SeverityError && worst.Severity != ordercheck.SeverityError {
			worst = f
		}
	}
	more := ""
	if n := report.Errors() + report.Warnings() - 1; n > 0 {
		more = fmt.Sprintf(" (+%d more)", n)
	}
	return ordercheck.Cut(strings.Join(strings.Fields(worst.Message), " "), maxWrong-len(more)) + more
}
