package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/rulefile"
)

func newRulesCommand() *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "rules",
		Short: "Validate, test and list rule files, and try them on past orders",
		Long: `A rule set says what can be wrong with a sales order. It is written in YAML files,
without a build: docs/rules.md explains them. The gate follows the files that
RULES_FILE names, and takes over what they say when they change; without it, the
general checks that ship with the gate hold.

Of these commands only in-force and use need Temporal; none needs InFlow.`,
	}, exitUsage)
	cmd.AddCommand(
		newRulesValidateCommand(),
		newRulesEvalCommand(),
		newRulesListCommand(),
		newRulesTestCommand(),
		newRulesTryCommand(),
		newRulesInForceCommand(),
		newRulesUseCommand(),
	)
	return cmd
}

func noRulesArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &exitError{
		code: exitUsage,
		err: fmt.Errorf(
			"%s does not take %q; see '%s --help'",
			cmd.CommandPath(),
			args[0],
			cmd.CommandPath(),
		),
	}
}

// ruleFilesArgs requires the names of rule files.
func ruleFilesArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nil
	}
	return &exitError{
		code: exitUsage,
		err: fmt.Errorf(
			"%s needs the name of a rule file; see '%s --help'",
			cmd.CommandPath(),
			cmd.CommandPath(),
		),
	}
}

func newRulesValidateCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Compile rule files and show every fault in them",
		Long: `Read and compile rule files, with the tables that they name, and show everything
that is wrong, each with file:line:column. If you name several files, a later one
can add rules to the earlier ones, change their rules, or switch them off.

From a file without faults to rules in force, the steps are:

  gate rules test FILE                          their examples
  gate rules try --rules FILE --orders ORDERS   past orders, of 'gate orders export'
  gate rules list --rules FILE,TRIAL            with {id: ID, shadow: true} in TRIAL:
                                                on trial, counted and never held
  gate rules in-force                           turned on, once TRIAL no longer says so

Exit status: 0 no problems found, 2 there are faults.`,
		Example: `  gate rules validate rules/cabinetry.yaml
  gate rules validate rules/default.yaml our-rules.yaml`,
		Args: ruleFilesArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := rulefile.Load(cmd.Context(), args...)
			if asJSON {
				faults := rulefile.Faults{}
				if err != nil && !errors.As(err, &faults) {
					return &exitError{code: exitNotChecked, err: err}
				}
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(faults); err != nil {
					return err
				}
				if len(faults) > 0 {
					return &exitError{code: exitNotChecked}
				}
				return nil
			}
			if err != nil {
				return faulty(cmd.OutOrStdout(), err)
			}
			on := 0
			for _, rule := range set.Rules() {
				if rule.Enabled {
					on++
				}
			}
			_, err = fmt.Fprintf(
				cmd.OutOrStdout(),
				"%s: %s (%d enabled), no problems found\n%s\n",
				set.Name(),
				ordercheck.Plural(len(set.Rules()), "rule"),
				on,
				set.Digest(),
			)
			cmd.PrintErrf("next: gate rules try --rules %s --orders FILE, which shows what the rules "+
				"would have done to past orders\n", shellWord(strings.Join(args, ",")))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the faults as one list in JSON")
	return cmd
}

