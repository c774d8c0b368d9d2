package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/config"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/subscriptions"
)

const accountHelp = `
Needs INFLOW_COMPANY_ID and INFLOW_API_KEY, or INFLOW_API_KEY_FILE.`

// secretsToStdout as the name of a secret file.
const secretsToStdout = "-"

func newSubscriptionCommands() []*cobra.Command {
	return []*cobra.Command{
		newWebhooksListCommand(), newWebhooksGetCommand(), newWebhooksSubscribeCommand(),
		newWebhooksUnsubscribeCommand(), newWebhooksRotateCommand(),
	}
}

// shownSubscription is a subscription for people and scripts.
type shownSubscription struct {
	ID     string   `json:"webHookSubscriptionId"`
	URL    string   `json:"url,omitempty"`
	Events []string `json:"events,omitempty"`
	// Secret only where a new one is to be shown; a file is named instead where one was written.
	Secret     string `json:"secret,omitempty"`
	SecretFile string `json:"secretFile,omitempty"`
	// Outcome of subscribe is one of the outcome constants.
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
		Long:  "List every webhook subscription of the account, other programs' included.\n" + accountHelp,
		Args:  noWebhookArgs,
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
				_, err := fmt.Fprintln(out, "There is no subscription: make one with 'gate webhooks subscribe URL'.")
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
		fmt.Fprintf(table, "%s\t%s\t%s\n", onOneLine(s.ID), onOneLine(strings.Join(s.Events, ", ")), onOneLine(s.URL))
	}
	return table.Flush()
}

func newWebhooksGetCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "Show one webhook subscription",
		Long: `Show one webhook subscription. InFlow shows its secret only once, when the
subscription is made: 'gate webhooks rotate' replaces one that is lost.
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

// writeSubscription prints what is known of a subscription.
func writeSubscription(out io.Writer, asJSON bool, s shownSubscription) error {
	if asJSON {
		return json.NewEncoder(out).Encode(s) //nolint:gosec // shown once, to who asked for it
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
		Long: `Remove a webhook subscription: InFlow calls its URL no more. The sweep goes on
to find changed orders, later than a webhook would.
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

