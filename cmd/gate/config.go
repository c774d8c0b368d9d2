package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"error-check-gate/desk/api"
	"error-check-gate/internal/config"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
)

// processDev is the only process that reads a .env file.
const processDev = "dev"

// Groups of processes.
var (
	// productionProcesses lists the processes that 'gate config' always shows by default.
	productionProcesses = []string{"ingress", "worker", "check", "webhooks", "subscriptions"}
	temporalProcesses   = []string{"ingress", "worker", "desk", "check"}
	// longLived lists the processes that start telemetry.
	longLived = []string{"ingress", "worker", "desk", "codec", processDev}
)

// sharedDeskVariables lists settings that the desk shares with the worker.
var sharedDeskVariables = []string{"DESK_URL", "DESK_SECRET", "DESK_SECRET_FILE", "DESK_LINK_VALID"}

// shownProcesses returns the processes that 'gate config' shows if none is named: the production
// processes, and others whose own variables are set.
func shownProcesses(environment config.Environment) []string {
	names := slices.Clone(productionProcesses)
	for _, name := range environment.Names("DESK_") {
		if !slices.Contains(sharedDeskVariables, name) {
			names = append(names, "desk")
			break
		}
	}
	if len(environment.Names("CODEC_")) > 0 {
		names = append(names, "codec")
	}
	if len(environment.Names("DEV_")) > 0 {
		names = append(names, "fake-inflow", processDev)
	}
	return names
}

func newConfigCommand() *cobra.Command {
	var asJSON bool
	var names []string
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the settings in effect, and everything that is wrong with them",
		Long: `Show every setting of the gate's processes: its value, where the value comes
from, and which processes use it. Secrets are masked.

Set settings as environment variables. You may put a secret into a file instead
and name the file in NAME_FILE. Only 'gate dev' also reads a file .env in the
working folder; the environment overrides it. Set the connection to Temporal with
Temporal's own variables and profiles (TEMPORAL_*), and the receiver of traces
with OpenTelemetry's (OTEL_*).

Exit status: 0 no problems, 2 something is wrong; every fault is on standard error.`,
		Example: `  gate config
  gate config --process ingress
  gate config --json | jq '.faults'`,
		Args: exactArgs(0, "gate config takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			environment := config.OS()
			if len(names) == 0 {
				names = shownProcesses(environment)
			}
			effective, err := effectiveConfiguration(cmd.Context(), environment, names)
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(effective)
			} else {
				err = effective.writeTable(cmd.OutOrStdout())
			}
			if err != nil {
				return fmt.Errorf("write the configuration: %w", err)
			}
			if len(effective.Faults) == 0 {
				return nil
			}
			for _, fault := range effective.Faults {
				cmd.PrintErrf("gate: %v (%s)\n", fault.Fault, strings.Join(fault.Processes, ", "))
			}
			return &exitError{code: exitUsage}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object with settings and faults")
	cmd.Flags().StringSliceVar(&names, "process", nil,
		"processes to show, of "+strings.Join(config.Processes(), ", ")+
			"; by default "+strings.Join(productionProcesses, ", ")+
			", and codec, fake-inflow and dev if their variables are set")
	return cmd
}

type configuration struct {
	Settings []config.Setting      `json:"settings"`
	Faults   []config.ProcessFault `json:"faults"`
	// Receivers explains the names of receivers in logs and runs. It is empty if the worker has a
	// fault.
	Receivers []notify.Receiver `json:"receivers"`
	// Notes say what the settings need outside of the gate.
	Notes []string `json:"notes"`
}

