package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"error-check-gate/activities"
	"error-check-gate/internal/config"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
	"error-check-gate/worker"
)

func newWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Run a worker: fetch orders from InFlow and check them",
		Long: `Run a worker of Temporal's task queues error-check-gate and inflow-api. It
fetches the orders that webhooks announced and checks them. Run as many as you
like: InFlow sees at most INFLOW_REQUESTS_PER_MINUTE over all of them.

Needs INFLOW_COMPANY_ID and INFLOW_API_KEY, and Temporal (TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS, …). 'gate config --process
worker' shows every setting. On SIGTERM it finishes what is under way.`,
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
	ruleSets, err := live.Follow(ctx, rulefile.Paths(settings.RulesFile), live.Options{Logger: t.Logger, Meter: t.MeterProvider})
	if err != nil {
		return &exitError{code: exitUsage, err: fmt.Errorf("RULES_FILE=%s:\n%w", settings.RulesFile, err)}
	}
	orders, err := newInflowClient(settings.Account, t.MeterProvider)
	if err != nil {
		return err
	}
	keys, err := settings.Keys()
	if err != nil {
		return err
	}
	temporal, err := temporalconn.Dial(ctx, temporalconn.Options{Telemetry: t, PayloadKeys: keys, RecordKeys: true})
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
	digest, err := digestSchedule(&settings.Digest, &settings.Notify)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ruleSets.Run(ctx) })
	group.Go(func() error {
		g := gate.Gate{Temporal: temporal, Namespace: effective.Namespace, PayloadKeys: keys, Telemetry: t}
		return g.RunWorker(ctx, worker.Options{
			Settings:                workflowSettings(settings.Settle, settings.Hold, settings.NotifyWarnings),
			Sweep:                   worker.Sweep{Every: settings.SweepEvery, Days: settings.SweepDays, Account: settings.InflowCompanyID},
			Digest:                  digest,
			InflowRequestsPerMinute: settings.InflowRequestsPerMinute,
			StopTimeout:             settings.StopTimeout,
			Deployment:              settings.WorkerDeployment,
			BuildID:                 settings.WorkerBuildID,
			CachedRuns:              settings.CachedRuns,
			Started:                 t.ReadyWhen,
		}, &activities.Activities{
			Orders: orders, Rules: ruleSets.Set, Count: ruleSets.Count, Notifier: notifier, SalesRep: settings.NotifySalesRep,
			NoticesPerHour: settings.NoticesPerHour,
		})
	})
	return group.Wait()
}

func workflowSettings(settle config.Settle, hold config.Hold, notifyWarnings bool) orderlife.Settings {
	return orderlife.Settings{
		SettleQuiet:    settle.SettleQuiet,
		SettleMax:      settle.SettleMax,
		GracePeriod:    hold.GracePeriod,
		HoldMax:        hold.HoldMax,
		RemindEvery:    hold.RemindEvery,
		NotifyWarnings: notifyWarnings,
	}
}

// digestSchedule returns when digests are sent.
func digestSchedule(settings *config.Digest, notices *config.Notify) (worker.Digest, error) {
	var d worker.Digest
	var on bool
	var err error
	if d.Hour, d.Minute, on, err = settings.Time(); err != nil || !on {
		return worker.Digest{}, err
	}
	if d.Days, err = settings.Weekdays(); err != nil {
		return d, err
	}
	d.TimeZone, err = notices.ZoneName()
	return d, err
}

func newNotifier(settings config.Worker, namespace string, t *telemetry.Telemetry) (*notify.Notifier, error) {
	options, err := settings.Notify.Options()
	if err != nil {
		return nil, err
	}
	options.TemporalUIURL, options.Namespace = settings.TemporalUIURL, namespace
	options.DeskURL = settings.DeskURL
	if options.DeskLinks, err = settings.Signer(); err != nil {
		return nil, err
	}
	options.MeterProvider = t.MeterProvider
	return notify.New(options)
}
