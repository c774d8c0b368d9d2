package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

func newRulesInForceCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "in-force",
		Short: "Show which rule set is in force, and which were before",
		Long: `Show which rule set all workers of the namespace check orders with, since when, and
which were in force before it. The command asks Temporal (TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, …); no worker needs to run.

Exit status: 0, or 1 if no rule set is in force yet.`,
		Args: noRulesArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTemporal(cmd.Context(), func(c client.Client) error {
				inForce, _, err := operations.RulesInForce(cmd.Context(), c)
				if err != nil {
					return err
				}
				if inForce.Digest == "" {
					return operations.ErrNoRulesInForce
				}
				return printInForce(cmd.OutOrStdout(), &inForce, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the record as one line of JSON")
	return cmd
}

func newRulesUseCommand() *cobra.Command {
	var by string
	var asJSON bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "use DIGEST",
		Short: "Go back to a rule set that was in force before",
		Long: `Put a rule set in force again that was before. A new rule set takes over by itself
as soon as a worker has loaded it; going back is a person's decision, so that a
worker that restarts with old files changes nothing.

DIGEST is the beginning of the set's digest, which 'gate rules in-force' shows. Give
the workers its files too: a worker without the set leaves the checks to others.
Open orders are checked with it within a minute. A worker must be running.

Exit status: 0 the set is in force, 1 it is not, 2 wrong use.`,
		Example: `  gate rules in-force
  gate rules use sha256:0f3a9c --by "Anna Meier"`,
		Args: exactArgs(
			1,
			"gate rules use needs one argument, the digest of a rule set; see 'gate rules in-force'",
		),
		RunE: func(cmd *cobra.Command, args []string) error {
			if by == "" {
				return &exitError{
					code: exitUsage,
					err:  errors.New("--by is missing: say who goes back to the rule set"),
				}
			}
			return withTemporalAtMost(cmd.Context(), wait,
				func(ctx context.Context, c client.Client) error {
					inForce, err := useRules(ctx, c, args[0], by, wait)
					if err != nil {
						return err
					}
					return printInForce(cmd.OutOrStdout(), &inForce, asJSON)
				})
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "who decides this (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the record as one line of JSON")
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for a worker to accept it")
	return cmd
}

func useRules(
	ctx context.Context, c client.Client, digest, by string, wait time.Duration,
) (ordercheck.InForce, error) {
	inForce, err := operations.UseRules(ctx, c, digest, by)
	var refused *temporal.ApplicationError
	switch {
	case errors.As(err, &refused):
		return inForce, errors.New(refused.Message())
	case err != nil && ctx.Err() != nil:
		return inForce, fmt.Errorf("no worker answered within %v: it is not known whether the rule set "+
			"is in force, and it may still take over when a worker runs; "+
			"'gate rules in-force' shows it", wait)
	}
	return inForce, err
}

func printInForce(out io.Writer, inForce *ordercheck.InForce, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(inForce)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	by := ""
	if inForce.By != "" {
		by = ", by " + inForce.By
	}
	fmt.Fprintf(
		w,
		"in force\tsince %s\t%s\t%s%s\n",
		inForce.Since.Local().Format(time.RFC3339),
		inForce.Digest,
		inForce.Name,
		by,
	)
	for i := len(inForce.Before) - 1; i >= 0; i-- {
		before := &inForce.Before[i]
		fmt.Fprintf(
			w,
			"before\tuntil %s\t%s\t%s\n",
			before.Until.Local().Format(time.RFC3339),
			before.Digest,
			before.Name,
		)
	}
	return w.Flush()
}
