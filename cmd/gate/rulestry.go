package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"error-check-gate/internal/backtest"
	"error-check-gate/internal/config"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules/rulefile"
)

func newRulesTryCommand() *cobra.Command {
	var t trial
	cmd := &cobra.Command{
		Use:   "try",
		Short: "Show what rules would have done to past orders",
		Long: `Evaluate the orders in a file from 'gate orders export' with new rules and with the
rules in force, and show the difference: how many orders would be held, how many mails
would be sent, and for each rule, how many orders break it now and with the new rules,
with the newest examples.

RULES_FILE names the rules in force. Without it, these are the general checks. Use
--against to compare with other files. MAIL_TO, NOTIFY_SALES_REP, NOTIFY_URLS and
NOTIFY_REDIRECT say who would get mails. The command needs neither InFlow nor Temporal.

Exit status: 0, or 1 if --fail-above is exceeded, or 2 if a rule file or the file of
orders cannot be read.`,
		Example: `  gate orders export --days 90 --out orders.jsonl
  gate rules try --rules rules/default.yaml,ours.yaml --orders orders.jsonl
  gate rules try --rules ours.yaml --orders orders.jsonl --html report.html --fail-above 2`,
		Args: noRulesArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&t.rules, "rules", nil,
		"rule file to try (required); for several, repeat the flag or separate them with commas")
	flags.StringSliceVar(&t.against, "against", nil,
		"rule file to compare with (default RULES_FILE, or else the rules that ship with the gate)")
	flags.StringVar(&t.orders, "orders", "",
		"file of orders from 'gate orders export', or - for standard input (required)")
	flags.BoolVar(&t.asJSON, "json", false, "print the result as one JSON object")
	flags.StringVar(&t.html, "html", "",
		"also write the result into this file, as a page that you can mail")
	flags.StringVar(&t.failAbove, "fail-above", "",
		"exit with 1 if more than this percentage of the orders are fine now but would be held "+
			"or not checked completely")
	return cmd
}

// trial holds the flags of 'gate rules try'.
type trial struct {
	rules, against []string
	orders         string
	asJSON         bool
	html           string
	failAbove      string
}

func (t *trial) run(cmd *cobra.Command) error {
	limit, err := t.parse()
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	o := backtest.Options{File: filepath.Base(t.orders)}
	if t.orders == "-" {
		o.File = "standard input"
	}
	if o.New, err = loadRules(cmd, t.rules); err != nil {
		return err
	}
	if o.Now, err = loadRules(cmd, t.against); err != nil {
		return err
	}
	var notes []string
	o.Notices, notes = tryNotices()
	progress := newProgress(cmd.ErrOrStderr(), "orders")
	o.Progress = progress.set
	result, err := backtestFile(cmd.Context(), cmd.InOrStdin(), t.orders, o)
	progress.end()
	if err != nil {
		return &exitError{code: exitNotChecked, err: err}
	}
	result.Notes = append(result.Notes, notes...)
	if t.failAbove != "" {
		result.FailAbove = result.Fail(limit)
	}
	if t.html != "" {
		inputs := append(append([]string{t.orders}, t.rules...), t.against...)
		if err := writePage(t.html, inputs, result.WriteHTML); err != nil {
			return &exitError{code: exitNotChecked, err: err}
		}
	}
	if t.asJSON {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	} else {
		err = result.WriteText(cmd.OutOrStdout())
	}
	switch {
	case err != nil:
		return &exitError{code: exitNotChecked, err: err}
	case result.FailAbove != nil && result.FailAbove.Exceeded:
		return &exitError{code: exitErrorsFound, err: tooMany(result)}
	}
	return nil
}

// parse checks the flags and returns the limit of --fail-above.
func (t *trial) parse() (limit float64, err error) {
	switch {
	case len(t.rules) == 0:
		return 0, errors.New("name the rule files to try with --rules")
	case t.orders == "":
		return 0, errors.New("name a file of orders with --orders; 'gate orders export' makes one")
	case t.failAbove == "":
		return 0, nil
	}
	limit, err = strconv.ParseFloat(t.failAbove, 64)
	if err != nil || !(limit >= 0 && limit <= 100) { // NaN is neither
		return 0, fmt.Errorf("--fail-above %q is not a percentage: write a number from 0 to 100, "+
			"such as 2.5", t.failAbove)
	}
	return limit, nil
}