// shellWord returns a text as one word of a shell command.
func shellWord(text string) string {
	if !strings.ContainsAny(text, " \t\n\"'`\\$&;|<>()*?[]{}#~!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// faulty shows what is wrong with rule files, one fault a line, and ends the command.
func faulty(w io.Writer, err error) error {
	var faults rulefile.Faults
	if !errors.As(err, &faults) {
		return &exitError{code: exitNotChecked, err: err}
	}
	if _, err := fmt.Fprintln(w, faults.Error()); err != nil {
		return err
	}
	count := "1 fault"
	if len(faults) > 1 {
		count = fmt.Sprintf("%d faults", len(faults))
	}
	return &exitError{code: exitNotChecked, err: errors.New(count + " in the rule files")}
}

// rulesFlag is the flag --rules, given once or several times, with commas or without.
type rulesFlag struct{ files []string }

func (f *rulesFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.files, "rules", nil,
		"a rule file; for several, repeat the flag or separate them with commas "+
			"(default RULES_FILE, or else the rules that ship with the gate)")
}

// load compiles the files in the flag, or else the files in RULES_FILE, or else the rules that
// ship with the gate.
func (f *rulesFlag) load(cmd *cobra.Command) (*rules.Set, error) {
	source, err := loadRules(cmd, f.files)
	return source.Set, err
}

func newRulesEvalCommand() *cobra.Command {
	var ruleFiles rulesFlag
	var orderFile, lookupsFile, at string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Check sales orders in files against rules",
		Long: `Evaluate rules on sales orders as InFlow's API sends them, in a file or on
standard input: one JSON document, or several after each other. There is no grace
period: every finding is confirmed immediately.

Rules that compare with other orders need --lookups: a JSON file with
recentOrders and billed, as docs/rules-reference.md shows. Without it they are skipped.

An order that was fetched without something that rules need is INCOMPLETE, with the
include to fetch it with.

Exit status: 0 passed or with warnings only, 1 errors found, 2 not checked: a rule
file or an order cannot be read, or a rule could not be evaluated or lacked data.`,
		Example: `  gate rules eval --rules rules/cabinetry.yaml --order order.json
  jq -c '.[]' orders.json | gate rules eval --order - --json`,
		Args: noRulesArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := evaluator{out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), asJSON: asJSON}
			var err error
			if e.now, err = parseTime(at); err != nil {
				return err
			}
			if orderFile == "" {
				return &exitError{
					code: exitUsage,
					err:  errors.New("name a file of orders with --order, or - for standard input"),
				}
			}
			if e.set, err = ruleFiles.load(cmd); err != nil {
				return err
			}
			if e.lookups, err = readLookups(cmd.Context(), lookupsFile); err != nil {
				return &exitError{code: exitNotChecked, err: err}
			}
			file, err := openInput(cmd.Context(), cmd.InOrStdin(), orderFile)
			if err != nil {
				return &exitError{code: exitNotChecked, err: fmt.Errorf("read the orders: %w", err)}
			}
			defer file.Close() //nolint:errcheck // only read
			if orderFile == "-" {
				orderFile = "standard input"
			}
			err = e.all(cmd, file, orderFile)
			if err != nil && cmd.Context().Err() != nil {
				return &exitError{code: exitNotChecked, err: context.Cause(cmd.Context())}
			}
			return err
		},
	}
	ruleFiles.register(cmd)
	cmd.Flags().
		StringVar(&orderFile, "order", "", "a file of sales orders in JSON, or - for standard input")
	cmd.Flags().
		StringVar(&lookupsFile, "lookups", "",
			"a JSON file of recentOrders and billed, for rules that compare with other orders")
	cmd.Flags().
		StringVar(&at, "now", "", "the time that rules see, such as 2026-01-31T12:00:00Z (default now)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one report a line, as JSON")
	return cmd
}

// parseTime reads a time or a day; empty is now.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Now().UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		return time.Time{}, &exitError{
			code: exitUsage,
			err: fmt.Errorf(
				"--now %q is neither a day such as 2026-01-31 nor a time such as 2026-01-31T12:00:00Z",
				text,
			),
		}
	}
	return at.UTC(), nil
}

func readLookups(ctx context.Context, name string) (ordercheck.Lookups, error) {
	var lookups ordercheck.Lookups
	if name == "" {
		return lookups, nil
	}
	content, err := readInput(ctx, name)
	if err != nil {
		return lookups, fmt.Errorf("read the lookups: %w", err)
	}
	if err := json.Unmarshal(content, &lookups); err != nil {
		return lookups, fmt.Errorf("read the lookups: %s: %w", name, err)
	}
	return lookups, nil
}

// evaluator evaluates a stream of orders.
type evaluator struct {
	set     *rules.Set
	lookups ordercheck.Lookups
	now     time.Time
	asJSON  bool
	out     io.Writer
	errs    io.Writer
}

func (e *evaluator) all(cmd *cobra.Command, in io.Reader, name string) error {
	out := bufio.NewWriter(e.out)
	defer out.Flush() //nolint:errcheck // flushed after every report
	encoder, decoder := json.NewEncoder(out), json.NewDecoder(bufio.NewReader(in))
	errorsFound, notChecked := false, false
	n := 0
	for {
		var document json.RawMessage
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			// After broken JSON, nobody can tell where the next document begins.
			return &exitError{code: exitNotChecked, err: fmt.Errorf("%s: document %d is not JSON: %w", name, n+1, err)}
		}
		n++
		var order inflow.SalesOrder
		if err := json.Unmarshal(document, &order); err != nil {
			notChecked = true
			fmt.Fprintf(e.errs, "gate: %s: document %d is no sales order: %v\n", name, n, err)
			continue
		}
		checked := e.set.Evaluate(cmd.Context(), &order, e.now.Local(), e.lookups)
		report := rules.Report(&order, checked, e.now)
		errorsFound = errorsFound || report.Errors() > 0
		notChecked = notChecked || report.Status == ordercheck.StatusIncomplete
		var err error
		if e.asJSON {
			err = encoder.Encode(&report)
		} else {
			err = errors.Join(report.WriteText(out), writeShadow(out, checked.Shadow))
		}
		if err = errors.Join(err, out.Flush()); err != nil {
			return err
		}
	}
	switch {
	case n == 0:
		return &exitError{code: exitNotChecked, err: fmt.Errorf("%s has no order", name)}
	case errorsFound:
		return &exitError{code: exitErrorsFound}
	case notChecked:
		return &exitError{code: exitNotChecked}
	}
	return nil
}

