package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/subscriptions"
)

// subscribeFlags holds the flags of 'gate webhooks subscribe'.
type subscribeFlags struct {
	events                 []string
	secretFile, secretMode string
	change, test, asJSON   bool
	wait                   time.Duration
}

func newWebhooksSubscribeCommand() *cobra.Command {
	var f subscribeFlags
	cmd := &cobra.Command{
		Use:   "subscribe URL",
		Short: "Have InFlow call a gate when a sales order is created or updated",
		Long: `Have InFlow call URL when a sales order is created or updated. URL is the address at
which a gate receives webhooks. It must begin with https://, or with http:// if it is
on this machine.

If the account has a subscription with this URL, the command says so and changes
nothing. --change-events changes the subscription's events.

InFlow shows the subscription's secret only once. The command prints it, or writes
it to --secret-file with mode 0600, before the secrets that are in the file. The
file has the format of WEBHOOK_SECRET_FILE. If InFlow's answer with the secret is
lost, the command replaces the subscription with a new one, and says so.

--test sends a signed delivery through URL, with an event that the gate ignores,
and waits until it is accepted. Meanwhile, give the secret to the ingress. For a
subscription that exists, the delivery is signed with the first secret of
--secret-file, WEBHOOK_SECRET or WEBHOOK_SECRET_FILE.
` + accountHelp + `

Exit status: 0 the subscription exists, 1 it does not, or a test was not accepted.`,
		Example: `  gate webhooks subscribe https://gate.example.com/webhook/inflow
  gate webhooks subscribe https://gate.example.com/webhook/inflow \
    --secret-file webhook-secret --test
  gate webhooks subscribe https://gate.example.com/webhook/inflow \
    --event SalesOrderCreatedV1 --event SalesOrderUpdatedV1`,
		Args: oneArg("gate webhooks subscribe needs one argument, the URL that InFlow should call"),
		RunE: func(cmd *cobra.Command, args []string) error { return subscribe(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.events, "event", subscriptions.DefaultEvents(),
		"an event to subscribe to; may be repeated")
	flags.StringVar(&f.secretFile, "secret-file", "",
		"write the secret to this file instead of printing it")
	addSecretMode(cmd, &f.secretMode)
	flags.BoolVar(&f.change, "change-events", false, "change the events of a subscription that exists")
	flags.BoolVar(&f.test, "test", false,
		"send a signed test delivery through the URL, and wait until it is accepted")
	flags.DurationVar(&f.wait, "wait", subscriptions.DefaultWait, "how long --test waits")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object")
	return cmd
}

// writesSecretFile reports whether a new secret goes to a file, and not to standard output.
func (f *subscribeFlags) writesSecretFile() bool {
	return f.secretFile != "" && f.secretFile != secretsToStdout
}

func subscribe(cmd *cobra.Command, target string, f subscribeFlags) error {
	manager, settings, settingsErr := newSubscriptionManager(cmd)
	address, aboutURL, urlErr := subscriptions.CheckURL(target, settings.InflowAPIURL)
	names, aboutEvents, eventsErr := subscriptions.CheckEvents(f.events)
	show := func(s inflow.Subscription) error {
		created := shown(s)
		created.Secret, created.Outcome = string(s.Secret), outcomeSubscribed
		return writeSubscription(cmd.OutOrStdout(), f.asJSON, created)
	}
	keeper, keeperErr := secretKeeper(cmd, f.secretFile, f.secretMode, show)
	err := errors.Join(settingsErr, urlErr, eventsErr, positive("--wait", f.wait), keeperErr)
	if err != nil {
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
		URL: address, Events: names, ChangeEvents: f.change, Keeper: keeper,
	})
	if err != nil {
		return err
	}
	if err := reportSubscribed(cmd, result, &f, names); err != nil || !f.test {
		return err
	}
	keys, err := testKeys(result, &f)
	if err != nil {
		return fmt.Errorf("--test: %w", err)
	}
	once := subscriptions.Acceptance{InARow: 1, Within: f.wait}
	if err := manager.Test(cmd.Context(), result.URL, keys[0], once); err != nil {
		return fmt.Errorf("%w\nThe subscription is there. "+
			"When the ingress is up and knows the secret, run the same command again", err)
	}
	cmd.PrintErrf("%s accepted a signed test delivery\n", result.URL)
	return nil
}

// reportSubscribed prints the subscription, unless it was printed with its secret, and says what to
// do next.
func reportSubscribed(
	cmd *cobra.Command, result *subscriptions.Subscribed, f *subscribeFlags, asked []string,
) error {
	out, kept := cmd.OutOrStdout(), shown(result.Subscription)
	for _, also := range result.Also {
		cmd.PrintErrf("subscription %s has the same URL, for %s: "+
			"'gate webhooks unsubscribe %s' removes it, "+
			"unless it belongs to a rotation that is not finished\n",
			also.ID, strings.Join(also.Events, ", "), also.ID)
	}
	switch {
	case result.Created && !f.writesSecretFile():
		cmd.PrintErrln("InFlow shows this secret once: set WEBHOOK_SECRET to it, " +
			"or write it to the file of WEBHOOK_SECRET_FILE.")
		return nil // it was printed with the secret
	case result.Created:
		kept.Outcome, kept.SecretFile = outcomeSubscribed, f.secretFile
		return writeSubscription(out, f.asJSON, kept)
	case result.Changed:
		kept.Outcome = outcomeChanged
		return writeSubscription(out, f.asJSON, kept)
	case result.OtherEvents:
		cmd.PrintErrf("The subscription exists, and its events are not %s. "+
			"Nothing was changed; the same command with --change-events changes them.\n",
			strings.Join(asked, ", "))
	default:
		cmd.PrintErrln("The subscription exists, and nothing was changed.")
	}
	if _, err := os.Stat(f.secretFile); f.writesSecretFile() && err != nil {
		cmd.PrintErrf("InFlow does not show its secret again, and %s does not exist.\n", f.secretFile)
	}
	cmd.PrintErrf("If its secret is lost, 'gate webhooks rotate %s' replaces it.\n", result.ID)
	kept.Outcome = outcomeExists
	return writeSubscription(out, f.asJSON, kept)
}

// testKeys returns the new secret or, if the subscription existed, the configured secrets.
func testKeys(result *subscriptions.Subscribed, f *subscribeFlags) ([]inflow.SigningKey, error) {
	switch {
	case result.Created:
		key, err := inflow.ParseSecret(string(result.Secret))
		return []inflow.SigningKey{key}, err
	case f.writesSecretFile():
		return readSecretFile("--secret-file", f.secretFile)
	default:
		return signingKeys()
	}
}