func tooMany(r *backtest.Result) error {
	return fmt.Errorf("the new rules hold %.2f %% of the orders that are not held now, and cannot "+
		"check %.2f %% completely; --fail-above is %v", r.Held.MorePercent, r.Incomplete.MorePercent,
		r.FailAbove.Percent)
}

// loadRules compiles rule files, or the rules in force if files is empty.
func loadRules(cmd *cobra.Command, files []string) (backtest.Source, error) {
	from := strings.Join(files, ", ")
	fromSetting := len(files) == 0
	if fromSetting {
		files = rulefile.Paths(os.Getenv("RULES_FILE"))
		from = "RULES_FILE: " + strings.Join(files, ", ")
	}
	if len(files) == 0 {
		return backtest.Source{
			Set: rulefile.Default(), From: "the rules that ship with the gate",
		}, nil
	}
	set, err := rulefile.Load(cmd.Context(), files...)
	if err != nil {
		err = faulty(cmd.ErrOrStderr(), err)
		if fromSetting {
			err = &exitError{code: exitNotChecked, err: fmt.Errorf("RULES_FILE: %w", err)}
		}
		return backtest.Source{}, err
	}
	return backtest.Source{Set: set, From: from}, nil
}

// trialGCPercent is the GOGC of a trial. Each order makes a lot of garbage next to a small heap,
// so the default of 100 spends 20% of the time on collecting it. With 300, memory stays near 110
// MiB.
const trialGCPercent = 300

func backtestFile(
	ctx context.Context, stdin io.Reader, path string, o backtest.Options,
) (*backtest.Result, error) {
	input, err := openInput(ctx, stdin, path)
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	defer input.Close() //nolint:errcheck // only read
	name := path
	if path == "-" {
		name = o.File
	}
	file, err := orderfile.NewReader(input, name)
	if err != nil {
		return nil, err
	}
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(trialGCPercent))
	}
	return backtest.Run(ctx, file, o)
}

// tryNotices returns who would get notices, or a note that says why that is unknown.
func tryNotices() (*backtest.Notices, []string) {
	settings, err := config.LoadNotices(config.OS())
	if err != nil {
		return nil, []string{"Messages are not counted, because their settings are wrong: " +
			"see 'gate config'."}
	}
	notifier, err := notify.New(settings.Options())
	if err != nil {
		return nil, []string{fmt.Sprintf("Messages are not counted: %v.", err)}
	}
	messages := func(hasSalesRep bool) (mails, posts int) {
		targets := notifier.Targets(&notify.Notice{
			Notice: ordercheck.Notice{HasSalesRep: hasSalesRep},
		})
		for _, target := range targets {
			if target.IsMail() {
				mails++
			} else {
				posts++
			}
		}
		return mails, posts
	}
	n := &backtest.Notices{Warnings: settings.NotifyWarnings}
	for _, receiver := range notifier.Receivers() {
		n.Receivers = append(n.Receivers, receiver.Is)
	}
	if len(n.Receivers) == 0 {
		return nil, []string{"Messages are not counted, because the settings name no receiver: " +
			"see MAIL_TO, NOTIFY_SALES_REP and NOTIFY_URLS."}
	}
	// Only the sales rep depends on the order.
	mails, posts := messages(false)
	repMails, repPosts := messages(true)
	n.Messages = func(hasSalesRep bool) (int, int) {
		if hasSalesRep {
			return repMails, repPosts
		}
		return mails, posts
	}
	var notes []string
	if settings.NotifySalesRep {
		notes = append(notes, "The file has no addresses. Each sales rep counts as one more "+
			"receiver, even one without an address or one that MAIL_TO names too.")
	}
	return n, notes
}

// writePage writes a page that only its owner may read. The page appears once it is complete.
// It may replace a regular file, but not an input of the command.
func writePage(path string, inputs []string, write func(io.Writer) error) (err error) {
	if old, err := os.Stat(path); err == nil {
		if !old.Mode().IsRegular() {
			return fmt.Errorf("write the page: %s is not a file", path)
		}
		for _, input := range inputs {
			if info, err := os.Stat(input); err == nil && os.SameFile(old, info) {
				return fmt.Errorf("write the page: the command reads %s; name another file", path)
			}
		}
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if err = errors.Join(write(file), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
