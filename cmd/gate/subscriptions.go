package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/config"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/subscriptions"
)

const accountHelp = `
Needs INFLOW_COMPANY_ID and INFLOW_API_KEY, or INFLOW_API_KEY_FILE.`

// secretsToStdout, as the name of a secret file, prints the secret.
const secretsToStdout = "-"

func newSubscriptionCommands() []*cobra.Command {
	return []*cobra.Command{
		newWebhooksListCommand(), newWebhooksGetCommand(), newWebhooksSubscribeCommand(),
		newWebhooksUnsubscribeCommand(), newWebhooksRotateCommand(),
	}
}

// shownSubscription is a subscription as the commands print it.
type shownSubscription struct {
	ID     string   `json:"webHookSubscriptionId"`
	URL    string   `json:"url,omitempty"`
	Events []string `json:"events,omitempty"`
	// Secret is set if a new secret is printed, and SecretFile if it was written to a file.
	Secret     string `json:"secret,omitempty"`
	SecretFile string `json:"secretFile,omitempty"`
	// Outcome is one of the constants below; only subscribe sets it.
	Outcome string `json:"outcome,omitempty"`
	// Replaces is the id of the subscription that was rotated.
	Replaces string `json:"replaces,omitempty"`
}

// Outcomes of 'gate webhooks subscribe'.
const (
	outcomeSubscribed = "subscribed"
	outcomeExists     = "exists"
	outcomeChanged    = "changed"
)

func shown(s inflow.Subscription) shownSubscription {
	return shownSubscription{ID: s.ID, URL: s.URL, Events: s.Events}
}

func newWebhooksListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the account's webhook subscriptions",
		Long: "List every webhook subscription of the account, including those for other programs.\n" +
			accountHelp,
		Args: noWebhookArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			manager, _, err := newSubscriptionManager(cmd)
			if err != nil {
				return err
			}
			list, err := manager.List(cmd.Context())
			if err != nil {
				return err
			}
			all := make([]shownSubscription, len(list))
			for i, subscription := range list {
				all[i] = shown(subscription)
			}
			switch out := cmd.OutOrStdout(); {
			case asJSON:
				return json.NewEncoder(out).Encode(all) //nolint:gosec // lists have no secrets
			case len(all) == 0:
				_, err := fmt.Fprintln(out,
					"There is no subscription: make one with 'gate webhooks subscribe URL'.")
				return err
			default:
				return writeSubscriptions(out, all)
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return cmd
}

func writeSubscriptions(out io.Writer, list []shownSubscription) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tEVENTS\tURL")
	for _, s := range list {
		events := strings.Join(s.Events, ", ")
		fmt.Fprintf(table, "%s\t%s\t%s\n", onOneLine(s.ID), onOneLine(events), onOneLine(s.URL))
	}
	return table.Flush()
}

func newWebhooksGetCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "Show one webhook subscription",
		Long: `Show one webhook subscription. InFlow shows its secret only once, when the
subscription is made. If it is lost, 'gate webhooks rotate' replaces it.
` + accountHelp,
		Args: oneArg("gate webhooks get needs one argument, the id of a subscription"),
		RunE: func(cmd *cobra.Command, args []string) error {
			manager, _, err := newSubscriptionManager(cmd)
			if err != nil {
				return err
			}
			subscription, err := manager.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return writeSubscription(cmd.OutOrStdout(), asJSON, shown(*subscription))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// writeSubscription prints the fields of a subscription that are set.
func writeSubscription(out io.Writer, asJSON bool, s shownSubscription) error {
	if asJSON {
		return json.NewEncoder(out).Encode(s) //nolint:gosec // shown once, to the person who asked
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{cmp.Or(s.Outcome, "subscription"), s.ID},
		{"replaces", s.Replaces},
		{"url", s.URL},
		{"events", strings.Join(s.Events, ", ")},
		{"secret", s.Secret},
		{"secret in", s.SecretFile},
	} {
		if row[1] != "" {
			fmt.Fprintf(table, "%s\t%s\n", row[0], onOneLine(row[1]))
		}
	}
	return table.Flush()
}

func newWebhooksUnsubscribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unsubscribe ID",
		Short: "Remove a webhook subscription",
		Long: `Remove a webhook subscription, so that InFlow no longer calls its URL. The sweep
still finds changed orders, but later.
` + accountHelp,
		Args: oneArg("gate webhooks unsubscribe needs one argument, the id of a subscription"),
		RunE: func(cmd *cobra.Command, args []string) error {
			manager, _, err := newSubscriptionManager(cmd)
			if err != nil {
				return err
			}
			if err := manager.Unsubscribe(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "unsubscribed  %s\n", onOneLine(args[0]))
			return err
		},
	}
}

func addSecretMode(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "secret-mode",
		strconv.FormatUint(uint64(subscriptions.DefaultSecretMode), 8),
		"mode of the secret file, in octal, for an ingress that runs as another user")
}

// secretKeeper returns a keeper that writes new secrets to the file at path, or show if path
// names no file. It returns an error if the file could not be written.
func secretKeeper(
	cmd *cobra.Command, path, mode string, show subscriptions.Show,
) (subscriptions.Keeper, error) {
	if path == "" || path == secretsToStdout {
		return show, nil
	}
	parsed, err := subscriptions.ParseSecretMode(mode)
	if err != nil {
		err = fmt.Errorf("--secret-mode: %w", err)
	}
	file := &subscriptions.SecretFile{
		Path: path, Mode: parsed, Say: func(line string) { cmd.PrintErrln(line) },
	}
	return file, errors.Join(err, file.Ready())
}

// lockSecrets keeps other commands from writing to the same folder of secrets until unlock.
func lockSecrets(keeper subscriptions.Keeper) (unlock func(), err error) {
	file, ok := keeper.(*subscriptions.SecretFile)
	if !ok {
		return func() {}, nil
	}
	return file.Lock()
}

func positive[T ~int | ~int64](flag string, value T) error {
	if value > 0 {
		return nil
	}
	return fmt.Errorf("%s: %v is too little: write more than 0", flag, value)
}

func newSubscriptionManager(
	cmd *cobra.Command,
) (*subscriptions.Manager, config.Subscriptions, error) {
	settings, err := config.LoadSubscriptions(config.OS())
	if err != nil {
		return nil, settings, err
	}
	client, err := newInflowClient(&settings.Account, nil)
	if err != nil {
		return nil, settings, err
	}
	manager := &subscriptions.Manager{API: client, Say: func(line string) { cmd.PrintErrln(line) }}
	return manager, settings, nil
}

// newInflowClient returns a client of InFlow's API. It counts requests if meter is not nil.
func newInflowClient(account *config.Account, meter metric.MeterProvider) (*inflow.Client, error) {
	options := account.Options()
	options.MeterProvider = meter
	return inflow.NewClient(options)
}
