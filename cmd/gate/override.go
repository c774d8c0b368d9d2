package main

import (
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
	cmd := &cobra.Command{
		Use:   "override ID",
		Short: "Take responsibility for errors of an order that is held",
		Long: `Take responsibility for errors of a sales order that is pending or held. The
order is let go when somebody answers for each of its errors. An override lapses at
its end, and when the facts of the finding change: it covers the difference of 5
dollars that was there, not one of 500. Who, when and why stay in the history
and in the report.

ID is the order's number, such as SO-001051, or InFlow's id of it. The ids of its findings are in its report:
'gate check ID --json', or the query 'report'.`,
		Example: `  gate override SO-001051 --by "Anna Meier" \
    --reason "agreed with the customer by phone" --until 2026-12-31
  gate override 8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11 --finding order-total --by Anna --reason "rounding" --until 72h`,
		Args: exactArgs(1, "gate override needs one argument, the id or the number of a sales order"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if request.Until, err = parseUntil(until, time.Now()); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			c, err := temporalconn.Dial(cmd.Context(), temporalconn.Options{})
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := findOrder(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			report, err := operations.Override(cmd.Context(), c, id, request)
			var refused *temporal.ApplicationError
			if errors.As(err, &refused) {
				return errors.New(refused.Message())
			}
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			}
			return report.WriteText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&request.Findings, "finding", []string{ordercheck.AllFindings}, "id of a finding; may be given several times")
	cmd.Flags().StringVar(&request.By, "by", "", "who takes responsibility (required)")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why (required)")
	cmd.Flags().StringVar(&until, "until", "", "when it ends: a date, a time in RFC 3339, or a duration such as 72h (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as one line of JSON")
	return cmd
}

// parseUntil reads a date (until its end, local time), a time, or a duration from now.
func parseUntil(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("--until is missing: say when the override ends, as in 2026-12-31 or 72h")
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d).Truncate(time.Second), nil
	}
	if date, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return date.AddDate(0, 0, 1), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("--until %q is neither a date (2026-12-31), a time (2026-12-31T18:00:00Z) nor a duration (72h)", text)
}