func effectiveConfiguration(
	ctx context.Context, environment config.Environment, names []string,
) (configuration, error) {
	c := configuration{
		Settings: []config.Setting{}, Faults: []config.ProcessFault{},
		Receivers: []notify.Receiver{}, Notes: []string{},
	}
	production := slices.DeleteFunc(slices.Clone(names),
		func(name string) bool { return name == processDev })
	if err := c.add(environment, production); err != nil {
		return c, err
	}
	if len(production) < len(names) {
		withDotEnv, err := environment.WithDotEnv(config.FromDotEnv)
		if err != nil {
			c.Faults = append(c.Faults, config.ProcessFault{
				Fault:     config.Fault{Variable: config.FromDotEnv, Problem: err.Error()},
				Processes: []string{processDev},
			})
		}
		if err := c.add(withDotEnv, []string{processDev}); err != nil {
			return c, err
		}
	}
	connecting := slices.DeleteFunc(production,
		func(name string) bool { return !slices.Contains(temporalProcesses, name) })
	if len(connecting) > 0 {
		c.addTemporal(environment, connecting)
	}
	if slices.Contains(names, "worker") {
		shown, err := receivers(environment)
		if err != nil {
			return c, err
		}
		c.Receivers = shown
	}
	c.checkRules(ctx, environment, names)
	c.checkTokens(environment, names)
	c.checkTelemetry(ctx, names)
	c.addNotes(environment, names)
	for _, setting := range config.Foreign(environment, "OTEL_") {
		setting.Processes = names
		c.Settings = append(c.Settings, setting)
	}
	return c, nil
}

// receivers returns the receivers of the worker's notices. It returns none if the settings have a
// fault, which is reported already.
func receivers(environment config.Environment) ([]notify.Receiver, error) {
	settings, err := config.LoadWorker(environment)
	if err != nil {
		return []notify.Receiver{}, nil //nolint:nilerr // reported already
	}
	notifier, err := notify.New(settings.Notify.Options())
	if err != nil {
		return nil, err
	}
	return append([]notify.Receiver{}, notifier.Receivers()...), nil
}

// checkRules compiles the rule set, as the worker does when it starts.
func (c *configuration) checkRules(
	ctx context.Context, environment config.Environment, names []string,
) {
	const variable = "RULES_FILE"
	names = slices.DeleteFunc(slices.Clone(names),
		func(name string) bool { return name != "worker" && name != processDev })
	path := environment.Value(variable)
	if path == "" || len(names) == 0 || c.faulty(variable) {
		return
	}
	if _, err := rulefile.Load(ctx, rulefile.Paths(path)...); err != nil {
		c.Faults = append(c.Faults, config.ProcessFault{
			Fault:     config.Fault{Variable: variable, Problem: err.Error()},
			Processes: names,
		})
	}
}

// checkTokens reads the tokens of the desk's API, as the desk does when it starts.
func (c *configuration) checkTokens(environment config.Environment, names []string) {
	const variable = "DESK_API_TOKENS_FILE"
	path := environment.Value(variable)
	if path == "" || !slices.Contains(names, "desk") || c.faulty(variable) {
		return
	}
	if err := api.CheckTokenFile(path); err != nil {
		c.Faults = append(c.Faults, config.ProcessFault{
			Fault: config.Fault{Variable: variable, Problem: err.Error()}, Processes: []string{"desk"},
		})
	}
}

// addNotes adds notes about settings without a fault.
func (c *configuration) addNotes(environment config.Environment, names []string) {
	const holdField = "INFLOW_HOLD_FIELD"
	marks := slices.Contains(names, "worker") && environment.Value(holdField) != ""
	if marks && !c.faulty(holdField) {
		c.Notes = append(c.Notes, holdField+": the gate writes this field of orders in InFlow, "+
			"so INFLOW_API_KEY must be allowed to write sales orders. "+
			"If you clear it, or name another field, marks may stay in the former one: "+
			"see 'Show holds in InFlow' in docs/operations.md first")
	}
}

