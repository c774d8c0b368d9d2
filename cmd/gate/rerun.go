package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/operations"
)

func newRerunCommand() *cobra.Command {
	var o operations.RerunOptions
	cmd := &cobra.Command{
		Use:   "rerun",
		Short: "Check again every order whose latest run failed",
		Long: `Check again every sales order whose latest run failed. A run fails if the check
could not be done, for example because InFlow refused the API key. Errors in an
order do not fail its run.

The command skips orders that have an open run or were checked since.`,
		Example: `  gate rerun --dry-run
  gate rerun
  gate rerun --query "CloseTime > '2026-11-23T00:00:00Z'"`,
		Args: exactArgs(0, "gate rerun takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTemporal(cmd.Context(), func(c client.Client) error { return rerun(cmd, c, o) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Query, "query", "", "narrow the failed runs by a list filter of Temporal's")
	flags.BoolVar(&o.DryRun, "dry-run", false, "say what would be checked again, and start nothing")
	return cmd
}

func rerun(cmd *cobra.Command, c client.Client, o operations.RerunOptions) error {
	done := "is checked again"
	if o.DryRun {
		done = "would be checked again"
	}
	o.Each = func(salesOrderID string) error {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", salesOrderID, done)
		return err
	}
	shown := newProgress(cmd.ErrOrStderr(), "failed runs looked at")
	o.Progress = shown.set
	defer shown.end()
	result, err := operations.Rerun(cmd.Context(), c, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d %s, %d left alone: checked since, or open\n",
		result.Rerun, done, result.Skipped)
	return err
}
