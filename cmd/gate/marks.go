package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

func newMarksCommand() *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "marks",
		Short: "Show or resume the marks of held orders in InFlow",
		Long: `With INFLOW_HOLD_FIELD set, workers show the hold of an order in a custom field in
InFlow. They stop for the whole account if InFlow changes more than that field, or
if the API key may not write orders.`,
	}, exitUsage)
	cmd.AddCommand(newMarksStatusCommand(), newMarksResumeCommand())
	return cmd
}

func newMarksStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show whether hold marks are stopped, and why",
		Long: `Show whether hold marks are stopped, and why. A worker must be running.

Exit status: 0 they are not stopped, 1 they are.`,
		Args: exactArgs(0, "gate marks status takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTemporalAtMost(cmd.Context(), time.Minute,
				func(ctx context.Context, c client.Client) error {
					stop, err := operations.HoldMarksStopped(ctx, c)
					if err != nil {
						return err
					}
					if stop != nil {
						return stopped(stop)
					}
					fmt.Fprintln(cmd.OutOrStdout(), "hold marks are not stopped")
					return nil
				})
		},
	}
}

// stopped explains a stop of hold marks.
func stopped(stop *ordercheck.HoldMarksStop) error {
	if len(stop.Damaged) > 0 {
		return fmt.Errorf(
			"hold marks are stopped: when the gate marked sales order %s (%s), InFlow also changed %s; "+
				"compare the order with what it should be, then run 'gate marks resume'",
			stop.OrderNumber, stop.SalesOrderID, strings.Join(stop.Damaged, ", "))
	}
	return fmt.Errorf(
		"hold marks are stopped: InFlow refused to let the gate mark sales order %s (%s); "+
			"give INFLOW_API_KEY the right to write orders, then run 'gate marks resume'",
		stop.OrderNumber, stop.SalesOrderID)
}

func newMarksResumeCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Let the gate mark held orders in InFlow again",
		Long: `Let workers mark held orders in InFlow again, and ask for a check of every open
order, which marks the order if it is held. Checks that people and webhooks ask for go
first. A worker must be running.

Exit status: 0, or 1 if it could not be done.`,
		Example: `  gate marks status
  gate marks resume`,
		Args: exactArgs(0, "gate marks resume takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTemporal(cmd.Context(), func(c client.Client) error {
				return resumeMarks(cmd, c, wait)
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for a worker")
	return cmd
}

// resumeMarks resumes hold marks. wait doesn't limit the time that many open orders take.
func resumeMarks(cmd *cobra.Command, c client.Client, wait time.Duration) error {
	waiting, cancel := waitAtMost(cmd.Context(), wait)
	defer cancel()
	if err := operations.ResumeHoldMarks(waiting, c); err != nil {
		return notDone(waiting, err, fmt.Sprintf("no worker has resumed hold marks within %v: "+
			"start 'gate worker', then run the command again (wait longer with --wait)", wait))
	}
	orders, err := operations.CheckForHoldMarks(cmd.Context(), c)
	if err != nil {
		return fmt.Errorf("hold marks are on again, but only %s asked for a check: %w; "+
			"run the command again", ordercheck.Plural(orders, "open order"), err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(),
		"hold marks are on again; %s will be checked as InFlow's rate limit allows\n",
		ordercheck.Plural(orders, "open order"))
	return err
}
