package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/internal/config"
	"error-check-gate/internal/holdmark"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderexport"
	"error-check-gate/internal/orderfile"
)

func newOrdersCommand() *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "orders",
		Short: "Export sales orders, to try rules on them",
		Long: `Copy InFlow's sales orders into a file. 'gate rules try' shows what a rule set
would have done to them.`,
	}, exitFault)
	flagErrors(cmd, exitFault)
	cmd.AddCommand(newOrdersExportCommand())
	return cmd
}

const (
	// defaultExportDays is the default of SWEEP_DAYS too.
	defaultExportDays = 30
	maxExportDays     = 3660
	// defaultExportRate is a third of InFlow's limit, so that the gate's checks go on meanwhile.
	defaultExportRate = 20
	// maxExportRate is InFlow's limit with room for accounts that have more.
	maxExportRate = 6000
)

// exportFlags holds the flags of 'gate orders export'.
type exportFlags struct {
	days              int
	from, to          string
	out               string
	requestsPerMinute int
}

func newOrdersExportCommand() *cobra.Command {
	var flags exportFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Copy InFlow's orders into a file, as rules see them",
		Long: `Copy InFlow's sales orders into a file, as rules see them: one JSON document a line.
'gate rules try' evaluates rules on the file, without any request to InFlow. The
orders are chosen by their order date. The file has no contacts, streets or e-mail
addresses, but prices and customers' names: only you can read it (mode 0600).

If the file exists, the command fetches only orders that have changed since. You may
interrupt it and run it again: it continues where it stopped.

A request fetches a hundred orders. The limit of requests leaves room for a gate
that uses the same account at the same time: InFlow allows an account 60 a minute.
` + accountHelp + `

Exit status: 0 exported, 1 not.`,
		Example: `  gate orders export
  gate orders export --days 90 --out last-quarter.jsonl
  gate orders export --from 2026-10-01 --to 2026-10-31 --out october.jsonl`,
		Args: countArgs("gate orders export takes no arguments", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := flags.options(cmd, time.Now())
			if err != nil {
				return err
			}
			return exportOrders(cmd, options)
		},
	}
	f := cmd.Flags()
	f.IntVar(&flags.days, "days", defaultExportDays, "export orders of the last days")
	f.StringVar(&flags.from, "from", "", "export orders from this day on, such as 2026-10-01")
	f.StringVar(&flags.to, "to", "", "export orders up to this day")
	f.StringVar(&flags.out, "out", "orders.jsonl", "the file to write")
	f.IntVar(&flags.requestsPerMinute, "requests-per-minute", defaultExportRate,
		"the most requests to InFlow in a minute")
	return cmd
}

// options returns the options of the export from the flags and the settings. The error lists
// everything that is wrong with them.
func (f *exportFlags) options(cmd *cobra.Command, now time.Time) (orderexport.Options, error) {
	window, err := f.window(cmd, now)
	if f.out == "" || f.out == "-" {
		err = errors.Join(err, errors.New("--out: write the name of a file"))
	}
	if f.requestsPerMinute < 1 || f.requestsPerMinute > maxExportRate {
		err = errors.Join(err, fmt.Errorf("--requests-per-minute: write a number from 1 to %d",
			maxExportRate))
	}
	environment := config.OS()
	settings, settingsErr := config.LoadSubscriptions(environment)
	clean, cleanErr := holdMarkCleaner(environment)
	if err = errors.Join(err, settingsErr, cleanErr); err != nil {
		return orderexport.Options{}, err
	}
	account := settings.Account.Options()
	account.Timeout = orderexport.RequestTimeout
	client, err := inflow.NewClient(account)
	return orderexport.Options{
		Orders: client, CompanyID: account.CompanyID, Path: f.out, Window: window,
		RequestsPerMinute: f.requestsPerMinute, Gate: version, TimeZone: config.LocalTimeZone(),
		Clean: clean,
		Say:   func(message string) { cmd.PrintErrln(clearLineOn(cmd) + "gate: " + message) },
	}, err
}

// window returns the days of --days, or of --from and --to.
func (f *exportFlags) window(cmd *cobra.Command, now time.Time) (orderfile.Window, error) {
	if cmd.Flags().Changed("from") || cmd.Flags().Changed("to") {
		if cmd.Flags().Changed("days") {
			return orderfile.Window{}, errors.New("write either --days, or --from and --to")
		}
		return parseWindow(f.from, f.to)
	}
	if f.days < 1 || f.days > maxExportDays {
		return orderfile.Window{}, fmt.Errorf("--days: write a number from 1 to %d", maxExportDays)
	}
	return orderfile.Window{From: now.AddDate(0, 0, -f.days).Format(time.DateOnly)}, nil
}

func parseWindow(from, to string) (orderfile.Window, error) {
	for _, day := range []struct{ flag, text string }{{"--from", from}, {"--to", to}} {
		_, err := time.Parse(time.DateOnly, day.text)
		if err != nil && (day.text != "" || day.flag == "--from") {
			return orderfile.Window{}, fmt.Errorf("%s: write a day such as 2026-10-01", day.flag)
		}
	}
	if to != "" && to < from {
		return orderfile.Window{}, errors.New("--to is before --from")
	}
	return orderfile.Window{From: from, To: to}, nil
}

// holdMarkCleaner returns a function that takes the gate's own mark out of an order, as the worker
// does before rules see the order. It returns nil if the gate marks no orders.
func holdMarkCleaner(environment config.Environment) (func(*inflow.SalesOrder), error) {
	field := environment.Value("INFLOW_HOLD_FIELD")
	if field == "" {
		return nil, nil
	}
	text, err := holdmark.ParseText(environment.Value("INFLOW_HOLD_TEXT"), time.Local)
	if err != nil {
		return nil, fmt.Errorf("INFLOW_HOLD_TEXT: %w", err)
	}
	return func(order *inflow.SalesOrder) {
		if text.Recognizes(order.CustomFields[field]) {
			delete(order.CustomFields, field)
		}
	}, nil
}

func exportOrders(cmd *cobra.Command, options orderexport.Options) error {
	shown := newExportProgress(cmd.ErrOrStderr())
	options.Progress = shown.set
	result, err := orderexport.Run(cmd.Context(), options)
	shown.end()
	if cmd.Context().Err() != nil && err != nil && errors.Is(err, context.Cause(cmd.Context())) {
		return errors.New("interrupted: run the command again to continue where it stopped")
	}
	if err != nil {
		return err
	}
	days := "since " + result.Window.From
	if result.Window.To != "" {
		days = "from " + result.Window.From + " to " + result.Window.To
	}
	line := fmt.Sprintf("%s: %s %s, %d new or changed", options.Path,
		ordercheck.Plural(result.Orders, "order"), days, result.Fetched)
	if result.Removed > 0 {
		line += fmt.Sprintf(", %d removed", result.Removed)
	}
	if result.Unreadable > 0 {
		line += fmt.Sprintf(", %d missing because they could not be read", result.Unreadable)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s (%s to InFlow)\n", line,
		ordercheck.Plural(result.Requests, "request"))
	return err
}
