package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/temporalconn"
)

func newOverrideCommand() *cobra.Command {
	var request ordercheck.OverrideRequest
	var until string
	var asJSON bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "override ID",
		Short: "Take responsibility for errors of an order that is held",
		Long: `Take responsibility for errors of a sales order that is pending or held. The
order is let go when somebody answers for each of its errors. An override lapses at
its end, and when the facts of the finding change: it covers the difference of 5
dollars that was there, not one of 500. Who, when and why stay in the history
and in the report.

ID is the order's number, such as SO-001051, or InFlow's id of it. The ids of its findings are in its report:
'gate check ID --json', or the query 'report'.

A worker must be running: it accepts the override. A duration such as 72h counts from
then, by Temporal's clock. If the command ends before a worker has answered, the
override may still take effect when one runs; 'gate check ID' shows it.

Exit status: 0 accepted, and the report as it is then, which may have other errors;
1 refused, or not known whether it was accepted; 2 wrong use.`,
		Example: `  gate override SO-001051 --by "Anna Meier" \
    --reason "agreed with the customer by phone" --until 2026-12-31
  gate override 8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11 --finding order-total --by Anna --reason "rounding" --until 72h`,
		Args: exactArgs(1, "gate override needs one argument, the id or the number of a sales order"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := setEnd(&request, until, time.Local); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			ctx, cancel := waitAtMost(cmd.Context(), wait)
			defer cancel()
			c, err := temporalconn.Dial(ctx, temporalconn.Options{})
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := findOrder(ctx, c, args[0])
			if err != nil {
				return err
			}
			report, err := operations.Override(ctx, c, id, request)
			if err != nil {
				return notOverridden(ctx, err, id, wait)
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				err = report.WriteText(cmd.OutOrStdout())
			}
			if err != nil {
				return fmt.Errorf("the override was accepted, and the report could not be written: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&request.Findings, "finding", []string{ordercheck.AllFindings}, "id of a finding; may be given several times")
	cmd.Flags().StringVar(&request.By, "by", "", "who takes responsibility (required)")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why (required)")
	cmd.Flags().StringVar(&until, "until", "", "when it ends: a date, a time in RFC 3339, or a duration such as 72h (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as one line of JSON")
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for a worker to accept the override")
	return cmd
}

// setEnd reads a date (until its end, in that location), a time, or a duration, which the run counts
// from its own clock: this machine's may be wrong.
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
	return fmt.Errorf("--until %q is neither a date (2026-12-31), a time (2026-12-31T18:00:00Z) nor a duration (72h)", text)
}

// notOverridden says why no report came, and what is known of the override then.
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
	return fmt.Errorf("%s: it is not known whether the override was accepted, and it may still take effect when a worker runs; "+
		"'gate check %s' shows it", why, id)
}
