package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"error-check-gate/activities"
	"error-check-gate/internal/config"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
)

func newWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Run a worker: fetch orders from InFlow and check them",
		Long: `Run a worker of Temporal's task queues error-check-gate and inflow-api. It
fetches the orders that webhooks announced, and checks them. Run as many workers
as you like: together they send InFlow at most INFLOW_REQUESTS_PER_MINUTE.

Set INFLOW_COMPANY_ID, INFLOW_API_KEY and the connection to Temporal (TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS, …). 'gate config --process
worker' shows every setting. On SIGTERM it finishes running activities.`,
		Args: exactArgs(0, "gate worker takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.LoadWorker(config.OS())
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return process(cmd.Context(), "gate-worker", settings.Log, settings.Admin,
				func(ctx context.Context, t *telemetry.Telemetry) error { return runWorker(ctx, settings, t) })
		},
	}
}

func runWorker(ctx context.Context, settings config.Worker, t *telemetry.Telemetry) error {
	ruleSets, err := live.Follow(ctx, settings.RulesFiles,
		live.Options{Logger: t.Logger, Meter: t.MeterProvider})
	if err != nil {
		return &exitError{
			code: exitUsage,
			err:  fmt.Errorf("RULES_FILE=%s:\n%w", strings.Join(settings.RulesFiles, ","), err),
		}
	}
	orders, err := newInflowClient(&settings.Account, t.MeterProvider)
	if err != nil {
		return err
	}
	keys := settings.Keys()
	temporal, err := temporalconn.Dial(ctx,
		temporalconn.Options{Telemetry: t, PayloadKeys: keys, RecordKeys: true})
	if err != nil {
		return err
	}
	defer temporal.Close()
	effective, err := temporalconn.Effective()
	if err != nil {
		return err
	}
	if err := temporalconn.EnsureSearchAttributes(ctx, temporal, effective.Namespace); err != nil {
		return err
	}
	notifier, err := newNotifier(settings, effective.Namespace, t)
	if err != nil {
		return err
	}
	marks, err := activities.NewHoldMarks(settings.InflowHoldField, settings.InflowHoldText,
		settings.TimeZone.Location(), settings.InflowHoldPending)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ruleSets.Run(ctx) })
	group.Go(func() error {
		g := gate.Gate{
			Temporal:    temporal,
			Namespace:   effective.Namespace,
			PayloadKeys: keys,
			Telemetry:   t,
		}
		options := settings.Options()
		options.Started, options.CountOutcome = t.ReadyWhen, ruleSets.CountOutcome
		return g.RunWorker(ctx, options, &activities.Activities{
			Orders: orders, Rules: ruleSets.Set, Count: ruleSets.Count, Notifier: notifier,
			SalesRep:       settings.NotifySalesRep,
			NoticesPerHour: settings.NoticesPerHour, HoldMarks: marks,
		})
	})
	return group.Wait()
}

func newNotifier(
	settings config.Worker, namespace string, t *telemetry.Telemetry,
) (*notify.Notifier, error) {
	options, err := settings.NoticeOptions()
	if err != nil {
		return nil, err
	}
	options.Namespace, options.MeterProvider = namespace, t.MeterProvider
	return notify.New(options)
}
