package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

func newSweepCommand() *cobra.Command {
	var asJSON bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Look for orders whose webhook never came, now",
		Long: `Compare InFlow's orders of the last SWEEP_DAYS with the checked orders, as the
schedule ` + ordercheck.SweepScheduleID + ` does every SWEEP_EVERY, and check each that no check has
seen as it is now. The command prints these orders, and counts the others.

The sweep runs on Temporal (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, …); a worker
must be running. If a sweep is running, this one starts after it. It also runs if
the schedule is paused. The checks continue after the sweep has ended.

Exit status: 0 the sweep was done, 1 it was not.`,
		Example: `  gate sweep
  gate sweep --json | jq .missed`,
		Args: exactArgs(0, "gate sweep takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTemporalAtMost(cmd.Context(), wait,
				func(ctx context.Context, c client.Client) error {
					sweep, err := sweepNow(ctx, cmd, c, wait)
					if err != nil {
						return err
					}
					if asJSON {
						return json.NewEncoder(cmd.OutOrStdout()).Encode(sweep)
					}
					return sweep.WriteText(cmd.OutOrStdout())
				})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as one line of JSON")
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Minute,
		"how long to wait for the sweep to end; it goes on after that")
	return cmd
}

// sweepNow runs a sweep and shows its progress.
func sweepNow(
	ctx context.Context, cmd *cobra.Command, c client.Client, wait time.Duration,
) (*ordercheck.Sweep, error) {
	shown := newProgress(cmd.ErrOrStderr(), "orders compared")
	sweep, err := operations.SweepNow(ctx, c, operations.SweepOptions{
		AlreadyRunning: func(workflowID string) {
			cmd.PrintErrf("gate: the sweep %s is running; this one starts after it\n", workflowID)
		},
		Progress: func(p ordercheck.SweepProgress) { shown.set(p.Read, p.Total) },
	})
	shown.end()
	if err != nil {
		return nil, notDone(ctx, err, fmt.Sprintf(
			"the sweep has not ended within %v and goes on: see workflow type %s in Temporal's Web UI; "+
				"is a worker running, and does InFlow answer? (wait longer with --wait)",
			wait, ordercheck.SweepWorkflowType))
	}
	return sweep, nil
}