// writeShadow writes the results of rules on trial, which are not part of the report.
func writeShadow(w io.Writer, results []ordercheck.ShadowResult) error {
	for _, s := range results {
		outcome := ordercheck.Plural(s.Findings, "finding")
		switch {
		case s.Error != "":
			outcome = "could not be evaluated: " + s.Error
		case s.Skipped != "" && s.Findings == 0:
			outcome = "skipped: " + s.Skipped
		case s.Skipped != "":
			outcome += "; skipped: " + s.Skipped
		}
		if _, err := fmt.Fprintf(w, "  rule %s is on trial: %s\n", s.RuleID, outcome); err != nil {
			return err
		}
	}
	return nil
}

func newRulesListCommand() *cobra.Command {
	var ruleFiles rulesFlag
	var asJSON, builtins bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the rules of a set, or the built-in ones",
		Long: `List the rules of a set in their order: id, severity, scope, and what an order that
breaks the rule has wrong. Rules that are switched off or on trial are marked.

With --builtins, list the rules that are written in Go instead, with the
parameters that a rule file can give them.`,
		Args: noRulesArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if builtins {
				if asJSON {
					return json.NewEncoder(out).Encode(checks.All())
				}
				return writeBuiltins(out)
			}
			set, err := ruleFiles.load(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(out).Encode(set.Rules())
			}
			table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			for _, rule := range set.Rules() {
				state := ""
				switch {
				case !rule.Enabled:
					state = " (switched off)"
				case rule.Shadow:
					state = " (on trial)"
				}
				fmt.Fprintf(
					table,
					"%s\t%s\t%s\t%s%s\n",
					rule.ID,
					rule.Severity,
					rule.Scope,
					rule.Description,
					state,
				)
			}
			return table.Flush()
		},
	}
	ruleFiles.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one list in JSON")
	cmd.Flags().BoolVar(&builtins, "builtins", false, "list the built-in rules and their parameters")
	return cmd
}

func writeBuiltins(out io.Writer) error {
	for _, b := range checks.All() {
		if _, err := fmt.Fprintf(out, "%s  (scope %s)\n  %s\n", b.Name, b.Scope, b.Description); err != nil {
			return err
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, s := range b.Parameters {
			standard := ""
			if s.Default != "" {
				standard = "default " + s.Default
			}
			fmt.Fprintf(table, "    %s\t%s\t%s\t%s\n", s.Name, s.Kind, s.Description, standard)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func newRulesTestCommand() *cobra.Command {
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run the examples in rule files",
		Long: `Evaluate each rule on the examples in its rule file: examples that must break it
and examples that must not. Print the examples that failed. Rules that are switched
off or on trial are tested too.

Exit status: 0 no example failed, 1 an example failed, 2 a rule file is faulty.`,
		Example: `  gate rules test rules/cabinetry.yaml`,
		Args:    ruleFilesArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := rulefile.Load(cmd.Context(), args...)
			if err != nil {
				return faulty(cmd.ErrOrStderr(), err)
			}
			return testRules(cmd, set, asJSON, verbose)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one list of all examples in JSON")
	cmd.Flags().
		BoolVarP(&verbose, "verbose", "v", false, "name the examples that are as they must be, too")
	return cmd
}

func testRules(cmd *cobra.Command, set *rules.Set, asJSON, verbose bool) error {
	out := cmd.OutOrStdout()
	results := set.Test(cmd.Context())
	if results == nil {
		results = []rules.ExampleResult{}
	}
	differed := 0
	for _, r := range results {
		if r.Problem != "" {
			differed++
		}
	}
	if asJSON {
		if err := json.NewEncoder(out).Encode(results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			switch {
			case r.Problem != "":
				fmt.Fprintf(out, "%s: %s, example %q: %s\n", r.Place, r.RuleID, r.Example, r.Problem)
			case verbose:
				fmt.Fprintf(out, "%s: %s, example %q: ok\n", r.Place, r.RuleID, r.Example)
			}
		}
		var without []string
		for _, rule := range set.Rules() {
			if broken, fine := set.ExampleCounts(rule.ID); broken == 0 || fine == 0 {
				without = append(without, rule.ID)
			}
		}
		if len(without) > 0 {
			fmt.Fprintf(out, "rules without an example that breaks them, or without one that does not: %s\n", strings.Join(without, ", "))
		}
		if _, err := fmt.Fprintf(out, "%s: %s, %s, %d differed\n", set.Name(),
			ordercheck.Plural(len(set.Rules()), "rule"), ordercheck.Plural(len(results), "example"),
			differed); err != nil {
			return err
		}
	}
	if differed > 0 {
		return &exitError{code: exitErrorsFound}
	}
	return nil
}