// checkTelemetry starts telemetry as a process does, and stops it before it sends anything.
func (c *configuration) checkTelemetry(ctx context.Context, names []string) {
	names = slices.DeleteFunc(slices.Clone(names),
		func(name string) bool { return !slices.Contains(longLived, name) })
	if len(names) == 0 || c.faulty("LOG_FORMAT") {
		return
	}
	t, err := telemetry.Start(ctx, telemetry.Options{
		Service: "gate-config", Version: version, LogFormat: telemetry.LogJSON, LogWriter: io.Discard,
	})
	if err != nil {
		c.Faults = append(c.Faults, config.ProcessFault{
			Fault:     config.Fault{Variable: "OTEL_*", Problem: err.Error()},
			Processes: names,
		})
		return
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	_ = t.Shutdown(stopped) // nothing was recorded
}

// faulty reports whether the variable has a fault already.
func (c *configuration) faulty(variable string) bool {
	return slices.ContainsFunc(c.Faults,
		func(f config.ProcessFault) bool { return f.Variable == variable })
}

func (c *configuration) add(environment config.Environment, names []string) error {
	settings, faults, err := config.Effective(environment, names...)
	if err != nil {
		return err
	}
	c.Settings = append(c.Settings, settings...)
	c.Faults = append(c.Faults, faults...)
	return nil
}

// addTemporal adds Temporal's settings in effect, and its other variables that are set.
func (c *configuration) addTemporal(environment config.Environment, names []string) {
	temporal, err := temporalconn.Effective()
	if err != nil {
		ofTemporal := func(f config.ProcessFault) bool {
			return strings.HasPrefix(f.Variable, "TEMPORAL_")
		}
		if slices.ContainsFunc(c.Faults, ofTemporal) {
			return // reported already, by the variable's name
		}
		c.Faults = append(c.Faults, config.ProcessFault{
			Fault: config.Fault{Variable: "TEMPORAL_*", Problem: err.Error()}, Processes: names,
		})
		return
	}
	source := func(isDefault bool, variables ...string) string {
		for _, variable := range variables {
			if from, ok := environment.Source(variable); ok {
				return from
			}
		}
		if isDefault {
			return config.FromDefault
		}
		return "profile"
	}
	apiKey := config.Setting{Variable: "TEMPORAL_API_KEY", Processes: names}
	if temporal.APIKey {
		apiKey.Value, apiKey.Source = "(set)", source(false, "TEMPORAL_API_KEY", "TEMPORAL_API_KEY_FILE")
	}
	shown := []config.Setting{
		{Variable: "TEMPORAL_ADDRESS", Value: temporal.Address,
			Source:    source(temporal.Address == client.DefaultHostPort, "TEMPORAL_ADDRESS"),
			Processes: names},
		{Variable: "TEMPORAL_NAMESPACE", Value: temporal.Namespace,
			Source:    source(temporal.Namespace == client.DefaultNamespace, "TEMPORAL_NAMESPACE"),
			Processes: names},
		{Variable: "TEMPORAL_TLS", Value: fmt.Sprint(temporal.TLS),
			Source:    source(!temporal.TLS, "TEMPORAL_TLS", "TEMPORAL_API_KEY", "TEMPORAL_API_KEY_FILE"),
			Processes: names},
		apiKey,
	}
	for _, setting := range config.Foreign(environment, "TEMPORAL_") {
		same := func(s config.Setting) bool { return s.Variable == setting.Variable }
		if !slices.ContainsFunc(append(shown, c.Settings...), same) {
			setting.Processes = names
			shown = append(shown, setting)
		}
	}
	c.Settings = append(c.Settings, shown...)
}

func (c *configuration) writeTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VARIABLE\tVALUE\tFROM\tUSED BY")
	for _, s := range c.Settings {
		value := s.Value
		if value == "" {
			value = "(unset)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Variable, value, s.Source,
			strings.Join(s.Processes, ", "))
	}
	if len(c.Receivers) > 0 {
		fmt.Fprintln(table, "\nRECEIVER\tIS")
	}
	for _, r := range c.Receivers {
		fmt.Fprintf(table, "%s\t%s\n", r.Name, r.Is)
	}
	if len(c.Notes) > 0 {
		fmt.Fprintln(table, "\nNOTES")
	}
	for _, note := range c.Notes {
		fmt.Fprintln(table, note)
	}
	return table.Flush()
}