func newWebhooksSubscribeCommand() *cobra.Command {
	var events []string
	var secretFile, secretMode string
	var change, test, asJSON bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "subscribe URL",
		Short: "Have InFlow call a gate when a sales order is created or updated",
		Long: `Have InFlow call URL, where a gate takes webhooks, when a sales order is created
or updated. URL begins with https://; http:// is for this machine alone.

Where the account has a subscription with this URL, the command says so and
changes nothing; --change-events changes its events.

InFlow gives the subscription's secret once. It is printed, or written to
--secret-file with mode 0600, before the secrets that the file may have: the file
has the form of WEBHOOK_SECRET_FILE. Where the answer with the secret is lost, the
subscription is replaced by another, and the command says so.

--test sends a signed delivery, of an event that the gate ignores, through URL,
and waits until it is accepted: the ingress must come to know the secret
meanwhile. For a subscription that exists it is signed with the first secret of
--secret-file, WEBHOOK_SECRET or WEBHOOK_SECRET_FILE.
` + accountHelp + `

Exit status: 0 there is such a subscription, 1 not, or a test was not accepted.`,
		Example: `  gate webhooks subscribe https://gate.example.com/webhook/inflow
  gate webhooks subscribe https://gate.example.com/webhook/inflow --secret-file webhook-secret --test
  gate webhooks subscribe https://gate.example.com/webhook/inflow --event SalesOrderCreatedV1 --event SalesOrderUpdatedV1`,
		Args: oneArg("gate webhooks subscribe needs one argument, the URL that InFlow is to call"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			manager, settings, settingsErr := newSubscriptionManager(cmd)
			address, aboutURL, urlErr := subscriptions.CheckURL(args[0], settings.InflowAPIURL)
			names, aboutEvents, eventsErr := subscriptions.CheckEvents(events)
			keeper, keeperErr := secretKeeper(cmd, secretFile, secretMode, func(s inflow.Subscription) error {
				created := shown(s)
				created.Secret, created.Outcome = string(s.Secret), outcomeSubscribed
				return writeSubscription(out, asJSON, created)
			})
			if err := errors.Join(settingsErr, urlErr, eventsErr, positive("--wait", wait), keeperErr); err != nil {
				return err
			}
			unlock, err := lockSecrets(keeper)
			if err != nil {
				return err
			}
			defer unlock()
			for _, warning := range append(aboutURL, aboutEvents...) {
				cmd.PrintErrln("warning: " + warning)
			}
			result, err := manager.Subscribe(cmd.Context(), subscriptions.SubscribeOptions{
				URL: address, Events: names, ChangeEvents: change, Keeper: keeper,
			})
			if err != nil {
				return err
			}
			toFile := secretFile != "" && secretFile != secretsToStdout
			if err := reportSubscribed(cmd, result, asJSON, toFile, secretFile, names); err != nil || !test {
				return err
			}
			keys, err := testKeys(result, secretFile)
			if err != nil {
				return fmt.Errorf("--test: %w", err)
			}
			if err := manager.Test(cmd.Context(), result.URL, keys[0], subscriptions.Acceptance{InARow: 1, Within: wait}); err != nil {
				return fmt.Errorf("%w\nThe subscription is there. When the ingress is up and knows the secret, run the same command again", err)
			}
			cmd.PrintErrf("%s accepted a signed test delivery\n", result.URL)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&events, "event", subscriptions.DefaultEvents(), "an event to subscribe to; may be given several times")
	flags.StringVar(&secretFile, "secret-file", "", "write the secret to this file instead of printing it")
	addSecretMode(cmd, &secretMode)
	flags.BoolVar(&change, "change-events", false, "change the events of a subscription that exists")
	flags.BoolVar(&test, "test", false, "send a signed test delivery through the URL, and wait until it is accepted")
	flags.DurationVar(&wait, "wait", subscriptions.DefaultWait, "how long --test waits")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// reportSubscribed prints what was not printed with the secret, and says what to do about it.
func reportSubscribed(cmd *cobra.Command, result *subscriptions.Subscribed, asJSON, toFile bool, secretFile string, asked []string) error {
	out, kept := cmd.OutOrStdout(), shown(result.Subscription)
	for _, also := range result.Also {
		cmd.PrintErrf("subscription %s has the same URL, for %s: 'gate webhooks unsubscribe %s' removes it, where it is not a rotation's that goes on\n", also.ID, strings.Join(also.Events, ", "), also.ID)
	}
	switch {
	case result.Created && !toFile:
		cmd.PrintErrln("InFlow shows this secret once: set WEBHOOK_SECRET to it, or write it to the file of WEBHOOK_SECRET_FILE.")
		return nil // it was printed with the secret
	case result.Created:
		kept.Outcome, kept.SecretFile = outcomeSubscribed, secretFile
		return writeSubscription(out, asJSON, kept)
	case result.Changed:
		kept.Outcome = outcomeChanged
		return writeSubscription(out, asJSON, kept)
	case result.OtherEvents:
		cmd.PrintErrf("The subscription exists, and its events are not %s. Nothing was changed; the same command with --change-events changes them.\n", strings.Join(asked, ", "))
	default:
		cmd.PrintErrln("The subscription exists, and nothing was changed.")
	}
	if _, err := os.Stat(secretFile); toFile && err != nil {
		cmd.PrintErrf("InFlow does not show its secret again, and %s does not exist.\n", secretFile)
	}
	cmd.PrintErrf("If its secret is lost, 'gate webhooks rotate %s' replaces it.\n", result.ID)
	kept.Outcome = outcomeExists
	return writeSubscription(out, asJSON, kept)
}

// testKeys are the new secret, or those that are configured for a subscription that exists.
func testKeys(result *subscriptions.Subscribed, secretFile string) ([]inflow.SigningKey, error) {
	switch {
	case result.Created:
		key, err := inflow.ParseSecret(string(result.Secret))
		return []inflow.SigningKey{key}, err
	case secretFile != "" && secretFile != secretsToStdout:
		return readSecretFile("--secret-file", secretFile)
	default:
		return signingKeys()
	}
}

func newWebhooksRotateCommand() *cobra.Command {
	var secretFile, secretMode string
	var asJSON bool
	var options subscriptions.RotateOptions
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Replace a subscription by one with a new secret, refusing no delivery",
		Long: `Replace a webhook subscription by one with a new secret, without a moment in
which a delivery is refused:

  1. The new subscription is made for an event that the gate ignores.
  2. Its secret is written to --secret-file, before the old one, and test
     deliveries are sent to the subscription's URL until the ingress accepts them.
  3. The new subscription gets the old one's events.
  4. The old subscription is removed. Its secret stays in the file: InFlow may yet
     repeat deliveries that it signed.

Without a file the secret is printed, and the command waits while you put it where
the ingress finds it. If the ingress does not accept it within --wait, everything
is left as it was. An interrupted run is finished by the same command.

Test deliveries go over a connection each, --in-a-row of them in a row, so that
every ingress behind a balancer is met. To be sure of each, name them with --probe.
` + accountHelp + `

Exit status: 0 rotated, 1 not.`,
		Example: `  gate webhooks rotate 7c0e4a52-6b1f-4f0a-9d53-2d6f0c1e7b11
  gate webhooks rotate 7c0e4a52-6b1f-4f0a-9d53-2d6f0c1e7b11 --secret-file - --wait 30m
  gate webhooks rotate 7c0e4a52-6b1f-4f0a-9d53-2d6f0c1e7b11 \
    --probe http://10.0.0.5:5000/webhook/inflow --probe http://10.0.0.6:5000/webhook/inflow`,
		Args: oneArg("gate webhooks rotate needs one argument, the id of a subscription"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			manager, _, settingsErr := newSubscriptionManager(cmd)
			if secretFile == "" {
				secretFile = config.OS().Value("WEBHOOK_SECRET_FILE")
			}
			var keeperErr error
			options.Keeper, keeperErr = secretKeeper(cmd, secretFile, secretMode, func(s inflow.Subscription) error {
				if err := writeSubscription(out, asJSON, shownSubscription{ID: s.ID, Secret: string(s.Secret)}); err != nil {
					return err
				}
				cmd.PrintErrf("Give this secret to every ingress now, beside the old one: a further line of WEBHOOK_SECRET_FILE, which is read again by itself, or after a comma in WEBHOOK_SECRET, and restart. This command waits up to %v for that.\n", options.Acceptance.Within)
				return nil
			})
			err := errors.Join(settingsErr, keeperErr, positive("--wait", options.Acceptance.Within),
				positive("--in-a-row", options.Acceptance.InARow), checkProbes(options.Acceptance.URLs))
			if options.Overlap < 0 {
				err = errors.Join(err, fmt.Errorf("--overlap: %v is negative: write 0 or more", options.Overlap))
			}
			if err != nil {
				return err
			}
			unlock, err := lockSecrets(options.Keeper)
			if err != nil {
				return err
			}
			defer unlock()
			result, err := manager.Rotate(cmd.Context(), args[0], options)
			var refused *subscriptions.NotAccepted
			switch {
			case errors.As(err, &refused):
				return fmt.Errorf("%w\nRun it again when that is mended; --wait gives more time, and --probe names an address at which this machine reaches the ingress", err)
			case err != nil:
				return err
			}
			kept := shown(result.New)
			kept.Replaces = result.Old
			if secretFile != "" && secretFile != secretsToStdout && result.New.Secret != "" {
				kept.SecretFile = secretFile
			}
			if err := writeSubscription(out, asJSON, kept); err != nil {
				return err
			}
			if result.Already {
				cmd.PrintErrf("Subscription %s was rotated before: nothing was left to do.\n", result.Old)
				return nil
			}
			cmd.PrintErrf("Subscription %s is removed. Keep its secret for a day: InFlow may repeat deliveries that it signed. "+
				"Take it out of the ingress's secrets when gate_webhook_verified_total no longer grows for its secret_index, its place among the secrets from 0.\n", result.Old)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&secretFile, "secret-file", "", "the ingress's file of secrets; - prints the secret (default: the file that WEBHOOK_SECRET_FILE names)")
	addSecretMode(cmd, &secretMode)
	flags.DurationVar(&options.Acceptance.Within, "wait", subscriptions.DefaultWait, "how long to wait for the ingress to accept the new secret")
	flags.IntVar(&options.Acceptance.InARow, "in-a-row", subscriptions.DefaultInARow, "how many test deliveries must be accepted in a row")
	flags.StringArrayVar(&options.Acceptance.URLs, "probe", nil, "send the test deliveries here instead of to the subscription's URL; may be given several times")
	flags.DurationVar(&options.Overlap, "overlap", 5*time.Second, "how long both subscriptions send before the old one is removed")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object; a secret that is printed is in one before it")
	return cmd
}

func addSecretMode(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "secret-mode", strconv.FormatUint(uint64(subscriptions.DefaultSecretMode), 8), "mode of the secret file, in octal, for an ingress that runs as another user")
}

