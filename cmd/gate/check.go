package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

func newCheckCommand() *cobra.Command {
	var asJSON bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "check ID",
		Short: "Check one sales order now and wait for the report",
		Long: `Fetch a sales order from InFlow and check it now, whether or not a webhook
came. ID is the order's number, such as SO-001051, or InFlow's id of the order:
the last part of its address, https://app.inflowinventory.com/sales-orders/ID. If
Temporal does not know the number, the command looks it up in InFlow. For that, set
INFLOW_COMPANY_ID and INFLOW_API_KEY.

The check runs on Temporal (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, …), in the
order's open run or in a new one. A worker must be running.

Exit status: 0 passed, with warnings only or overridden, 1 errors found, 2 not
checked.`,
		Example: `  gate check SO-001051
  gate check 8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11
  gate check 8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11 --json | jq .findings`,
		Args: exactArgs(1, "gate check needs one argument, the id or the number of a sales order"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var report *ordercheck.Report
			err := withTemporalAtMost(cmd.Context(), wait,
				func(ctx context.Context, c client.Client) (err error) {
					report, err = checkNow(ctx, c, args[0], wait)
					return err
				})
			if err == nil {
				err = printReport(cmd.OutOrStdout(), report, asJSON)
				if err != nil {
					err = fmt.Errorf("the order was checked, and its report could not be written: %w", err)
				}
			}
			if err != nil {
				return &exitError{code: exitNotChecked, err: err}
			}
			return reportExit(report)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as one line of JSON")
	cmd.Flags().DurationVar(&wait, "wait", 2*time.Minute,
		"how long to wait for the report; the check goes on after that")
	return cmd
}

// checkNow checks the order with this id or number.
func checkNow(
	ctx context.Context, c client.Client, name string, wait time.Duration,
) (*ordercheck.Report, error) {
	id, err := findOrder(ctx, c, name)
	if err != nil {
		return nil, err
	}
	report, err := operations.CheckNow(ctx, c, id)
	if err != nil {
		return nil, notDone(ctx, err, fmt.Sprintf(
			"no report within %v: the check goes on as workflow %s; "+
				"is a worker running, and does InFlow answer? (wait longer with --wait)",
			wait, ordercheck.WorkflowID(id)))
	}
	return report, nil
}

func printReport(out io.Writer, report *ordercheck.Report, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(report)
	}
	return report.WriteText(out)
}

// reportExit returns the exit status of a report. Its error has no text, because the report is
// printed.
func reportExit(report *ordercheck.Report) error {
	switch report.Status {
	case ordercheck.StatusPassed, ordercheck.StatusWarning, ordercheck.StatusOverridden:
		return nil
	case ordercheck.StatusFailed, ordercheck.StatusPending:
		return &exitError{code: exitErrorsFound}
	case ordercheck.StatusChecking, ordercheck.StatusIncomplete, ordercheck.StatusUnchecked:
	}
	return &exitError{code: exitNotChecked, err: fmt.Errorf("the order is %s", report.Status)}
}
