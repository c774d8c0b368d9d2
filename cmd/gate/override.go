package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

func newOverrideCommand() *cobra.Command {
	var request ordercheck.OverrideRequest
	var until string
	var asJSON bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "override ID",
		Short: "Take responsibility for errors of an order that is held",
		Long: `Take responsibility for errors of a sales order that is pending or held. The gate
releases the order when somebody has taken responsibility for each of its errors.
An override ends at its time, or when the facts of the finding change: an override
of a difference of 5 dollars does not cover one of 500. The history and the report
keep who, when and why.

ID is the order's number, such as SO-001051, or InFlow's id of the order. Its report
has the ids of its findings: 'gate check ID --json', or the query 'report'.

A worker must be running, because it accepts the override. A duration such as 72h
starts when it does, by Temporal's clock. If the command ends before a worker has
answered, the override may still take effect when one runs; 'gate check ID' shows
it. After an override, the command prints the report, which may have other errors.

Exit status: 0 accepted, 1 refused, or not known whether it was accepted, 2 wrong
use.`,
		Example: `  gate override SO-001051 --by "Anna Meier" \
    --reason "agreed with the customer by phone" --until 2026-12-31
  gate override 8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11 --finding order-total \
    --by Anna --reason "rounding" --until 72h`,
		Args: exactArgs(1, "gate override needs one argument, the id or the number of a sales order"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := setEnd(&request, until, time.Local); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			var report *ordercheck.Report
			err := withTemporalAtMost(cmd.Context(), wait,
				func(ctx context.Context, c client.Client) error {
					id, err := findOrder(ctx, c, args[0])
					if err != nil {
						return err
					}
					report, err = operations.Override(ctx, c, id, request)
					if err != nil {
						return notOverridden(ctx, err, id, wait)
					}
					return nil
				})
			if err != nil {
				return err
			}
			if err := printReport(cmd.OutOrStdout(), report, asJSON); err != nil {
				return fmt.Errorf("the override was accepted, and the report could not be written: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&request.Findings, "finding", []string{ordercheck.AllFindings},
		"id of a finding; may be repeated")
	flags.StringVar(&request.By, "by", "", "who takes responsibility (required)")
	flags.StringVar(&request.Reason, "reason", "", "why (required)")
	flags.StringVar(&until, "until", "",
		"when it ends: a date, a time in RFC 3339, or a duration such as 72h (required)")
	flags.BoolVar(&asJSON, "json", false, "print the report as one line of JSON")
	flags.DurationVar(&wait, "wait", time.Minute,
		"how long to wait for a worker to accept the override")
	return cmd
}

// setEnd sets the end of an override from a date, a time or a duration. A date means the end of
// that day in location. The run adds a duration to its own time, because this machine's clock
// may be wrong.
func setEnd(request *ordercheck.OverrideRequest, text string, location *time.Location) error {
	if text == "" {
		return errors.New("--until is missing: say when the override ends, as in 2026-12-31 or 72h")
	}
	if _, err := time.ParseDuration(text); err == nil {
		request.For = text
		return nil
	}
	if date, err := time.ParseInLocation(time.DateOnly, text, location); err == nil {
		request.Until = date.AddDate(0, 0, 1)
		return nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		request.Until = at
		return nil
	}
	return fmt.Errorf("--until %q is neither a date (2026-12-31), "+
		"a time (2026-12-31T18:00:00Z) nor a duration (72h)", text)
}

// notOverridden explains why no report came, and whether the override may have been accepted.
func notOverridden(ctx context.Context, err error, id string, wait time.Duration) error {
	var refused *temporal.ApplicationError
	if errors.As(err, &refused) {
		return errors.New(refused.Message())
	}
	if ctx.Err() == nil {
		return err
	}
	why := "interrupted"
	if errors.Is(context.Cause(ctx), errWaited) {
		why = fmt.Sprintf("no worker answered within %v", wait)
	}
	return fmt.Errorf("%s: it is not known whether the override was accepted, "+
		"and it may still take effect when a worker runs; 'gate check %s' shows it", why, id)
}
