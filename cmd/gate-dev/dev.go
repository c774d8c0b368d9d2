package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/ingress"
	"error-check-gate/internal/config"
	"error-check-gate/internal/dev"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/telemetry"
)

func newDevCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "gate-dev",
		Short: "Run everything on this machine, with a stand-in for InFlow and sample orders",
		Long: `Run the whole gate on this machine: Temporal's development server and its Web UI,
a stand-in for InFlow with sample orders, the ingress, the desk and a worker.
A table shows each order's status and the rules that it breaks. A page shows the
mail that the gate sends. Errors are confirmed after GRACE_PERIOD (20s here).

Edit an order on the stand-in's page and watch the gate check it. Ctrl-C stops
everything. Temporal's history stays in DEV_DIR (.gate) for the next start.

Settings come from the environment or from a file .env:
  Addresses   LISTEN_ADDR (:5000), DESK_ADDR (127.0.0.1:5030),
              ADMIN_ADDR (127.0.0.1:9464), DEV_INFLOW_ADDR (127.0.0.1:5010),
              DEV_MAIL_ADDR (127.0.0.1:5025), DEV_TEMPORAL_PORT (7233),
              DEV_TEMPORAL_UI_PORT (8233), DEV_SMTP_PORT (1025)
  Checks      SETTLE_QUIET, SETTLE_MAX, GRACE_PERIOD, HOLD_MAX, REMIND_EVERY,
              NOTIFY_WARNINGS, SWEEP_EVERY (1m), SWEEP_DAYS, RULES_FILE,
              INFLOW_REQUESTS_PER_MINUTE (600), INFLOW_HOLD_FIELD,
              INFLOW_HOLD_TEXT, INFLOW_HOLD_PENDING
  Encryption  PAYLOAD_KEYS; a codec server then listens on CODEC_LISTEN_ADDR
              (127.0.0.1:5020)
  Files       DEV_DIR

Requires the commands temporal and mailpit. They may be named by TEMPORAL_CLI and
MAILPIT_CLI, be on the PATH, or be in bin/, where 'make dev' builds them.`,
		Example: `  gate-dev
  LISTEN_ADDR=:6000 GRACE_PERIOD=1m gate-dev
  gate-dev fake-inflow`,
		Version:       version,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			environment, err := config.OS().WithDotEnv(".env")
			if err != nil {
				return &usageError{err}
			}
			// Libraries read TEMPORAL_* and OTEL_* from the process's environment.
			if err := environment.Setenv(); err != nil {
				return &usageError{err}
			}
			settings, err := config.LoadDev(environment)
			if err != nil {
				return &usageError{err}
			}
			return runDev(cmd, settings)
		},
	}
}

const (
	// telemetryStopTimeout limits sending the last spans and metrics and writing the last log
	// lines.
	telemetryStopTimeout = 5 * time.Second
	// auditStopTimeout limits writing the last lines of the audit log.
	auditStopTimeout = 2 * time.Second
)

func runDev(cmd *cobra.Command, settings config.Dev) (err error) {
	ctx := cmd.Context()
	if err := os.MkdirAll(settings.DevDir, 0o700); err != nil {
		return fmt.Errorf("DEV_DIR=%s: %w", settings.DevDir, err)
	}
	log, err := os.OpenFile(filepath.Join(settings.DevDir, "gate.log"),
		os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("DEV_DIR=%s: %w", settings.DevDir, err)
	}
	defer log.Close()
	t, err := telemetry.Start(ctx, telemetry.Options{
		Service: "gate-dev", Version: version,
		LogLevel: settings.LogLevel, LogFormat: settings.LogFormat, LogWriter: log,
	})
	if err != nil {
		return &usageError{err}
	}
	defer stopTelemetry(ctx, t)
	ruleSets, err := live.Follow(ctx, settings.RulesFiles,
		live.Options{Logger: t.Logger, Meter: t.MeterProvider})
	if err != nil {
		return &usageError{fmt.Errorf("RULES_FILE=%s:\n%w", strings.Join(settings.RulesFiles, ","), err)}
	}
	audit, err := ingress.OpenAuditLog(ingress.AuditOptions{
		Target:  filepath.Join(settings.DevDir, "audit.log"),
		MaxSize: ingress.DefaultAuditMaxSize, Keep: ingress.DefaultAuditKeep,
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
	return dev.Run(ctx, dev.Options{
		HoldField:      settings.InflowHoldField,
		HoldText:       settings.InflowHoldText,
		HoldPending:    settings.InflowHoldPending,
		Dir:            settings.DevDir,
		ListenAddr:     settings.ListenAddr,
		DeskAddr:       settings.DeskAddr,
		AdminAddr:      settings.AdminAddr,
		InflowAddr:     settings.DevInflowAddr,
		TemporalPort:   settings.DevTemporalPort,
		TemporalUIPort: settings.DevTemporalUIPort,
		SMTPPort:       settings.DevSMTPPort,
		MailAddr:       settings.DevMailAddr,
		Settings:       settings.OrderSettings(),
		SweepEvery:     settings.SweepEvery, SweepDays: settings.SweepDays,
		InflowRequestsPerMinute: settings.InflowRequestsPerMinute,
		Ingress: ingress.Options{
			RateLimit: ingress.DefaultRateLimit, PeerRateLimit: ingress.DefaultPeerRateLimit,
			PeerFailureLimit:   ingress.DefaultPeerFailureLimit,
			MaxConnections:     ingress.DefaultMaxConnections,
			PeerMaxConnections: ingress.DefaultPeerMaxConnections,
			Audit:              audit,
		},
		Rules:       ruleSets,
		PayloadKeys: settings.Keys(),
		CodecAddr:   settings.CodecListenAddr,
		Telemetry:   t,
		Out:         cmd.OutOrStdout(),
	})
}

func stopTelemetry(ctx context.Context, t *telemetry.Telemetry) {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryStopTimeout)
	defer cancel()
	if err := t.Shutdown(stop); err != nil {
		t.Logger.WarnContext(ctx, "the last traces and metrics were not sent", "error", err)
	}
	_ = t.FlushLog(stop) // a failure could only be written to the log
}
