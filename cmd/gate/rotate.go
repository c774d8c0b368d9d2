package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/internal/config"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/subscriptions"
)

// rotateFlags holds the flags of 'gate webhooks rotate'.
type rotateFlags struct {
	subscriptions.RotateOptions

	secretFile, secretMode string
	asJSON                 bool
}

func newWebhooksRotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Replace a subscription by one with a new secret, refusing no delivery",
		Long: `Replace a webhook subscription with one that has a new secret. No delivery is
refused meanwhile:

  1. The command makes a new subscription, for an event that the gate ignores.
  2. It writes the new secret to --secret-file, before the old one, and sends test
     deliveries to the subscription's URL until the ingress accepts them.
  3. It gives the old subscription's events to the new one.
  4. It removes the old subscription. The old secret stays in the file, because
     InFlow may repeat deliveries that it signed with it.

Without a file, the command prints the secret and waits while you give it to the
ingress. If the ingress does not accept it within --wait, nothing changes. If the
command is interrupted, run it again to finish.

Each test delivery uses a connection of its own, and --in-a-row of them must be
accepted in a row, so that they reach every ingress behind a balancer. To be sure of
each ingress, name them with --probe.
` + accountHelp + `

Exit status: 0 rotated, 1 not.`,
		Example: `  gate webhooks rotate 7c0e4a52-6b1f-4f0a-9d53-2d6f0c1e7b11
  gate webhooks rotate 7c0e4a52-6b1f-4f0a-9d53-2d6f0c1e7b11 --secret-file - --wait 30m
  gate webhooks rotate 7c0e4a52-6b1f-4f0a-9d53-2d6f0c1e7b11 \
    --probe http://10.0.0.5:5000/webhook/inflow --probe http://10.0.0.6:5000/webhook/inflow`,
		Args: oneArg("gate webhooks rotate needs one argument, the id of a subscription"),
		RunE: func(cmd *cobra.Command, args []string) error { return rotate(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.secretFile, "secret-file", "", "the ingress's file of secrets; "+
		"- prints the secret (default: the file that WEBHOOK_SECRET_FILE names)")
	addSecretMode(cmd, &f.secretMode)
	flags.DurationVar(&f.Acceptance.Within, "wait", subscriptions.DefaultWait,
		"how long to wait for the ingress to accept the new secret")
	flags.IntVar(&f.Acceptance.InARow, "in-a-row", subscriptions.DefaultInARow,
		"how many test deliveries must be accepted in a row")
	flags.StringArrayVar(&f.Acceptance.URLs, "probe", nil,
		"send the test deliveries here instead of to the subscription's URL; may be repeated")
	flags.DurationVar(&f.Overlap, "overlap", 5*time.Second,
		"how long both subscriptions send before the old one is removed")
	flags.BoolVar(&f.asJSON, "json", false,
		"print one JSON object; if the secret is printed, it is in an object before that")
	return cmd
}

func rotate(cmd *cobra.Command, id string, f rotateFlags) error {
	manager, _, settingsErr := newSubscriptionManager(cmd)
	if f.secretFile == "" {
		f.secretFile = config.OS().Value("WEBHOOK_SECRET_FILE")
	}
	keeper, keeperErr := secretKeeper(cmd, f.secretFile, f.secretMode, f.showSecret(cmd))
	if err := errors.Join(settingsErr, keeperErr, f.validate()); err != nil {
		return err
	}
	f.Keeper = keeper
	unlock, err := lockSecrets(keeper)
	if err != nil {
		return err
	}
	defer unlock()
	result, err := manager.Rotate(cmd.Context(), id, f.RotateOptions)
	var refused *subscriptions.NotAccepted
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("%w\nFix this, then run the command again; --wait gives more time, "+
			"and --probe names an address at which this machine reaches the ingress", err)
	case err != nil:
		return err
	}
	return f.report(cmd, result)
}

// showSecret returns a function that prints a new secret, and says what to do with it.
func (f *rotateFlags) showSecret(cmd *cobra.Command) subscriptions.Show {
	return func(s inflow.Subscription) error {
		secret := shownSubscription{ID: s.ID, Secret: string(s.Secret)}
		if err := writeSubscription(cmd.OutOrStdout(), f.asJSON, secret); err != nil {
			return err
		}
		cmd.PrintErrf("Give this secret to every ingress now, beside the old one: "+
			"as another line of WEBHOOK_SECRET_FILE, which the ingress reloads, "+
			"or after a comma in WEBHOOK_SECRET, and restart. This command waits up to %v for that.\n",
			f.Acceptance.Within)
		return nil
	}
}

func (f *rotateFlags) validate() error {
	faults := []error{
		positive("--wait", f.Acceptance.Within), positive("--in-a-row", f.Acceptance.InARow),
	}
	for _, target := range f.Acceptance.URLs {
		u, err := url.Parse(target)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			faults = append(faults, errors.New("--probe: write a whole URL, such as http://10.0.0.5:5000"+
				subscriptions.WebhookPath))
		}
	}
	if f.Overlap < 0 {
		faults = append(faults, fmt.Errorf("--overlap: %v is negative: write 0 or more", f.Overlap))
	}
	return errors.Join(faults...)
}

// report prints the new subscription, and says how long the old secret is needed.
func (f *rotateFlags) report(cmd *cobra.Command, result *subscriptions.Rotated) error {
	kept := shown(result.New)
	kept.Replaces = result.Old
	if f.secretFile != "" && f.secretFile != secretsToStdout && result.New.Secret != "" {
		kept.SecretFile = f.secretFile
	}
	if err := writeSubscription(cmd.OutOrStdout(), f.asJSON, kept); err != nil {
		return err
	}
	if result.Already {
		cmd.PrintErrf("Subscription %s was rotated before: nothing was left to do.\n", result.Old)
		return nil
	}
	cmd.PrintErrf("Subscription %s is removed. Keep its secret for a day, because InFlow may repeat "+
		"deliveries that it signed. Remove it from the ingress's secrets when "+
		"gate_webhook_verified_total no longer grows for its secret_index, "+
		"which counts the secrets from 0.\n", result.Old)
	return nil
}
