package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/ingress"
	"error-check-gate/internal/config"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
)

// auditStopTimeout limits writing the last audit lines when a process stops.
const auditStopTimeout = 2 * time.Second

// drainNotice is long enough for busy clients to get an answer that closes their connection. A
// connection that is cut between two requests looks like a lost delivery.
const drainNotice = time.Second

func newIngressCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ingress",
		Short: "Take InFlow's webhooks and hand them to Temporal",
		Long: `Listen on LISTEN_ADDR (default :5000) for InFlow's webhooks at POST
/webhook/inflow. A delivery gets 200 once its signature is verified and Temporal
has committed it. Without a 200, InFlow sends the delivery again.

Set WEBHOOK_SECRET or WEBHOOK_SECRET_FILE to the secret that InFlow gave you for the
subscription, and the connection to Temporal (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
TEMPORAL_API_KEY, TEMPORAL_TLS, …). While Temporal is down, the process starts and
answers 503. 'gate config --process ingress' shows every setting. On
SIGTERM it finishes what it has accepted, within 25 seconds.`,
		Args: exactArgs(0, "gate ingress takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.LoadIngress(config.OS())
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return process(cmd.Context(), "gate-ingress", settings.Log, settings.Admin,
				func(ctx context.Context, t *telemetry.Telemetry) error {
					return runIngress(ctx, settings, t)
				})
		},
	}
}

func runIngress(ctx context.Context, settings config.Ingress, t *telemetry.Telemetry) (err error) {
	listener, err := listen(ctx, "LISTEN_ADDR", settings.ListenAddr)
	if err != nil {
		return err
	}
	defer listener.Close() // in case Serve is not reached
	secrets, err := webhookSecrets(settings.Signing, t)
	if err != nil {
		return err
	}
	temporal, err := temporalconn.Lazy(temporalconn.Options{Telemetry: t})
	if err != nil {
		return err
	}
	defer temporal.Close()
	auditOptions := settings.AuditOptions()
	auditOptions.Logger, auditOptions.MeterProvider = t.Logger, t.MeterProvider
	audit, err := ingress.OpenAuditLog(auditOptions)
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditStopTimeout)
		defer cancel()
		err = errors.Join(err, audit.Close(stop))
	}()

	options := settings.Options()
	options.Secrets, options.Audit, options.DrainNotice = secrets, audit, drainNotice
	g := gate.Gate{Temporal: temporal, Telemetry: t}
	server, err := g.NewIngress(options)
	if err != nil {
		return err
	}
	t.ReadyWhen(server.Ready)
	return server.Serve(ctx, listener)
}

func webhookSecrets(signing config.Signing, t *telemetry.Telemetry) (ingress.Secrets, error) {
	if signing.WebhookSecretFile != "" {
		return ingress.OpenSecretFile(signing.WebhookSecretFile, t.Logger)
	}
	return ingress.NewFixedSecrets(signing.SigningKeys())
}
