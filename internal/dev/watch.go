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

// watchEvery is the time between two polls for new reports.
const watchEvery = 500 * time.Millisecond

// watcher prints a row for each new report. It uses only what every operator can use: Temporal's
// list of runs, and the query for a report.
type watcher struct {
	temporal client.Client
	out      io.Writer
	logger   *slog.Logger
	since    time.Time
	// shown gets a value for each row.
	shown chan struct{}

	// printed has the time of the report that was last shown, by the run's id.
	printed map[string]time.Time
}

// rowFormat fits into 80 columns, which leaves no room for the address of a run.
const rowFormat = "%-11.11s  %-10s  %s\n"

// maxWrong is the width of the last column, in characters.
const maxWrong = 55

// run prints rows until ctx is done.
func (w *watcher) run(ctx context.Context) {
	w.printed = make(map[string]time.Time)
	fmt.Fprintf(w.out, rowFormat, "ORDER", "STATUS", "WHAT IS WRONG")
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		// look fails if a run has just closed, or no worker has started yet. Then the next look
		// succeeds. If Temporal is dead, Run reports it.
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.logger.WarnContext(ctx, "the table could not be updated", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look prints a row for each new report.
func (w *watcher) look(ctx context.Context) error {
	query := fmt.Sprintf("WorkflowType = '%s' AND (ExecutionStatus = 'Running' OR CloseTime >= '%s')",
		ordercheck.WorkflowType, w.since.UTC().Format(time.RFC3339Nano))
	runs, err := w.temporal.ListWorkflow(ctx,
		&workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 200})
	if err != nil {
		return fmt.Errorf("list the runs: %w", err)
	}
	// The list has the newest run first, and the table has it last.
	executions := runs.GetExecutions()
	for i := len(executions) - 1; i >= 0; i-- {
		run, closed := executions[i].GetExecution(), executions[i].GetCloseTime() != nil
		if err := w.show(ctx, run.GetWorkflowId(), run.GetRunId(), closed); err != nil {
			return err
		}
	}
	return nil
}

// closedRun replaces the time of the last report in printed once a run is closed, because its
// report no longer changes.
var closedRun = time.Unix(1<<40, 0)

// show prints a row if the run's report is new.
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
	isNew := report.Status != ordercheck.StatusChecking && !report.CheckedAt.Equal(last)
	if isNew || closed && report.Status == ordercheck.StatusUnchecked {
		number := report.OrderNumber
		if number == "" {
			number = report.SalesOrderID
		}
		fmt.Fprintf(w.out, rowFormat, number, report.Status, summarize(&report))
		w.printed[runID] = report.CheckedAt
		select {
		case w.shown <- struct{}{}:
		default: // nobody waits for rows any more
		}
	}
	if closed {
		w.printed[runID] = closedRun
	}
	return nil
}

// summarize returns the message of the most severe finding, and the number of others.
func summarize(report *ordercheck.Report) string {
	if len(report.Findings) == 0 {
		return ordercheck.Cut(report.Note, maxWrong)
	}
	worst := &report.Findings[0]
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.Severity == ordercheck.SeverityError && worst.Severity != ordercheck.SeverityError {
			worst = f
		}
	}
	more := ""
	if n := report.Errors() + report.Warnings() - 1; n > 0 {
		more = fmt.Sprintf(" (+%d more)", n)
	}
	message := strings.Join(strings.Fields(worst.Message), " ")
	return ordercheck.Cut(message, maxWrong-len(more)) + more
}
