package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"error-check-gate/ingress"
	"error-check-gate/internal/config"
	"error-check-gate/internal/dev"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/telemetry"
)

func newDevCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine, with a stand-in for InFlow and sample orders",
		Long: `Start Temporal's development server with its Web UI, a stand-in for InFlow with
sample orders, the ingress and a worker. The gate subscribes itself at the
stand-in, whose webhooks then go out signed, as InFlow's do. A table shows
each order's status, the rules it breaks and the link to its run. Errors are
confirmed after GRACE_PERIOD (20s here), and a page shows the mail that tells of them.

Edit an order on the stand-in's page and watch it being checked. Ctrl-C stops
everything; Temporal's history stays in DEV_DIR (.gate) for the next time.

Settings, from the environment or a file .env: LISTEN_ADDR (:5000), ADMIN_ADDR
(127.0.0.1:9464), DEV_INFLOW_ADDR (127.0.0.1:5010), DEV_TEMPORAL_PORT (7233),
DEV_TEMPORAL_UI_PORT (8233), DEV_SMTP_PORT (1025), DEV_MAIL_ADDR (127.0.0.1:5025),
DEV_DIR, SETTLE_QUIET, SETTLE_MAX, GRACE_PERIOD, HOLD_MAX, REMIND_EVERY, NOTIFY_WARNINGS, SWEEP_EVERY (1m), SWEEP_DAYS,
INFLOW_REQUESTS_PER_MINUTE, and PAYLOAD_KEYS, with which a codec server
listens on CODEC_LISTEN_ADDR (127.0.0.1:5020). Needs the commands temporal and mailpit: TEMPORAL_CLI
and MAILPIT_CLI, on the PATH, or in bin/, where 'make dev' builds them.`,
		Args: exactArgs(0, "gate dev takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			environment, err := config.OS().WithDotEnv(".env")
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			// Temporal's and OpenTelemetry's own variables may be in .env too.
			if err := environment.Setenv(); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			settings, err := config.LoadDev(environment)
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return runDev(cmd, settings)
		},
	}
}

func runDev(cmd *cobra.Command, settings config.Dev) (err error) {
	ctx := cmd.Context()
	if err := os.MkdirAll(settings.DevDir, 0o700); err != nil {
		return fmt.Errorf("DEV_DIR=%s: %w", settings.DevDir, err)
	}
	log, err := os.OpenFile(filepath.Join(settings.DevDir, "gate.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("DEV_DIR=%s: %w", settings.DevDir, err)
	}
	defer log.Close()
	t, err := telemetry.Start(ctx, telemetry.Options{
		Service: "gate-dev", Version: version, LogLevel: settings.LogLevel, LogFormat: settings.LogFormat, LogWriter: log,
	})
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	defer stopTelemetry(ctx, t)
	ruleSets, err := live.Follow(ctx, rulefile.Paths(settings.RulesFile), live.Options{Logger: t.Logger, Meter: t.MeterProvider})
	if err != nil {
		return &exitError{code: exitUsage, err: fmt.Errorf("RULES_FILE=%s:\n%w", settings.RulesFile, err)}
	}
	audit, err := ingress.OpenAuditLog(ingress.AuditOptions{
		Target: filepath.Join(settings.DevDir, "audit.log"), MaxSize: ingress.DefaultAuditMaxSize, Keep: ingress.DefaultAuditKeep,
		Logger: t.Logger, MeterProvider: t.MeterProvider,
	})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditStopTimeout)
		defer cancel()
		if closeErr := audit.Close(stop); closeErr != nil && err == nil {
			err = closeErr
		}
	}()
	keys, err := settings.Keys()
	if err != nil {
		return err
	}
	return dev.Run(ctx, dev.Options{
		Dir:            settings.DevDir,
		ListenAddr:     settings.ListenAddr,
		DeskAddr:       settings.DeskAddr,
		AdminAddr:      settings.AdminAddr,
		InflowAddr:     settings.DevInflowAddr,
		TemporalPort:   settings.DevTemporalPort,
		TemporalUIPort: settings.DevTemporalUIPort,
		SMTPPort:       settings.DevSMTPPort,
		MailAddr:       settings.DevMailAddr,
		Settings: workflowSettings(settings.Settle, config.Hold{
			GracePeriod: settings.GracePeriod, HoldMax: settings.HoldMax, RemindEvery: settings.RemindEvery,
		}, settings.NotifyWarnings),
		SweepEvery: settings.SweepEvery, SweepDays: settings.SweepDays,
		InflowRequestsPerMinute: settings.InflowRequestsPerMinute,
		Ingress: ingress.Options{
			RateLimit: ingress.DefaultRateLimit, PeerRateLimit: ingress.DefaultPeerRateLimit, PeerFailureLimit: ingress.DefaultPeerFailureLimit,
			MaxConnections: ingress.DefaultMaxConnections, PeerMaxConnections: ingress.DefaultPeerMaxConnections,
			Audit: audit,
		},
		Rules:       ruleSets,
		PayloadKeys: keys,
		CodecAddr:   settings.CodecListenAddr,
		Telemetry:   t,
		Out:         cmd.OutOrStdout(),
	})
}