// secretKeeper writes secrets to a file, or shows them where there is none. It fails
// where that could not be done.
func secretKeeper(cmd *cobra.Command, path, mode string, show subscriptions.Show) (subscriptions.Keeper, error) {
	if path == "" || path == secretsToStdout {
		return show, nil
	}
	parsed, err := subscriptions.ParseSecretMode(mode)
	if err != nil {
		err = fmt.Errorf("--secret-mode: %w", err)
	}
	file := &subscriptions.SecretFile{Path: path, Mode: parsed, Say: func(line string) { cmd.PrintErrln(line) }}
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

func checkProbes(targets []string) error {
	var faults []error
	for _, target := range targets {
		if u, err := url.Parse(target); err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			faults = append(faults, errors.New("--probe: write a whole URL, such as http://10.0.0.5:5000"+subscriptions.WebhookPath))
		}
	}
	return errors.Join(faults...)
}

func newSubscriptionManager(cmd *cobra.Command) (*subscriptions.Manager, config.Subscriptions, error) {
	settings, err := config.LoadSubscriptions(config.OS())
	if err != nil {
		return nil, settings, err
	}
	client, err := newInflowClient(&settings.Account, nil)
	if err != nil {
		return nil, settings, err
	}
	return &subscriptions.Manager{API: client, Say: func(line string) { cmd.PrintErrln(line) }}, settings, nil
}

// newInflowClient returns a client of InFlow's API. It counts requests if meter is not nil.
func newInflowClient(account *config.Account, meter metric.MeterProvider) (*inflow.Client, error) {
	options := account.Options()
	options.MeterProvider = meter
	return inflow.NewClient(options)
}
